"""Frames a stderr log: cuts it between two entries, however its bytes arrive."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from stringzilla import find, rfind

from pgconflict.core.stderr_entries import StderrEntries

if TYPE_CHECKING:
    from pgconflict.core.line_prefix import LinePrefix
    from pgconflict.core.server_log import LogRecord


class StderrFraming:
    """Gives whole entries to who reads them, and holds the last until it is whole."""

    def __init__(
        self,
        prefix: LinePrefix,
        languages: frozenset[str] | None,
        max_entry_bytes: int,
        state: dict[str, Any],
    ) -> None:
        """`languages`: those to look for besides English; None: all."""
        self.consumed = 0
        self.unrecognised: Counter[str] = Counter()
        self._entries = StderrEntries(
            prefix, languages, has_context=bool(state.get("has_context"))
        )
        self._max_entry_bytes = max_entry_bytes
        self._skipping = bool(state.get("skipping"))
        self._held: list[bytes] = []  # from an entry's first line on
        self._held_bytes = 0
        self._tail = b""  # of what is held, after the last line break

    @property
    def codec(self) -> str | None:
        """That all workers write in, if it is not UTF-8."""
        return self._entries.codec

    @codec.setter
    def codec(self, codec: str | None) -> None:
        self._entries.codec = codec

    def feed(self, data: bytes | memoryview) -> list[LogRecord]:
        """Entries that these bytes show to be complete, in order."""
        records: list[LogRecord] = []
        if self._skipping:
            data = self._resume(data)
        elif self._held:
            begin = self._next_entry(data, records)
            if begin < 0:
                self._hold(data)
                return records
            held = b"".join((*self._held, data[:begin]))
            self._release()
            self._region(held, records)
            data = data[begin:]
        if not self._skipping:
            last = self._entries.last_beginning(data)
            if last > 0:
                self._region(data[:last], records)
            self._hold(data[last:])
        return records

    def flush(self, *, settled: bool = False) -> list[LogRecord]:
        """What is held, up to its last whole line."""
        records: list[LogRecord] = []
        if self._held and not self._skipping:
            held = b"".join(self._held)
            whole = held.rfind(b"\n") + 1 if settled else self._entries.whole(held)
            if whole:
                self._release()
                self._region(held[:whole], records)
                self._hold(held[whole:])
        return records

    def end_of_file(self) -> list[LogRecord]:
        """What is held."""
        records: list[LogRecord] = []
        if self._held and not self._skipping:
            self._region(b"".join(self._held), records)
        self._release()
        self._skipping = False
        self.consumed = 0
        return records

    def state(self) -> dict[str, Any]:
        """Whether `consumed` lies in an entry that was too long; what entries have."""
        return {
            name: True
            for name, is_so in (
                ("skipping", self._skipping),
                ("has_context", self._entries.has_context),
            )
            if is_so
        }

    def _resume(self, data: bytes | memoryview) -> bytes:
        """What follows the entry that was too long, if its end is here."""
        joined = b"".join((*self._held, data))
        self._release()
        begin = self._entries.first_beginning(joined, at_line_start=False)
        if begin >= 0:
            self._skipping = False
            self.consumed += begin
            return joined[begin:]
        # The line that is not yet whole is looked at again, from its line break on.
        keep = max(0, joined.rfind(b"\n"))
        if keep == 0 and not joined.startswith(b"\n"):
            keep = len(joined)
        if len(joined) - keep > self._max_entry_bytes:
            keep = len(joined)
        self.consumed += keep
        self._held = [joined[keep:]]
        self._held_bytes = len(joined) - keep
        return b""

    def _hold(self, data: bytes | memoryview) -> None:
        if not data:
            return
        self._held.append(bytes(data))
        self._held_bytes += len(data)
        newline = rfind(data, b"\n")
        self._tail = b"" if newline >= 0 else self._tail
        self._tail += bytes(data[newline + 1 :])
        if self._held_bytes > self._max_entry_bytes:
            self.unrecognised["too_long"] += 1
            self._skipping = True
            self._resume(b"")

    def _release(self) -> None:
        self._held = []
        self._held_bytes = 0
        self._tail = b""

    def _next_entry(self, data: bytes | memoryview, records: list[LogRecord]) -> int:
        """Where in the data an entry begins that ends what is held, or -1.

        The last line held may be part of a line, and its other part in the data may
        show that it begins an entry: what is held before it is given then.
        """
        newline: int = find(data, b"\n")
        if newline < 0:
            return -1
        tail = self._tail
        if tail and len(tail) < self._held_bytes:
            line = tail + bytes(data[: newline + 1])
            if self._entries.begins(line, 0):
                held = b"".join(self._held)
                self._release()
                self._region(held[: -len(tail)], records)
                self._hold(tail)
        return self._entries.first_beginning(data, at_line_start=not tail)

    def _region(self, data: bytes | memoryview, records: list[LogRecord]) -> None:
        """Give each entry in these whole lines that has a marker."""
        records += self._entries.read(data)
        self.consumed += len(data)
