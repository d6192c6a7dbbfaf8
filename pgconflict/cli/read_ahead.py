"""Reads a file on while what was read of it is searched, at the same time."""

from __future__ import annotations

from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO


class ReadAhead:
    """A file in pieces, one of which is read while the one before is worked on.

    `stop` before the file is closed.
    """

    def __init__(self, file: FileIO, size: int) -> None:
        """`size`: of a piece, in bytes; two of them are held."""
        self._file = file
        self._free: SimpleQueue[memoryview | None] = SimpleQueue()
        self._full: SimpleQueue[tuple[memoryview, int] | Exception] = SimpleQueue()
        for _ in range(2):
            self._free.put(memoryview(bytearray(size)))
        self._thread = Thread(target=self._read, name="read-ahead", daemon=True)
        self._thread.start()

    def pieces(self) -> Iterator[memoryview]:
        """The rest of the file, once. A piece is valid until the next is asked for.

        Raises:
            OSError: it can't be read.
        """
        while True:
            found = self._full.get()
            if isinstance(found, Exception):
                raise found
            buffer, count = found
            if not count:
                return
            yield buffer[:count]
            self._free.put(buffer)

    def stop(self) -> None:
        """Read no further."""
        self._free.put(None)
        self._thread.join()

    def _read(self) -> None:
        while (buffer := self._free.get()) is not None:
            try:
                count = self._file.readinto(buffer)
            except Exception as error:  # noqa: BLE001  # whoever waits raises it
                self._full.put(error)
                return
            self._full.put((buffer, count))
            if not count:
                return
