"""The daemon while nodes, the conflict log or itself are in trouble."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING

import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.fixtures.waiting import wait_until
from tests.fixtures.watched import lose_rows, miss, of, one_way

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.daemon import Daemon
    from tests.fixtures.nodes import Pair
    from tests.fixtures.proxy import Proxy


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
