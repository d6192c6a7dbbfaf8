"""What was seen of nodes from round to round: how far each came when.

Times are of one node's own clock.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from pgconflict.conflict_log.positions import Seen
from pgconflict.core.passing import Commit, PositionsSeen, kept_from
from pgconflict.core.progress import Positions, Samples, arrival, place_write

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from pgconflict.core.passing import Way
    from pgconflict.core.row_entry import RowEntry
    from pgconflict.daemon.verdict.links import Sides
    from pgconflict.daemon.verdict.nodes import NodeView

ROUNDS: Final = 4000
"""Remembered of each node: more than half an hour."""

COMMITTING_S: Final = 1.0
"""How much later than its commit time a commit may be in the WAL."""


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
class Progress:
    """Positions of nodes, by which commits of one and writes of another are placed."""

    _written: dict[int, Samples] = field(default_factory=lambda: defaultdict(Samples))
    _applied: dict[tuple[int, int], Samples] = field(
        default_factory=lambda: defaultdict(Samples)
    )
    _set_back: dict[int, int] = field(default_factory=dict)
    _confirmed: dict[tuple[str, str], int] = field(default_factory=dict)
    """Node and slot to what its subscriber had confirmed when it was noted last."""

    unsaved: list[Seen] = field(default_factory=list)
    void: set[int] = field(default_factory=set)
    """Nodes whose clock was set back: what was saved of them does not count."""

    def load(self, seen: Iterable[Seen]) -> None:
        """Take what was seen before a restart."""
        self._written.clear()
        self._applied.clear()
        for one in seen:
            self._samples(one.system_identifier, one.subid).add(one.sample)

    def _samples(self, system_identifier: int, subid: int | None) -> Samples:
        if subid is None:
            return self._written[system_identifier]
        return self._applied[system_identifier, subid]

    def _add(self, seen: Seen) -> None:
        self._samples(seen.system_identifier, seen.subid).add(seen.sample)
        self.unsaved.append(seen)

    def note(self, views: Collection[NodeView]) -> None:
        """Note what every node said, and that it is to be saved."""
        for view in views:
            system = view.system_identifier
            if view.times_set_back != self._set_back.setdefault(system, 0):
                self._set_back[system] = view.times_set_back
                self._forget(system)
            if view.written is not None:
                self._add(Seen(system, None, view.written))
            for subid, sample in view.applied.items():
                # Confirmed before this sample was taken, whoever was asked first.
                confirmed = self._confirmed.get(_slot(view, subid), 0)
                reached = msgspec.structs.replace(sample, confirmed=confirmed)
                self._add(Seen(system, subid, reached))
        for view in views:
            for name, lsn in view.slots.items():
                self._confirmed[view.name, name] = lsn

    def _forget(self, system_identifier: int) -> None:
        """Forget a node whose clock was set back."""
        self.void.add(system_identifier)
        self.unsaved = [
            one for one in self.unsaved if one.system_identifier != system_identifier
        ]
        self._written.pop(system_identifier, None)
        for key in [key for key in self._applied if key[0] == system_identifier]:
            del self._applied[key]

    def place(self, entry: RowEntry, sides: Sides) -> Positions:
        """Return whether the publisher had applied the version that its change met."""
        at, xid = entry.local_at, entry.local_xid
        if sides.back is None or entry.remote_at is None:
            return Positions()
        return place_write(
            written=self._written[sides.here.system_identifier],
            applied=self._applied[sides.there.system_identifier, sides.back.subid],
            commit=at,
            xid=xid,
            other=entry.remote_at,
        )

    def kept_apart(self, entry: RowEntry, sides: Sides, ways: Sequence[Way]) -> bool:
        """Whether neither writer can have seen the other's version by other ways."""
        at, written = entry.local_at, entry.remote_at
        if at is None or entry.local_xid is None or written is None:
            return False
        ours = Commit(sides.here.system_identifier, at)
        theirs = Commit(sides.there.system_identifier, written)
        seen = PositionsSeen(self._written, self._applied)
        return kept_from(ours, theirs, ways, seen) and kept_from(
            theirs, ours, ways, seen
        )

    def arrived(self, entry: RowEntry, sides: Sides) -> datetime | None:
        """Return when the publisher had applied that version, by its clock."""
        at, xid = entry.local_at, entry.local_xid
        if sides.back is None or at is None or xid is None:
            return None
        return arrival(
            written=self._written[sides.here.system_identifier],
            applied=self._applied[sides.there.system_identifier, sides.back.subid],
            commit=at,
            xid=xid,
        )


def _slot(view: NodeView, subid: int) -> tuple[str, str]:
    """Publisher and slot of a subscription; empty where not known."""
    one = view.subscriptions.get(subid)
    return (one.publisher or "", one.slot_name or "") if one is not None else ("", "")
