"""The daemon on real pairs: a conflict becomes one row and one count, come what may."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING

import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.daemon import Daemon
    from tests.fixtures.nodes import Node, Pair, Replicated
    from tests.fixtures.proxy import Proxy


def lose_rows(replicated: Replicated, ids: range) -> None:
    """Make a row on both nodes for each id, and delete it on the subscriber alone."""
    publisher, subscriber = replicated.to_b.publisher, replicated.to_b.subscriber
    publisher.execute(
        f"insert into {replicated.table} select g, 'v' from generate_series"
        f"({ids.start}, {ids.stop - 1}) g"
    )
    replicated.to_b.catch_up()
    subscriber.execute(
        f"delete from {replicated.table} where id between {ids.start} and"
        f" {ids.stop - 1}"
    )


def miss(replicated: Replicated, ids: range, value: str = "w") -> None:
    """Update the rows lost: an update_missing for each, in one transaction."""
    replicated.to_b.publisher.execute(
        f"update {replicated.table} set v = '{value}' where id between {ids.start}"
        f" and {ids.stop - 1}"
    )


def one_way(pair: Pair) -> Replicated:
    return pair.replicate(both=False)


def attempts(daemon: Daemon, replicated: Replicated) -> int:
    """How many entries about the table's only conflict are recorded."""
    ((number,),) = daemon.query(
        "select attempts from pgconflict.conflict_log where subname = %s"
        " and kind = 'conflict'",
        [replicated.to_b.name],
    )
    return int(number)


def of(replicated: Replicated) -> tuple[str, str]:
    return "subname = %s", replicated.to_b.name


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


def watcher(node: Node) -> None:
    """Make the role that `init --grants` describes."""
    node.execute(
        "do $$ begin create role watcher login;"
        " exception when duplicate_object then null; end $$;"
        "grant pg_monitor to watcher;"
        "grant execute on function"
        " pg_read_binary_file(text, bigint, bigint, boolean) to watcher"
    )


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


@pytest.mark.majors(18)
class TestTrouble:
    def test_server_and_conflict_log_come_back(
        self,
        new_pair: Callable[..., Pair],
        new_daemon: Callable[..., Daemon],
        conflict_log: str,
        proxy_to: Callable[[int], Proxy],
    ) -> None:
        pair = new_pair(18)
        proxy = proxy_to(int(str(conninfo_to_dict(conflict_log)["port"])))
        daemon = new_daemon({"b": pair.b.dsn}, dsn=proxy.dsn(conflict_log))
        daemon.start()
        made = one_way(pair)
        lose_rows(made, range(1, 31))

        miss(made, range(1, 11))
        daemon.wait_count(10, *of(made))
        proxy.cut()
        miss(made, range(11, 21))
        wait_until(lambda: daemon.metric("write_failures_total") >= 1, "it fails")
        assert daemon.get("/healthz")[0] == 200
        wait_until(lambda: daemon.get("/readyz")[0] == 503, "it is not ready")
        pair.b.cluster.stop()
        wait_until(lambda: daemon.metric("node_up", node="b") == 0, "b is down")
        pair.b.cluster.start()
        miss(made, range(21, 31))
        made.catch_up()
        proxy.restore()
        daemon.conflict_log = conflict_log
        wait_until(
            lambda: daemon.count(*of(made)) == 30, "all are recorded", timeout=60
        )

        assert daemon.query(
            "select count(*), sum(attempts) from pgconflict.conflict_log"
        ) == [(30, 30)]
        assert daemon.metric("job_restarts_total", node="b", job="tail") >= 1
        said = daemon.said()
        assert said.count("the conflict log") < 8, "one message a change, not a try"
        assert daemon.stop() < 5

    def test_a_deaf_node_is_down_and_delays_no_end(
        self,
        pair: Pair,
        new_daemon: Callable[..., Daemon],
        proxy_to: Callable[[int], Proxy],
    ) -> None:
        proxy = proxy_to(pair.b.port)
        daemon = new_daemon({"a": pair.a.dsn, "b": proxy.dsn(pair.b.dsn)})
        daemon.start()
        proxy.stall()
        wait_until(lambda: daemon.metric("node_up", node="b") == 0, "b is down")
        assert daemon.metric("node_up", node="a") == 1
        proxy.restore()
        proxy.deaf()
        time.sleep(2)

        assert daemon.stop() < 5

    def test_it_starts_where_nothing_answers(
        self, pair: Pair, new_daemon: Callable[..., Daemon]
    ) -> None:
        daemon = new_daemon(
            {"b": pair.b.cluster.dsn("app", port=1)}, limits={"connect_timeout": "1s"}
        )
        daemon.start(ready=False)
        wait_until(lambda: "started" in daemon.said(), "it has started")
        status, text = daemon.get("/readyz")

        assert (status, "b/tail" in text) == (503, True)
        assert daemon.metric("node_up", node="b") == 0
        assert daemon.stop() < 5

    def test_a_second_daemon_waits_and_takes_over(
        self, pair: Pair, new_daemon: Callable[..., Daemon]
    ) -> None:
        first, second = (new_daemon({"b": pair.b.dsn}) for _ in range(2))
        first.start()
        second.start(ready=False)
        wait_until(lambda: "another daemon" in second.said(), "the second waits")
        with one_way(pair) as made:
            lose_rows(made, range(1, 3))
            miss(made, range(1, 2))
            first.wait_count(1, *of(made))
            first.kill()
            began = time.monotonic()
            second.wait_ready()
            miss(made, range(2, 3))
            second.wait_count(2, *of(made))

            assert time.monotonic() - began < 10
            assert second.count(*of(made)) == 2

    def test_sighup_reads_the_configuration_again(
        self, pair: Pair, new_daemon: Callable[..., Daemon]
    ) -> None:
        daemon = new_daemon({"b": pair.b.dsn})
        daemon.start()
        daemon.config["nodes"].append({"name": "a", "dsn": pair.a.dsn})
        daemon.config_file.write_text(json.dumps(daemon.config))
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: daemon.metric("node_up", node="a") == 1, "a is watched")
        daemon.config_file.write_text("nodes: []")
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "stays as it was" in daemon.said(), "it is refused")

        daemon.wait_ready()
        assert daemon.metric("node_up") == 2

    def test_nothing_of_it_is_in_the_log_of_the_daemon(
        self, pair: Pair, new_daemon: Callable[..., Daemon]
    ) -> None:
        daemon = new_daemon({"b": pair.b.cluster.dsn("app", user="nobody", port=1)})
        daemon.start(ready=False)
        wait_until(lambda: "can't be reached" in daemon.said(), "it says so")

        assert "node=b job=" in daemon.said()
        assert "dbname" not in daemon.said()


@pytest.mark.majors(18)
class TestLogs:
    def test_a_change_of_destination_loses_and_doubles_nothing(
        self,
        new_pair: Callable[..., Pair],
        major: int,
        new_daemon: Callable[..., Daemon],
    ) -> None:
        pair = new_pair(major, settings={"log_destination": "csvlog"})
        daemon = new_daemon({"b": pair.b.dsn})
        daemon.start()
        made = one_way(pair)
        lose_rows(made, range(1, 6001))
        first = 1
        for destination in ("jsonlog", "stderr", "stderr,csvlog", "jsonlog", "csvlog"):
            for step in range(2):
                miss(made, range(first, first + 600))
                first += 600
                if step == 0:
                    set_destination(pair.b, destination)
            made.catch_up()
            expected = first - 1
            wait_until(
                lambda number=expected: daemon.count() >= number,  # type: ignore[misc]
                f"{expected} are recorded with {destination}",
            )

        wait_until(lambda: server_count(pair.b, made) == 6000, "the server has counted")
        assert daemon.query(
            "select count(*), sum(attempts) from pgconflict.conflict_log"
        ) == [(6000, 6000)]
        assert daemon.metric("log_gaps_total") == 0

    def test_rotation_and_another_directory_are_followed(
        self,
        new_pair: Callable[..., Pair],
        major: int,
        new_daemon: Callable[..., Daemon],
    ) -> None:
        pair = new_pair(major)
        watcher(pair.b)
        local = new_daemon({"b": pair.b.dsn})
        local.start()
        made = one_way(pair)
        lose_rows(made, range(1, 2001))
        for first in range(1, 1000, 200):
            miss(made, range(first, first + 200))
            if first == 401:
                move_log(pair.b, "elsewhere")
            pair.b.execute("select pg_rotate_logfile()")
        local.wait_count(1000)
        local.stop()

        over_sql = new_daemon(
            {"b": pair.b.cluster.dsn("app", user="watcher")},
            server_log={"read": "sql"},
        )
        over_sql.start()
        for first in range(1001, 2000, 200):
            miss(made, range(first, first + 200))
            pair.b.execute("select pg_rotate_logfile()")
            if first == 1401:
                made.catch_up()
                over_sql.wait_count(1600)
                move_log(pair.b, "elsewhere still")
        made.catch_up()
        over_sql.wait_count(2000)

        assert over_sql.query(
            "select count(*), sum(attempts) from pgconflict.conflict_log"
        ) == [(2000, 2000)]
        assert local.query("select distinct source from pgconflict.conflict_log") == [
            ("jsonlog",)
        ]
        assert over_sql.metric("log_gaps_total") == 0

    def test_what_it_lacks_is_said_with_the_remedy(
        self, pair: Pair, new_daemon: Callable[..., Daemon]
    ) -> None:
        pair.b.execute(
            "do $$ begin create role blind login;"
            " exception when duplicate_object then null; end $$"
        )
        daemon = new_daemon(
            {"b": pair.b.cluster.dsn("app", user="blind")}, server_log={"read": "sql"}
        )
        daemon.start(ready=False)
        wait_until(lambda: "started" in daemon.said(), "it has started")

        assert "GRANT pg_monitor" in daemon.said()
        assert daemon.metric("node_up", node="b") == 1
        assert daemon.get("/readyz")[0] == 503


def set_destination(node: Node, destination: str) -> None:
    node.execute(f"alter system set log_destination = '{destination}'")
    node.execute("select pg_reload_conf()")


def move_log(node: Node, directory: str) -> None:
    node.execute(f"alter system set log_directory = '{directory}'")
    node.execute("select pg_reload_conf()")


def server_count(node: Node, made: Replicated) -> int:
    return int(
        node.value(
            "select confl_update_missing from pg_stat_subscription_stats"
            " where subname = %s",
            [made.to_b.name],
        )
    )


@pytest.mark.majors(18)
def test_a_conflict_log_that_is_none_ends_it_with_78(
    pair: Pair,
    conflict_log_server: object,
    new_daemon: Callable[..., Daemon],
) -> None:
    dsn = conflict_log_server.new_database()  # type: ignore[attr-defined]
    daemon = new_daemon({"b": pair.b.dsn}, dsn=dsn)
    daemon.start(ready=False)
    assert daemon.process is not None

    assert daemon.process.wait(20) == 78
    assert "pgconflict init" in daemon.said()
