"""The daemon while the server log changes its form or its place, or is removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fixtures.waiting import wait_until
from tests.fixtures.watched import lose_rows, miss, one_way, watcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.daemon import Daemon
    from tests.fixtures.nodes import Node, Pair, Replicated


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
