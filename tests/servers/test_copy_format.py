"""What COPY gets as bytes of our own is what asyncpg would have sent."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
import psycopg

from pgconflict.conflict_log.copy_format import COPY_COLUMNS, encoded
from pgconflict.conflict_log.entry import Node, Recorded
from pgconflict.conflict_log.rows import COLUMNS, row_of
from pgconflict.conflict_log.schema import install
from pgconflict.core.conflict import LocalConflict
from tests.fixtures.entries import NOON, entry

if TYPE_CHECKING:
    from tests.fixtures.servers import ConflictLogServer

NODE = Node(name="knoten é", system_identifier=7_000_000_000_000_000_001)
DAY = "conflict_log_20261120"


def entries() -> list[Recorded]:
    """Every column with a value, without one, and where it changes in between."""
    local = LocalConflict(
        xid=2**32 - 1,
        commit_ts="2026-11-20T12:00:00.123456+05:30",
        origin="o'x\n",
        origin_kind="origin",
        index='"i"',
        key={"id": "1", "v": None},
        tuple={"ü": "\N{SNOWMAN}"},
        key_text="(id)=(1)",
        tuple_text="(1)",
    )
    bare: dict[str, Any] = {
        "conflict_type": None,
        "sqlstate": None,
        "subid": None,
        "relation": None,
        "operation": None,
        "remote_origin": None,
        "remote_xid": None,
        "remote_commit_lsn": None,
        "replica_identity_full": None,
        "replica_identity_text": None,
        "remote_tuple_text": None,
        "pid": None,
    }
    full: dict[str, Any] = {
        "conflict_type": "insert_exists",
        "subid": 2**32 - 1,
        "index_names": ("a", "b c", "é"),
        "remote_xid": 2**32 - 1,
        "remote_commit_lsn": 2**63 - 1,
        "replica_identity_full": True,
        "local_conflicts": (local, local),
        "detail": "x" * 5000,
        "context": "tab\t newline\n \\ \N{PILE OF POO}",
        "log_time": NOON + timedelta(microseconds=123457),
    }
    resolved: dict[str, Any] = {
        "relid": 2**32 - 1,
        "schemaname": "s",
        "replica_identity": {"id": "1"},
        "remote_tuple": {"id": "1", "v": None, "é": '"'},
        "local_conflicts": (local,),
        "truncated_columns": ("v", "w"),
        "remote_commit_ts": "2026-11-20 12:00:00.5-03",
    }
    made = []
    each_kind: list[dict[str, Any]] = [{}, bare, full, {}, full, bare]
    for number, changes in enumerate(each_kind):
        one = entry(
            key=f"(id)=({number})", line=number, **(resolved if changes else {})
        )
        made.append(
            msgspec.structs.replace(
                one, conflict=msgspec.structs.replace(one.conflict, **changes)
            )
        )
    return made


async def stored(server: ConflictLogServer, how: str) -> list[tuple[Any, ...]]:
    dsn = server.new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        install(connection)
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    connection_: Any = await asyncpg.connect(
        host=str(parts["host"]),
        port=int(str(parts["port"])),
        database=str(parts["dbname"]),
        user=str(parts["user"]),
    )
    try:
        await connection_.execute("select pgconflict.make_partition('2026-11-20')")
        await copy(connection_, how)
        found = await connection_.fetch(
            f"select {', '.join(COLUMNS)} from pgconflict.{DAY} order by line_num"
        )
    finally:
        await connection_.close()
    return [tuple(row) for row in found]


async def copy(connection: Any, how: str) -> None:
    if how == "asyncpg":
        rows = [row_of(NODE, each) for each in entries()]
        await connection.copy_records_to_table(
            DAY, schema_name="pgconflict", columns=COLUMNS, records=rows
        )
    else:
        await connection.copy_to_table(
            DAY,
            schema_name="pgconflict",
            columns=COPY_COLUMNS,
            source=encoded(NODE, entries()),
            format="binary",
        )


async def test_same_as_the_drivers(conflict_log_server: ConflictLogServer) -> None:
    ours = await stored(conflict_log_server, "ours")
    theirs = await stored(conflict_log_server, "asyncpg")

    assert len(ours) == len(entries())
    assert ours == theirs


def test_writes_every_column_once() -> None:
    assert sorted(COPY_COLUMNS) == sorted(COLUMNS)
