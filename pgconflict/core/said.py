"""A worker's entry with all that is known about it, and the Conflict made of it."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from pgconflict.core.conflict import Conflict, ConflictType, Kind, Source, identity_of
from pgconflict.core.frame import Frame
from pgconflict.core.messages import named_subscription
from pgconflict.core.server_log import LogRecord
from pgconflict.core.workers import Worker, WorkerKind

if TYPE_CHECKING:
    from pgconflict.core.quick_detail import Detail

_TYPES: Final = frozenset(ConflictType)
_SQLSTATES: Final = {"LOG": "40001", "ERROR": "23505"}  # Source: conflict.c, 18, 19
_NUMBER: Final = re.compile("[0-9]+")
_PASSWORD: Final = re.compile(r"""(password\s*=\s*)(?:'(?:[^'\\]|\\.)*'?|\S+)""")


class Said(msgspec.Struct, gc=False):
    """One record with what is known about it as a whole."""

    record: LogRecord
    source: Source
    severity: str
    log_time: datetime
    message: str  # in English, if a catalog knows it
    frame: Frame | None
    user_code: bool  # whose lines come first in CONTEXT
    process: str
    kind: WorkerKind | None = None
    worker: Worker | None = None

    @property
    def has_servers_context(self) -> bool:
        """Whether CONTEXT is the server's, or hidden as terse stderr logs hide it."""
        if self.frame is not None:
            return not self.user_code
        return self.record.context is None and self.source == Source.STDERR

    @property
    def session_id(self) -> str:
        """The worker's session: the log's own, or made from its pid and start."""
        if self.record.session_id:
            return self.record.session_id
        return f"{self.record.pid}@{self.log_time.isoformat(timespec='milliseconds')}"


def split_relation(relation: str | None) -> tuple[str | None, str | None]:
    """Schema and table, if only one reading is possible.

    >>> split_relation("shop.t1"), split_relation("a.b.c")
    (('shop', 't1'), (None, None))
    """
    schemaname, dot, relname = (relation or "").partition(".")
    if not dot or "." in relname or not schemaname or not relname:
        return None, None
    if schemaname[0] == schemaname[-1] == '"' or relname[0] == relname[-1] == '"':
        return None, None  # 20 may quote names: then the quotes are not part of it
    return schemaname, relname


def known_sqlstate(severity: str, conflict_type: str, source: Source) -> str | None:
    """What the server set but stderr does not show as a rule."""
    if source is not Source.STDERR or conflict_type not in _TYPES:
        return None
    return _SQLSTATES.get(severity)


def conflict_of(
    said: Said,
    kind: Kind,
    *,
    conflict_type: str | None,
    relation: str | None,
    detail: Detail,
    operation: str | None,
    bare: bool = False,
) -> Conflict:
    """The entry. `bare`: the relation is a table's name without its schema.

    The identity's type is the conflict type, or for other kinds the message: it is
    the same at every attempt, in every format, where the SQLSTATE may be hidden.
    Without a remote transaction the day, the subscription and the message without
    its numbers (pids, ports) tell troubles apart.
    """
    record, frame, worker = said.record, said.frame, said.worker
    subname = worker.subname if worker else None
    word = conflict_type or record.message
    key = detail.key
    context, text = record.context, record.detail
    message: str | None = record.message
    if frame is None or frame.xid is None:
        if subname is None:
            subname = named_subscription(said.message)
        key = f"{subname or ''}\0{said.log_time:%Y-%m-%d}\0{key}"
        word = _NUMBER.sub("N", word)
        if frame is None:
            message, context, text = map(_without_password, (message, context, text))
    schemaname, relname = (None, relation) if bare else split_relation(relation)
    sqlstate = record.state_code
    if sqlstate is None and kind is Kind.CONFLICT:
        sqlstate = known_sqlstate(said.severity, conflict_type or "", said.source)
    line_num = record.line_num
    if worker is not None and said.source == Source.STDERR:
        worker.recorded += 1
        line_num = line_num or worker.recorded
    return Conflict(
        kind=kind,
        conflict_type=conflict_type,
        severity=said.severity,
        sqlstate=sqlstate,
        stalls=said.severity in ("ERROR", "FATAL"),
        subid=frame.subid if frame else None,
        subname=subname,
        relation=relation,
        schemaname=schemaname,
        relname=relname,
        operation=operation,
        index_names=detail.index_names,
        remote_origin=frame.origin if frame else None,
        remote_xid=frame.xid if frame else None,
        remote_commit_lsn=frame.lsn if frame else None,
        replica_identity_full=detail.replica_identity_full,
        replica_identity_text=detail.replica_identity_text,
        remote_tuple_text=detail.remote_tuple_text,
        local_conflicts=detail.local_conflicts,
        message=message or "",
        detail=text,
        context=context,
        log_time=said.log_time,
        source=said.source,
        pid=record.pid,
        session_id=worker.session_id if worker else record.session_id,
        line_num=line_num,
        identity=identity_of(
            kind=kind,
            origin=frame.origin if frame else "",
            remote_xid=frame.xid if frame else None,
            conflict_type=word,
            relation=relation or "",
            key=key,
        ),
    )


def _without_password(text: str | None) -> str | None:
    """A connection error may repeat a part of its connection string."""
    if text is None or "password" not in text:
        return text
    return _PASSWORD.sub(r"\1***", text)
