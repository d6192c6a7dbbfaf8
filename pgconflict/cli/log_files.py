"""Server log files as streams of bytes: plain, gzipped, or standard input."""

from __future__ import annotations

import os
import stat
import zlib
from itertools import chain
from typing import TYPE_CHECKING, Final, Self

from pgconflict.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from pgconflict.cli.read_ahead import ReadAhead

Bytes = bytes | memoryview

CHUNK: Final = 1 << 20  # bytes; stays in the L2 cache, which is searched more than once
LARGE: Final = 1 << 25
"""Bytes from which on a file is worth a thread that reads it."""

HEAD: Final = 1 << 18
STDIN: Final = "-"
STDIN_FD = 0
_GZIP: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 31  # zlib: expect a gzip header
_BLOCKS: Final = 16
_BLOCK: Final = 1 << 14


class LogFile:
    """One file, its beginning read already. `-` is standard input."""

    def __init__(self, name: str, done: Callable[[int], None]) -> None:
        """`done` is told how many bytes of the file, as stored, have been read.

        Raises:
            UsageError: it can't be read.
        """
        self.name = "standard input" if name == STDIN else name
        self.damage: str | None = None
        """Why the bytes ended before they should, once they have."""

        self._done = done
        self._ahead: ReadAhead | None = None
        try:
            # Unbuffered: the chunks are large, and each copy costs.
            source = STDIN_FD if name == STDIN else name
            self._file = open(source, "rb", buffering=0, closefd=name != STDIN)  # noqa: SIM115
            mode = os.fstat(self._file.fileno())
            self.size = mode.st_size if stat.S_ISREG(mode.st_mode) else None
            self.head = self._begin()
        except OSError as error:
            raise UsageError(
                f"{self.name} can't be read: {error.strerror}",
                hint="name server log files, or - for standard input",
            ) from error

    def chunks(self) -> Iterator[Bytes]:
        """The bytes, once. A memoryview is valid until the next one is asked for.

        Raises:
            UsageError: they can't be read.
        """
        yield self.head
        try:
            yield from self._rest
        except OSError as error:
            raise UsageError(f"{self.name} can't be read: {error.strerror}") from error

    def samples(self) -> bytes:
        """The beginning, and blocks from all over a large plain file."""
        if self.size is None or self.gzipped or self.size <= len(self.head):
            return self.head
        descriptor = self._file.fileno()
        offsets = range(0, self.size, max(1, self.size // _BLOCKS))
        blocks = (os.pread(descriptor, _BLOCK, offset) for offset in offsets)
        return b"\n".join((self.head, *blocks))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._ahead is not None:
            self._ahead.stop()
        self._file.close()

    def _begin(self) -> bytes:
        raw = self._stored()
        first = bytes(next(raw, b""))
        stored: Iterator[Bytes] = chain([first], raw)
        self.gzipped = first.startswith(_GZIP)
        self._rest: Iterator[Bytes] = self._inflated(stored) if self.gzipped else stored
        taken: list[bytes] = []
        size = 0
        for piece in self._rest:
            taken.append(bytes(piece))
            size += len(piece)
            if size >= HEAD:
                break
        return b"".join(taken)

    def _stored(self) -> Iterator[Bytes]:
        buffer = memoryview(bytearray(CHUNK))
        while count := self._file.readinto(buffer):
            self._done(count)
            yield buffer[:count]
            if self.size is not None and self.size >= LARGE:
                break
        else:
            return
        from pgconflict.cli.read_ahead import ReadAhead  # noqa: PLC0415 - large files

        self._ahead = ReadAhead(self._file, CHUNK)
        for piece in self._ahead.pieces():
            self._done(len(piece))
            yield piece

    def _inflated(self, stored: Iterable[Bytes]) -> Iterator[Bytes]:
        """What a gzip file holds; members one after another are one text."""
        member = zlib.decompressobj(_GZIP_WINDOW)
        inside = False
        try:
            for piece in stored:
                rest: Bytes = piece
                while rest:
                    inside = True
                    yield member.decompress(rest, CHUNK)
                    rest = member.unconsumed_tail
                    if member.eof:
                        rest = member.unused_data.lstrip(b"\0")
                        member = zlib.decompressobj(_GZIP_WINDOW)
                        inside = False
                # What was held back for want of room.
                while inside and (more := member.decompress(b"", CHUNK)):
                    yield more
        except zlib.error as error:
            self.damage = f"it is a damaged gzip file: {error}"
        else:
            if inside:
                self.damage = "it is a gzip file that ends too early"
