"""Stores what was read of a server log while more of it is read.

One batch at a time is on its way to the conflict log; what is made use of meanwhile
is gathered, and stored with one statement next.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from pgconflict.conflict_log.entry import Batch
from pgconflict.errors import ConflictLogUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.conflict_log.entry import LogPosition, Recorded
    from pgconflict.conflict_log.writer import ConflictLogWriter
    from pgconflict.core.conflict import FinishLsn, StoryEvent
    from pgconflict.daemon.job import Job
    from pgconflict.server.log_reader import LogReader

POSITION_S: Final = 5.0
"""A position is stored so long after the last one when there was nothing to store
with it: that much of a quiet log is read again after a crash."""

GATHER_BYTES: Final = 1 << 19
"""So much of the log is made use of while the conflict log stores what came before.
What is read at once is less: it stays in the processor's cache. Two of these are in
memory: 3 MiB of entries, where 1 MiB would be 6."""


class _Gathered:
    """What was read and is not being stored yet."""

    def __init__(self) -> None:
        self.entries: list[Recorded] = []
        self.finish_lsns: list[FinishLsn] = []
        self.events: list[StoryEvent] = []
        self.position: LogPosition | None = None
        self.bytes = 0

    def batch(self) -> Batch:
        """Return it as what is stored at once."""
        return Batch(
            entries=self.entries,
            finish_lsns=self.finish_lsns,
            events=self.events,
            position=self.position,
        )


class Storing:
    """One claim of a node: its batches, in order, and the gaps between them."""

    def __init__(self, job: Job, reader: LogReader, writer: ConflictLogWriter) -> None:
        self._job = job
        self._metrics = job.metrics
        self._reader = reader
        self._writer = writer
        self._gathered: _Gathered | None = None
        self._writing: asyncio.Task[None] | None = None
        self._stored_at = time.monotonic()
        self.stored_offset = -1
        """The last position's place in its file; negative before the first."""

    @property
    def position_due(self) -> bool:
        """Whether a position is to be stored though there is nothing else to store."""
        return time.monotonic() - self._stored_at >= POSITION_S

    def read_on(self, length: int) -> None:
        """Take account of so many bytes more that were made use of."""
        if self._gathered is not None:
            self._gathered.bytes += length

    def gather(
        self,
        entries: Sequence[Recorded],
        finish_lsns: Sequence[FinishLsn],
        events: Sequence[StoryEvent],
        position: LogPosition | None,
    ) -> None:
        """Put entries, and the position after them, behind what is gathered."""
        gathered = self._gathered = self._gathered or _Gathered()
        gathered.entries += entries
        gathered.finish_lsns += finish_lsns
        gathered.events += events
        gathered.position = position or gathered.position

    async def begin(self) -> None:
        """Begin to store what was gathered, when the last batch is stored.

        The next bytes are read meanwhile, up to a limit.
        """
        gathered, writing = self._gathered, self._writing
        if writing is not None:
            room = gathered is None or gathered.bytes < GATHER_BYTES
            if room and not writing.done():
                return
            self._writing = None
            await writing
        if gathered is not None:
            self._gathered = None
            self._writing = asyncio.create_task(self.write(gathered.batch()))

    async def finish(self) -> None:
        """Wait until all that was read is stored."""
        while self._writing is not None or self._gathered is not None:
            writing, self._writing = self._writing, None
            if writing is not None:
                await writing
            await self.begin()

    async def cancel(self) -> None:
        """Break off what is being stored; nothing of it is stored then."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)

    async def write(self, batch: Batch) -> None:
        """Store a batch and count it; nothing else may be on its way."""
        # A daemon that dies after this goes on past the gap and meets it no more.
        await self.count_gaps()
        try:
            counted = await self._writer.write(batch)
        except ConflictLogUnavailableError:
            self._metrics.write_failures.inc()
            raise
        self._metrics.counted(self._job.node, counted)
        if batch.position is not None:
            self.stored_offset = batch.position.byte_offset
        self._stored_at = time.monotonic()

    async def count_gaps(self) -> None:
        """Store, count and say that parts of the log were gone, if any were."""
        gaps = dict(self._reader.gaps)
        self._reader.gaps.clear()
        if gaps:
            await self._writer.lost_a_part()
        for reason, number in gaps.items():
            self._metrics.log_gaps.labels(self._job.node, reason).inc(number)
            self._job.log.warning(
                "a part of the server log was gone before it was read (%s)", reason
            )
