"""The metrics that show a node as it is now: slots, lag, waits, coverage, clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import Gauge

from pgconflict.daemon.gauges import NodeGauge

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

REASONS: Final = (
    "idle_timeout",
    "rows_removed",
    "wal_level_insufficient",
    "wal_removed",
)
"""Why a slot can be invalid; a newer server's own word is shown too."""

WAL_STATUSES: Final = ("extended", "lost", "reserved", "unreserved")

RELATION_STATES: Final = {
    "i": "init",
    "d": "data_copy",
    "f": "finished_copy",
    "s": "synchronized",
    "r": "ready",
}
"""pg_subscription_rel.srsubstate, in words."""

_NODE: Final = ("node",)
_SLOT: Final = ("node", "slot")
_SUBSCRIPTION: Final = ("node", "subscription")
_DATABASE: Final = ("node", "database")


class NodeMetrics:
    """Attributes are the names without the prefix; a node's series come and go."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._made: list[NodeGauge] = []
        self.slot_active = self._gauge(
            "slot_active", "1 while a subscriber reads from the logical slot", _SLOT
        )
        self.slot_inactive_since = self._gauge(
            "slot_inactive_since_timestamp_seconds",
            "Since when nobody reads from the slot, seconds since 1970 (17+)",
            _SLOT,
        )
        self.slot_retained = self._gauge(
            "slot_retained_bytes", "WAL that the slot keeps from being removed", _SLOT
        )
        self.slot_safe_wal = self._gauge(
            "slot_safe_wal_bytes",
            "WAL that can be written until the slot may be invalidated; absent when"
            " max_slot_wal_keep_size sets no limit",
            _SLOT,
        )
        self.slot_wal_status = self._gauge(
            "slot_wal_status",
            "1 for the slot's wal_status: reserved, extended, unreserved or lost",
            (*_SLOT, "status"),
        )
        self.slot_invalidated = self._gauge(
            "slot_invalidated",
            "1 when the slot is invalid for this reason: its subscription can't go on",
            (*_SLOT, "reason"),
        )
        self.slot_wal_limit = self._gauge(
            "slot_wal_limit_bytes",
            "max_slot_wal_keep_size of the node; absent when it sets no limit",
            _NODE,
        )
        self.slot_idle_timeout = self._gauge(
            "slot_idle_timeout_seconds",
            "idle_replication_slot_timeout of the node (18+); absent when it is 0",
            _NODE,
        )
        self.lag_bytes = self._gauge(
            "subscription_lag_bytes",
            "WAL between what the publisher flushed and what the subscription"
            " confirmed; absent when no configured node is surely its publisher",
            _SUBSCRIPTION,
        )
        self.lag_seconds = self._gauge(
            "subscription_lag_seconds",
            "How long ago the publisher was where the subscription is now, as far as"
            " watched; 0 when it has everything",
            _SUBSCRIPTION,
        )
        self.lock_wait = self._gauge(
            "subscription_lock_wait",
            "1 while an apply worker waits for a lock of a session or of a prepared"
            " transaction",
            (*_SUBSCRIPTION, "blocker"),
        )
        self.prepared = self._gauge(
            "prepared_transactions", "Prepared transactions in the database", _DATABASE
        )
        self.prepared_oldest = self._gauge(
            "prepared_transaction_oldest_timestamp_seconds",
            "When the oldest of them was prepared, seconds since 1970; absent without"
            " any",
            _DATABASE,
        )
        self.clock_offset = self._gauge(
            "clock_offset_seconds",
            "Clock of the node minus clock of the daemon's host",
            _NODE,
        )
        self.clock_uncertainty = self._gauge(
            "clock_offset_uncertainty_seconds",
            "How much the offset may be wrong, either way: half the time of the"
            " question",
            _NODE,
        )

        self._of_publisher = tuple(self._made)
        self.relations = self._gauge(
            "subscription_relations",
            "Tables, and from 19 on sequences, of the subscription by the state of"
            " their initial synchronisation",
            (*_SUBSCRIPTION, "state"),
        )
        self.coverage = self._gauge(
            "detection_coverage",
            "0 when this keeps conflicts in the database from being seen, else 1",
            (*_DATABASE, "check"),
        )
        self.commit_timestamps_since = self._gauge(
            "commit_timestamps_since_timestamp_seconds",
            "Commit time of the oldest transaction whose origin the node still knows,"
            " seconds since 1970; absent when track_commit_timestamp is off",
            _NODE,
        )
        self._of_coverage = tuple(self._made[len(self._of_publisher) :])
        self.table_conflicts = self._gauge(
            "table_conflicts",
            "Conflicts recorded in the last 24 hours, by table: the first"
            " metrics.top_tables of each subscription, all others as `other`",
            (*_SUBSCRIPTION, "schema", "table"),
        )

    def lose_publisher(self, node: str) -> None:
        """Remove what the job `publisher` shows of a node: it does not answer."""
        for gauge in self._of_publisher:
            gauge.clear(node)

    def lose_coverage(self, node: str) -> None:
        """Remove what the job `coverage` shows of a node: it does not answer."""
        for gauge in self._of_coverage:
            gauge.clear(node)

    def _gauge(self, name: str, text: str, labels: tuple[str, ...]) -> NodeGauge:
        gauge = Gauge(f"pgconflict_{name}", text, labels, registry=self._registry)
        made = NodeGauge(gauge)
        self._made.append(made)
        return made
