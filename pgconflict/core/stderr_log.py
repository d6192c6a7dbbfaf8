r"""Frames a stderr log: lines with a prefix, and continuation lines with a tab.

An entry is a line with a severity, then lines of the same process with DETAIL,
CONTEXT and so on. The server writes it whole, and puts a tab after every line break
within a text, so a line without one is the server's own.
Source: send_message_to_server_log(), elog.c, 15 to 19.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from stringzilla import find, rfind

from pgconflict.core.markers import stderr_markers
from pgconflict.core.server_log import MARKER, SUCCESS, LogRecord
from pgconflict.core.stderr_lines import TAB, line_label, line_starts, text_end, unfold

if TYPE_CHECKING:
    from pgconflict.core.line_prefix import LinePrefix

_SQLSTATE: Final = re.compile(rb"([0-9A-Z]{5}): ")
_LATER: Final = frozenset(
    {"DETAIL", "HINT", "QUERY", "CONTEXT", "BACKTRACE", "STATEMENT", "LOCATION"}
)


class StderrFraming:
    """Finds the lines that a worker may have written, and the entries around them."""

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
        self._prefix = prefix
        self._max_entry_bytes = max_entry_bytes
        self._skipping = bool(state.get("skipping"))
        self._has_context = bool(state.get("has_context"))  # so it is not terse
        self._held: list[bytes] = []  # from an entry's first line on
        self._held_bytes = 0
        self._tail = b""  # of what is held, after the last line break
        self._languages = languages
        self.codec = None

    @property
    def codec(self) -> str | None:
        """That all workers write in, if it is not UTF-8."""
        return self._codec

    @codec.setter
    def codec(self, codec: str | None) -> None:
        self._codec = codec
        self._markers: tuple[bytes, ...] = (MARKER,)
        if "backend" not in self._prefix.names:
            self._markers = stderr_markers(self._languages, self._prefix.ending, codec)

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
            last = self._last_entry(data)
            if last > 0:
                self._region(data[:last], records)
            self._hold(data[last:])
        return records

    def flush(self, *, settled: bool = False) -> list[LogRecord]:
        """What is held, up to its last whole line."""
        records: list[LogRecord] = []
        if self._held and not self._skipping:
            held = b"".join(self._held)
            whole = held.rfind(b"\n") + 1 if settled else self._flushable(held)
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
                ("has_context", self._has_context),
            )
            if is_so
        }

    def _resume(self, data: bytes | memoryview) -> bytes:
        """What follows the entry that was too long, if its end is here."""
        joined = b"".join((*self._held, data))
        self._release()
        begin = self._boundary(joined, at_line_start=False)
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

    def _flushable(self, held: bytes) -> int:
        """How much of what is held can be taken for whole.

        A pause can fall between an entry's lines. If its last line is not there yet
        (LOCATION where errors are verbose, else CONTEXT where the log has any), the
        entry waits for the next one.
        """
        whole = held.rfind(b"\n") + 1
        last = self._last_entry(held[:whole])
        match = self._prefix.pattern.match(held, last)
        label = line_label(held, match.end(), self._codec) if match else None
        if label is None:
            return whole
        names = {
            self._label_at(held, start) for start in line_starts(held, last, whole)
        }
        if _SQLSTATE.match(held, label[1]):
            return whole if "LOCATION" in names else last
        return whole if "CONTEXT" in names or not self._has_context else last

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
            if line[0] != TAB and self._label_at(line, 0) not in _LATER:
                held = b"".join(self._held)
                self._release()
                self._region(held[: -len(tail)], records)
                self._hold(tail)
        return self._boundary(data, at_line_start=not tail)

    def _boundary(self, data: bytes | memoryview, *, at_line_start: bool) -> int:
        """Where the first whole line begins that is another entry's, or -1."""
        start = 0 if at_line_start else find(data, b"\n") + 1
        if start == 0 and not at_line_start:
            return -1
        while (newline := find(data, b"\n", start)) >= 0:
            if data[start] != TAB and self._label_at(data, start) not in _LATER:
                return start
            start = newline + 1
        return -1

    def _last_entry(self, data: bytes | memoryview) -> int:
        """Where the last entry that has a whole line begins."""
        end = rfind(data, b"\n")
        while end > 0:
            start: int = rfind(data, b"\n", 0, end) + 1
            if data[start] != TAB and self._label_at(data, start) not in _LATER:
                return start
            end = start - 1
        return 0

    def _label_at(self, data: bytes | memoryview, start: int) -> str | None:
        """The label of the line that begins here, if it is a worker's."""
        match = self._prefix.pattern.match(data, start)
        label = line_label(data, match.end(), self._codec) if match else None
        return label[0] if label else None

    def _region(self, data: bytes | memoryview, records: list[LogRecord]) -> None:
        """Give each entry in these whole lines that has a marker."""
        end = len(data)
        self.consumed += end
        hits = {marker: find(data, marker) for marker in self._markers}
        hits = {marker: hit for marker, hit in hits.items() if hit >= 0}
        at = 0
        while hits:
            at = self._entry(data, at, min(hits.values()), records)
            for marker in [marker for marker, hit in hits.items() if hit < at]:
                hits[marker] = find(data, marker, at, end) if at < end else -1
                if hits[marker] < 0:
                    del hits[marker]

    def _entry(
        self, data: bytes | memoryview, begin: int, hit: int, records: list[LogRecord]
    ) -> int:
        """Give the entry around `hit`, if it can be a worker's.

        `begin`: where the entry before ended. Returns where this one does, after
        `hit`: a later line of another process belongs to no entry.
        """
        start = _line_start(data, begin, hit)
        while start > begin and (
            data[start] == TAB or self._label_at(data, start) in _LATER
        ):
            start = _line_start(data, begin, start - 1)
        match = self._prefix.pattern.match(data, start)
        label = line_label(data, match.end(), self._codec) if match else None
        if match is None or label is None or label[0] in _LATER:
            return text_end(data, hit) + 1
        prefix = bytes(data[start : match.end()])
        parts: dict[str, bytes] = {}
        name, text = label
        while True:
            end = text_end(data, text)
            parts[name] = bytes(data[text:end])
            at = end + 1
            found = self._later_label(data, at, prefix)
            if found is None or found[0] in parts:
                break
            name, text = found
        record = self._record(match, label[0], parts)
        if record is not None:
            records.append(record)
        return max(at, text_end(data, hit) + 1)

    def _later_label(
        self, data: bytes | memoryview, at: int, prefix: bytes
    ) -> tuple[str, int] | None:
        """The label of a line that goes on an entry whose first prefix is known."""
        if data[at : at + len(prefix)] == prefix:  # as a rule it is the same
            found = line_label(data, at + len(prefix), self._codec)
        else:
            later = self._prefix.pattern.match(data, at) if at < len(data) else None
            first = self._prefix.pattern.match(prefix)
            if later is None or first is None:
                return None
            if self._process(later) != self._process(first):
                return None
            found = line_label(data, later.end(), self._codec)
        return found if found is not None and found[0] in _LATER else None

    def _process(self, match: re.Match[bytes]) -> bytes:
        """What the lines of one entry have in common."""
        if self._prefix.has_process:
            known = match.groupdict(b"")
            return known.get("pid", b"") + b" " + known.get("session", b"")
        # %l counts lines and %t may go on by a second within an entry.
        varying = ["line"] if self._prefix.steady_time else ["line", "time"]
        text, begin = match[0], match.start()
        for start, end in sorted(
            (match.span(name) for name in varying if name in self._prefix.names),
            reverse=True,
        ):
            text = text[: start - begin] + text[end - begin :]
        return text

    def _record(
        self, match: re.Match[bytes], severity: str, parts: dict[str, bytes]
    ) -> LogRecord | None:
        if "STATEMENT" in parts and "backend" not in self._prefix.names:
            return None  # a worker has no statement: a client wrote this
        said = {name: text.decode() for name, text in match.groupdict(b"").items()}
        context, detail = parts.get("CONTEXT"), parts.get("DETAIL")
        self._has_context |= context is not None
        message = unfold(parts[severity], self._codec)
        sqlstate = said.get("sqlstate")
        if "LOCATION" in parts and (verbose := _SQLSTATE.match(parts[severity])):
            sqlstate = verbose[1].decode()
            message = message[verbose.end() :]
        pid = said.get("pid")
        return LogRecord(
            timestamp=said.get("time", ""),
            pid=int(pid) if pid else None,
            session_id=said.get("session", ""),
            line_num=int(said.get("line", 0)),
            error_severity=severity,
            message=message,
            detail=None if detail is None else unfold(detail, self._codec),
            context=None if context is None else unfold(context, self._codec),
            state_code=None if sqlstate == SUCCESS else sqlstate,
            backend_type=said.get("backend"),
            process_start=said.get("start"),
        )


def _line_start(data: bytes | memoryview, begin: int, at: int) -> int:
    """Where the line begins that `at` is in, not before `begin`."""
    newline: int = rfind(data, b"\n", begin, at)
    return begin if newline < 0 else newline + 1
