"""`sequences diff`: every sequence is there, whatever its kind, and what is wrong."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from psycopg import sql

from tests.fixtures.nodes import numbers
from tests.fixtures.sequence_nodes import new_database

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.nodes import Node
    from tests.fixtures.sequence_nodes import Pair

KINDS = """
create schema app;
create table app.t (
    s serial primary key,
    i int generated always as identity,
    b bigint default 0);
create sequence app.wide as bigint owned by app.t.b;
create sequence app."Od""d name" increment 10 minvalue 5 maxvalue 500 cache 4;
create sequence app.down increment -3 minvalue -300 maxvalue -1 cycle;
create sequence app.small as smallint;
create unlogged sequence app.unlogged;
create sequence app.never start 77;
create sequence app.set_not_called;
select setval('app.set_not_called', 1234, false);
create sequence app."größe_数";
create sequence app.orphan;
create table app.d (x int, id bigint default nextval('app.orphan'));
alter table app.d drop column id;
"""


def test_every_kind_of_sequence_has_its_row(same: Pair) -> None:
    same.both(KINDS)
    same.a.execute("select nextval('app.\"Od\"\"d name\"'), nextval('app.down')")

    with same.a.connect() as other:
        other.execute("create temporary sequence passing")
        rows = same.diff()

    assert {name for name, _ in rows} == {
        "t_s_seq",
        "t_i_seq",
        "wide",
        'Od"d name',
        "down",
        "small",
        "unlogged",
        "never",
        "set_not_called",
        "größe_数",
        "orphan",
    }
    odd = rows['Od"d name', "a"]
    # The end of the block that the session reserved: 5, 15, 25, 35.
    assert (odd["last_value"], odd["is_called"]) == (35, True)
    assert (odd["increment"], odd["minimum"], odd["maximum"]) == (10, 5, 500)
    assert (odd["cache"], odd["cycle"]) == (4, False)
    assert rows['Od"d name', "b"]["states"] == ["behind"]
    assert rows['Od"d name', "b"]["ahead"] == -4
    assert rows["down", "a"]["last_value"] == -1
    assert rows["down", "b"]["states"] == ["behind"]
    assert (rows["small", "a"]["data_type"]) == "smallint"
    assert rows["unlogged", "b"]["unlogged"] is True
    never = rows["never", "b"]
    assert (never["last_value"], never["is_called"]) == (77, False)
    never = rows["set_not_called", "b"]
    assert (never["last_value"], never["is_called"]) == (1234, False)
    assert never["states"] == ["in_sync"]
    assert rows["t_s_seq", "a"]["columns"] == ["app.t.s"]
    assert rows["t_i_seq", "a"]["columns"] == ["app.t.i"]
    assert rows["wide", "a"]["columns"] == ["app.t.b"]
    assert rows["orphan", "a"]["columns"] == []


@pytest.mark.majors(15, 19)
def test_each_state_is_told(same: Pair) -> None:
    same.both(
        "create schema app; create table app.t (id serial primary key);"
        "create sequence app.behind; create sequence app.ahead;"
        "create sequence app.equal; create sequence app.full maxvalue 100;"
    )
    same.a.execute(
        "create sequence app.only_a; create sequence app.differs maxvalue 10;"
        "select setval('app.behind', 10), setval('app.full', 95)"
    )
    same.b.execute(
        "create sequence app.differs maxvalue 20; select setval('app.ahead', 10);"
        "insert into app.t values (7); select setval('app.full', 95)"
    )

    done = same.run("diff", "a", "b", "--json")

    assert done.code == 3
    states = {
        row["sequencename"]: row["states"] for row in done.lines if row["node"] == "b"
    }
    assert states == {
        "ahead": ["ahead"],
        "behind": ["behind"],
        "differs": ["definition_differs"],
        "equal": ["in_sync"],
        "full": ["nearly_exhausted"],
        "only_a": ["missing"],
        "t_id_seq": ["below_column"],
    }
    details = {(row["sequencename"], row["node"]): row["detail"] for row in done.lines}
    assert details["t_id_seq", "b"] == "its column holds 7"
    assert details["differs", "b"] == "maximum 10 / 20"
    assert details["full", "b"] == "95.0% used"


@pytest.mark.majors(18)
def test_filters_choose(same: Pair) -> None:
    same.both(
        "create schema one; create schema two; create sequence one.x;"
        "create sequence one.order_id; create sequence two.x;"
    )
    same.a.execute("select nextval('two.x')")

    def names(*words: str) -> set[str]:
        rows = same.run("diff", "a", "b", "--json", *words).lines
        return {f"{row['schemaname']}.{row['sequencename']}" for row in rows}

    assert names() == {"one.x", "one.order_id", "two.x"}
    assert names("--schema", "one") == {"one.x", "one.order_id"}
    assert names("--name", "order_*") == {"one.order_id"}
    assert names("--name", "two.*") == {"two.x"}
    assert names("--name", "x", "--schema", "one") == {"one.x"}
    assert names("--state", "behind") == {"two.x"}
    assert names("--findings") == {"two.x"}
    assert names("--schema", "no_such") == set()


@pytest.mark.majors(18)
def test_three_nodes_and_a_table(same: Pair) -> None:
    same.both("create sequence public.x")
    same.run.nodes = (*same.nodes, _third(same))

    done = same.run("diff", "a", "b", "c")

    assert done.code == 3
    lines = done.out.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [
        ["public.x", "a", "in_sync"],
        ["public.x", "b", "in_sync"],
        ["public.x", "c", "missing"],
    ]
    assert "1 sequence: 2 in_sync, 1 missing" in done.err


def _third(pair: Pair) -> Node:
    node = new_database(pair.b, f"third_{next(numbers)}")
    node.name = "c"
    return node


def _role(pair: Pair, *grants: str) -> str:
    """Create a role that may log in and nothing else, on both nodes."""
    name = f"reader_{next(numbers)}"
    for node in pair.nodes:
        identifier = sql.Identifier(name)
        node.execute(sql.SQL("create role {} login").format(identifier))
        for grant in grants:
            node.execute(f"{grant} to {name}")
    pair.run.roles = {"a": name, "b": name}
    return name


def test_pg_read_all_data_is_all_that_reading_needs(same: Pair) -> None:
    same.both(KINDS)
    _role(same, "grant pg_read_all_data")

    done = same.run("diff", "a", "b")

    assert done.code == 0
    assert "22 in_sync" in done.err


def test_grants_on_the_sequences_and_columns_do_too(same: Pair) -> None:
    same.both(KINDS)
    _role(
        same,
        "grant usage on schema app",
        "grant select on all sequences in schema app",
        "grant select on all tables in schema app",
    )

    assert same.run("diff", "a", "b").code == 0


def test_what_may_not_be_read_is_named(same: Pair) -> None:
    same.both("create schema app; create sequence app.secret; create sequence app.open")
    _role(same, "grant usage on schema app", "grant select on app.open")

    done = same.run("diff", "a", "b", "--json")
    check = same.run("check", "a", "--sample", "0", "--no-history", "--json")
    plan = same.sync()

    assert done.code == 77
    states = {(row["sequencename"], row["node"]): row["states"] for row in done.lines}
    assert states["secret", "a"] == states["secret", "b"] == ["unreadable"]
    assert states["open", "b"] == ["in_sync"]
    assert "may not be read: app.secret on node a, app.secret on node b" in done.err
    assert check.code == 77
    assert [(row["risk"], row["sequencename"]) for row in check.lines] == [
        ("unreadable", "secret")
    ]
    assert plan.code == 77
    assert "app.secret" in plan.out
    assert "unreadable" in plan.out


@pytest.mark.majors(15, 18)
def test_a_column_that_may_not_be_read_is_named(same: Pair) -> None:
    same.both("create schema app; create table app.t (id serial)")
    _role(
        same,
        "grant usage on schema app",
        "grant select on all sequences in schema app",
    )

    done = same.run("diff", "a", "b")

    assert done.code == 77
    assert "node b: app.t_id_seq: app.t.id may not be read" in done.err


@pytest.mark.majors(16)
def test_rows_hidden_by_a_policy_are_not_taken_for_all_rows(same: Pair) -> None:
    same.both(
        "create schema app; create table app.t (id serial);"
        "insert into app.t values (900); alter table app.t enable row level security"
    )
    _role(
        same,
        "grant usage on schema app",
        "grant select on all sequences in schema app",
        "grant select on all tables in schema app",
    )

    done = same.run("diff", "a", "b")

    assert done.code == 77
    assert "app.t.id may not be read" in done.err


def test_sequences_dropped_meanwhile_are_no_error(
    two: Callable[..., Pair], major: int
) -> None:
    pair = two(major)
    pair.both("create schema app")
    stop = pair.a.connect()
    stop.execute(
        "do $$ begin for i in 1..60 loop execute format("
        "'create sequence app.s_%s', i); end loop; end $$"
    )
    ended = threading.Event()

    def churn() -> None:
        with pair.a.connect() as connection:
            while not ended.is_set():
                connection.execute("drop sequence if exists app.s_1, app.s_2, app.s_3")
                for number in (1, 2, 3):
                    connection.execute(f"create sequence app.s_{number}".encode())

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(15):
            done = pair.run("diff", "a", "b", "--no-columns", "--json")
            assert done.code == 3
            seen = {row["sequencename"] for row in done.lines if row["node"] == "a"}
            assert len(seen) >= 57
            assert all("unreadable" not in row["states"] for row in done.lines)
    finally:
        ended.set()
        thread.join()
        stop.close()


def test_usage(two: Callable[..., Pair]) -> None:
    pair = two(18)

    assert pair.run("diff", "a").code == 2
    assert pair.run("diff", "a", "z").code == 2
    assert "the nodes are a, b" in pair.run("diff", "a", "z").err


def test_a_misspelt_name_is_no_success(two: Callable[..., Pair]) -> None:
    pair = two(18)
    pair.both("create schema app; create sequence app.x")
    for words in (
        ("diff", "a", "b"),
        ("sync", "--from", "a", "--to", "b", "--apply", "--no-store"),
        ("check", "a", "--sample", "0", "--no-history"),
        ("stagger", "a", "b"),
    ):
        done = pair.run(*words, "--schema", "app", "--name", "y*")

        assert done.code == 2, words
        assert "has no sequence of --schema app --name y*" in done.err
        assert done.out == ""
