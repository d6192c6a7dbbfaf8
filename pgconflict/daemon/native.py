"""Copies the rows of PostgreSQL's own conflict tables into the conflict log.

One round a few seconds; each row once, merged with the log entry of the same conflict
whichever comes first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pgconflict.conflict_log.entry import Recorded, Resolution
from pgconflict.core.conflict import (
    Conflict,
    Kind,
    LocalConflict,
    Source,
    Values,
    identity_of,
)
from pgconflict.core.lsn import parse_lsn
from pgconflict.server.native_log import native_rows, native_tables

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pgconflict.conflict_log.writer import ConflictLogWriter
    from pgconflict.server.native_log import NativeRow, NativeTable
    from pgconflict.server.session import NodeSession


async def copy_native(
    session: NodeSession, writer: ConflictLogWriter, now: datetime
) -> int:
    """Copies what came since the last round; how many rows were read.

    `now` stands for the time of logging, which the tables do not hold.

    Raises:
        NodeUnavailableError, ConflictLogUnavailableError: nothing is lost, the next
            round goes on where this one was.
    """
    number = 0
    for table in await native_tables(session):
        if not table.usable:
            continue
        after = await writer.native_position(table.subid)
        while rows := await native_rows(session, table, after):
            entries = [recorded(table, row, now) for row in rows]
            lsns = [entry.conflict.remote_commit_lsn for entry in entries]
            last = max((lsn for lsn in lsns if lsn is not None), default=after)
            await writer.write_native(entries, table.subid, last)
            number += len(rows)
            if last == after:  # only rows without an LSN, which come each time
                break
            after = last
    return number


def recorded(table: NativeTable, row: NativeRow, seen_at: datetime) -> Recorded:
    """A row of a native table as an entry of the conflict log."""
    text = {name: value for name, value in row.items() if isinstance(value, str)}
    identity = _values(text.get("replica_identity"))
    full = text.get("replica_identity_full")
    schema, relname = text.get("schemaname"), text["relname"]
    relation = f"{schema}.{relname}" if schema else relname
    xid = int(text["remote_xid"]) if "remote_xid" in text else None
    lsn = text.get("remote_commit_lsn")
    origin = text.get("remote_origin") or f"pg_{table.subid}"
    key = _key_text(identity)
    locals_ = row.get("local_conflicts")
    conflict = Conflict(
        kind=Kind.CONFLICT,
        conflict_type=text["conflict_type"],
        severity="LOG",
        sqlstate=None,
        stalls=False,
        subid=table.subid,
        subname=table.subname,
        relation=relation,
        schemaname=schema,
        relname=relname,
        operation=None,
        index_names=(),
        remote_origin=origin,
        remote_xid=xid,
        remote_commit_lsn=None if lsn is None else parse_lsn(lsn),
        replica_identity_full=None if full is None else full.startswith("t"),
        replica_identity_text=None,
        remote_tuple_text=None,
        local_conflicts=_locals(locals_) if isinstance(locals_, list) else (),
        message="",
        detail=None,
        context=None,
        log_time=seen_at,
        source=Source.NATIVE,
        pid=None,
        session_id="native",
        line_num=0,
        identity=identity_of(
            kind=Kind.CONFLICT,
            origin=origin,
            remote_xid=xid,
            conflict_type=text["conflict_type"],
            relation=relation,
            key=key or "",
        ),
    )
    return Recorded(
        conflict=conflict,
        resolution=Resolution(
            database=table.database,
            subname=table.subname,
            relid=int(text["relid"]) if "relid" in text else None,
            schemaname=schema,
            relname=relname,
            replica_identity=identity,
            remote_tuple=_values(text.get("remote_tuple")),
            local_conflicts=conflict.local_conflicts,
            remote_commit_ts=_iso(text.get("remote_commit_ts")),
        ),
    )


def _locals(items: Sequence[str]) -> tuple[LocalConflict, ...]:
    found = []
    for item in items:
        local = msgspec.json.decode(item)
        xid = local.get("xid")
        found.append(
            LocalConflict(
                xid=None if xid is None else int(xid),
                commit_ts=_iso(local.get("commit_ts")),
                origin=local.get("origin"),
                origin_kind="origin" if local.get("origin") else None,
                key=_as_text(local.get("key")),
                tuple=_as_text(local.get("tuple")),
            )
        )
    return tuple(found)


def _values(text: str | None) -> Values | None:
    return None if text is None else _as_text(msgspec.json.decode(text))


def _as_text(value: object) -> Values | None:
    """A JSON object's values as text; what the server left out is absent here too."""
    if not isinstance(value, dict):
        return None
    return {
        str(name): None if item is None else _plain(item)
        for name, item in value.items()
        if not (isinstance(item, dict) and item.get("omitted"))
    }


def _plain(item: object) -> str:
    return item if isinstance(item, str) else msgspec.json.encode(item).decode()


def _key_text(values: Values | None) -> str | None:
    """The key as the server log prints it, so that both give one identity."""
    if not values:
        return None
    shown = ("null" if value is None else value for value in values.values())
    return f"({', '.join(values)})=({', '.join(shown)})"


def _iso(text: str | None) -> str | None:
    return None if text is None else text.replace(" ", "T", 1)
