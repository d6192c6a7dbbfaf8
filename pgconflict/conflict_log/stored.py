"""One conflict as the conflict log holds it: the fields every output has, in order."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec
from psycopg import sql

from pgconflict.core.conflict import LocalConflict, Values
from pgconflict.core.lsn import format_lsn, parse_lsn

if TYPE_CHECKING:
    from collections.abc import Iterable


class StoredConflict(msgspec.Struct, frozen=True):
    """A row of conflict_log; values of rows are text as the server printed them.

    The order of the fields is that of every `--json` and export.
    """

    conflict_id: int
    kind: str
    conflict_type: str | None
    severity: str | None
    sqlstate: str | None
    stalls: bool
    node: str
    system_identifier: int
    database: str | None
    subid: int | None
    subname: str | None
    relid: int | None
    schemaname: str | None
    relname: str | None
    operation: str | None
    index_names: list[str]
    remote_origin: str | None
    remote_xid: int | None
    remote_commit_lsn: str | None
    remote_commit_ts: datetime | None
    replica_identity_full: bool | None
    replica_identity: Values | None
    remote_tuple: Values | None
    local_conflicts: list[LocalConflict]
    replica_identity_text: str | None
    remote_tuple_text: str | None
    message: str | None
    detail: str | None
    context: str | None
    attempts: int
    first_logged_at: datetime
    last_logged_at: datetime
    ingested_at: datetime
    source: str
    status: str
    status_at: datetime | None
    verdict: str | None
    verdict_at: datetime | None
    cause: str | None
    effect: str | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    note: str | None
    relation: str | None
    truncated_columns: list[str]

    @property
    def table(self) -> str | None:
        """The relation's name for people: schema.table, or as the server printed it."""
        if self.relname is None:
            return self.relation
        return f"{self.schemaname}.{self.relname}" if self.schemaname else self.relname

    @property
    def type(self) -> str:
        """The conflict's type, or the kind of what is no conflict."""
        return self.conflict_type or self.kind

    @property
    def key(self) -> str | None:
        """The key as the server printed it: of the change, else of the local row."""
        if self.replica_identity_text is not None:
            return self.replica_identity_text
        keys = [local.key_text for local in self.local_conflicts if local.key_text]
        return ", ".join(dict.fromkeys(keys)) or None


COLUMNS: Final = StoredConflict.__struct_fields__
# JSON comes as text, so that it is taken apart once and by one library.
_CASTS: Final = {
    "replica_identity": "text",
    "remote_tuple": "text",
    "local_conflicts": "text[]",
    "remote_commit_lsn": "text",
}
_POSITIONS: Final = tuple(
    COLUMNS.index(name)
    for name in (
        "index_names",
        "remote_commit_lsn",
        "replica_identity",
        "remote_tuple",
        "local_conflicts",
        "truncated_columns",
    )
)
_values = msgspec.json.Decoder(Values).decode
_locals = msgspec.json.Decoder(list[LocalConflict]).decode


def selected() -> sql.Composable:
    """The select list, of conflict_log as c, whose rows `from_row` takes."""
    return sql.SQL(", ").join(
        sql.SQL("c.{}::{}").format(sql.Identifier(name), sql.SQL(_CASTS[name]))
        if name in _CASTS
        else sql.SQL("c.{}").format(sql.Identifier(name))
        for name in COLUMNS
    )


def plain_columns() -> sql.Composable:
    """The select list in PostgreSQL's own types, for COPY."""
    return sql.SQL(", ").join(
        sql.SQL("c.{}").format(sql.Identifier(name)) for name in COLUMNS
    )


def from_row(row: tuple[Any, ...]) -> StoredConflict:
    """The conflict of one row of `selected`."""
    values = list(row)
    indexes, lsn, identity, remote, locals_, truncated = _POSITIONS
    values[indexes] = row[indexes] or []
    values[lsn] = row[lsn] and format_lsn(parse_lsn(row[lsn]))
    values[identity] = row[identity] and _values(row[identity])
    values[remote] = row[remote] and _values(row[remote])
    values[locals_] = _locals(f"[{','.join(row[locals_] or ())}]")
    values[truncated] = row[truncated] or []
    return StoredConflict(*values)


def from_rows(rows: Iterable[tuple[Any, ...]]) -> list[StoredConflict]:
    """The conflicts of rows of `selected`."""
    return [from_row(row) for row in rows]
