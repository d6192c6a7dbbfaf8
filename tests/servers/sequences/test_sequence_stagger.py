"""`sequences stagger` and what `sequences check` proves and finds afterwards."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.nodes import Node, numbers
from tests.fixtures.sequence_nodes import new_database, stands

if TYPE_CHECKING:
    from tests.fixtures.sequence_nodes import Pair

TABLES = """
create schema app;
create table app.t (id serial primary key, v text);
create table app.i (id bigint generated always as identity primary key);
create sequence app.down increment -1;
"""


def nextval(node: Node, name: str) -> int:
    return int(node.value("select nextval(%s)", [name]))


def third(pair: Pair) -> Node:
    node = new_database(pair.b, f"third_{next(numbers)}")
    node.name = "c"
    pair.run.nodes = (*pair.run.nodes, node)
    return node


def test_each_node_gets_its_own_residue_and_check_proves_it(same: Pair) -> None:
    same.both(TABLES)
    same.a.execute("insert into app.t (v) select 'x' from generate_series(1, 30)")
    same.b.execute("insert into app.t (id) values (400)")

    before = same.run("check", "a", "b", "--sample", "0", "--json")
    plan = same.run("stagger", "a", "b")
    untouched = stands(same.b, "app.t_id_seq")
    done = same.run("stagger", "a", "b", "--apply")
    again = same.run("stagger", "a", "b", "--apply")
    after = same.run("check", "a", "b", "--sample", "0", "--json")

    assert before.code == 3
    overlapping = {
        x["sequencename"] for x in before.lines if x["risk"] == "overlapping"
    }
    assert overlapping == {"t_id_seq", "i_id_seq", "down"}
    assert plan.code == 0
    # Beyond 400, the furthest value that anybody used, and the margin.
    statement = 'ALTER SEQUENCE "app"."t_id_seq" INCREMENT BY 2 START WITH 1402'
    assert statement in plan.out
    assert untouched == (1, False)
    assert done.code == 0
    assert "proved by reading all nodes again" in done.err
    assert again.code == 0
    assert "3 have values of their own on each node, 0 changes" in again.err
    assert after.code == 0
    mine = {nextval(same.a, "app.t_id_seq") for _ in range(5)}
    theirs = {nextval(same.b, "app.t_id_seq") for _ in range(5)}
    assert mine.isdisjoint(theirs)
    assert min(mine | theirs) > 1400
    assert nextval(same.a, "app.down") % 2 != nextval(same.b, "app.down") % 2
    same.b.execute("insert into app.i default values")


@pytest.mark.majors(15, 19)
def test_the_printed_statements_do_the_same_by_hand(same: Pair) -> None:
    same.both(TABLES)
    plan = same.run("stagger", "a", "b", "--json").json

    for step in plan["steps"]:
        node = same.a if step["node"] == "a" else same.b
        node.execute(step["statement"])

    assert len(plan["steps"]) == 6
    assert same.run("check", "a", "b", "--sample", "0").code == 0
    assert same.run("stagger", "a", "b", "--json").json["steps"] == []


@pytest.mark.majors(15, 18)
@pytest.mark.parametrize("method", ["residue", "range"])
def test_a_third_node_joins(same: Pair, method: str) -> None:
    same.both(TABLES)
    assert same.run("stagger", "a", "b", "--method", method, "--apply").code == 0
    c = third(same)
    c.execute(TABLES)
    c.execute("select setval('app.t_id_seq', 20)")
    used = {nextval(node, "app.t_id_seq") for node in same.nodes for _ in range(3)}

    done = same.run("stagger", "a", "b", "c", "--method", method, "--apply")

    assert done.code == 0
    assert same.run("check", "a", "b", "c", "--sample", "0").code == 0
    values = [nextval(node, "app.t_id_seq") for node in (*same.nodes, c) for _ in "123"]
    assert len(set(values)) == 9
    assert used.isdisjoint(values)


@pytest.mark.majors(18)
def test_room_for_a_third_node_is_used_without_touching_the_others(same: Pair) -> None:
    same.both(TABLES)
    assert same.run("stagger", "a", "b", "--slots", "4", "--apply").code == 0
    c = third(same)
    c.execute(TABLES)

    plan = same.run("stagger", "a", "b", "c", "--json").json

    assert {step["node"] for step in plan["steps"]} == {"c"}


@pytest.mark.majors(16, 19)
def test_a_range_ends_with_its_integer_column(same: Pair) -> None:
    same.both(
        "create schema app; create sequence app.wide as bigint;"
        "create table app.t (id int default nextval('app.wide'))"
    )

    assert same.run("stagger", "a", "b", "--method", "range", "--apply").code == 0

    for node in same.nodes:
        last = node.value("select max_value from pg_sequences")
        assert last <= 2**31 - 1
        node.execute("insert into app.t default values")


def drift(pair: Pair) -> list[tuple[str, str, str]]:
    done = pair.run("check", "a", "b", "--sample", "0", "--json")
    found: list[dict[str, Any]] = [x for x in done.lines if x["risk"] == "drift"]
    return [(x["node"], x["sequencename"], x["seen"]) for x in found]


@pytest.mark.majors(15, 19)
def test_drift_is_found(same: Pair) -> None:
    same.both(TABLES)
    assert same.run("stagger", "a", "b", "--apply").code == 0
    for node in same.nodes:
        node.execute("insert into app.t (v) select 'x' from generate_series(1, 20)")
    assert drift(same) == []

    # A restart on its own residue, at its own start.
    same.a.execute("truncate app.t restart identity")
    restarted = drift(same)
    same.b.execute("alter sequence app.t_id_seq increment 1")
    same.a.execute("alter sequence app.t_id_seq restart with 2")
    same.b.execute(
        "select setval('app.i_id_seq', (select last_value + 1 from app.i_id_seq))"
    )
    found = {(node, name): seen for node, name, seen in drift(same)}

    assert [(node, name) for node, name, _ in restarted] == [("a", "t_id_seq")]
    assert "it was written anew and stands at" in restarted[0][2]
    assert "increment is 1, was 2" in found["b", "t_id_seq"]
    assert "it stands at 2, before" in found["a", "t_id_seq"]
    assert "is not on its residue any more" in found["b", "i_id_seq"]
    assert same.run("stagger", "a", "b", "--apply").code == 0
    assert drift(same) == []


@pytest.mark.majors(18)
def test_moving_a_staggered_sequence_is_no_drift(same: Pair) -> None:
    same.both("create schema app; create sequence app.x; create sequence app.y cache 9")
    assert same.run("stagger", "a", "b", "--apply").code == 0
    same.a.execute("select setval('app.x', 9001), setval('app.y', 9001)")

    assert same.sync("--apply", "--margin", "50").code == 0

    assert drift(same) == []


@pytest.mark.majors(18)
def test_a_node_that_gave_out_too_much_meanwhile_is_not_changed(same: Pair) -> None:
    same.both("create schema app; create sequence app.x")
    with same.a.connect() as busy, busy.transaction():
        # Holds up node a, which is first.
        busy.execute("select nextval('app.x')")
        process = same.run.start(
            *("stagger", "a", "b", "--apply", "--margin", "50", "--patience", "3s")
        )
        time.sleep(2)
        busy.execute("select nextval('app.x') from generate_series(1, 60)")
    code = process.wait()

    assert code == 3
    assert stands(same.a, "app.x") == (61, True)
    assert same.a.value("select increment_by from pg_sequences") == 1
    # Node b has its residue; the next run finishes.
    assert same.run("stagger", "a", "b", "--apply").code == 0
    assert same.run("check", "a", "b", "--sample", "0").code == 0


@pytest.mark.majors(18)
def test_what_can_not_be_staggered_is_said(same: Pair) -> None:
    same.both(
        "create schema app; create sequence app.round maxvalue 10 cycle;"
        "create sequence app.full maxvalue 20"
    )
    same.a.execute("create sequence app.only_a")

    done = same.run("stagger", "a", "b")

    assert done.code == 3
    assert "app.round: it cycles" in done.out
    assert "app.full: on node a:" in done.out
    assert "app.only_a: missing on node b" in done.out
