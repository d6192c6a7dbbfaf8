"""The daemon on real pairs: a conflict becomes one row and one count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fixtures.waiting import wait_until
from tests.fixtures.watched import attempts, lose_rows, miss, of, one_way, watcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.daemon import Daemon
    from tests.fixtures.nodes import Node, Pair, Replicated


class TestEveryVersion:
    def test_a_conflict_that_stops_apply_is_one_row_with_attempts(
        self, pair: Pair, new_daemon: Callable[..., Daemon]
    ) -> None:
        """The same on all versions: 15 to 17 say less about it."""
        daemon = new_daemon({"b": pair.b.dsn})
        daemon.start()
        with one_way(pair) as made:
            sub = made.to_b
            assert wait_until(
                lambda: daemon.has_metric(
                    "conflicts_total",
                    node="b",
                    subscription=sub.name,
                    conflict_type="insert_exists",
                ),
                "its counters exist before its first conflict",
            )
            pair.b.execute(f"insert into {made.table} values (1, 'mine')")
            pair.a.execute(f"insert into {made.table} values (1, 'theirs')")
            daemon.wait_count(1, "subname = %s and attempts >= 3", sub.name)
            wait_until(
                lambda: daemon.metric("stalled", subscription=sub.name) == 1,
                "it is known that apply stands still",
            )
            pair.b.execute(f"delete from {made.table}")
            made.catch_up()
            rows = daemon.query(
                "select conflict_type, kind, stalls, node, database, subname,"
                " schemaname || '.' || relname, relid, operation, sqlstate, source"
                # A worker that starts before the last one's walsender has ended may
                # log "slot is active": an apply_error of its own.
                " from pgconflict.conflict_log where subname = %s"
                " and kind = 'conflict'",
                [sub.name],
            )
            assert rows == [
                (
                    *("insert_exists", "conflict", True, "b", "app", sub.name),
                    f"public.{made.relname}",
                    pair.b.value(f"select '{made.table}'::regclass::oid"),
                    *("INSERT", "23505", "jsonlog"),
                )
            ]
            wait_until(
                lambda: attempts(daemon, made) == logged_for(pair.b, made),
                "each attempt is counted",
            )
        assert daemon.stop() < 5

    def test_over_sql_with_the_least_privileges(
        self, pair: Pair, new_daemon: Callable[..., Daemon]
    ) -> None:
        watcher(pair.b)
        dsn = pair.b.cluster.dsn("app", user="watcher")
        daemon = new_daemon({"b": dsn}, server_log={"read": "sql"})
        daemon.start()
        with one_way(pair) as made:
            pair.b.execute(f"insert into {made.table} values (1, 'mine')")
            pair.a.execute(f"insert into {made.table} values (1, 'theirs')")

            daemon.wait_count(1, *of(made))
            pair.b.execute(f"delete from {made.table}")
            made.catch_up()
        place = daemon.query("select state ->> 'place' from pgconflict.log_position")
        assert place == [("sql:log",)]
        assert daemon.metric("log_read_bytes_total", node="b") > 0
        assert daemon.stop() < 5


def logged_for(node: Node, made: Replicated) -> int:
    """How many entries about the table's unique index the server logged."""
    return len(node.logged(rf'"(?:public\.)?{made.relname}(?:_pkey)?"'))


@pytest.mark.majors(18)
class TestConflicts:
    def test_names_values_and_time_are_recorded(
        self, pair: Pair, new_daemon: Callable[..., Daemon]
    ) -> None:
        daemon = new_daemon({"b": pair.b.dsn})
        daemon.start()
        made = pair.replicate(
            "create table {t} (id int primary key, v text, n numeric)",
            both=False,
            schemaname='We"ird. Sch',
            relname="Tab.le",
        )
        with made:
            pair.a.execute(f"insert into {made.table} values (1, 'a, b', 1.50)")
            made.catch_up()
            pair.b.execute(f"delete from {made.table}")
            pair.a.execute(f"update {made.table} set v = 'c, d, e'")
            daemon.wait_count(1, *of(made))

            ((schema, table, identity, remote, lag),) = daemon.query(
                "select schemaname, relname, replica_identity, remote_tuple,"
                " extract(epoch from ingested_at - last_logged_at)::float8"
                " from pgconflict.conflict_log where subname = %s",
                [made.to_b.name],
            )
            assert (schema, table) == ('We"ird. Sch', "Tab.le")
            assert identity == {"id": "1"}
            assert remote == {"id": "1", "v": "c, d, e", "n": "1.50"}
            assert lag < 1

    def test_a_row_is_not_cut_by_columns_that_came_later(
        self, pair: Pair, new_daemon: Callable[..., Daemon]
    ) -> None:
        """The entry is read when the table has other columns than it had."""
        daemon = new_daemon({"b": pair.b.dsn})
        with one_way(pair) as made:
            lose_rows(made, range(1, 2))
            miss(made, range(1, 2))
            made.catch_up()
            pair.b.execute(f"alter table {made.table} rename v to w")
            daemon.start()
            daemon.wait_count(1, *of(made))

            rows = daemon.query(
                "select relname, remote_tuple, remote_tuple_text"
                " from pgconflict.conflict_log where subname = %s",
                [made.to_b.name],
            )

            assert rows == [(made.relname, None, "(1, w)")]

    def test_a_table_of_the_same_name_made_later_is_another(
        self, pair: Pair, new_daemon: Callable[..., Daemon]
    ) -> None:
        daemon = new_daemon({"b": pair.b.dsn})
        with one_way(pair) as made:
            lose_rows(made, range(1, 2))
            miss(made, range(1, 2))
            made.catch_up()
            pair.b.execute(f"drop table {made.table}")
            pair.b.execute(f"create table {made.table} (id int primary key, v text)")
            daemon.start()
            daemon.wait_count(1, *of(made))

            rows = daemon.query(
                "select relid, remote_tuple, relation from pgconflict.conflict_log"
                " where subname = %s",
                [made.to_b.name],
            )

            assert rows == [(None, None, f"public.{made.relname}")]

    def test_another_database_of_the_server_is_asked(
        self, pair: Pair, new_daemon: Callable[..., Daemon]
    ) -> None:
        dsn = pair.b.cluster.dsn("postgres")
        daemon = new_daemon({"b": dsn})
        daemon.start()
        with one_way(pair) as made:
            lose_rows(made, range(1, 2))
            miss(made, range(1, 2))
            daemon.wait_count(1, *of(made))

            rows = daemon.query(
                "select database, relname, remote_tuple from pgconflict.conflict_log"
                " where subname = %s",
                [made.to_b.name],
            )

            assert rows == [("app", made.relname, {"id": "1", "v": "w"})]
