"""Finds the cause of conflicts: gathers what both nodes logged about their rows."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from pgconflict.core.evidence import Cause, undecided
from pgconflict.core.further import PASSED_ON, Further
from pgconflict.core.progress import Positions
from pgconflict.daemon.verdict.index import Index, publishers_of
from pgconflict.daemon.verdict.keys import doubts_of_keys
from pgconflict.daemon.verdict.links import (
    AROUND,
    doubts_of_entries,
    doubts_of_log,
    doubts_of_placing,
    never_applied,
    skipped_before,
    skipped_between,
    skipped_of_others,
    skipped_there,
)
from pgconflict.daemon.verdict.straight import straight_ways
from pgconflict.daemon.verdict.third import decision_of, same_writes, writer_of
from pgconflict.daemon.verdict.ways import other_ways

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from pgconflict.conflict_log.verdicts import Verdicts
    from pgconflict.core.passing import Way
    from pgconflict.core.row_entry import RowEntry
    from pgconflict.daemon.verdict.history import Progress
    from pgconflict.daemon.verdict.index import Publishers
    from pgconflict.daemon.verdict.links import AllSkipped, Sides
    from pgconflict.daemon.verdict.nodes import NodeView
    from pgconflict.daemon.verdict.straight import Straight
    from pgconflict.daemon.verdict.tables import Tables
    from pgconflict.daemon.verdict.watch import Watch
    from pgconflict.server.row_reader import RowTable

_NOT_RECORDED: Final = "the other node's log is not recorded"
_SKIPPED: Final = "the other node skipped the transaction of the local version"

NO_LOG_S: Final = 60.0
"""A log that was not recorded up to its end for so long proves nothing."""


@dataclass(frozen=True, slots=True)
class _Others:
    """By which ways further nodes' changes come to two."""

    ways: Sequence[Way] | None
    """None: that is not known."""

    straight: Straight | None
    """None: not all of them without a detour."""


class Causes:
    """Decides what can be decided, for conflicts of one table and subscription."""

    def __init__(self, progress: Progress, tables: Tables) -> None:
        self._progress = progress
        self._tables = tables

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
        ready = sorted(
            (
                watch
                for watch in watches
                if watch.cause is None
                and _log_is_read(watch, sides.there)
                and _writer_is_read(watch, sides, views)
            ),
            # In their order: a hand-over tells of what came after it.
            key=_place,
        )
        if not ready:
            return
        index, skipped = await _evidence(verdicts, sides, ready, views)
        others = await _others(sides, views)
        for watch in ready:
            entry = watch.due.entry
            writer = writer_of(entry, sides, views) if sides.others_write else None
            found = None
            if writer is not None:
                found = same_writes(entry, writer, index.about(entry))
            if found is None:
                self._decide(watch, sides, others, skipped, index)
            elif found.cause is not None or _waited_long(watch):
                decision = decision_of(found, Cause(found.cause or Cause.UNKNOWN))
                watch.decided(decision, watch.doubts or [])
                watch.event = index.event(entry, decision)
            # Else that one is decided first.

    def _decide(
        self,
        watch: Watch,
        sides: Sides,
        others: _Others,
        skipped: AllSkipped,
        index: Index,
    ) -> None:
        entry = watch.due.entry
        ways, straight = others.ways, others.straight
        if straight is not None and straight.passes(watch.first_mark):
            watch.further_passed_at = watch.further_passed_at or time.monotonic()
        lost = skipped_there(entry, sides, skipped)
        unlogged = doubts_of_log(entry, sides.there)
        before = skipped_before(entry, sides, skipped)
        why = [*(watch.doubts or []), *unlogged, *before, *lost]
        # Without its entry nobody knows whether what was applied there met the row.
        unfound = [*unlogged, *doubts_of_keys(sides)]
        positions = Positions()
        if not (lost or (unfound and before) or doubts_of_placing(entry, sides)):
            positions = self._progress.place(entry, sides)
        further = None
        if sides.others_write:
            came = index.came_after(entry, positions)
            further = Further(
                apart=ways is not None
                and self._progress.kept_apart(entry, sides, ways),
                entries=index.of_others(entry),
                doubts=(
                    *skipped_between(entry, sides, skipped, came),
                    *skipped_of_others(sides, skipped),
                    *self._doubts_between(watch, came, sides),
                ),
                all_came=straight is not None
                and self._all_came(watch, sides, straight, skipped),
                later=frozenset(
                    one.conflict_id
                    for one in index.about(entry)
                    if straight is not None and straight.is_later(one, watch.first_mark)
                ),
            )
        decision = index.decide(entry, why, positions, further)
        waits = straight is not None and not _further_are_read(watch, sides)
        if waits and decision.reason == PASSED_ON and not _waited_long(watch):
            return
        if decision.cause is Cause.UNKNOWN and never_applied(entry, sides, skipped):
            decision = msgspec.structs.replace(
                decision, cause=Cause.CONCURRENT, reason=_SKIPPED
            )
        watch.decided(decision, why)
        watch.event = index.event(entry, decision)

    def _all_came(
        self, watch: Watch, sides: Sides, straight: Straight, skipped: AllSkipped
    ) -> bool:
        """Whether both logs tell of all that further nodes had written by then."""
        entry = watch.due.entry
        met, written, here, there = (
            entry.local_at,
            entry.remote_at,
            sides.here,
            sides.there,
        )
        if met is None or written is None or not _further_are_read(watch, sides):
            return False
        # One node's clock tells how long ago that was, and not when another's did.
        age = max(here.latest_clock - met, there.latest_clock - written)
        if age >= straight.age or doubts_of_keys(sides):
            return False
        since = (
            (here, sides.here_table, entry.first_logged_at),
            (there, sides.there_table, written),
        )
        return not any(
            straight.skipped_since(view, moment, skipped)
            or self._doubts_since(view, table, moment, view.latest_clock)
            for view, table, moment in since
        )

    def _doubts_since(
        self,
        view: NodeView,
        table: RowTable | None,
        since: datetime,
        until: datetime,
    ) -> list[str]:
        """Why a node may have met a further node's change and not logged it."""
        vacuumed = table is None or self._tables.vacuumed(view, table, since, until)
        same_since = self._tables.same_since(view, table)
        return doubts_of_entries(view, table, since, same_since, vacuumed=vacuumed)

    def _doubts_between(
        self, watch: Watch, came: datetime | None, sides: Sides
    ) -> tuple[str, ...]:
        """Why a change between a version and what was written on it may be missing."""
        view, table = sides.there, sides.there_table
        written, passed_at = watch.due.entry.remote_at, watch.passed_at
        if came is None or written is None or passed_at is None:
            return ()
        if not view.recorded_since(passed_at):
            return (_NOT_RECORDED,)
        if came < written - AROUND:
            return ("what the other node logged that long ago is not looked for",)
        return (
            *doubts_of_keys(sides),
            *self._doubts_since(view, table, came, written),
        )


async def _others(sides: Sides, views: Mapping[str, NodeView]) -> _Others:
    if not sides.others_write:
        return _Others((), None)
    ways = await other_ways(sides, views)
    return _Others(ways, await straight_ways(sides, views, ways) if ways else None)


async def _evidence(
    verdicts: Verdicts,
    sides: Sides,
    ready: Sequence[Watch],
    views: Mapping[str, NodeView],
) -> tuple[Index, AllSkipped]:
    """Return what was logged about these conflicts' rows, and what was skipped."""
    entries = [watch.due.entry for watch in ready]
    systems = {sides.here.system_identifier, sides.there.system_identifier}
    writers = set[int]()
    if sides.others_write:
        found = [writer_of(entry, sides, views) for entry in entries]
        writers = {one.view.system_identifier for one in found if one is not None}
    earliest = min(map(_began, entries)) - AROUND
    texts = {text for entry in entries for text in _key_texts(entry)}
    around = await verdicts.around(
        sorted(systems | writers), ready[0].table, earliest, sorted(texts)
    )
    versions = [entry.local_at for entry in entries if entry.local_at is not None]
    since = min([earliest, *(at - AROUND for at in versions)])
    skipped = await _dated(await verdicts.skipped(sorted(systems), since), sides)
    clocks = {view.name: view.offset for view in (sides.here, sides.there)}
    for watch in ready:
        watch.clocks = clocks
    return Index(await _with_times(around, publishers_of(sides)), sides), skipped


def _undecidable(sides: Sides) -> str | None:
    """Why no cause of these two nodes' conflicts can be found."""
    if sides.key is None:
        return "no common key"
    if sides.sent_on:
        # Who wrote it, and by which clock, can't be told then.
        return "a subscription without origin = none is sent what others wrote"
    return None


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


async def _with_times(
    entries: Sequence[RowEntry], publishers: Publishers
) -> list[RowEntry]:
    """The entries, each with its commit time on the node that published it.

    What a further node published stays without: its ids are other transactions' here.
    """
    found = []
    of_way: dict[tuple[int, int | None], list[RowEntry]] = defaultdict(list)
    for entry in entries:
        of_way[entry.system_identifier, entry.subid].append(entry)
    for way, its in of_way.items():
        publisher = publishers.get(way)
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


def _log_is_read(watch: Watch, node: NodeView) -> bool:
    """Whether a node's log is recorded as far as it must be, or never will."""
    passed_at = watch.passed_at
    if passed_at is None:
        return False
    if node.recorded_since(passed_at):
        return True
    if not _waited_long(watch):
        return False
    watch.doubts = [_NOT_RECORDED]
    return True


def _waited_long(watch: Watch) -> bool:
    return time.monotonic() - (watch.passed_at or 0.0) >= NO_LOG_S


def _further_are_read(watch: Watch, sides: Sides) -> bool:
    """Whether what further nodes had written came to both, and their logs are read."""
    passed_at = watch.further_passed_at
    return passed_at is not None and all(
        view.recorded_since(passed_at) for view in (sides.here, sides.there)
    )


def _writer_is_read(watch: Watch, sides: Sides, views: Mapping[str, NodeView]) -> bool:
    if not sides.others_write:
        return True
    writer = writer_of(watch.due.entry, sides, views)
    return writer is None or _log_is_read(watch, writer.view)


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
