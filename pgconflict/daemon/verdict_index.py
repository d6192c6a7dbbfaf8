"""What nodes logged about the rows of conflicts, by key: the evidence of each."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from pgconflict.core.cause import decide
from pgconflict.core.event import Member, digest_of_write
from pgconflict.core.evidence import Cause, Decision
from pgconflict.core.further import Further

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pgconflict.core.evidence import Logged
    from pgconflict.core.progress import Positions
    from pgconflict.core.row_entry import KeyValues, RowEntry
    from pgconflict.daemon.verdict_links import Sides
    from pgconflict.daemon.verdict_nodes import NodeView

    Publishers = Mapping[tuple[int, int | None], NodeView]
    """By node and subscription, who sends the changes."""


class Index:
    """Entries of the nodes by the keys that they are about."""

    def __init__(
        self, entries: Iterable[RowEntry], sides: Sides, publishers: Publishers
    ) -> None:
        self._columns = sides.key or ()
        self._sides = sides
        self._publishers = publishers
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
        pair: Sides,
        further: Further | None,
    ) -> Decision:
        """Decide one conflict; `pair`: who wrote its version, and its publisher."""
        columns = self._columns
        key = entry.key(columns)
        itself = None if key is None else entry.logged(columns, key)
        if key is None or itself is None:
            return undecided("the row's key is not known")
        if pair is not self._sides:
            # Of a session of the node that wrote it, and asked with that node's eyes.
            itself = msgspec.structs.replace(itself, local_kind="local")
        back = None if pair.back is None else pair.back.subid
        there = pair.there.system_identifier
        decision = decide(
            itself,
            [one for way, one in self._others(entry) if way == (there, back)],
            [
                one
                for (system, _), one in self._others(entry)
                if system == entry.system_identifier
            ],
            why,
            positions,
            further=further,
        )
        if decision.cause is Cause.HAND_OVER:
            self._handed_over.add(entry.conflict_id)
        return decision

    def further(self, entry: RowEntry, pair: Sides) -> Further:
        """Return what was logged about changes of further nodes."""
        there, writer = pair.there.system_identifier, pair.here.system_identifier
        back = None if pair.back is None else pair.back.subid
        others = list(self._others(entry))
        entries = tuple(
            one for (system, subid), one in others if system == there and subid != back
        )
        if pair is self._sides:
            return Further(entries=entries)
        return Further(
            entries=entries,
            of_writer=tuple(one for (system, _), one in others if system == writer),
            subid=pair.subscription.subid,
        )

    def _others(
        self, entry: RowEntry
    ) -> Iterator[tuple[tuple[int, int | None], Logged]]:
        """The further entries about its row, by node and subscription."""
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
            yield (other.system_identifier, other.subid), logged

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


def publishers_of(pairs: Iterable[Sides]) -> Publishers:
    """Return who sends the changes, by node and subscription."""
    found: dict[tuple[int, int | None], NodeView] = {}
    for one in pairs:
        found[one.here.system_identifier, one.subscription.subid] = one.there
        if one.back is not None:
            found[one.there.system_identifier, one.back.subid] = one.here
    return found


def undecided(reason: str) -> Decision:
    """Return that nothing can be said, and why."""
    return Decision(cause=Cause.UNKNOWN, reason=reason)
