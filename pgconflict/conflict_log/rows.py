"""Entries as rows of the conflict log: the one place that knows the column order."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import astuple

from pgconflict.conflict_log.tally import Tally
from pgconflict.core.conflict import LocalConflict, Status
from pgconflict.core.lsn import format_lsn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.conflict_log.entry import Node, Recorded

# The fields of Conflict in their order, then what else a row has: a row is then put
# together from whole slices of the entry, at a third of the cost of field by field.
COLUMNS = (
    "kind",
    "conflict_type",
    "severity",
    "sqlstate",
    "stalls",
    "subid",
    "subname",
    "relation",
    "schemaname",
    "relname",
    "operation",
    "index_names",
    "remote_origin",
    "remote_xid",
    "remote_commit_lsn",
    "replica_identity_full",
    "replica_identity_text",
    "remote_tuple_text",
    "local_conflicts",
    "message",
    "detail",
    "context",
    "first_logged_at",
    "source",
    "pid",
    "session_id",
    "line_num",
    "identity",
    "last_logged_at",
    "status",
    "status_at",
    "node",
    "system_identifier",
    "database",
    "relid",
    "remote_commit_ts",
    "replica_identity",
    "remote_tuple",
    "truncated_columns",
)
Row = tuple[object, ...]

_counted = attrgetter(
    "conflict.kind",
    "conflict.conflict_type",
    "conflict.severity",
    "conflict.subid",
    "resolution.subname",
    "conflict.subname",
    "conflict.remote_origin",
)

LSN = COLUMNS.index("remote_commit_lsn")
IDENTITY = COLUMNS.index("identity")
LOCALS = COLUMNS.index("local_conflicts")
OBJECTS = (COLUMNS.index("replica_identity"), COLUMNS.index("remote_tuple"))

json_of = msgspec.json.Encoder().encode
"""The JSON of a value, as UTF-8."""


def _time(iso: str | None) -> datetime | None:
    return None if iso is None else datetime.fromisoformat(iso)


def _local(local: LocalConflict) -> str:
    return json_of(local).decode()


def row_of(node: Node, recorded: Recorded) -> Row:
    """The values of `COLUMNS` for one entry, typed as asyncpg's COPY takes them."""
    entry = recorded.conflict
    names = recorded.resolution
    said = astuple(entry)
    at = entry.log_time
    locals_ = names.local_conflicts or entry.local_conflicts
    identity, remote = names.replica_identity, names.remote_tuple
    return (
        *said[:6],
        names.subname or entry.subname,
        entry.relation,
        names.schemaname or entry.schemaname,
        names.relname or entry.relname,
        *said[10:18],
        [_local(local) for local in locals_] if locals_ else (),
        *said[19:],
        at,
        Status.OPEN if entry.stalls else Status.APPLIED,
        at,
        node.name,
        node.system_identifier,
        names.database,
        names.relid,
        _time(names.remote_commit_ts),
        None if identity is None else json_of(identity).decode(),
        None if remote is None else json_of(remote).decode(),
        names.truncated_columns,
    )


def tally_of(entries: Sequence[Recorded]) -> Tally:
    """What these entries add when each of them is new."""
    tally = Tally()
    for key, number in Counter(map(_counted, entries)).items():
        kind, type_, severity, subid, subname, said, origin = key
        tally.labels[subname or said or "", kind, type_ or ""] += number
        if subid is not None:
            failed = severity == "ERROR" and origin is not None
            tally.count(subid, kind, type_ or "", number, failed=failed)
    return tally


def json_rows(rows: list[Row]) -> str:
    """Rows as a JSON array of objects for jsonb_to_recordset()."""
    return json_of(
        [dict(zip(COLUMNS, row, strict=True)) | _as_text(row) for row in rows]
    ).decode()


def _as_text(row: Row) -> dict[str, object]:
    """The columns whose JSON is not what PostgreSQL reads."""
    identity, lsn, locals_ = row[IDENTITY], row[LSN], row[LOCALS]
    assert isinstance(identity, bytes)  # noqa: S101 - COLUMNS says so
    assert isinstance(locals_, list | tuple)  # noqa: S101 - the same
    return {
        "identity": "\\x" + identity.hex(),
        "remote_commit_lsn": format_lsn(lsn) if isinstance(lsn, int) else None,
        # JSON already: encoded once more they would be strings.
        "local_conflicts": [msgspec.Raw(local) for local in locals_],
        **{
            COLUMNS[place]: msgspec.Raw(text)
            for place in OBJECTS
            if isinstance(text := row[place], str)
        },
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
