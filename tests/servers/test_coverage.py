"""The job `coverage` on real servers; and that what it calls unseen is unseen."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from pgconflict.config import Config, ConflictLog
from pgconflict.config import Node as ConfigNode
from pgconflict.daemon.coverage_job import CoverageJob
from pgconflict.daemon.health import Health
from pgconflict.daemon.job import Job
from pgconflict.daemon.metrics import Metrics
from pgconflict.errors import NodeUnavailableError
from pgconflict.server.checks import Check
from pgconflict.server.grants import grant_monitor
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from tests.fixtures.nodes import Node, Pair

MONITOR = "coverage_monitor"


class Looked:
    """One look at a node as its job takes it, over a plain monitoring role."""

    def __init__(self, node: Node) -> None:
        node.execute(f"drop role if exists {MONITOR}")
        node.execute(f"create role {MONITOR} login")
        node.execute(grant_monitor(MONITOR))
        try:
            self._look(node)
        finally:
            node.execute(f"drop role {MONITOR}")

    def _look(self, node: Node) -> None:
        there = ConfigNode(name="n", dsn=node.cluster.dsn(node.dbname, user=MONITOR))
        config = Config(conflict_log=ConflictLog(dsn="dbname=x"), nodes=(there,))
        metrics = Metrics()
        job = Job("n", "coverage", metrics, Health(), 600)
        self.job = CoverageJob(there, config, job, metrics.nodes)
        asyncio.run(self.job._look())
        self.metrics = metrics

    def value(self, name: str, **labels: str) -> float | None:
        wanted = {"node": "n"} | labels
        return self.metrics.registry.get_sample_value(f"pgconflict_{name}", wanted)

    def covered(self, check: Check, database: str = "app") -> float | None:
        return self.value("detection_coverage", database=database, check=str(check))


def test_tables_of_every_database(pair: Pair) -> None:
    b = pair.b
    bare = "create table {t} (id int, v text); alter table {t} replica identity full"
    deferrable = "create table {t} (id int primary key deferrable, v text)"
    b.execute("create database two", dbname="postgres")
    b.execute(
        "create subscription elsewhere connection 'host=h' publication p"
        " with (connect = false, slot_name = none)",
        dbname="two",
    )
    try:
        with pair.replicate(both=False) as good:
            ready = {"subscription": good.to_b.name, "state": "ready"}

            def all_ready() -> Looked | None:
                look = Looked(b)
                return look if look.value("subscription_relations", **ready) else None

            first = wait_until(all_ready, "the table is ready")
            assert first is not None
            with (
                pair.replicate(bare, both=False),
                pair.replicate(deferrable, both=False),
            ):
                second = Looked(b)
    finally:
        b.execute("drop subscription elsewhere", dbname="two")
        b.execute("drop database two", dbname="postgres")

    for check in (Check.DEFERRABLE_UNIQUE, Check.REPLICA_IDENTITY):
        assert first.covered(check) == 1
        assert first.covered(check, "two") == 1
        assert second.covered(check) == 0
        assert second.covered(check, "two") == 1
    assert first.covered(Check.TRACK_COMMIT_TIMESTAMP) == 1
    assert first.covered(Check.LOG_MIN_MESSAGES) == 1
    assert first.covered(Check.MISSING_ROWS) == (pair.major >= 18)
    assert first.covered(Check.UNSEEN_TYPES) == (pair.major >= 19)
    assert first.covered(Check.RETAIN_DEAD_TUPLES) == (pair.major < 19)
    copying = ready | {"state": "init"}
    assert first.value("subscription_relations", **copying) == 0
    since = first.value("commit_timestamps_since_timestamp_seconds")
    if since is not None:  # known from the first checkpoint on
        now = datetime.now(UTC)
        assert now - timedelta(hours=1) < datetime.fromtimestamp(since, UTC) <= now


def test_since_when_commit_times_are_known(pair: Pair) -> None:
    pair.b.execute("create table if not exists public.any (id int)")
    pair.b.execute("checkpoint")

    since = Looked(pair.b).value("commit_timestamps_since_timestamp_seconds")

    assert since is not None


def test_a_row_without_key_is_stored_twice_in_silence(pair: Pair) -> None:
    """What `replica_identity` says about a table without any unique index."""
    ddl = "create table {t} (id int, v text); alter table {t} replica identity full"
    with pair.replicate(ddl, both=False) as replicated:
        table = replicated.table
        pair.b.execute(f"insert into {table} values (1, 'same')")
        pair.a.execute(f"insert into {table} values (1, 'same')")
        replicated.catch_up()

        assert pair.b.value(f"select count(*) from {table}") == 2
        assert pair.b.logged(f'relation "{table}"') == []


@pytest.mark.majors(since=18)
def test_a_changed_row_without_key_is_called_missing(pair: Pair) -> None:
    ddl = "create table {t} (id int, v text); alter table {t} replica identity full"
    with pair.replicate(ddl, both=False, relname="no_key") as replicated:
        table = replicated.table
        pair.a.execute(f"insert into {table} values (1, 'old')")
        replicated.catch_up()
        pair.b.execute(f"update {table} set v = 'local'")
        pair.a.execute(f"update {table} set v = 'remote'")
        replicated.catch_up()

        (record,) = wait_until(
            lambda: pair.b.logged(r"conflict detected on relation .*no_key"), "logged"
        )
        assert "conflict=update_missing" in record["message"]


@pytest.mark.majors(18)
def test_a_node_that_is_away_shows_nothing(pair: Pair) -> None:
    look = Looked(pair.b)
    look.job._node = ConfigNode(name="n", dsn="host=127.0.0.1 port=1 dbname=x")

    with pytest.raises(NodeUnavailableError):
        asyncio.run(look.job.run())

    names = {
        sample.name
        for metric in look.metrics.registry.collect()
        for sample in metric.samples
        if sample.labels.get("node") == "n"
    }
    assert "pgconflict_detection_coverage" not in names
