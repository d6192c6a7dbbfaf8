"""Finds the cause of conflicts: gathers what both nodes logged about their rows."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING, Final

import msgspec

from pgconflict.core.evidence import Cause
from pgconflict.core.progress import Positions
from pgconflict.daemon.verdict_further import WritersOf
from pgconflict.daemon.verdict_index import Index, publishers_of, undecided
from pgconflict.daemon.verdict_keys import doubts_of_keys
from pgconflict.daemon.verdict_links import (
    AROUND,
    doubts_of_entries,
    doubts_of_log,
    doubts_of_placing,
    never_applied,
    skipped_before,
    skipped_there,
)
from pgconflict.daemon.verdict_tables import NEVER

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from pgconflict.conflict_log.verdicts import Verdicts
    from pgconflict.core.row_entry import RowEntry
    from pgconflict.daemon.verdict_further import Writers
    from pgconflict.daemon.verdict_history import Progress
    from pgconflict.daemon.verdict_index import Publishers
    from pgconflict.daemon.verdict_links import AllSkipped, Sides
    from pgconflict.daemon.verdict_nodes import NodeView
    from pgconflict.daemon.verdict_tables import Tables
    from pgconflict.daemon.verdict_watch import Watch
    from pgconflict.server.row_reader import RowTable

_NOT_RECORDED: Final = "the other node's log is not recorded"
_SKIPPED: Final = "the other node skipped the transaction of the local version"

NO_LOG_S: Final = 60.0
"""A log that was not recorded up to its end for so long proves nothing."""


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
        finder = WritersOf(sides, views)
        ready = [
            (watch, await finder.find(watch.due.entry))
            for watch in watches
            if watch.cause is None and _log_is_read(watch, sides.there)
        ]
        # In their order: a hand-over tells of what came after it.
        ready = sorted(
            (one for one in ready if _is_read(one[0], sides, one[1])),
            key=lambda one: _place(one[0]),
        )
        if not ready:
            return
        pairs = [sides, *finder.found]
        for pair in finder.found:
            if pair.here_table is not None:
                self._tables.note(pair.here, pair.here_table)
        entries = [watch.due.entry for watch, _ in ready]
        systems = {
            view.system_identifier for one in pairs for view in (one.here, one.there)
        }
        earliest = min(map(_began, entries)) - AROUND
        texts = {text for entry in entries for text in _key_texts(entry)}
        around = await verdicts.around(
            list(systems), ready[0][0].table, earliest, sorted(texts)
        )
        versions = [entry.local_at for entry in entries if entry.local_at is not None]
        skipped = await _dated(
            await verdicts.skipped(
                list(systems), min([earliest, *(at - AROUND for at in versions)])
            ),
            sides,
        )
        publishers = publishers_of(pairs)
        index = Index(await _with_times(around, publishers), sides, publishers)
        clocks = {view.name: view.offset for view in (sides.here, sides.there)}
        for watch, writers in ready:
            self._decide(watch, sides, writers, skipped, index)
            watch.clocks = clocks

    def _decide(
        self,
        watch: Watch,
        sides: Sides,
        writers: Writers | None,
        skipped: AllSkipped,
        index: Index,
    ) -> None:
        entry = watch.due.entry
        pair = sides if writers is None else writers.sides
        lost = skipped_there(entry, pair, skipped)
        unlogged = doubts_of_log(entry, sides.there)
        before = skipped_before(entry, sides, skipped)
        why = [*(watch.doubts or []), *unlogged, *before, *lost]
        # Without its entry nobody knows whether what was applied there met the row.
        unfound = [*unlogged, *doubts_of_keys(pair)]
        unsure = lost or (unfound and before) or doubts_of_placing(entry, pair)
        positions = Positions()
        if writers is not None and not unsure:
            positions = self._progress.place(entry, writers)
        further = None
        if sides.others_write and writers is not None:
            further = index.further(entry, pair)
            further = msgspec.structs.replace(
                further,
                apart=self._progress.kept_apart(entry, writers),
                doubts=self._doubts_between(watch, positions, writers, sides),
            )
        decision = index.decide(entry, why, positions, pair, further)
        if decision.cause is Cause.UNKNOWN and never_applied(entry, sides, skipped):
            decision = msgspec.structs.replace(
                decision, cause=Cause.CONCURRENT, reason=_SKIPPED
            )
        watch.decided(decision, why)
        watch.event = index.event(entry, decision)

    def _doubts_between(
        self, watch: Watch, positions: Positions, writers: Writers, sides: Sides
    ) -> tuple[str, ...]:
        """Why a change between a version and what was written on it may be missing."""
        entry, passed_at = watch.due.entry, watch.passed_at
        came, written, met = positions.came_after, entry.remote_at, entry.local_at
        if came is None or written is None or met is None or passed_at is None:
            return ()
        pair = writers.sides
        spans = [(*_of_there(pair), came, written)]
        if pair is not sides:
            spans.append((pair.here, pair.here_table, met, NEVER))
        if not all(view.recorded_since(passed_at) for view, *_ in spans):
            return (_NOT_RECORDED,)
        return (
            *doubts_of_keys(sides),
            *doubts_of_keys(pair),
            *(
                doubt
                for view, table, since, until in spans
                for doubt in doubts_of_entries(
                    view,
                    table,
                    since,
                    self._tables.same_since(view, table),
                    vacuumed=table is None
                    or self._tables.vacuumed(view, table, since, until),
                )
            ),
        )


def _of_there(sides: Sides) -> tuple[NodeView, RowTable | None]:
    return sides.there, sides.there_table


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
    if time.monotonic() - passed_at < NO_LOG_S:
        return False
    watch.doubts = [_NOT_RECORDED]
    return True


def _is_read(watch: Watch, sides: Sides, writers: Writers | None) -> bool:
    if writers is None or writers.sides is sides:
        return True
    return _log_is_read(watch, writers.sides.here)


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
