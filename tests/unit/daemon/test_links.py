"""Slots, lag and waits of all nodes as metrics."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from pgconflict.daemon.links import TABLE_SYNC_SLOTS, Links
from pgconflict.daemon.node_metrics import NodeMetrics
from pgconflict.daemon.publisher_state import (
    ClockOffset,
    LockWait,
    Prepared,
    PublisherState,
    Slot,
    Subscribed,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def slot(name: str = "s", **more: Any) -> Slot:
    values: dict[str, Any] = {
        "name": name,
        "database": "app",
        "active": True,
        "synced": False,
        "wal_status": "reserved",
        "safe_wal_size": None,
        "restart_lsn": 900,
        "confirmed_lsn": 950,
        "invalidated": None,
        "inactive_since": None,
    }
    return Slot(**values | more)


def state(*slots: Slot, **more: Any) -> PublisherState:
    values: dict[str, Any] = {
        "current_lsn": 1000,
        "slot_wal_limit": None,
        "slot_idle_timeout": None,
        "slots": slots,
        "subscriptions": (),
        "lock_waits": (),
        "prepared": (),
        "clock": ClockOffset(0.25, 0.001),
    }
    return PublisherState(**values | more)


class Shown:
    """What /metrics says."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.clock = 100.0
        self.links = Links(NodeMetrics(self.registry), now=lambda: self.clock)

    def series(self, name: str) -> dict[tuple[str, ...], float]:
        """The series of a metric by their labels' values, in the order of the names."""
        return {
            tuple(value for _, value in sorted(sample.labels.items())): sample.value
            for metric in self.registry.collect()
            for sample in metric.samples
            if sample.name == f"pgconflict_{name}"
        }


@pytest.fixture
def shown() -> Shown:
    return Shown()


def test_a_slot_that_nobody_reads(shown: Shown) -> None:
    shown.links.show(
        "a",
        state(
            slot(active=False, inactive_since=NOON, safe_wal_size=-5),
            slot("other", wal_status="extended"),
            slot_wal_limit=4096,
        ),
    )

    assert shown.series("slot_active") == {("a", "s"): 0, ("a", "other"): 1}
    assert shown.series("slot_inactive_since_timestamp_seconds") == {
        ("a", "s"): NOON.timestamp()
    }
    assert shown.series("slot_retained_bytes") == {("a", "s"): 100, ("a", "other"): 100}
    assert shown.series("slot_safe_wal_bytes") == {("a", "s"): 0}
    assert shown.series("slot_wal_limit_bytes") == {("a",): 4096}
    assert shown.series("slot_idle_timeout_seconds") == {}
    statuses = {s: v for (_, name, s), v in shown.series("slot_wal_status").items()
                if name == "other"}  # fmt: skip
    assert statuses == {"extended": 1, "lost": 0, "reserved": 0, "unreserved": 0}


def test_an_invalid_slot_says_why_also_in_a_new_word(shown: Shown) -> None:
    lost: dict[str, Any] = {"wal_status": "lost", "restart_lsn": None, "active": False}
    shown.links.show("a", state(slot(invalidated="wal_removed", **lost)))
    reasons = {reason for (_, reason, _), v in
               shown.series("slot_invalidated").items() if v}  # fmt: skip
    assert reasons == {"wal_removed"}
    assert shown.series("slot_retained_bytes") == {("a", "s"): 0}

    shown.links.show("a", state(slot(invalidated="eaten_by_dog", **lost)))
    series = shown.series("slot_invalidated")
    assert {reason for (_, reason, _), v in series.items() if v} == {"eaten_by_dog"}
    assert series["a", "wal_removed", "s"] == 0

    shown.links.show("a", state(slot()))
    assert set(shown.series("slot_invalidated").values()) == {0}
    assert ("a", "eaten_by_dog", "s") not in shown.series("slot_invalidated")


def test_slots_of_table_copies_are_one_series(shown: Shown) -> None:
    names = [f"pg_16400_sync_{n}_7000000000000000000" for n in range(50)]
    slots = [slot(name, restart_lsn=900 - n) for n, name in enumerate(names)]
    slots[7] = slot(names[7], active=False, inactive_since=NOON, safe_wal_size=8)

    shown.links.show("a", state(*slots))

    assert shown.series("slot_active") == {("a", TABLE_SYNC_SLOTS): 0}
    assert shown.series("slot_retained_bytes") == {("a", TABLE_SYNC_SLOTS): 149}
    assert shown.series("slot_safe_wal_bytes") == {("a", TABLE_SYNC_SLOTS): 8}


def test_lag_is_what_two_nodes_say_together(shown: Shown) -> None:
    subscribed = Subscribed(subid=7, name="sub", slot_name="s")
    shown.links.show("b", state(subscriptions=[subscribed]))
    assert shown.series("subscription_lag_bytes") == {}

    shown.links.show("a", state(slot(confirmed_lsn=1000)))
    assert shown.series("subscription_lag_bytes") == {("b", "sub"): 0}
    assert shown.series("subscription_lag_seconds") == {("b", "sub"): 0}

    for step in range(4):
        shown.clock += 5
        now = slot(confirmed_lsn=1000)
        shown.links.show("a", state(now, current_lsn=1100 + step))
    assert shown.series("subscription_lag_bytes") == {("b", "sub"): 103}
    assert shown.series("subscription_lag_seconds") == {("b", "sub"): 15}

    # A short break of the connection does not make the lag younger.
    shown.links.lost("a")
    assert shown.series("subscription_lag_bytes") == {}
    shown.clock += 5
    shown.links.show("a", state(slot(confirmed_lsn=1000), current_lsn=1104))
    assert shown.series("subscription_lag_seconds") == {("b", "sub"): 20}


def test_no_lag_where_the_publisher_is_not_sure(shown: Shown) -> None:
    subscribed = Subscribed(subid=7, name="sub", slot_name="s")
    shown.links.show("b", state(subscriptions=[subscribed]))
    shown.links.show("a", state(slot()))
    shown.links.show("standby", state(slot(synced=True, active=False)))
    assert shown.series("subscription_lag_bytes") == {("b", "sub"): 50}
    assert shown.series("slot_active") == {("a", "s"): 1}

    shown.links.show("c", state(slot()))
    assert shown.series("subscription_lag_bytes") == {}


def test_waits_prepared_transactions_and_clock(shown: Shown) -> None:
    shown.links.show(
        "b",
        state(
            subscriptions=[
                Subscribed(subid=7, name="sub", slot_name="s"),
                Subscribed(subid=8, name="none", slot_name=None),
            ],
            lock_waits=[LockWait(7, by_session=False, by_prepared=True)],
            prepared=[Prepared("app", 2, NOON), Prepared("idle", 0, None)],
        ),
    )

    assert shown.series("subscription_lock_wait") == {
        ("prepared_transaction", "b", "sub"): 1,
        ("session", "b", "sub"): 0,
        ("prepared_transaction", "b", "none"): 0,
        ("session", "b", "none"): 0,
    }
    assert shown.series("prepared_transactions") == {("app", "b"): 2, ("idle", "b"): 0}
    assert shown.series("prepared_transaction_oldest_timestamp_seconds") == {
        ("app", "b"): NOON.timestamp()
    }
    assert shown.series("clock_offset_seconds") == {("b",): 0.25}
    assert shown.series("clock_offset_uncertainty_seconds") == {("b",): 0.001}
