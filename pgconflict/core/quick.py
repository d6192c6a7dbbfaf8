"""The quick way from a log record to a Conflict, for the conflicts of every day.

A server can log 80,000 a second. An entry in English whose names and values are plain
is read here by fixed words; everything else, and whatever is not exactly so, is left
to `recognise`. Both give the same for what both can read.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

from pgconflict.core.conflict import Conflict, Kind, Source
from pgconflict.core.messages import conflict_message
from pgconflict.core.quick_detail import quick_detail
from pgconflict.core.said import known_sqlstate, split_relation

if TYPE_CHECKING:
    from collections.abc import Container

    from pgconflict.core.log_time import LogClock
    from pgconflict.core.server_log import LogRecord
    from pgconflict.core.workers import Workers

_KEPT: Final = 256
_FRAME: Final = re.compile(
    r'processing remote data for replication origin "(pg_([0-9]{1,10})'
    r'(?:_[0-9]{1,10})?)" during message type "([A-Z]+)" for replication target '
    r'relation "[^"\n]*" in transaction ([0-9]{1,10})'
    r"(?:, finished at ([0-9A-F]{1,8})/([0-9A-F]{1,8}))?"
).fullmatch
_CONFLICT: Final = Kind.CONFLICT


_Frame = tuple[str, int, str, int, int | None]  # origin, subid, operation, xid, lsn


class _Message(NamedTuple):
    conflict_type: str
    relation: str
    schemaname: str | None
    relname: str | None


class Quick:
    """Remembers the messages seen lately, and the last context: they repeat."""

    def __init__(
        self,
        source: Source,
        backend_types: Container[str | None],
        workers: Workers,
        clock: LogClock,
    ) -> None:
        """What the records are from, and who may have written them and when."""
        self._source = source
        self._stderr = source is Source.STDERR
        self._backend_types = backend_types
        self._worker = workers.running
        self._time = clock.read
        self._messages: dict[str, _Message] = {}
        self._context = ""
        self._frame: _Frame | None = None

    def read(self, record: LogRecord) -> Conflict | None:  # noqa: PLR0911
        """The conflict, or None if the entry must be read with more care."""
        # In one piece: each call would cost a fiftieth of all that is done here.
        text, context, detail = record.message, record.context, record.detail
        if context is None or detail is None:
            return None
        message = self._messages.get(text) or self._message(text)
        if message is None:
            return None
        worker = self._worker(record.session_id or f"pid {record.pid}")
        if self._stderr:
            # Who wrote it is known by its start alone, if not by its session.
            if worker is None or record.process_start is not None:
                return None
        elif record.backend_type not in self._backend_types:
            return None
        if context != self._context:  # a transaction's entries come together
            self._context, self._frame = context, _read_frame(context)
        if self._frame is None:
            return None
        origin, subid, operation, xid, lsn = self._frame
        conflict_type, relation, schemaname, relname = message
        parts = quick_detail(detail, conflict_type, operation)
        if parts is None:
            return None
        log_time = self._time(record.timestamp)
        if log_time is None:
            return None
        indexes, full, replica_identity, remote_tuple, local, key = parts
        severity = record.error_severity
        identity = f"conflict\0{origin}\0{xid}\0{conflict_type}\0{relation}\0{key}"
        return Conflict(
            _CONFLICT,
            conflict_type,
            severity,
            record.state_code or known_sqlstate(severity, conflict_type, self._source),
            severity == "ERROR",
            subid,
            worker.subname if worker else None,
            relation,
            schemaname,
            relname,
            operation,
            indexes,
            origin,
            xid,
            lsn,
            full,
            replica_identity,
            remote_tuple,
            local,
            text,
            detail,
            context,
            log_time,
            self._source,
            record.pid,
            worker.session_id if worker else record.session_id,
            record.line_num or (worker.recorded + 1 if worker else 0),
            blake2b(identity.encode(), digest_size=16).digest(),
        )

    def _message(self, text: str) -> _Message | None:
        parts = conflict_message(text)
        if parts is None:
            return None
        if len(self._messages) >= _KEPT:
            self._messages.clear()
        message = _Message(parts[1], parts[0], *split_relation(parts[0]))
        self._messages[text] = message
        return message


def _read_frame(context: str) -> _Frame | None:
    match = _FRAME(context)
    if match is None:
        return None
    origin, subid, operation, xid, high, low = match.groups()
    lsn = None if high is None else int(high, 16) << 32 | int(low, 16)
    return origin, int(subid), operation, int(xid), lsn
