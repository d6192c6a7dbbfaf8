"""The server's counters are mirrored without ever falling."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pgconflict.daemon.metrics import Metrics
from pgconflict.daemon.statistics import Mirror, SubscriptionStatistics


def subscription(**more: Any) -> SubscriptionStatistics:
    values: dict[str, Any] = {
        "subid": 16400,
        "name": "sub",
        "database": "app",
        "enabled": True,
        "worker_up": False,
        "last_message": datetime(2026, 1, 1, tzinfo=UTC),
        "latest_end_lsn": None,
        "apply_errors": 0,
        "sync_errors": {"table": 0},
        "conflicts": {"insert_exists": 0},
        "stats_reset": None,
    }
    return SubscriptionStatistics(**{**values, **more})


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def mirror(metrics: Metrics) -> Mirror:
    return Mirror("a", metrics)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    wanted = {"node": "a", "subscription": "sub", **labels}
    return metrics.registry.get_sample_value(f"pgconflict_{name}", wanted)


def test_what_the_server_adds_is_added(metrics: Metrics, mirror: Mirror) -> None:
    seen = []
    for number in (3, 3, 10, 2, 2, 5):  # it fell once: a crash, or a reset
        mirror.show(18, [subscription(conflicts={"insert_exists": number})])
        kind = "insert_exists"
        seen.append(value(metrics, "server_conflicts_total", conflict_type=kind))

    assert seen == [3, 3, 10, 12, 12, 15]


def test_each_counter_is_its_own(metrics: Metrics, mirror: Mirror) -> None:
    mirror.show(
        19,
        [
            subscription(
                apply_errors=7,
                sync_errors={"table": 2, "sequence": 5},
                conflicts={"insert_exists": 1, "update_deleted": 4},
                worker_up=True,
                enabled=False,
            )
        ],
    )

    assert value(metrics, "apply_errors_total") == 7
    assert value(metrics, "sync_errors_total", kind="table") == 2
    assert value(metrics, "sync_errors_total", kind="sequence") == 5
    type_ = "update_deleted"
    assert value(metrics, "server_conflicts_total", conflict_type=type_) == 4
    assert value(metrics, "subscription_enabled") == 0
    assert value(metrics, "subscription_worker_up") == 1
    assert value(metrics, "subscription_last_message_timestamp_seconds") == 1767225600


def test_a_dropped_subscription_is_gone_and_a_new_one_begins_anew(
    metrics: Metrics, mirror: Mirror
) -> None:
    mirror.show(18, [subscription(apply_errors=7)])
    mirror.show(18, [])
    assert value(metrics, "apply_errors_total") is None
    assert value(metrics, "conflicts_total", conflict_type="insert_exists") is None

    mirror.show(18, [subscription(apply_errors=7)])
    mirror.show(18, [subscription(subid=99999, apply_errors=1)])
    assert value(metrics, "apply_errors_total") == 1


def test_one_name_in_two_databases_is_one_series(
    metrics: Metrics, mirror: Mirror
) -> None:
    """The second one's counters are added; the worse of two states is shown."""

    def both(first: int, second: int, *, up: bool) -> None:
        mirror.show(
            18,
            [
                subscription(conflicts={"insert_exists": first}, worker_up=True),
                subscription(
                    subid=17000,
                    database="other",
                    conflicts={"insert_exists": second},
                    worker_up=up,
                ),
            ],
        )

    seen = []
    for first, second in ((3, 1), (3, 2), (4, 2), (4, 0)):  # the second was reset
        both(first, second, up=second != 2)
        kind = "insert_exists"
        seen.append(
            (
                value(metrics, "server_conflicts_total", conflict_type=kind),
                value(metrics, "subscription_worker_up"),
            )
        )

    assert seen == [(4, 1), (5, 0), (6, 0), (6, 1)]
    # The other one goes on as before.
    mirror.show(18, [subscription(conflicts={"insert_exists": 5})])
    kind = "insert_exists"
    assert value(metrics, "server_conflicts_total", conflict_type=kind) == 7
