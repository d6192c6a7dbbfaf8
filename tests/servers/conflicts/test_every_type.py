"""What `conflicts show` prints for each type is typed in on the nodes that had it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pgconflict.core.repair import ORIGIN
from pgconflict.demo.conflicts import MOMENTS, TYPES
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.daemon import Daemon
    from tests.fixtures.servers import Node, Pair, Replicated

DDL = "create table {t} (id int primary key, email text unique, name text)"
FIRST_ROWS = (
    "insert into {t} values (1, 'anna@example.com', 'Anna'),"
    " (2, 'ben@example.com', 'Ben'), (3, 'carla@example.com', 'Carla'),"
    " (4, 'dora@example.com', 'Dora'), (5, 'emil@example.com', 'Emil'),"
    " (6, 'fritz@example.com', 'Fritz')"
)


def shown(daemon: Daemon, number: int) -> dict[str, Any]:
    """The document of `conflicts show`; its text must come out too."""
    words = [sys.executable, "-m", "pgconflict", "--config", str(daemon.config_file)]
    question = ["conflicts", "show", str(number)]
    subprocess.run([*words, *question], check=True, capture_output=True)
    done = subprocess.run(
        [*words, "--json", *question], check=True, capture_output=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def statements(document: dict[str, Any], words: str) -> list[str]:
    """Those of the step that says this."""
    steps = [step for step in document["next_steps"] if words in step["what"]]
    assert len(steps) == 1, document["next_steps"]
    return list(steps[0]["statements"])


def typed(node: Node, lines: list[str]) -> list[list[tuple[Any, ...]]]:
    """As one pastes them: one session, each by itself."""
    results = []
    with node.connect() as connection:
        for line in lines:
            cursor = connection.execute(line.encode())
            results.append(cursor.fetchall() if cursor.description else [])
    return results


def stopped(daemon: Daemon, made: Replicated) -> list[tuple[int, str]]:
    """What keeps the two subscriptions from applying, with its node."""
    return [
        (number, node)
        for number, node in daemon.query(
            "select conflict_id, node from pgconflict.open_conflicts"
            " where subname = any (%s) and remote_commit_lsn is not null",
            [[each.name for each in made.subscriptions]],
        )
    ]


def provoke(made: Replicated) -> None:
    """Both nodes write the same rows while nothing is applied."""
    pair = made.pair
    pair.a.execute(FIRST_ROWS.format(t=made.table))
    made.catch_up()
    for subscription in made.subscriptions:
        subscription.alter("disable")
    wait_until(
        lambda: all(each.worker() is None for each in made.subscriptions),
        "the apply workers end",
    )
    for moment in MOMENTS:
        for node, lines in ((pair.a, moment.a), (pair.b, moment.b)):
            text = "; ".join(lines).replace("customer", made.table)
            node.execute(text)
    for subscription in made.subscriptions:
        subscription.alter("enable")


@pytest.mark.majors(18, 19)
def test_the_statements_for_every_type_do_what_they_say(
    pair: Pair, new_daemon: Callable[..., Daemon]
) -> None:
    # What is known of a row keeps back statements that it does not need.
    off = {"enabled": False}
    daemon = new_daemon({"a": pair.a.dsn, "b": pair.b.dsn}, verdict=off)
    daemon.start()
    nodes = {"a": pair.a, "b": pair.b}
    with pair.replicate(DDL) as made:
        provoke(made)
        names = [each.name for each in made.subscriptions]
        done: set[int] = set()

        def types() -> set[str]:
            """Recorded and, if they stopped apply, over."""
            for number, node in stopped(daemon, made):
                if number in done:
                    continue
                document = shown(daemon, number)
                ((row,), *_) = typed(
                    nodes[node], statements(document, "Look at what is in the way")
                )
                assert row
                # The remote row wins on b; a drops what b sent.
                words = "remote row shall win" if node == "b" else "Or skip it"
                typed(nodes[node], statements(document, words))
                done.add(number)
            rows = daemon.query(
                "select distinct conflict_type from pgconflict.conflict_log"
                " where subname = any (%s) and kind = 'conflict'"
                " and status in ('applied', 'skipped')",
                [names],
            )
            return {each for (each,) in rows}

        wait_until(lambda: types() >= set(TYPES), "every type is there and over")
        made.catch_up()
        rest = daemon.query(
            "select conflict_id, conflict_type, replica_identity_text"
            " from pgconflict.conflict_log"
            " where subname = any (%s) and not stalls",
            [names],
        )
        found = {}
        for number, conflict_type, key in rest:
            document = shown(daemon, number)
            (line,) = statements(document, "Compare the row")
            found[conflict_type, key] = [typed(node, [line])[0] for node in pair.nodes]
            for step in document["next_steps"]:
                if "pgconflict" not in "".join(step["statements"]):
                    typed(nodes[document["node"]], step["statements"])

    assert {conflict_type for conflict_type, _ in found} == {
        "update_missing",
        "delete_missing",
        "update_origin_differs",
        "delete_origin_differs",
    }
    assert found["delete_missing", "(id)=(3)"] == [[], []]
    # Both renamed it: each node has the other's name.
    names_of_1 = [row[2] for (row,) in found["update_origin_differs", "(id)=(1)"]]
    assert names_of_1 == ["Anna B.", "Anna A."]


@pytest.mark.majors(15, 18)
def test_an_error_that_stops_apply_is_skipped_as_shown(
    pair: Pair, new_daemon: Callable[..., Daemon]
) -> None:
    daemon = new_daemon({"b": pair.b.dsn})
    daemon.start()
    with pair.replicate(both=False) as made:
        pair.b.execute(f"alter table {made.table} add check (id > 0)")
        pair.a.execute(f"insert into {made.table} values (-1, 'below')")
        number, node = wait_until(lambda: stopped(daemon, made), "it stops")[0]
        document = shown(daemon, number)
        typed(pair.b, statements(document, "Or skip it"))
        pair.a.execute(f"insert into {made.table} values (1, 'above')")
        made.catch_up()

        assert (document["kind"], node) == ("apply_error", "b")
        assert "CHECK constraint" in document["next_steps"][0]["what"]
        assert pair.b.execute(f"select id from {made.table}") == [(1,)]


@pytest.mark.majors(15, 18)
def test_a_copy_that_meets_rows_goes_on_as_shown(
    pair: Pair, new_daemon: Callable[..., Daemon]
) -> None:
    daemon = new_daemon({"b": pair.b.dsn})
    daemon.start()
    with pair.replicate(both=False) as made:
        sub = made.to_b
        relname = f"{made.relname}_copied"
        for node in pair.nodes:
            node.execute(f"create table {relname} (id int primary key)")
            node.execute(f"insert into {relname} values (1)")
        pair.a.execute(f"insert into {relname} values (2)")
        pair.a.execute(f"alter publication {sub.publication} add table {relname}")
        pair.b.execute(f"alter subscription {sub.name} refresh publication")
        rows = wait_until(
            lambda: daemon.query(
                "select conflict_id from pgconflict.conflict_log"
                " where kind = 'sync_error' and subname = %s and sqlstate = '23505'",
                [sub.name],
            ),
            "the copy's error is recorded",
        )
        document = shown(daemon, rows[0][0])
        steps = statements(document, "The copy meets rows")
        # Not while the worker of the copy has begun anew.
        wait_until(
            lambda: (sub.name, relname) in typed(pair.b, steps)[0],
            "the table that is not copied is shown",
        )
        pair.b.execute(f"truncate {relname}")
        wait_until(
            lambda: len(pair.b.execute(f"select from {relname}")) == 2,
            "the copy succeeds",
        )
    for node in pair.nodes:
        node.execute(f"drop table {relname}")


ROW = (
    "create table {t} (id int generated always as identity primary key, v text,"
    " n float8, at timestamptz, many text[], big text,"
    " twice float8 generated always as (n * 2) stored)"
)


@pytest.mark.majors(18, 19)
def test_the_row_that_an_update_did_not_find_is_put_there(
    pair: Pair, new_daemon: Callable[..., Daemon]
) -> None:
    """With `update_deleted` where the server tells it; nothing travels back."""
    daemon = new_daemon({"a": pair.a.dsn, "b": pair.b.dsn})
    daemon.start()
    retains = pair.major > 18
    options = {"retain_dead_tuples": True} if retains else {}
    what = "update_deleted" if retains else "update_missing"
    with pair.replicate(ROW, subscription=options) as made:
        pair.a.execute(
            f"insert into {made.table} (v, n, at, many, big) values ('it''s', 0.1,"
            " '2026-11-21 01:02:03.456+00', array['a', 'b c', null], big(5)),"
            " ('cut', 'nan', null, null, big(100))".replace("big(", "repeat('x', ")
        )
        made.catch_up()
        delete = [
            (
                f"select pg_replication_origin_create('{ORIGIN}') where not exists"
                f" (select from pg_replication_origin where roname = '{ORIGIN}')"
            ),
            f"select pg_replication_origin_session_setup('{ORIGIN}')",
            f"delete from {made.table}",
        ]
        typed(pair.b, delete)
        pair.a.execute(f"update {made.table} set v = v || ' %'")
        where = "conflict_type = %s and subname = %s"
        daemon.wait_count(2, where, what, made.to_b.name)
        for number, key in daemon.query(
            "select conflict_id, replica_identity ->> 'id'"
            f" from pgconflict.conflict_log where {where}",
            [what, made.to_b.name],
        ):
            document = shown(daemon, number)
            (ask,) = statements(document, "have the publisher print")
            lines = statements(document, "Run that on node b")
            (((insert,),),) = typed(pair.a, [ask])
            for line in (insert, lines[2]):
                typed(pair.b, [*lines[:2], line, *lines[3:]])
                one, two = (
                    node.execute(
                        f"select t::text from {made.table} t where id = %s", [key]
                    )
                    for node in pair.nodes
                )
                if line == insert or key == "1":
                    assert one == two != []
                else:
                    assert line.startswith("-- INSERT")
                    assert "/* cut at 64 bytes */" in line
                    assert two == []
                typed(pair.b, delete)
        made.catch_up()
        kept = pair.a.value(f"select count(*) from {made.table}")
        pair.b.execute("select pg_replication_origin_drop(%s)", [ORIGIN])

    assert kept == 2
    assert not stopped(daemon, made)
