"""Every metric of the daemon, named and described once.

The catalogue in docs/metrics.md is compared with this module by a test. No label
holds a key, a message, an xid, an LSN or a relation: the number of series is bounded
by nodes x subscriptions x conflict types.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Final, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    disable_created_metrics,
)

from pgconflict import __version__
from pgconflict.core.conflict import ConflictType, Kind
from pgconflict.daemon.health_metrics import JobsLate
from pgconflict.daemon.node_metrics import NodeMetrics
from pgconflict.daemon.sequence_metrics import SequenceMetrics
from pgconflict.daemon.verdict.metrics import VerdictMetrics
from pgconflict.server.log_listing import GapReason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pgconflict.conflict_log.entry import Counted

NODE: Final = ("node",)
SUBSCRIPTION: Final = ("node", "subscription")
BY_TYPE: Final = (*SUBSCRIPTION, "conflict_type")
UNRECOGNISED: Final = (
    *("bad_time", "defect", "forged", "invalid_csv", "invalid_json", "too_long"),
    *("torn", "unknown_grammar"),
)
"""Why a record of the log is passed over."""

ALL_TYPES: Final = tuple(str(one) for one in ConflictType)


class Metrics:
    """The registry and its metrics; attributes are the names without the prefix."""

    def __init__(self) -> None:
        # One more series for each counter, with nothing that `increase()` needs.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # theirs has none
        self.registry = CollectorRegistry()
        info = self._gauge(
            "build_info",
            "Version of pgconflict and of Python; the value is always 1",
            ("version", "python"),
        )
        info.labels(__version__, platform.python_version()).set(1)
        self.node_up = self._gauge(
            "node_up", "1 when the node answered the last time it was asked", NODE
        )
        self.job_restarts = self._counter(
            "job_restarts",
            "Times a job gave up for a while and began anew",
            ("node", "job"),
        )
        self.conflicts = self._counter(
            "conflicts", "Conflicts recorded in the conflict log", BY_TYPE
        )
        self.conflict_attempts = self._counter(
            "conflict_attempts",
            "Times the recorded conflicts were logged by the server, retries included",
            BY_TYPE,
        )
        self.recorded_errors = self._counter(
            "recorded_errors",
            "Apply and synchronisation errors recorded that are not conflicts",
            (*SUBSCRIPTION, "kind"),
        )
        self.server_conflicts = self._counter(
            "server_conflicts",
            "Conflicts as the server counts them in pg_stat_subscription_stats (18+)",
            BY_TYPE,
        )
        self.apply_errors = self._counter(
            "apply_errors",
            "Errors that stopped apply, as the server counts them",
            SUBSCRIPTION,
        )
        self.sync_errors = self._counter(
            "sync_errors",
            "Errors of the initial table copy or of sequence synchronisation, as the"
            " server counts them",
            (*SUBSCRIPTION, "kind"),
        )
        self.unaccounted_conflicts = self._gauge(
            "unaccounted_conflicts",
            "Conflicts that the server counted and nobody recorded (negative: the"
            " reverse); 0 means complete",
            BY_TYPE,
        )
        self.unaccounted_apply_errors = self._gauge(
            "unaccounted_apply_errors",
            "Apply errors that the server counted and nobody recorded (negative: the"
            " reverse); 0 means complete",
            SUBSCRIPTION,
        )
        self.stalled = self._gauge(
            "stalled", "1 while a conflict or error stops apply", SUBSCRIPTION
        )
        self.subscription_enabled = self._gauge(
            "subscription_enabled", "1 while the subscription is enabled", SUBSCRIPTION
        )
        self.subscription_worker_up = self._gauge(
            "subscription_worker_up",
            "1 while the subscription has a running apply worker",
            SUBSCRIPTION,
        )
        self.subscription_last_message = self._gauge(
            "subscription_last_message_timestamp_seconds",
            "When the apply worker last heard from the publisher, seconds since 1970",
            SUBSCRIPTION,
        )
        self.log_read_bytes = self._counter(
            "log_read_bytes", "Bytes of server log read", NODE
        )
        self.log_unread_bytes = self._gauge(
            "log_unread_bytes", "Bytes of server log written and not yet read", NODE
        )
        self.log_gaps = self._counter(
            "log_gaps",
            "Times a part of the server log was gone before it was read",
            ("node", "reason"),
        )
        self.unrecognised_records = self._counter(
            "unrecognised_records",
            "Log records passed over because of their form",
            ("node", "reason"),
        )
        self.write_failures = self._counter(
            "write_failures", "Times the conflict log could not be written", ()
        )
        self.nodes = NodeMetrics(self.registry)
        self.jobs_late = JobsLate(self.registry)
        self.sequences = SequenceMetrics(self.registry)
        self.verdicts = VerdictMetrics(self.registry)

    def counted(self, node: str, counted: Counted) -> None:
        """Counts what a batch added; comes after its commit."""
        for number, metric in (
            (counted.conflicts, self.conflicts),
            (counted.attempts, self.conflict_attempts),
        ):
            for (subscription, kind, conflict_type), count in number.items():
                if kind == Kind.CONFLICT:
                    metric.labels(node, subscription, conflict_type).inc(count)
        for (subscription, kind, _), count in counted.conflicts.items():
            if kind != Kind.CONFLICT:
                self.recorded_errors.labels(node, subscription, kind).inc(count)

    def know_node(self, node: str, jobs: Iterable[str]) -> None:
        """Gives a node its series at 0 before anything happened."""
        self.node_up.labels(node).set(0)
        self.log_read_bytes.labels(node)
        self.log_unread_bytes.labels(node)
        for reason in get_args(GapReason):
            self.log_gaps.labels(node, reason)
        for reason in UNRECOGNISED:
            self.unrecognised_records.labels(node, reason)
        for job in jobs:
            self.job_restarts.labels(node, job)

    def know_subscription(
        self, node: str, subscription: str, counted_types: Iterable[str]
    ) -> None:
        """Gives a subscription its counters at 0 before its first conflict."""
        for conflict_type in ALL_TYPES:
            self.conflicts.labels(node, subscription, conflict_type)
            self.conflict_attempts.labels(node, subscription, conflict_type)
        for conflict_type in counted_types:
            self.server_conflicts.labels(node, subscription, conflict_type)
        for kind in (Kind.APPLY_ERROR, Kind.SYNC_ERROR):
            self.recorded_errors.labels(node, subscription, kind)
        self.apply_errors.labels(node, subscription)
        self.verdicts.know_subscription(node, subscription)

    def forget_subscription(self, node: str, subscription: str) -> None:
        """Removes the series of a subscription that is no more."""
        for metric in (
            self.conflicts,
            self.conflict_attempts,
            self.recorded_errors,
            self.server_conflicts,
            self.apply_errors,
            self.sync_errors,
            self.unaccounted_conflicts,
            self.unaccounted_apply_errors,
            self.stalled,
            self.subscription_enabled,
            self.subscription_worker_up,
            self.subscription_last_message,
        ):
            metric.remove_by_labels({"node": node, "subscription": subscription})
        self.verdicts.forget_subscription(node, subscription)

    def _counter(self, name: str, text: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"pgconflict_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, labels: tuple[str, ...]) -> Gauge:
        return Gauge(f"pgconflict_{name}", text, labels, registry=self.registry)
