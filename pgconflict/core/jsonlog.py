"""Frames jsonlog: one JSON object a line, every line break within a value escaped."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Final

import msgspec
from stringzilla import find, rfind

from pgconflict.core.server_log import MARKER, LogRecord, without_nul

_DECODE: Final = msgspec.json.Decoder(LogRecord).decode
_NEWLINE: Final = b"\n"
_ESCAPED_NUL: Final = rb"\u0000"
_INVALID_BYTE: Final = re.compile("[\udc80-\udcff]")


class JsonlogFraming:
    """Finds the lines that hold the marker, decodes those and no others."""

    def __init__(self, max_entry_bytes: int, state: dict[str, Any]) -> None:
        """`state` is what `state()` gave at the position where the bytes begin."""
        self.consumed = 0
        self.unrecognised: Counter[str] = Counter()
        self.codec: str | None = None
        self._max_entry_bytes = max_entry_bytes
        self._skipping = bool(state.get("skipping"))
        self._held: list[bytes] = []  # the beginning of a line whose end is to come
        self._held_bytes = 0

    def feed(self, data: bytes | memoryview) -> list[LogRecord]:
        """Entries completed by these bytes, in order."""
        records: list[LogRecord] = []
        begin = 0
        end = rfind(data, _NEWLINE) + 1
        if end and (self._held or self._skipping):
            begin = find(data, _NEWLINE) + 1
            self._finish_line(data[:begin], records)
        if end > begin:
            self._lines(data, begin, end, records)
            self.consumed += end - begin
        if end < len(data):
            self._hold(data[end:])
        return records

    def flush(self, *, settled: bool = False) -> list[LogRecord]:  # noqa: ARG002 - as others
        """Nothing: a line without its end is not known to be whole."""
        return []

    def end_of_file(self) -> list[LogRecord]:
        """The last line, if it is whole but for its line break."""
        records: list[LogRecord] = []
        if self._held:
            self._line(b"".join(self._held), records)
        self._held = []
        self._held_bytes = 0
        self._skipping = False
        self.consumed = 0
        return records

    def state(self) -> dict[str, Any]:
        """Whether `consumed` lies in a line that was too long."""
        return {"skipping": True} if self._skipping else {}

    def _finish_line(self, rest: bytes | memoryview, records: list[LogRecord]) -> None:
        if self._skipping:
            self._skipping = False
        else:
            self._line(b"".join((*self._held, rest))[:-1], records)
        self.consumed += self._held_bytes + len(rest)
        self._held = []
        self._held_bytes = 0

    def _hold(self, data: bytes | memoryview) -> None:
        if self._skipping:
            self.consumed += len(data)
            return
        self._held.append(bytes(data))
        self._held_bytes += len(data)
        if self._held_bytes > self._max_entry_bytes:
            self.unrecognised["too_long"] += 1
            self.consumed += self._held_bytes
            self._held = []
            self._held_bytes = 0
            self._skipping = True

    def _lines(
        self, data: bytes | memoryview, begin: int, end: int, records: list[LogRecord]
    ) -> None:
        """Decode each line between begin and end that holds the marker."""
        hit = find(data, MARKER, begin, end)
        # Looked for once: to look in each line costs as much as to decode it.
        nul = hit >= 0 and find(data, _ESCAPED_NUL, begin, end) >= 0
        while hit >= 0:
            before = rfind(data, _NEWLINE, begin, hit)
            start = begin if before < 0 else before + 1
            stop = find(data, _NEWLINE, hit, end)
            if nul or self.codec or stop - start > self._max_entry_bytes:
                self._line(bytes(data[start:stop]), records)
            else:
                try:
                    records.append(_DECODE(data[start:stop]))
                except (msgspec.DecodeError, UnicodeDecodeError):
                    self._decode_odd(bytes(data[start:stop]), records)
            begin = stop + 1
            hit = find(data, MARKER, begin, end)

    def _line(self, line: bytes, records: list[LogRecord]) -> None:
        """Decode one line, if it has the marker."""
        if find(line, MARKER) < 0:
            return
        if len(line) > self._max_entry_bytes:
            self.unrecognised["too_long"] += 1
            return
        if self.codec and not line.isascii():
            self._decode_odd(line, records)
            return
        try:
            records.append(without_nul(_DECODE(line)))
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._decode_odd(line, records)

    def _decode_odd(self, line: bytes, records: list[LogRecord]) -> None:
        """A line in another encoding, or after the zero bytes that a crash leaves."""
        text = line.strip(b"\0\r").decode(self.codec or "utf-8", "surrogateescape")
        # An invalid byte can only stand within a string: its backslash is doubled.
        text = _INVALID_BYTE.sub(lambda m: f"\\\\x{ord(m[0]) - 0xDC00:02x}", text)
        try:
            record = _DECODE(text)
        except (msgspec.DecodeError, UnicodeEncodeError):
            whole = text.startswith("{") and text.endswith("}")
            self.unrecognised["invalid_json" if whole else "torn"] += 1
            return
        records.append(without_nul(record))
