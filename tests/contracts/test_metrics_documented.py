"""docs/metrics.md is what the daemon exports: names, types, labels, help, numbers."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import generate_latest

from pgconflict.core.capability import CAPABILITIES, NEWEST
from pgconflict.daemon.coverage import coverage
from pgconflict.daemon.health import Health
from pgconflict.daemon.links import Links
from pgconflict.daemon.metrics import UNRECOGNISED, Metrics
from pgconflict.daemon.publisher_state import (
    ClockOffset,
    LockWait,
    Prepared,
    PublisherState,
    Slot,
    Subscribed,
)
from pgconflict.daemon.statistics import Mirror, SubscriptionStatistics
from tests.contracts.tree import ROOT
from tests.fixtures.facts import NOTHING, facts

DOCUMENT = ROOT / "docs" / "metrics.md"
NOW = datetime.now(UTC)


def _writer() -> Any:
    spec = importlib.util.spec_from_file_location(
        "metrics_page", ROOT / "tools" / "metrics_page.py"
    )
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


WRITER = _writer()


def test_the_tables_are_written_from_what_is_exported() -> None:
    """Else: python tools/metrics_page.py."""
    text = DOCUMENT.read_text(encoding="utf-8")

    assert WRITER.page(text) == text


def test_what_is_wrong_in_a_table_is_written_anew_and_what_lacks_is_named() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    gone = "| `pgconflict_was_here` | gauge | `node` | Something |"
    wrong = text.replace(
        "| `pgconflict_node_up` | gauge", f"{gone}\n| `pgconflict_node_up` | x"
    )

    assert WRITER.page(wrong) == text
    with pytest.raises(SystemExit, match=r"has a row of pgconflict_node_up$"):
        WRITER.page(text.replace("| `pgconflict_node_up`", "| node_up"))


def test_names_follow_the_rules() -> None:
    for name, kind, labels, text in WRITER.exported():
        assert re.fullmatch(r"pgconflict_[a-z0-9_]+", name)
        assert name.endswith("_total") == (kind == "counter"), name
        assert text, name
        # Nothing without bound: keys, messages, transactions, places in WAL.
        assert not {"key", "message", "xid", "lsn", "pid"} & set(labels), name


def test_reasons_of_passed_over_records_are_all_known() -> None:
    """A counter that is not there at 0 hides its first event from `increase()`."""
    used = set()
    for path in (ROOT / "pgconflict" / "core").glob("*.py"):
        for inside in re.findall(r"unrecognised\[([^\]]+)\] \+= 1", path.read_text()):
            used.update(re.findall(r'"(\w+)"', inside))

    assert used == set(UNRECOGNISED)


def populated(nodes: int, peers: int, slots: int, databases: int) -> Metrics:
    """Metrics of nodes with everything: each state, each counter, each reason."""
    metrics, health = Metrics(), Health()
    names = [f"n{number}" for number in range(nodes)]
    metrics.jobs_late.watch(health, names)
    jobs = ["tail", "statistics", "publisher", "coverage"]
    links = Links(metrics.nodes)
    for title in ("upkeep", "commit-times", "top-tables"):
        health.expect(title, 60)
        metrics.job_restarts.labels("", title)
    for node in names:
        metrics.know_node(node, jobs)
        for job in jobs:
            health.expect(f"{node}/{job}", 30)
        subscriptions = [f"s{number}" for number in range(peers)]
        Mirror(node, metrics).show(
            NEWEST,
            [
                SubscriptionStatistics(
                    subid=number,
                    name=name,
                    database="db0",
                    enabled=True,
                    worker_up=True,
                    last_message=NOW,
                    latest_end_lsn=1,
                    apply_errors=1,
                    sync_errors={"table": 1, "sequence": 1},
                    conflicts=dict.fromkeys(CAPABILITIES[NEWEST].counted_types, 1),
                    stats_reset=None,
                )
                for number, name in enumerate(subscriptions)
            ],
        )
        for name in subscriptions:
            metrics.stalled.labels(node, name).set(0)
            metrics.unaccounted_apply_errors.labels(node, name).set(0)
            for conflict_type in CAPABILITIES[NEWEST].counted_types:
                metrics.unaccounted_conflicts.labels(node, name, conflict_type).set(0)
        state = _state(node, slots, databases, subscriptions)
        links.show(node, state)
        shown = metrics.nodes
        shown.coverage.show(
            node,
            {
                (f"db{number}", check): 1
                for number in range(databases)
                for check in _checks()
            },
        )
        shown.commit_timestamps_since.show_one(node, 1)
        states = ("init", "data_copy", "finished_copy", "synchronized", "ready")
        shown.relations.show(
            node, {(s, one): 1 for s in subscriptions for one in states}
        )
        metrics.verdicts.diverged_rows.show(node, {(s,): 1 for s in subscriptions})
        shown.lag_bytes.show(node, {(name,): 1 for name in subscriptions})
        shown.lag_seconds.show(node, {(name,): 1 for name in subscriptions})
    return metrics


def _checks() -> list[str]:
    found = coverage(facts(NEWEST), {"app": NOTHING}).covered
    return [str(check) for _, check in found]


def _state(
    node: str, slots: int, databases: int, subscriptions: list[str]
) -> PublisherState:
    return PublisherState(
        current_lsn=1000,
        slot_wal_limit=1,
        slot_idle_timeout=1,
        slots=[
            Slot(
                name=f"{node}_{number}",
                database="db0",
                active=False,
                synced=False,
                wal_status="extended",
                safe_wal_size=1,
                restart_lsn=1,
                confirmed_lsn=1,
                invalidated=None,
                inactive_since=NOW,
            )
            for number in range(slots)
        ],
        subscriptions=[
            Subscribed(subid=number, name=name, slot_name=None)
            for number, name in enumerate(subscriptions)
        ],
        lock_waits=[LockWait(0, by_session=True, by_prepared=False)],
        prepared=[Prepared(f"db{number}", 1, NOW) for number in range(databases)],
        clock=ClockOffset(0.0, 0.1),
    )


def bound(name: str) -> int:
    """The number that the document gives for each of something."""
    text = DOCUMENT.read_text(encoding="utf-8")
    found = re.search(rf"^\| {name}[^|]*\| (\d+) \|$", text, re.MULTILINE)
    assert found is not None, name
    return int(found[1])


@pytest.mark.parametrize(
    ("nodes", "peers", "slots", "databases"),
    [(1, 1, 1, 1), (10, 9, 9, 1), (2, 40, 0, 3), (2, 1, 60, 2), (1, 1, 1, 30)],
)
def test_the_number_of_series_is_bounded_as_documented(
    nodes: int, peers: int, slots: int, databases: int
) -> None:
    metrics = populated(nodes, peers, slots, databases)

    series = sum(len(metric.samples) for metric in metrics.registry.collect())

    one_node = (
        bound("node")
        + peers * bound("subscription")
        + slots * bound("logical slot")
        + databases * bound("database")
    )
    assert series <= bound("daemon") + nodes * one_node
    # The document does not exaggerate either.
    assert series >= (bound("daemon") + nodes * one_node) * 0.6


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not here")
def test_promtool_has_nothing_to_say() -> None:
    page = generate_latest(populated(2, 2, 2, 2).registry)

    done = subprocess.run(
        ["promtool", "check", "metrics"], input=page, capture_output=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
