"""Entries as rows of the conflict log: the one place that knows the column order."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING

import msgspec

from pgconflict.conflict_log.tally import Tally
from pgconflict.core.conflict import LocalConflict, Status
from pgconflict.core.lsn import format_lsn

if TYPE_CHECKING:
    from pgconflict.conflict_log.entry import Node, Recorded

COLUMNS = (
    "kind",
    "conflict_type",
    "severity",
    "sqlstate",
    "stalls",
    "node",
    "system_identifier",
    "database",
    "subid",
    "subname",
    "relid",
    "schemaname",
    "relname",
    "relation",
    "operation",
    "index_names",
    "remote_origin",
    "remote_xid",
    "remote_commit_lsn",
    "remote_commit_ts",
    "replica_identity_full",
    "replica_identity",
    "remote_tuple",
    "local_conflicts",
    "truncated_columns",
    "replica_identity_text",
    "remote_tuple_text",
    "message",
    "detail",
    "context",
    "first_logged_at",
    "last_logged_at",
    "source",
    "status",
    "status_at",
    "identity",
    "pid",
    "session_id",
    "line_num",
)
Row = tuple[object, ...]

_COUNTED = itemgetter(
    *map(
        COLUMNS.index,
        ("kind", "conflict_type", "severity", "subid", "subname", "remote_origin"),
    )
)

LSN = COLUMNS.index("remote_commit_lsn")
IDENTITY = COLUMNS.index("identity")

_encode = msgspec.json.Encoder().encode


def _json(value: object) -> str | None:
    return None if value is None else _encode(value).decode()


def _time(iso: str | None) -> datetime | None:
    return None if iso is None else datetime.fromisoformat(iso)


def _local(local: LocalConflict) -> str:
    return _encode(local).decode()


def row_of(node: Node, recorded: Recorded) -> Row:
    """The values of `COLUMNS` for one entry, typed as asyncpg's COPY takes them."""
    entry = recorded.conflict
    names = recorded.resolution
    at = entry.log_time
    locals_ = names.local_conflicts or entry.local_conflicts
    return (
        entry.kind,
        entry.conflict_type,
        entry.severity,
        entry.sqlstate,
        entry.stalls,
        node.name,
        node.system_identifier,
        names.database,
        entry.subid,
        names.subname or entry.subname,
        names.relid,
        names.schemaname or entry.schemaname,
        names.relname or entry.relname,
        entry.relation,
        entry.operation,
        entry.index_names,
        entry.remote_origin,
        entry.remote_xid,
        entry.remote_commit_lsn,  # asyncpg's pg_lsn is an integer
        _time(names.remote_commit_ts),
        entry.replica_identity_full,
        _json(names.replica_identity),
        _json(names.remote_tuple),
        [_local(local) for local in locals_],
        names.truncated_columns,
        entry.replica_identity_text,
        entry.remote_tuple_text,
        entry.message,
        entry.detail,
        entry.context,
        at,
        at,
        entry.source,
        Status.OPEN if entry.stalls else Status.APPLIED,
        at,
        entry.identity,
        entry.pid,
        entry.session_id,
        entry.line_num,
    )


def tally_of(rows: list[Row]) -> Tally:
    """What these rows add when each of them is new."""
    tally = Tally()
    for key, number in Counter(map(_COUNTED, rows)).items():
        kind, type_, severity, subid, subname, origin = key
        tally.labels[subname or "", kind, type_ or ""] += number
        if subid is not None:
            failed = severity == "ERROR" and origin is not None
            tally.count(subid, kind, type_ or "", number, failed=failed)
    return tally


def json_rows(rows: list[Row]) -> str:
    """Rows as a JSON array of objects for jsonb_to_recordset()."""
    return _encode(
        [dict(zip(COLUMNS, row, strict=True)) | _as_text(row) for row in rows]
    ).decode()


def _as_text(row: Row) -> dict[str, str | None]:
    """The columns whose JSON is not what PostgreSQL reads."""
    identity, lsn = row[IDENTITY], row[LSN]
    assert isinstance(identity, bytes)  # noqa: S101 - COLUMNS says so
    return {
        "identity": "\\x" + identity.hex(),
        "remote_commit_lsn": format_lsn(lsn) if isinstance(lsn, int) else None,
    }


def storable(recorded: Recorded) -> Recorded:
    """The entry with what PostgreSQL's text can't hold replaced by U+FFFD: NUL.

    No server logs one; a torn or tampered file may.
    """
    plain = msgspec.to_builtins(recorded)
    return msgspec.convert(_without_nul(plain), type(recorded))


def _without_nul(value: object) -> object:
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, list | tuple):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    return value
