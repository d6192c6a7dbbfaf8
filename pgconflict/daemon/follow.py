"""Follows a server log: reads, recognises, resolves, and hands over what is stored.

Rows and position are written in one transaction, and counted after it. Nothing is
kept in between: where a step fails the position has not moved, and everything since
is read again.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pgconflict.conflict_log.entry import Batch
from pgconflict.core.conflict import Conflict, FinishLsn, StoryEvent
from pgconflict.core.recogniser import Recogniser
from pgconflict.daemon.overlap import Overlap
from pgconflict.daemon.positions import Remembered, to_be_stored
from pgconflict.daemon.storing import Storing
from pgconflict.server.log_follower import Bytes
from pgconflict.server.log_settings import LogSettings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pgconflict.config import Limits
    from pgconflict.conflict_log.entry import LogPosition, Recorded
    from pgconflict.conflict_log.writer import ConflictLogWriter
    from pgconflict.core.conflict import Entry
    from pgconflict.daemon.job import Job
    from pgconflict.daemon.resolve import Resolver
    from pgconflict.server.log_reader import LogReader
    from pgconflict.server.session import NodeSession

REFRESH_S: Final = 5.0
"""Between two looks at the server's settings, and at how much is unread."""

PAUSE_S: Final = 0.02
"""The server writes an entry at once: what has no end after that, has one."""

SETTLED_S: Final = 2.0
"""An entry whose usual last line is not there after that has none."""

IDLE_S: Final = 1.0


class _Lines(NamedTuple):
    """What lines look like."""

    log_format: str
    prefix: str
    timezone: str
    languages: frozenset[str] | None
    among_others: bool


class Following:
    """One claim of a node: from the stored position on, until something fails."""

    def __init__(
        self,
        job: Job,
        *,
        reader: LogReader,
        session: NodeSession,
        writer: ConflictLogWriter,
        resolver: Resolver,
        limits: Limits,
    ) -> None:
        self._job = job
        self._metrics = job.metrics
        self._reader = reader
        self._session = session
        self._writer = writer
        self._storing = Storing(job, reader, writer)
        self._resolver = resolver
        self._max_entry_bytes = limits.max_entry_bytes
        self._recogniser: Recogniser
        self._read_with: _Lines
        self._unrecognised: Counter[str] = Counter()
        self._last_logged: datetime | None = None
        self._overlap: Overlap | None = None
        self._refreshed_at = float("-inf")
        self._data_at = 0.0
        self._asked_at = float("-inf")
        self._flushed = True
        self._settled = True

    async def run(self, position: LogPosition | None) -> None:
        """Follow from the position on; the reader was opened at it."""
        before = Remembered.of(position)
        self._begin_recognising(before.recogniser)
        self._last_logged = before.last_logged
        if before.overlap_until:
            # Where the position was lost, what had been met may be met again.
            met = [] if self._reader.gaps else before.overlap_met
            self._overlap = Overlap(self._writer, before.overlap_until, met)
        try:
            await self._follow()
        finally:
            await self._storing.cancel()

    async def _follow(self) -> None:
        while True:
            self._asked_at = time.monotonic()
            event = await self._reader.next(self._offset)
            self._job.passed()
            if isinstance(event, Bytes):
                self._metrics.log_read_bytes.labels(self._job.node).inc(len(event.data))
                self._data_at = time.monotonic()
                self._flushed = self._settled = False
                await self._use(event.data)
                # Reading a local file never waits: let all others get on.
                await asyncio.sleep(0)
            elif event is not None:
                await self._next_file()
            else:
                await self._quiet()
            if time.monotonic() - self._refreshed_at >= REFRESH_S:
                await self._refresh()

    async def _use(self, data: bytes) -> None:
        before = self._recogniser.consumed
        entries = self._recogniser.feed(data)
        self._storing.read_on(self._recogniser.consumed - before)
        await self._record(entries)

    @property
    def _offset(self) -> int:
        """Up to where the present file was made use of."""
        return self._reader.begin + self._recogniser.consumed

    def _begin_recognising(self, state: dict[str, Any]) -> None:
        settings = self._reader.settings
        self._read_with = self._lines()
        self._resolver.codec = settings.codec
        self._unrecognised.clear()
        self._recogniser = Recogniser(
            self._reader.log_format,
            log_line_prefix=settings.line_prefix,
            log_timezone=settings.timezone,
            languages=self._reader.languages,
            codec=settings.codec,
            state=state,
            max_entry_bytes=self._max_entry_bytes,
        )

    def _lines(self) -> _Lines:
        reader = self._reader
        return _Lines(
            reader.log_format,
            reader.settings.line_prefix,
            reader.settings.timezone,
            reader.languages,
            reader.among_others,
        )

    async def _next_file(self) -> None:
        entries = self._recogniser.end_of_file()
        self._count_unrecognised()
        before, now = self._read_with, self._lines()
        if before != now:
            # The workers seen are the same, however their lines look now.
            self._begin_recognising(self._recogniser.state())
        self._flushed = self._settled = True
        await self._record(entries, file_ended=True, lines_differ=before != now)

    async def _quiet(self) -> None:
        """Nothing new: finish what has no end, or wait."""
        await self._storing.finish()
        if not self._flushed:
            if time.monotonic() - self._data_at < PAUSE_S:
                await self._reader.wait(PAUSE_S)
                return
            self._flushed = True
            await self._record(self._recogniser.flush())
            return
        if not self._settled and time.monotonic() - self._data_at >= SETTLED_S:
            self._settled = True
            await self._record(self._recogniser.flush(settled=True))
            return
        await self._storing.count_gaps()
        # What was logged while the last rows were stored has not been read.
        self._writer.caught_up_at = self._asked_at
        position = self._position()
        moved = self._offset != self._storing.stored_offset
        if position and moved and self._storing.position_due:
            await self._storing.write(Batch(position=position))
        await self._reader.wait(IDLE_S)

    async def _record(
        self,
        entries: Sequence[Entry],
        *,
        file_ended: bool = False,
        lines_differ: bool = False,
    ) -> None:
        """Gather the entries, and store what was gathered if that can begin.

        Args:
            entries: In order.
            file_ended: They are the last of a file.
            lines_differ: What follows them has another look.
        """
        conflicts = [entry for entry in entries if isinstance(entry, Conflict)]
        finish_lsns = [entry for entry in entries if isinstance(entry, FinishLsn)]
        events = [entry for entry in entries if isinstance(entry, StoryEvent)]
        if conflicts:
            # After a change of format older entries may come once more: the next
            # overlap is to reach as far as the newest, or they would count twice.
            last = conflicts[-1].log_time
            self._last_logged = max(last, self._last_logged or last)
        found = bool(conflicts or finish_lsns or events)
        if found or file_ended or self._storing.position_due:
            recorded = await self._resolver.recorded(conflicts) if conflicts else []
            if self._overlap is not None and recorded:
                recorded = await self._fresh(self._overlap, recorded)
            if lines_differ and self._last_logged:
                # What was read so far, in whatever format, may come once more. Begun
                # before the position is taken: one stored without it would let all of
                # that count twice after a crash.
                self._overlap = Overlap(self._writer, self._last_logged)
            self._storing.gather(recorded, finish_lsns, events, self._position())
        await self._storing.begin()

    async def _fresh(
        self, overlap: Overlap, recorded: list[Recorded]
    ) -> list[Recorded]:
        if overlap.ended(recorded):
            self._overlap = None
            return recorded
        await self._storing.finish()
        return await overlap.fresh(recorded)

    def _position(self) -> LogPosition | None:
        position = self._reader.position(self._offset)
        if position is None:
            return None
        return to_be_stored(
            position,
            recogniser=self._recogniser.state(),
            last_logged=self._last_logged,
            overlap=self._overlap,
        )

    async def _refresh(self) -> None:
        self._refreshed_at = time.monotonic()
        node = self._job.node
        row = await self._session.row("log_settings")
        settings = LogSettings.from_row(node, row)
        await self._reader.refresh(settings, self._offset)
        self._recogniser.codec = self._resolver.codec = settings.codec
        unread = await self._reader.unread_bytes()
        self._metrics.log_unread_bytes.labels(node).set(unread)
        self._count_unrecognised()
        await self._storing.count_gaps()

    def _count_unrecognised(self) -> None:
        if self._read_with.among_others:
            return
        now = self._recogniser.unrecognised
        for reason, number in (now - self._unrecognised).items():
            self._metrics.unrecognised_records.labels(self._job.node, reason).inc(
                number
            )
        self._unrecognised = now
