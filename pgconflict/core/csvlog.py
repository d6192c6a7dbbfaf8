r"""Frames csvlog, where a value may hold line breaks and whatever looks like an entry.

Entries are found around the marker, not by reading all before it, so the beginning of
an entry must be certain from its own bytes. The quotes make it so: within a quoted
value the server doubles every quote, so a run of quotes there is even, or ends the
value and is followed by a comma or the end of the line. An odd run after a comma,
followed by anything else, can only open a value: all before it was outside.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Final

from stringzilla import find, rfind

from pgconflict.core.server_log import MARKER, SUCCESS, LogRecord, text_of, without_nul

_TIMESTAMP: Final = rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [^,\"\n]{1,64},"
_LINE_START: Final = re.compile(_TIMESTAMP)
_NEXT_START: Final = re.compile(rb"\n(?=" + _TIMESTAMP + rb")")
_QUOTES: Final = re.compile(rb'"+')
_COMMA: Final = ord(",")
_DIGITS: Final = 18
_DECIDED_WITHIN: Final = 4096  # bytes from an entry's beginning

_Q: Final = rb'(?:"((?:[^"]++|"")*+)")?+'  # a text column, quoted unless null
_SKIP_Q: Final = rb'(?:"(?:[^"]++|"")*+")?+'
_SKIP: Final = rb'[^",\n]*+'
_U: Final = rb'([^",\n]*+)'
_ENTRY: Final = re.compile(
    # Source: write_csvlog(), 15 to 19.
    b",".join(
        [
            *(_U, _SKIP_Q, _SKIP_Q, _U, _SKIP_Q, _U, _U, _SKIP_Q),  # ... command_tag
            *(_SKIP, _SKIP, _SKIP, _U, _U, _Q, _Q),  # ... detail
            *(_SKIP_Q, _SKIP_Q, _SKIP, _Q, _SKIP_Q, _SKIP),  # ... query_pos
            *(_SKIP_Q, _SKIP_Q, _Q),  # location, application_name, backend_type
        ]
    )
    + rb"(?:,[^\n]*)?\r?\n?"
)

# A worker's entry with nothing unusual: the same ten groups, read in one go.
_WORKERS: Final = re.compile(
    rb"([0-9][0-9 :.-]{22} [^\",\n]{1,64}),,,([0-9]+),,([^\",\n]*),([0-9]+),,"
    rb'[^",\n]*,[^",\n]*,[^",\n]*,([^",\n]*),([^",\n]*),"((?:[^"]++|"")*+)",'
    rb'(?:"((?:[^"]++|"")*+)")?+,,,,(?:"((?:[^"]++|"")*+)")?+,,,,(?:"")?,'
    rb'"(logical replication [a-z ]*)"[0-9,-]*\n'
)


class CsvlogFraming:
    """Finds the entries that hold the marker, decodes those and no others."""

    def __init__(self, max_entry_bytes: int, state: dict[str, Any]) -> None:
        """`state` is what `state()` gave at the position where the bytes begin."""
        self.consumed = 0
        self.unrecognised: Counter[str] = Counter()
        self.codec: str | None = None
        self._max_entry_bytes = max_entry_bytes
        self._skipping = bool(state.get("skipping"))
        self._held: list[bytes] = []  # from a certain beginning, unless skipping
        self._held_bytes = 0

    def feed(self, data: bytes | memoryview) -> list[LogRecord]:
        """Entries completed by these bytes, in order."""
        records: list[LogRecord] = []
        if self._skipping:
            data = self._resume(data)
        elif self._held:
            data = self._join(data, records)
        if self._skipping or not data:
            return records
        end = _settled(data)
        self._region(data, end, records)
        self._hold(data[end:])
        return records

    def flush(self, *, settled: bool = False) -> list[LogRecord]:  # noqa: ARG002 - as others
        """Nothing: what is complete was given at once, by its quotes and line end."""
        return []

    def end_of_file(self) -> list[LogRecord]:
        """The last entry, if it is whole but for its line break."""
        records: list[LogRecord] = []
        rest = b"".join(self._held)
        if not self._skipping:
            self._region(rest, len(rest), records)
        self._release()
        self._skipping = False
        self.consumed = 0
        return records

    def state(self) -> dict[str, Any]:
        """Whether `consumed` lies in an entry that was too long."""
        return {"skipping": True} if self._skipping else {}

    def _join(
        self, data: bytes | memoryview, records: list[LogRecord]
    ) -> bytes | memoryview:
        """What remains to be looked at, from a certain beginning on.

        What is held is settled with as little of the new data as can be, to copy
        little: up to the first certain beginning in it.
        """
        if find(data, b"\n") < 0:
            self._hold(data)
            return b""
        first = _next_start(data, 0, len(data))
        joined = b"".join((*self._held, data if first < 0 else data[:first]))
        self._release()
        if first < 0:
            return joined
        self._region(joined, len(joined), records)
        return data[first:]

    def _resume(self, data: bytes | memoryview) -> bytes:
        """What follows the entry that was too long, if its end is here."""
        joined = b"".join((*self._held, data))
        self._release()
        first = _next_start(joined, 0, len(joined))
        if first >= 0:
            self._skipping = False
            self.consumed += first
            return joined[first:]
        # A beginning whose quotes are still to come is looked at again.
        keep = max(0, len(joined) - _DECIDED_WITHIN)
        self.consumed += keep
        self._held = [joined[keep:]]
        self._held_bytes = len(joined) - keep
        return b""

    def _hold(self, data: bytes | memoryview) -> None:
        if not data:
            return
        self._held.append(bytes(data))
        self._held_bytes += len(data)
        if self._held_bytes > self._max_entry_bytes:
            self.unrecognised["too_long"] += 1
            self._skipping = True
            self._resume(b"")

    def _release(self) -> None:
        self._held = []
        self._held_bytes = 0

    def _region(
        self, data: bytes | memoryview, end: int, records: list[LogRecord]
    ) -> None:
        """Decode each entry before `end`, a certain one, that holds the marker."""
        begin = self._worker_entries(data, 0, end, records)
        while (hit := find(data, MARKER, begin, end)) >= 0:
            start = max(begin, _last_start(data, begin, hit))
            stop = _next_start(data, hit, end)
            stop = end if stop < 0 else stop
            self._entries(bytes(data[start:stop]), records)
            begin = self._worker_entries(data, stop, end, records)
        self.consumed += end

    def _worker_entries(
        self,
        data: bytes | memoryview,
        begin: int,
        end: int,
        records: list[LogRecord],
    ) -> int:
        """Decode workers' entries that follow each other; returns where they end.

        `begin` is certain, so that its entry need not be searched for.
        """
        while (entry := _WORKERS.match(data, begin, end)) is not None:
            if entry.end() - begin > self._max_entry_bytes:
                break
            begin = entry.end()
            record = _record(entry, self.codec)
            if record is not None:
                records.append(record)
        return begin

    def _entries(self, raw: bytes, records: list[LogRecord]) -> None:
        """Decode what lies between two certain beginnings: as a rule one entry."""
        if len(raw) > self._max_entry_bytes:
            self.unrecognised["too_long"] += 1
            return
        position = 0
        while position < len(raw):
            entry = _ENTRY.match(raw, position)
            if entry is None:
                torn = raw.count(b'"', position) % 2
                self.unrecognised["torn" if torn else "invalid_csv"] += 1
                return
            position = entry.end()
            record = _record(entry, self.codec)
            if record is not None:
                records.append(record)


def _record(entry: re.Match[bytes], codec: str | None) -> LogRecord | None:
    """The entry as jsonlog would show it, if a worker wrote it."""
    groups = entry.groups()
    try:
        texts = [
            None if each is None else each.decode(codec or "utf-8") for each in groups
        ]
    except UnicodeDecodeError:
        texts = [None if each is None else text_of(each, codec) for each in groups]
    time, pid, session, line, severity, state, *quoted, backend = texts
    message, detail, context = [
        each.replace('""', '"') if each and '"' in each else each for each in quoted
    ]
    line_num = _number(line)
    if line_num is None or not (backend or "").startswith("logical replication "):
        return None
    record = LogRecord(
        timestamp=time or "",
        pid=_number(pid),
        session_id=session or "",
        line_num=line_num,
        error_severity=severity or "",
        message=message or "",
        detail=detail,
        context=context,
        state_code=None if state == SUCCESS else state,
        backend_type=backend,
    )
    return without_nul(record) if b"\0" in entry[0] else record


def _settled(data: bytes | memoryview) -> int:
    """Where the last entry that is known to be whole ends; data begins with one."""
    newline: int = rfind(data, b"\n")
    if newline < 0:
        return 0
    last = max(0, _last_start(data, 0, len(data)))
    if last <= newline and _is_whole(bytes(data[last : newline + 1])):
        return newline + 1
    return last


def _is_whole(raw: bytes) -> bool:
    """Whether the bytes are entries and nothing else.

    After one that is torn nothing is certain up to the next certain beginning,
    wherever the bytes were cut.
    """
    if raw.count(b'"') % 2:
        return False
    position = 0
    while position < len(raw):
        entry = _ENTRY.match(raw, position)
        if entry is None:
            return False
        position = entry.end()
    return True


def _last_start(data: bytes | memoryview, begin: int, end: int) -> int:
    """The last certain beginning of an entry after `begin` and before `end`, or -1."""
    newline: int
    while (newline := rfind(data, b"\n", begin, end)) >= 0:
        if _LINE_START.match(data, newline + 1) and _begins(data, newline + 1):
            return newline + 1
        end = newline
    return -1


def _next_start(data: bytes | memoryview, begin: int, end: int) -> int:
    """The first certain beginning of an entry in a line after `begin`, or -1."""
    for match in _NEXT_START.finditer(data, begin, end):
        if _begins(data, match.end()):
            return int(match.end())
    return -1


def _begins(data: bytes | memoryview, start: int) -> bool:
    """Whether the quotes after `start` prove that it lies outside a quoted value."""
    if_outside, open_if_outside = True, False
    if_inside, open_if_inside = True, True
    limit = min(len(data), start + _DECIDED_WITHIN)
    for run in _QUOTES.finditer(data, start, limit):
        if run.end() >= limit:
            break
        odd = (run.end() - run.start()) % 2 == 1
        after_comma = data[run.start() - 1] == _COMMA
        before_end = data[run.end()] in b",\n"
        if_outside = _possible(
            odd=odd, is_open=open_if_outside, opens=after_comma, closes=before_end
        )
        if_inside = _possible(
            odd=odd, is_open=open_if_inside, opens=after_comma, closes=before_end
        )
        if not (if_outside and if_inside):
            return if_outside
        open_if_outside ^= odd
        open_if_inside ^= odd
    return False


def _possible(*, odd: bool, is_open: bool, opens: bool, closes: bool) -> bool:
    """Whether the server can have written this run of quotes here."""
    if is_open:
        return closes or not odd
    return opens and (odd or closes)


def _number(text: str | None) -> int | None:
    if not text or len(text) > _DIGITS or not (text.isascii() and text.isdecimal()):
        return None
    return int(text)
