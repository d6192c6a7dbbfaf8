r"""Reads a stderr log's entries: lines with a prefix, continuation lines with a tab.

An entry is a line with a severity, then lines of the same process with DETAIL,
CONTEXT and so on. The server writes it whole, and puts a tab after every line break
within a text, so a line without one is the server's own.
Source: send_message_to_server_log(), elog.c, 15 to 19.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

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


class StderrEntries:
    """Finds the lines that a worker may have written, and the entries around them."""

    def __init__(
        self,
        prefix: LinePrefix,
        languages: frozenset[str] | None,
        *,
        has_context: bool,
    ) -> None:
        """`languages`: those to look for besides English; None: all."""
        self.has_context = has_context
        """Whether an entry had a CONTEXT: the log is not terse then."""
        self._prefix = prefix
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

    def read(self, data: bytes | memoryview) -> list[LogRecord]:
        """The entries in these whole lines that have a marker and can be a worker's."""
        records: list[LogRecord] = []
        end = len(data)
        hits = {marker: find(data, marker) for marker in self._markers}
        hits = {marker: hit for marker, hit in hits.items() if hit >= 0}
        at = 0
        while hits:
            at = self._entry(data, at, min(hits.values()), records)
            for marker in [marker for marker, hit in hits.items() if hit < at]:
                hits[marker] = find(data, marker, at, end) if at < end else -1
                if hits[marker] < 0:
                    del hits[marker]
        return records

    def begins(self, data: bytes | memoryview, start: int) -> bool:
        """Whether the line that begins here goes on no entry, so that it begins one."""
        return data[start] != TAB and self._label_at(data, start) not in _LATER

    def first_beginning(self, data: bytes | memoryview, *, at_line_start: bool) -> int:
        """Where the first whole line begins that is another entry's, or -1."""
        start = 0 if at_line_start else find(data, b"\n") + 1
        if start == 0 and not at_line_start:
            return -1
        while (newline := find(data, b"\n", start)) >= 0:
            if self.begins(data, start):
                return start
            start = newline + 1
        return -1

    def last_beginning(self, data: bytes | memoryview) -> int:
        """Where the last entry that has a whole line begins."""
        end = rfind(data, b"\n")
        while end > 0:
            start: int = rfind(data, b"\n", 0, end) + 1
            if self.begins(data, start):
                return start
            end = start - 1
        return 0

    def whole(self, held: bytes) -> int:
        """How much of what is held can be taken for whole.

        A pause can fall between an entry's lines. If its last line is not there yet
        (LOCATION where errors are verbose, else CONTEXT where the log has any), the
        entry waits for the next one.
        """
        whole = held.rfind(b"\n") + 1
        last = self.last_beginning(held[:whole])
        match = self._prefix.pattern.match(held, last)
        label = line_label(held, match.end(), self._codec) if match else None
        if label is None:
            return whole
        names = {
            self._label_at(held, start) for start in line_starts(held, last, whole)
        }
        if _SQLSTATE.match(held, label[1]):
            return whole if "LOCATION" in names else last
        return whole if "CONTEXT" in names or not self.has_context else last

    def _label_at(self, data: bytes | memoryview, start: int) -> str | None:
        """The label of the line that begins here, if it is a worker's."""
        match = self._prefix.pattern.match(data, start)
        label = line_label(data, match.end(), self._codec) if match else None
        return label[0] if label else None

    def _entry(
        self, data: bytes | memoryview, begin: int, hit: int, records: list[LogRecord]
    ) -> int:
        """Give the entry around `hit`, if it can be a worker's.

        `begin`: where the entry before ended. Returns where this one does, after
        `hit`: a later line of another process belongs to no entry.
        """
        start = _line_start(data, begin, hit)
        while start > begin and not self.begins(data, start):
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
        self.has_context |= context is not None
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
