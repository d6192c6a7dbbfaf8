"""What was seen of nodes from round to round: how far each came when, and vacuums.

Times are of one node's own clock.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pgconflict.daemon.verdict_nodes import NodeView
    from pgconflict.server.row_reader import RowTable

ROUNDS: Final = 4000
"""Remembered of each node: more than half an hour."""

COMMITTING_S: Final = 1.0
"""How much later than its commit time a commit may be in the WAL."""

LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


def _rounds() -> deque[tuple[datetime, int]]:
    return deque(maxlen=ROUNDS)


@dataclass(slots=True)
class Arrivals:
    """When what a node had written by some time had been applied on another."""

    _written: dict[str, deque[tuple[datetime, int]]] = field(
        default_factory=lambda: defaultdict(_rounds)
    )
    _applied: dict[tuple[str, str], deque[tuple[datetime, int]]] = field(
        default_factory=lambda: defaultdict(_rounds)
    )
    _confirmed: dict[tuple[str, str], int] = field(default_factory=dict)

    def note(self, views: Iterable[NodeView]) -> None:
        """Note a round, after every node was asked in it."""
        known = {view.name: view for view in views}
        for view in known.values():
            self._written[view.name].append((view.clock, view.position))
            for one in view.subscriptions.values():
                publisher = known.get(one.publisher or "")
                if publisher is None or one.slot_name is None:
                    continue
                place = (publisher.name, one.slot_name)
                # Confirmed in the round before: by this node's clock of this round it
                # had certainly been applied, whoever was asked first.
                before = self._confirmed.get(place)
                if before is not None:
                    self._applied[place].append((view.clock, before))
                now = publisher.slots.get(one.slot_name)
                if now is not None:
                    self._confirmed[place] = now

    def forget(self, node: str) -> None:
        """Forget a node whose clock was set back, or that is another server now."""
        self._written.pop(node, None)
        for place in [*self._applied, *self._confirmed]:
            self._applied.pop(place, None)
            self._confirmed.pop(place, None)

    def applied_by(
        self, publisher: str, slot_name: str, committed: datetime
    ) -> datetime | None:
        """Return when a commit had been applied, by the subscriber's clock, at latest.

        Args:
            publisher: Where it was committed.
            slot_name: Of the subscription.
            committed: By the publisher's clock.
        """
        written = self._written.get(publisher)
        applied = self._applied.get((publisher, slot_name))
        if not written or not applied:
            return None
        after = committed + timedelta(seconds=COMMITTING_S)
        place = bisect_left(written, after, key=lambda seen: seen[0])
        if place == len(written):
            return None
        goal = written[place][1]
        place = bisect_left(applied, goal, key=lambda seen: seen[1])
        return None if place == len(applied) else applied[place][0]


@dataclass(slots=True)
class _Vacuumed:
    """Of one table: times between which a vacuum may have been at work."""

    spans: deque[tuple[datetime, datetime]]
    last: datetime | None
    seen_at: datetime
    open_since: datetime | None

    def add(self, since: datetime, until: datetime) -> None:
        """Add a span; the oldest ones become one that began long ago."""
        if len(self.spans) == self.spans.maxlen:
            _, oldest = self.spans.popleft()
            self.spans[0] = (LONG_AGO, max(oldest, self.spans[0][1]))
        self.spans.append((since, until))


@dataclass(slots=True)
class Vacuums:
    """When vacuums were at work, as far as looking from time to time tells."""

    _tables: dict[tuple[int, int], _Vacuumed] = field(default_factory=dict)

    def note(self, view: NodeView, table: RowTable) -> None:
        """Note a table as it was read just now."""
        key = (view.system_identifier, table.relid)
        known = self._tables.get(key)
        now = view.clock
        if known is None:
            known = _Vacuumed(deque(maxlen=200), None, LONG_AGO, None)
            self._tables[key] = known
        ended = table.vacuumed_at
        if ended is not None and ended != known.last:
            # Whatever ended since the look before began after it, unless it was seen
            # at work then; several that ended are one span.
            known.add(known.open_since or known.seen_at, ended)
            known.last, known.open_since = ended, None
        elif known.open_since is not None and not table.vacuums_now:
            known.add(known.open_since, now)  # it was cancelled
        if table.vacuums_now:
            known.open_since = known.open_since or known.seen_at
        else:
            known.open_since = None
        known.seen_at = now

    def at_work(
        self, system_identifier: int, relid: int, since: datetime, until: datetime
    ) -> bool:
        """Whether a vacuum may have been at work at some time between these."""
        known = self._tables.get((system_identifier, relid))
        if known is None:
            return True
        if known.open_since is not None and known.open_since <= until:
            return True
        return any(low <= until and high >= since for low, high in known.spans)
