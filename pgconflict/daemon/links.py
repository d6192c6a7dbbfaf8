"""Brings together what all nodes say: slots, lag, waits and clocks as metrics. No I/O.

Lag is what two nodes say together: the publisher has the slot and its WAL, the
subscriber the subscription.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pgconflict.daemon.commit_times import publisher_of
from pgconflict.daemon.lag import WalHistory
from pgconflict.daemon.node_metrics import REASONS, WAL_STATUSES
from pgconflict.daemon.publisher_state import LockWait

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pgconflict.daemon.gauges import Labels
    from pgconflict.daemon.node_metrics import NodeMetrics
    from pgconflict.daemon.publisher_state import PublisherState, Slot, Subscribed

TABLE_SYNC_SLOTS: Final = "pg_*_sync_*"
"""The slots of initial table copies count as one: each has a name of its own, for
minutes. No slot can have this name."""

_TABLE_SYNC: Final = re.compile(r"pg_\d+_sync_\d+_\d+")


@dataclass(slots=True)
class Links:
    """What all nodes said last: the two ends of each subscription come together."""

    metrics: NodeMetrics
    now: Callable[[], float] = time.monotonic
    _states: dict[str, PublisherState] = field(default_factory=dict)
    _histories: dict[str, WalHistory] = field(default_factory=dict)

    def show(self, node: str, state: PublisherState) -> None:
        """Show what a node just said, and what follows from it for the others."""
        self._states[node] = state
        if state.current_lsn is not None:
            history = self._histories.setdefault(node, WalHistory())
            history.add(self.now(), state.current_lsn)
        self._show_node(node, state)
        self._show_slots(node, state)
        self._show_lags()

    def lost(self, node: str) -> None:
        """Forget a node that does not answer; how its WAL grew is still known."""
        self._states.pop(node, None)
        self.metrics.lose_publisher(node)
        self._show_lags()

    def _show_node(self, node: str, state: PublisherState) -> None:
        metrics = self.metrics
        metrics.slot_wal_limit.show_one(node, state.slot_wal_limit)
        metrics.slot_idle_timeout.show_one(node, state.slot_idle_timeout)
        metrics.clock_offset.show_one(node, state.clock.seconds)
        metrics.clock_uncertainty.show_one(node, state.clock.uncertainty)
        metrics.prepared.show(
            node, {(one.database,): one.number for one in state.prepared}
        )
        metrics.prepared_oldest.show(
            node,
            {
                (one.database,): one.oldest.timestamp()
                for one in state.prepared
                if one.oldest is not None
            },
        )
        waits = {wait.subid: wait for wait in state.lock_waits}
        shown: dict[Labels, float] = {}
        for one in state.subscriptions:
            wait = waits.get(one.subid, LockWait(one.subid, False, False))
            for blocker, waits_for in (
                ("session", wait.by_session),
                ("prepared_transaction", wait.by_prepared),
            ):
                # Of one name in several databases the one that waits is shown.
                before = shown.get((one.name, blocker), 0)
                shown[one.name, blocker] = max(before, waits_for)
        metrics.lock_wait.show(node, shown)

    def _show_slots(self, node: str, state: PublisherState) -> None:
        metrics = self.metrics
        active: dict[Labels, float] = {}
        inactive_since: dict[Labels, float] = {}
        retained: dict[Labels, float] = {}
        safe: dict[Labels, float] = {}
        statuses: dict[Labels, float] = {}
        invalidated: dict[Labels, float] = {}
        for label, slots in _by_label(state.slots).items():
            read = [slot for slot in slots if not slot.synced]
            if read:
                active[label,] = all(slot.active for slot in read)
            if idle := [slot.inactive_since for slot in read if slot.inactive_since]:
                inactive_since[label,] = min(idle).timestamp()
            if sizes := [slot.retained(state.current_lsn) for slot in slots]:
                retained[label,] = max(sizes)
            if left := [s.safe_wal_size for s in slots if s.safe_wal_size is not None]:
                safe[label,] = max(0, min(left))
            there = {slot.wal_status or "lost" for slot in slots}
            for status in there.union(WAL_STATUSES):
                statuses[label, status] = status in there
            reasons = {slot.invalidated for slot in slots if slot.invalidated}
            for reason in reasons.union(REASONS):
                invalidated[label, reason] = reason in reasons
        metrics.slot_active.show(node, active)
        metrics.slot_inactive_since.show(node, inactive_since)
        metrics.slot_retained.show(node, retained)
        metrics.slot_safe_wal.show(node, safe)
        metrics.slot_wal_status.show(node, statuses)
        metrics.slot_invalidated.show(node, invalidated)

    def _show_lags(self) -> None:
        places: dict[str, list[str]] = {}
        slots: dict[tuple[str, str], Slot] = {}
        for node, state in self._states.items():
            for slot in state.slots:
                # A standby's copy is not what the subscription reads.
                if not slot.synced:
                    places.setdefault(slot.name, []).append(node)
                    slots[node, slot.name] = slot
        for subscriber, state in self._states.items():
            behind: dict[Labels, float] = {}
            seconds: dict[Labels, float] = {}
            for one in state.subscriptions:
                found = self._lag(one, subscriber, places, slots)
                if found is not None:
                    # Of one name in several databases the one furthest behind.
                    key = (one.name,)
                    behind[key] = max(behind.get(key, 0), found[0])
                    seconds[key] = max(seconds.get(key, 0), found[1])
            self.metrics.lag_bytes.show(subscriber, behind)
            self.metrics.lag_seconds.show(subscriber, seconds)

    def _lag(
        self,
        one: Subscribed,
        subscriber: str,
        places: Mapping[str, Sequence[str]],
        slots: Mapping[tuple[str, str], Slot],
    ) -> tuple[int, float] | None:
        publisher = publisher_of(one.slot_name, subscriber, places)
        if publisher is None or one.slot_name is None:
            return None
        current = self._states[publisher].current_lsn
        confirmed = slots[publisher, one.slot_name].confirmed_lsn
        if current is None or confirmed is None:
            return None
        behind = max(0, current - confirmed)
        if behind == 0:
            return 0, 0.0
        history = self._histories[publisher]
        return behind, history.seconds_behind(confirmed, self.now())


def slot_label(name: str) -> str:
    """Return a slot's label: its name, but one for all slots of table copies.

    >>> slot_label("pg_16400_sync_16390_7291234567890123456")
    'pg_*_sync_*'
    >>> slot_label("to_b")
    'to_b'
    """
    return TABLE_SYNC_SLOTS if _TABLE_SYNC.fullmatch(name) else name


def _by_label(slots: Sequence[Slot]) -> dict[str, list[Slot]]:
    found: dict[str, list[Slot]] = {}
    for slot in slots:
        found.setdefault(slot_label(slot.name), []).append(slot)
    return found
