"""Finds the cause of conflicts: gathers what both nodes logged about their rows."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING, Final

import msgspec

from pgconflict.core.cause import Cause, Decision, decide
from pgconflict.core.event import Member, digest_of_write
from pgconflict.core.progress import Others, Positions
from pgconflict.daemon.verdict_links import (
    AROUND,
    doubts_of_log,
    doubts_of_placing,
    never_applied,
    skipped_before,
    skipped_there,
)
from pgconflict.daemon.verdict_ways import other_ways

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from pgconflict.conflict_log.verdicts import Verdicts
    from pgconflict.core.passing import Way
    from pgconflict.core.row_entry import KeyValues, RowEntry
    from pgconflict.daemon.verdict_history import Progress
    from pgconflict.daemon.verdict_links import AllSkipped, Sides
    from pgconflict.daemon.verdict_nodes import NodeView
    from pgconflict.daemon.verdict_watch import Watch

_SKIPPED: Final = "the other node skipped the transaction of the local version"

NO_LOG_S: Final = 60.0
"""A log that was not recorded up to its end for so long proves nothing."""


class Causes:
    """Decides what can be decided, for conflicts of one table and subscription."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    async def decide(
        self,
        verdicts: Verdicts,
        sides: Sides,
        watches: Sequence[Watch],
        views: Mapping[str, NodeView],
    ) -> None:
        """Find the causes of those of which enough is known.

        Raises:
            ConflictLogUnavailableError, NodeUnavailableError: the next round tries
                again.
        """
        hopeless = _undecidable(sides)
        if hopeless is not None:
            for watch in watches:
                watch.decision = watch.decision or undecided(hopeless)
            return
        ready = [
            watch
            for watch in watches
            if watch.cause is None and _log_is_read(watch, sides)
        ]
        if not ready:
            return
        # In their order: a hand-over tells of what came after it.
        ready.sort(key=_place)
        entries = [watch.due.entry for watch in ready]
        systems = (sides.here.system_identifier, sides.there.system_identifier)
        earliest = min(map(_began, entries)) - AROUND
        texts = {text for entry in entries for text in _key_texts(entry)}
        around = await verdicts.around(
            systems, watches[0].table, earliest, sorted(texts)
        )
        versions = [entry.local_at for entry in entries if entry.local_at is not None]
        skipped = await _dated(
            await verdicts.skipped(
                systems, min([earliest, *(at - AROUND for at in versions)])
            ),
            sides,
        )
        ways = await other_ways(sides, views) if sides.others_write else ()
        index = _Index(await _with_times(around, sides), sides)
        clocks = {view.name: view.offset for view in (sides.here, sides.there)}
        for watch in ready:
            lost = skipped_there(watch.due.entry, sides, skipped)
            why = [
                *(watch.doubts or []),
                *doubts_of_log(watch.due.entry, sides.there),
                *skipped_before(watch.due.entry, sides, skipped),
                *lost,
            ]
            positions = Positions()
            if not lost and not doubts_of_placing(watch.due.entry, sides):
                positions = self._progress.place(watch.due.entry, sides)
            if sides.others_write:
                others = self._others(watch.due.entry, sides, ways)
                positions = msgspec.structs.replace(positions, others=others)
            decision = index.decide(watch.due.entry, why, positions)
            if decision.cause is Cause.UNKNOWN and never_applied(
                watch.due.entry, sides, skipped
            ):
                decision = msgspec.structs.replace(
                    decision, cause=Cause.CONCURRENT, reason=_SKIPPED
                )
            watch.decided(decision, why, clocks)
            watch.event = index.event(watch.due.entry, decision)

    def _others(
        self, entry: RowEntry, sides: Sides, ways: Sequence[Way] | None
    ) -> Others:
        if ways is None or not self._progress.kept_apart(entry, sides, ways):
            return Others.UNSURE
        return Others.APART


class _Index:
    """Entries of both nodes by the keys that they are about."""

    def __init__(self, entries: Iterable[RowEntry], sides: Sides) -> None:
        self._columns = sides.key or ()
        self._sides = sides
        self._by_number: dict[int, RowEntry] = {}
        self._system = sides.there.system_identifier
        self._back = None if sides.back is None else sides.back.subid
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
        self, entry: RowEntry, why: Sequence[str], positions: Positions
    ) -> Decision:
        """Decide one conflict."""
        columns = self._columns
        key = entry.key(columns)
        itself = None if key is None else entry.logged(columns, key)
        if key is None or itself is None:
            return undecided("the row's key is not known")
        mirrored, own = [], []
        for other in (*self._by_key[key], *self._any_key):
            logged = other.logged(columns, key)
            if logged is None or other.conflict_id == entry.conflict_id:
                continue
            if other.conflict_id in self._handed_over:
                logged = msgspec.structs.replace(logged, handed_over=True)
            if other.system_identifier == self._system and other.subid == self._back:
                mirrored.append(logged)
            elif other.system_identifier == entry.system_identifier:
                own.append(logged)
        decision = decide(itself, mirrored, own, why, positions)
        if decision.cause is Cause.HAND_OVER:
            self._handed_over.add(entry.conflict_id)
        return decision

    def event(self, entry: RowEntry, decision: Decision) -> tuple[Member, ...]:
        """Return the entries that are one event with this one; empty if none is."""
        proofs = [self._by_number[number] for number in decision.entries]
        return tuple(map(self._member, (entry, *proofs))) if proofs else ()

    def _member(self, entry: RowEntry) -> Member:
        here, there = self._sides.here, self._sides.there
        came_from = there
        if entry.system_identifier == there.system_identifier:
            came_from = here
        transactions = [(came_from.system_identifier, entry.remote_xid)]
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


def _undecidable(sides: Sides) -> str | None:
    """Why no cause of these two nodes' conflicts can be found."""
    if sides.key is None:
        return "no common key"
    if sides.sent_on:
        # Who wrote it, and by which clock, can't be told then.
        return "a subscription without origin = none is sent what others wrote"
    return None


def undecided(reason: str) -> Decision:
    """Return that nothing can be said, and why."""
    return Decision(cause=Cause.UNKNOWN, reason=reason)


async def complete(there: NodeView, watches: Iterable[Watch]) -> None:
    """Look up commit times on the publisher that are not recorded yet.

    Raises:
        NodeUnavailableError: it did not answer.
    """
    lacking = [watch for watch in watches if watch.mark is None]
    entries = await _completed(there, [watch.due.entry for watch in lacking])
    for watch, entry in zip(lacking, entries, strict=True):
        if entry is not watch.due.entry:
            watch.due = msgspec.structs.replace(watch.due, entry=entry)


async def _completed(
    publisher: NodeView, entries: Sequence[RowEntry]
) -> list[RowEntry]:
    xids = {
        entry.remote_xid
        for entry in entries
        if entry.remote_at is None and entry.remote_xid is not None
    }
    times = await _commit_times(publisher, xids)
    return [
        msgspec.structs.replace(entry, remote_at=times[entry.remote_xid])
        if entry.remote_at is None and entry.remote_xid in times
        else entry
        for entry in entries
    ]


async def _commit_times(
    publisher: NodeView, xids: Collection[int]
) -> dict[int | None, datetime]:
    if not xids:
        return {}
    rows = await publisher.session.rows("commit_times", sorted(xids))
    return {row["xid"]: row["committed"] for row in rows if row["committed"]}


async def _with_times(entries: Sequence[RowEntry], sides: Sides) -> list[RowEntry]:
    """The entries, each with its commit time on the node that published it.

    What a third node published stays without: its ids are other transactions' here.
    """
    back = None if sides.back is None else sides.back.subid
    ways = {
        (sides.here.system_identifier, sides.subscription.subid): sides.there,
        (sides.there.system_identifier, back): sides.here,
    }
    found = []
    of_way: dict[tuple[int, int | None], list[RowEntry]] = defaultdict(list)
    for entry in entries:
        of_way[entry.system_identifier, entry.subid].append(entry)
    for way, its in of_way.items():
        publisher = ways.get(way)
        found += its if publisher is None else await _completed(publisher, its)
    return found


async def _dated(skipped: AllSkipped, sides: Sides) -> AllSkipped:
    """The skipped transactions, with their commit times where the publisher has them.

    Raises:
        NodeUnavailableError: it did not answer.
    """
    found = dict(skipped)
    ways = [(sides.here, sides.subscription.subid, sides.there)]
    if sides.back is not None:
        ways.append((sides.there, sides.back.subid, sides.here))
    for subscriber, subid, publisher in ways:
        way = (subscriber.system_identifier, subid)
        times = await _commit_times(
            publisher,
            {
                one.remote_xid
                for one in found.get(way, ())
                if one.committed is None and one.remote_xid is not None
            },
        )
        found[way] = [
            one
            if one.committed is not None
            else msgspec.structs.replace(one, committed=times.get(one.remote_xid))
            for one in found.get(way, ())
        ]
    return found


def _log_is_read(watch: Watch, sides: Sides) -> bool:
    """Whether the publisher's log is recorded as far as it must be, or never will."""
    passed_at = watch.passed_at
    if passed_at is None:
        return False
    if sides.there.recorded_since(passed_at):
        return True
    if time.monotonic() - passed_at < NO_LOG_S:
        return False
    watch.doubts = ["the other node's log is not recorded"]
    return True


def _place(watch: Watch) -> tuple[datetime, int]:
    entry = watch.due.entry
    return entry.first_logged_at, entry.conflict_id


def _began(entry: RowEntry) -> datetime:
    at = entry.remote_at
    logged = entry.first_logged_at
    return logged if at is None else min(at, logged)


def _key_texts(entry: RowEntry) -> list[str]:
    if entry.replica_identity_text is not None:
        return [entry.replica_identity_text]
    return [local.key_text for local in entry.local_conflicts if local.key_text]
