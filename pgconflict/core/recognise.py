"""One server log entry to what it says: a conflict, an error, a worker's story.

Only the server's own words count: a logical replication worker must have written the
entry, and a conflict's CONTEXT must begin with the frame that the server appends.
Code that a worker runs (triggers, defaults, expressions) can raise the same message,
but its own lines come first in CONTEXT.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pgconflict.core import messages
from pgconflict.core.attribution import attribute
from pgconflict.core.conflict import (
    Conflict,
    Entry,
    Kind,
    Source,
    StoryEvent,
    WorkerStarted,
)
from pgconflict.core.frame import split_context
from pgconflict.core.parallel_apply import finish_lsn, is_repeated
from pgconflict.core.quick import Quick
from pgconflict.core.quick_detail import Detail
from pgconflict.core.said import Said, conflict_of
from pgconflict.core.translation import severities
from pgconflict.core.workers import Worker, WorkerKind, Workers

if TYPE_CHECKING:
    from pgconflict.core.line_prefix import LinePrefix
    from pgconflict.core.log_time import LogClock
    from pgconflict.core.server_log import LogRecord

# LATER: the sentences of DETAIL take longer to compile than a small log to read, and
# most conflicts are read quickly.

UNDATED: Final = datetime.min.replace(tzinfo=UTC)
"""The time of an entry in a log whose prefix has none."""

_BACKEND_TYPES: Final[dict[str, WorkerKind | None]] = {
    "logical replication worker": None,  # 15, 16: apply or table synchronization
    "logical replication parallel worker": "parallel apply",
    "logical replication apply worker": "apply",
    "logical replication tablesync worker": "table sync",
    "logical replication sequencesync worker": "sequence sync",
}
_ENGLISH: Final = {
    word: word for word in ("LOG", "ERROR", "FATAL", "WARNING", "NOTICE", "INFO")
} | {f"DEBUG{level}": "DEBUG" for level in ("", 1, 2, 3, 4, 5)}
_OPERATIONS: Final = {"update_missing": "UPDATE", "delete_missing": "DELETE"}
_OPERATOR_CLASS: Final = "57"  # SQLSTATEs of shutdown and cancel
_TRANSLATED: Final = (
    # Of errors with a frame only these have a message that says more; stderr as a
    # rule has no SQLSTATE.
    *(None, "23505", "40001", "55000"),
)


class Recognition:
    """Entries from records, in their order; remembers the workers."""

    def __init__(
        self,
        source: Source,
        clock: LogClock,
        state: dict[str, Any],
        *,
        prefix: LinePrefix | None = None,
        undated: bool = False,
    ) -> None:
        """`state` is what `state()` gave; `prefix` is stderr's.

        `undated`: give entries with the time UNDATED if the prefix has no time.
        """
        self.unrecognised: Counter[str] = Counter()
        self._source = source
        self._clock = clock
        self._workers = Workers(state)
        self._prefix = prefix
        self._quick = Quick(source, _BACKEND_TYPES, self._workers, clock)
        self._undated = undated

    def state(self) -> dict[str, Any]:
        """The workers that may still write."""
        return self._workers.state()

    def read(self, record: LogRecord, entries: list[Entry]) -> None:
        """Append what the record says, if it is about replication."""
        if record.error_severity in {"LOG", "ERROR"}:
            quick = self._quick.read(record)
            if quick is not None:
                self._recorded(record, quick)
                entries.append(quick)
                return
        severity = _ENGLISH.get(record.error_severity)
        severity = severity or severities().get(record.error_severity)
        if severity is None:
            return
        if severity == "DEBUG" and messages.missing_row(record.message) is None:
            return  # among the rest is the connection string, with its password
        said = self._said(record, severity)
        if said is not None and (entry := self._entry(said)) is not None:
            entries.append(entry)

    def _recorded(self, record: LogRecord, conflict: Conflict) -> None:
        """Keep count for the worker of a conflict that was read quickly."""
        if conflict.stalls or self._prefix is not None:
            process = record.session_id or f"pid {record.pid}"
            worker = self._workers.running(process)
            if worker is not None and self._prefix is not None:
                worker.recorded += 1
            if conflict.stalls:
                self._workers.failed(process)

    def _said(self, record: LogRecord, severity: str) -> Said | None:
        """The record as a worker's; None if none wrote it, or at no known time."""
        backend, kind = record.backend_type, None
        if backend is not None:
            if backend not in _BACKEND_TYPES:
                self._count_forged(record)
                return None
            kind = _BACKEND_TYPES[backend]
        elif self._prefix is None:
            return None
        context, message = record.context, record.message
        frame, user_code = split_context(context) if context else (None, False)
        if frame is None or record.state_code in _TRANSLATED:
            message = messages.in_english(message)
        said = Said(
            record=record,
            source=self._source,
            severity=severity,
            log_time=UNDATED,
            message=message,
            frame=frame,
            user_code=user_code,
            process=record.session_id,
            kind=kind,
        )
        return said if self._dated(said) and self._attributed(said) else None

    def _dated(self, said: Said) -> bool:
        log_time = self._clock.read(said.record.timestamp)
        if log_time is not None:
            said.log_time = log_time
            return True
        if self._undated and self._prefix and "time" not in self._prefix.names:
            return True
        self.unrecognised["bad_time"] += 1
        return False

    def _attributed(self, said: Said) -> bool:
        """Find the worker; on stderr, whether one wrote it at all."""
        if self._prefix is not None:
            if not attribute(said, self._workers, self._prefix, self._clock):
                self._count_forged(said.record)
                return False
        else:
            said.worker = self._workers.get(said.process)
        if said.kind is None and said.worker is not None:
            said.kind = said.worker.kind
        return True

    def _count_forged(self, record: LogRecord) -> None:
        if record.message.startswith(messages.CONFLICT):
            self.unrecognised["forged"] += 1

    def _entry(self, said: Said) -> Entry | None:
        if said.severity in ("ERROR", "FATAL"):
            entry = self._error(said)
            self._workers.failed(said.process)
            return entry
        if said.user_code:
            self._count_forged(said.record)
            return None
        if (conflict := self._conflict(said)) is not None:
            return conflict
        if (missing := messages.missing_row(said.message)) is not None:
            return self._missing_row(said, missing)
        if said.message.startswith(messages.CONFLICT):
            self.unrecognised["unknown_grammar"] += 1
            return None
        return self._story(said)

    def _conflict(self, said: Said) -> Conflict | None:
        """A conflict as 18 and later log it, at either severity."""
        parts = messages.conflict_message(said.message)
        if parts is None or said.user_code or not said.has_servers_context:
            return None
        from pgconflict.core.detail import split_detail  # noqa: PLC0415 - LATER

        relation, conflict_type = parts
        operation = said.frame.operation if said.frame else ""
        return conflict_of(
            said,
            Kind.CONFLICT,
            conflict_type=conflict_type,
            relation=relation,
            detail=split_detail(said.record.detail, conflict_type, operation),
            operation=operation or None,
        )

    def _missing_row(self, said: Said, conflict_type: str) -> Conflict | None:
        """What 15 to 17 log at DEBUG1: no key, and the bare table in the message."""
        if not said.has_servers_context:
            return None
        return conflict_of(
            said,
            Kind.CONFLICT,
            conflict_type=conflict_type,
            relation=said.frame.relation if said.frame else None,
            detail=Detail(),
            operation=_OPERATIONS[conflict_type],
        )

    def _error(self, said: Said) -> Entry | None:
        state = said.record.state_code or ""
        if said.severity == "FATAL" and (not state or state[:2] == _OPERATOR_CLASS):
            return None  # someone stops the worker: no error of apply
        if (conflict := self._conflict(said)) is not None:
            return conflict
        if said.message == messages.PARALLEL_EXIT and is_repeated(said):
            return finish_lsn(said)
        from pgconflict.core.apply_error import apply_error  # noqa: PLC0415 - LATER

        return apply_error(said)

    def _story(self, said: Said) -> Entry | None:
        """What a worker says about itself; code that it runs would have CONTEXT."""
        record, message = said.record, said.message
        subname = said.worker.subname if said.worker else None
        if record.context is None and (begins := messages.started(message)):
            return self._started(said, begins)
        if record.context is None and messages.stopped(message):
            self._workers.ended(said.process)
            return None
        if (story := messages.story(message)) is None:
            return None
        return StoryEvent(
            what=story.what,
            log_time=said.log_time,
            subname=story.subname or subname,
            lsn=story.lsn,
            pid=record.pid,
        )

    def _started(self, said: Said, begins: messages.Started) -> WorkerStarted:
        # 16 and later let a parallel apply worker call itself an apply worker.
        kind = said.kind or begins.kind
        worker = said.worker
        if worker is None or worker.subname != begins.subname:
            worker = Worker(said.session_id, begins.subname, kind, begins.relname)
        self._workers.started(said.process, worker)
        return WorkerStarted(
            log_time=said.log_time,
            pid=said.record.pid,
            session_id=worker.session_id,
            subname=begins.subname,
            worker=kind,
            relname=begins.relname,
        )
