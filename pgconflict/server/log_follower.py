"""Follows the files of one log format, from a known position, without a gap.

A file is known by its first bytes, not by its name: names are used again and files
are cut. What a server does to its files (rotation, truncation, the same name again)
and what people do (renaming, deleting while it is written) is seen here; where bytes
went before they were read, that is a gap, and it is counted.

A file is read to its end, then the next one by time of last modification. A file
that was left is taken up again where it grew.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from pgconflict.server.log_listing import GapReason, LogListing
from pgconflict.server.log_search import FilePosition, digest, find_file

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from pgconflict.server.log_place import LogFile, LogPlace, OpenLog

SIGNATURE_BYTES: Final = 1024
"""How much of a file's beginning tells it from others; less while it is shorter."""

READ_BYTES: Final = 1 << 17
"""How much is read at once; the follower keeps nothing."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """The next bytes of the file that is being read."""

    data: bytes


@dataclass(frozen=True, slots=True)
class FileEnded:
    """No more comes of what was read; what comes next is another beginning."""


_Event: TypeAlias = Bytes | FileEnded | None


@dataclass(slots=True)
class _Reading:
    log: OpenLog
    begin: int
    offset: int
    head: bytes
    used: int = 0
    cut: OpenLog | None = None
    """What this is a copy of: it was cut after it was copied, and comes next."""

    def start_over(self) -> None:
        self.begin = self.offset = 0
        self.head = b""


class LogFollower:
    """The files in `place` whose names `belongs` accepts, in the order of writing."""

    def __init__(self, place: LogPlace, belongs: Callable[[str], bool]) -> None:
        self.place = place
        self.belongs = belongs
        self.gaps: Counter[GapReason] = Counter()
        """Gaps met and not yet taken account of; whoever does so clears it."""
        self._listing = LogListing()
        self._reading: _Reading | None = None

    async def start_after(self, modified: int) -> None:
        """Start with the oldest file modified at that time (nanoseconds) or later."""
        self._listing.pass_over(await self._files(), modified)
        await self._look()
        await self._advance()

    async def start_at(self, position: FilePosition, done_before: int) -> bool:
        """Start at the position, under whatever name its file has now.

        Args:
            position: Of a file that was being read.
            done_before: What the property of this name was then. The file's own
                time tells nothing: the server may leave a file and come back to it.

        Returns:
            False where the file is gone or is not the same any more; nothing is
            started then.
        """
        log = await find_file(self.place, position)
        if log is None:
            return False
        piece = await log.read(0, 0, position.signature_length)
        self._take(log, position.byte_offset, piece.head if piece else b"")
        # One of the same moment may be older or newer. To read it again changes
        # nothing, to miss it would.
        self._listing.pass_over(await self.place.files(), done_before)
        await self._look()
        return True

    async def next(self, byte_offset: int) -> Bytes | FileEnded | None:
        """Return what comes next; None when there is nothing new now.

        Args:
            byte_offset: Up to where the present file was made use of: where reading
                goes on if this file is left now and grows later.
        """
        if self._reading is None:
            if self.place.listing_due:
                await self._look()
            await self._advance()
            if self._reading is None:
                return None
        self._reading.used = byte_offset
        event = await self._read(self._reading)
        # Whoever asks for the unread bytes looks too, and sees the next file first.
        if event is None and (self.place.listing_due or self._listing.next_unread()):
            return await self._at_end(self._reading)
        return event

    def position(self, byte_offset: int) -> FilePosition | None:
        """Return the position at this offset of the present file, if there is one."""
        if self._reading is None:
            return None
        return FilePosition(
            file_name=self._reading.log.name,
            signature=digest(self._reading.head),
            signature_length=len(self._reading.head),
            byte_offset=byte_offset,
        )

    @property
    def reading(self) -> Hashable:
        """What tells the present file from others in its place; None without one."""
        return self._reading.log.identity if self._reading else None

    @property
    def begin(self) -> int:
        """Where in the present file the bytes since the last FileEnded begin."""
        return self._reading.begin if self._reading else 0

    def rewind(self, byte_offset: int) -> None:
        """Read the present file again from there."""
        if self._reading is not None:
            self._reading.begin = self._reading.offset = byte_offset

    @property
    def done_before(self) -> int:
        """Files modified before this time (nanoseconds) hold nothing unread."""
        return self._listing.done_before()

    async def unread_bytes(self) -> int:
        """Return how much the files hold that was not read yet."""
        await self._look()
        if self._reading is None:
            return self._listing.unread_bytes(None, 0)
        reading = self._reading
        return self._listing.unread_bytes(reading.log.identity, reading.offset)

    def close(self) -> None:
        """Let the file go; the place stays open."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.log.close()
            if reading.cut is not None:
                reading.cut.close()

    async def _read(self, reading: _Reading) -> _Event:
        piece = await reading.log.read(reading.offset, READ_BYTES, SIGNATURE_BYTES)
        if piece is None:
            return await self._lost(reading)
        known = len(reading.head)
        cut = piece.size is not None and piece.size < reading.offset
        if cut or piece.head[:known] != reading.head:
            return await self._truncated(reading)
        reading.offset += len(piece.data)
        if known < SIGNATURE_BYTES:
            # Of what was read only: the signature vouches for all of a short file.
            reading.head = piece.head[: reading.offset]
        return Bytes(piece.data) if piece.data else None

    async def _at_end(self, reading: _Reading) -> _Event:
        """Go on to the next file, if there is one."""
        await self._look()
        if await self._is_cut(reading):
            return await self._truncated(reading)
        if reading.cut is not None:
            return await self._back_to(reading.cut)
        if self._listing.next_unread() is None:
            return None
        # The server closes a file before it opens the next one; it may have written
        # between our last look into this one and the listing.
        event = await self._read(reading)
        if event is not None:
            return event
        await self._advance()
        return FileEnded()

    async def _is_cut(self, reading: _Reading) -> bool:
        """Whether the file is shorter than what was read of it."""
        listed = self._listing.get(reading.log.identity)
        if listed is None or listed.size >= reading.offset:
            return False
        # A listing may be older than it looks.
        piece = await reading.log.read(reading.offset - 1, 1, 0)
        return piece is not None and not piece.data

    async def _truncated(self, reading: _Reading) -> _Event:
        """Start the file over, after the rest of what it was if a copy has that."""
        # logrotate copies and cuts; over SQL a file renamed and made anew looks so.
        log = await self._copy_of(reading)
        if log is not None:
            return await self._go_on_in(log, reading, cut=reading.log)
        self.gaps["truncated"] += 1
        reading.start_over()
        return FileEnded()

    async def _go_on_in(
        self, log: OpenLog, reading: _Reading, cut: OpenLog | None
    ) -> _Event:
        again = self._take(log, reading.offset, reading.head)
        again.begin = reading.begin
        again.cut = cut
        return await self._read(again)

    async def _back_to(self, cut: OpenLog) -> _Event:
        """Read from its beginning the file whose copy has been read, once it grows."""
        piece = await cut.read(0, 1, 1)
        grown = piece is None or piece.data
        if not grown and self._listing.next_unread() is None:
            return None
        if self._reading is not None:
            self._reading.log.close()
        self._take(cut, 0, b"")
        return FileEnded()

    async def _copy_of(self, reading: _Reading) -> OpenLog | None:
        """Find another file that begins like the one read, and is as long."""
        position = self.position(reading.offset)
        if position is None or position.signature_length == 0:
            return None
        return await find_file(self.place, position, other_than=reading.log.identity)

    async def _lost(self, reading: _Reading) -> _Event:
        """Go on in the file that has disappeared, if it has another name now."""
        log = await self._copy_of(reading)
        self.close()
        if log is not None:
            return await self._go_on_in(log, reading, cut=None)
        self.gaps["vanished"] += 1
        await self._look()
        await self._advance()
        return FileEnded()

    async def _files(self) -> list[LogFile]:
        return [file for file in await self.place.files() if self.belongs(file.name)]

    async def _look(self) -> None:
        self.gaps += self._listing.update(await self._files(), self.reading)

    async def _advance(self) -> None:
        """Leave the present file for the oldest with something unread, if any."""
        while file := self._listing.next_unread():
            log = await self.place.open(file.name)
            self._listing.take(file)
            if log is None:
                self.gaps["vanished"] += 1
                continue
            self._leave()
            await self._take_up(log, file.size)
            return

    def _leave(self) -> None:
        """Let the present file go; where it grows it is taken up again there."""
        if self._reading is None:
            return
        here = self._reading
        self._listing.leave(here.log.identity, here.used, here.offset, here.head)
        self.close()

    async def _take_up(self, log: OpenLog, size: int) -> None:
        """Go on in a file where it was left, or begin it."""
        left = self._listing.left(log.identity)
        if left is not None:
            piece = await log.read(left.offset, 0, len(left.head))
            if piece is not None and piece.head == left.head and size >= left.offset:
                self._take(log, left.offset, left.head)
                return
        self._take(log, 0, b"")

    def _take(self, log: OpenLog, offset: int, head: bytes) -> _Reading:
        self._reading = _Reading(log, offset, offset, head, offset)
        self.place.watch(log)
        return self._reading
