"""What nodes logged about the rows of conflicts, by key: the evidence of each."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from pgconflict.core.cause import decide
from pgconflict.core.event import Member, digest_of_write
from pgconflict.core.evidence import Cause, undecided
from pgconflict.core.further import came_after

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from pgconflict.core.evidence import Decision, Logged
    from pgconflict.core.further import Further
    from pgconflict.core.progress import Positions
    from pgconflict.core.row_entry import KeyValues, RowEntry
    from pgconflict.daemon.verdict.links import Sides
    from pgconflict.daemon.verdict.nodes import NodeView

    Publishers = Mapping[tuple[int, int | None], NodeView]
    """By node and subscription, who sends the changes."""


class Index:
    """Entries of the nodes by the keys that they are about."""

    def __init__(self, entries: Iterable[RowEntry], sides: Sides) -> None:
        self._columns = sides.key or ()
        self._sides = sides
        self._publishers = publishers_of(sides)
        back = None if sides.back is None else sides.back.subid
        self._back = (sides.there.system_identifier, back)
        self._by_number: dict[int, RowEntry] = {}
        self._by_key: dict[KeyValues, list[RowEntry]] = defaultdict(list)
        self._any_key: list[RowEntry] = []
        self._handed_over: set[int] = set()
        for entry in entries:
            self._by_number[entry.conflict_id] = entry
            key, new = entry.key(self._columns), entry.new_key(self._columns)
            if key is None or entry.stalls or (new is None and entry.changes_keys):
                self._any_key.append(entry)
                continue
            self._by_key[key].append(entry)
            if new is not None and new != key:
                self._by_key[new].append(entry)

    def decide(
        self,
        entry: RowEntry,
        why: Sequence[str],
        positions: Positions,
        further: Further | None,
    ) -> Decision:
        """Decide one conflict."""
        itself = self._logged(entry)
        if itself is None:
            return undecided("the row's key is not known")
        decision = decide(
            itself,
            self._mirrored(entry),
            [
                one
                for other, one in self._others(entry)
                if other.system_identifier == entry.system_identifier
            ],
            why,
            positions,
            further=further,
        )
        if decision.cause is Cause.HAND_OVER:
            self._handed_over.add(entry.conflict_id)
        return decision

    def about(self, entry: RowEntry) -> list[RowEntry]:
        """Return the further entries that may be about its row."""
        return [other for other, _ in self._others(entry)]

    def came_after(self, entry: RowEntry, positions: Positions) -> datetime | None:
        """Return when its version had certainly not come to the publisher yet."""
        itself = self._logged(entry)
        if itself is None:
            return None
        return came_after(itself, self._mirrored(entry), positions)

    def of_others(self, entry: RowEntry) -> tuple[Logged, ...]:
        """Return what the publisher logged about changes of further nodes."""
        there, back = self._back
        return tuple(
            one
            for other, one in self._others(entry)
            if other.system_identifier == there and other.subid != back
        )

    def _mirrored(self, entry: RowEntry) -> list[Logged]:
        """What the publisher logged about changes of the node that logged."""
        return [
            one
            for other, one in self._others(entry)
            if (other.system_identifier, other.subid) == self._back
        ]

    def _logged(self, entry: RowEntry) -> Logged | None:
        key = entry.key(self._columns)
        return None if key is None else entry.logged(self._columns, key)

    def _others(self, entry: RowEntry) -> Iterator[tuple[RowEntry, Logged]]:
        columns = self._columns
        key = entry.key(columns)
        if key is None:
            return
        for other in (*self._by_key[key], *self._any_key):
            logged = other.logged(columns, key)
            if logged is None or other.conflict_id == entry.conflict_id:
                continue
            if other.conflict_id in self._handed_over:
                logged = msgspec.structs.replace(logged, handed_over=True)
            yield other, logged

    def event(self, entry: RowEntry, decision: Decision) -> tuple[Member, ...]:
        """Return the entries that are one event with this one; empty if none is."""
        proofs = [self._by_number[number] for number in decision.entries]
        return tuple(map(self._member, (entry, *proofs))) if proofs else ()

    def _member(self, entry: RowEntry) -> Member:
        transactions: list[tuple[int, int | None]] = []
        publisher = self._publishers.get((entry.system_identifier, entry.subid))
        if publisher is not None:
            transactions.append((publisher.system_identifier, entry.remote_xid))
        if entry.local_xid is not None:
            transactions.append((entry.system_identifier, entry.local_xid))
        columns = sorted(self._columns)
        key, table = entry.key(columns), self._sides.here_table
        writes = (
            digest_of_write((table.schemaname, table.relname), key, system, xid)
            for system, xid in transactions
            if key is not None and table is not None and xid is not None
        )
        return Member(entry.conflict_id, entry.first_logged_at, tuple(writes))


def publishers_of(sides: Sides) -> Publishers:
    """Return who sends the changes, by node and subscription."""
    here, there = sides.here, sides.there
    found: dict[tuple[int, int | None], NodeView] = {}
    found[here.system_identifier, sides.subscription.subid] = there
    if sides.back is not None:
        found[there.system_identifier, sides.back.subid] = here
    return found
