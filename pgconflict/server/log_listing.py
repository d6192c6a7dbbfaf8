"""Which files of a log directory hold something that was not read yet. No I/O."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from pgconflict.server.log_place import LogFile


GapReason = Literal["truncated", "vanished"]
"""truncated: a file was cut or replaced before its end was read, and what it held by
then is not known. vanished: a file was deleted before its end was read."""


@dataclass(frozen=True, slots=True)
class Left:
    """How far a file had been read when it was left."""

    offset: int
    head: bytes


class LogListing:
    """What the last listing showed, and what of it has been read."""

    def __init__(self) -> None:
        self._files: dict[Hashable, LogFile] = {}
        self._unread: dict[Hashable, LogFile] = {}
        # Files with nothing to read as long as they look as they did then.
        self._done: dict[Hashable, tuple[int, int]] = {}
        self._left: dict[Hashable, Left] = {}
        self._modified = 0  # of the file that is being read

    def pass_over(self, files: Sequence[LogFile], modified_before: int) -> None:
        """Take files last modified before that (nanoseconds) for read."""
        for file in files:
            if file.modified < modified_before:
                self._done[file.identity] = (file.size, file.modified)

    def update(self, files: Sequence[LogFile], reading: Hashable) -> Counter[GapReason]:
        """Take a new listing; `reading` is the file that is being read.

        Returns:
            The files that were lost unread since the last one.
        """
        self._files = {file.identity: file for file in files}
        lost: Counter[GapReason] = Counter()
        for identity, before in self._unread.items():
            now = self._files.get(identity)
            if now is None:
                lost["vanished"] += 1
            elif now.size < before.size:
                lost["truncated"] += 1
        for identity in self._done.keys() - self._files.keys():
            del self._done[identity]
            self._left.pop(identity, None)
        # A file that was deleted or renamed keeps the time it had.
        current = self._files.get(reading)
        self._modified = current.modified if current else self._modified
        self._unread = {
            identity: file
            for identity, file in self._files.items()
            if identity != reading
            and self._done.get(identity) != (file.size, file.modified)
            # The server has just made it, or never wrote to it.
            and (file.size or file.modified >= self._modified)
        }
        return lost

    def leave(self, identity: Hashable, used: int, end: int, head: bytes) -> None:
        """Note that a file was read to its end, and made use of up to `used`."""
        if file := self._files.get(identity):
            # Where it grew after the listing its size differs in the next one.
            self._done[identity] = (end, file.modified)
            self._left[identity] = Left(used, head)

    def left(self, identity: Hashable) -> Left | None:
        """Return how far a file had been read, if this listing knows."""
        return self._left.get(identity)

    def next_unread(self) -> LogFile | None:
        """Return the next file to read: the one modified longest ago."""
        return min(
            self._unread.values(),
            key=lambda file: (file.modified, file.name),
            default=None,
        )

    def done_before(self) -> int:
        """Return the time (nanoseconds) before which no unread file was modified."""
        unread = [file.modified for file in self._unread.values()]
        return min([self._modified, *unread])

    def take(self, file: LogFile) -> None:
        """Note that a file is being read from now on."""
        self._unread.pop(file.identity, None)
        self._modified = file.modified

    def get(self, identity: Hashable) -> LogFile | None:
        """Return a file as last listed."""
        return self._files.get(identity)

    def unread_bytes(self, reading: Hashable, offset: int) -> int:
        """Return how much was not read at the last listing."""
        total = 0
        if current := self._files.get(reading):
            total = max(0, current.size - offset)
        for identity, file in self._unread.items():
            left = self._left.get(identity)
            total += max(0, file.size - (left.offset if left else 0))
        return total
