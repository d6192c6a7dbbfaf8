"""PostgreSQL's own conflict tables are copied out, each conflict once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
import psycopg
import pytest
import pytest_asyncio

from pgconflict.config import Limits
from pgconflict.config import Node as ConfigNode
from pgconflict.conflict_log.entry import Batch, Node
from pgconflict.conflict_log.schema import install
from pgconflict.conflict_log.writer import ConflictLogWriter
from pgconflict.daemon.native import copy_native
from pgconflict.server.session import NodeSession
from tests.fixtures.entries import NOON, entry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from pgconflict.demo.cluster import Cluster
    from tests.fixtures.servers import ConflictLogServer

NODE = Node(name="a", system_identifier=7)

# Committed on 2026-07-02 (a5918fddf10), and the one of the patches since October.
COMMITTED = (
    "relid oid, schemaname text, relname text, conflict_type text, remote_xid xid,"
    " remote_commit_lsn pg_lsn, remote_commit_ts timestamptz, remote_origin text,"
    " replica_identity_full bool, replica_identity json, remote_tuple json,"
    " local_conflicts json[]"
)
METADATA_ONLY = (
    COMMITTED.replace("remote_tuple json,", "") + ", has_omitted_values bool"
)


class Native:
    """A server with a table as PostgreSQL 20 would make it for subscription `sub`."""

    def __init__(self, dsn: str, layout: str) -> None:
        self.dsn = dsn
        self.subid: int
        self.full = "remote_tuple" in layout
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("create schema if not exists pg_conflict")
            connection.execute(
                "create subscription sub connection 'dbname=none' publication p"
                " with (connect = false)"
            )
            row = connection.execute("select oid from pg_subscription").fetchone()
            assert row is not None
            self.subid = int(row[0])
            self.table = f"pg_conflict.pg_conflict_log_{self.subid}"
            connection.execute(f"create table {self.table} ({layout})".encode())

    def insert(self, xid: int, lsn: int, key: int, **more: Any) -> None:
        values = {
            "relid": 16390,
            "schemaname": "public",
            "relname": "t",
            "conflict_type": "update_missing",
            "remote_xid": str(xid),
            "remote_commit_lsn": f"0/{lsn:X}",
            "remote_commit_ts": NOON - timedelta(seconds=1),
            "remote_origin": f"pg_{self.subid}",
            "replica_identity_full": False,
            "replica_identity": f'{{"id": {key}}}',
        } | more
        if self.full:
            values.setdefault("remote_tuple", f'{{"id": {key}, "v": null}}')
        names = ", ".join(values)
        marks = ", ".join(f"%({name})s" for name in values)
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(
                f"insert into {self.table} ({names}) values ({marks})".encode(), values
            )

    def drop(self) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(f"drop table {self.table}".encode())
            connection.execute("alter subscription sub set (slot_name = none)")
            connection.execute("drop subscription sub")


@pytest.fixture(scope="module")
def server(servers: Any) -> Cluster:
    settings = {"allow_system_table_mods": True}
    cluster: Cluster = servers.cluster(18, name="native", settings=settings)
    return cluster


@pytest.fixture(params=[COMMITTED, METADATA_ONLY], ids=["committed", "metadata only"])
def native(server: Cluster, request: pytest.FixtureRequest) -> Iterator[Native]:
    native = Native(server.dsn(), request.param)
    yield native
    native.drop()


@pytest_asyncio.fixture
async def session(server: Cluster) -> AsyncIterator[NodeSession]:
    node = ConfigNode(name="a", dsn=server.dsn())
    session = await NodeSession.open(node, Limits(), job="native")
    yield session
    await session.close()


@pytest_asyncio.fixture
async def log(
    conflict_log_server: ConflictLogServer,
) -> AsyncIterator[asyncpg.Connection]:
    dsn = conflict_log_server.new_database()
    with psycopg.connect(dsn, autocommit=True) as admin:
        install(admin)
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    connection = await asyncpg.connect(
        host=str(parts["host"]),
        port=int(str(parts["port"])),
        database=str(parts["dbname"]),
        user=str(parts["user"]),
    )
    yield connection
    await connection.close()


def logged(native: Native, xid: int, lsn: int, key: int, **more: Any) -> Any:
    """The log entry of the same conflict."""
    recorded = entry(
        key=f"(id)=({key})", xid=xid, lsn=lsn, subid=native.subid, line=key, **more
    )
    names = msgspec.structs.replace(
        recorded.resolution,
        schemaname="public",
        relname="t",
        replica_identity={"id": str(key)},
    )
    return msgspec.structs.replace(recorded, resolution=names)


WHAT = "replica_identity->>'id' as key, source, attempts, message, remote_commit_ts"


async def rows(log: asyncpg.Connection) -> list[tuple[Any, ...]]:
    found = await log.fetch(
        f"select {WHAT} from pgconflict.conflict_log order by 1, conflict_id"
    )
    return [tuple(row) for row in found]


COMMITTED_AT = NOON - timedelta(seconds=1)


async def test_rows_are_copied_once(
    native: Native, session: NodeSession, log: asyncpg.Connection
) -> None:
    writer = await ConflictLogWriter.over(log, NODE)
    native.insert(700, 1000, 1, local_conflicts=['{"xid": 5, "commit_ts": null}'])
    native.insert(701, 2000, 2)

    assert await copy_native(session, writer, NOON) == 2
    assert await copy_native(session, writer, NOON) == 0
    native.insert(702, 3000, 3)
    again = await ConflictLogWriter.over(log, NODE)
    assert await copy_native(session, again, NOON) == 1

    assert [row[:3] for row in await rows(log)] == [
        ("1", "native", 0),
        ("2", "native", 0),
        ("3", "native", 0),
    ]
    tuple_ = await log.fetchval("select remote_tuple from pgconflict.conflict_log")
    assert (tuple_ is not None) == native.full


async def test_a_row_completes_the_entry_read_before(
    native: Native, session: NodeSession, log: asyncpg.Connection
) -> None:
    writer = await ConflictLogWriter.over(log, NODE)
    await writer.write(Batch(entries=[logged(native, 700, 1000, k) for k in (1, 2)]))
    native.insert(700, 1000, 1)
    native.insert(700, 1000, 2)

    await copy_native(session, writer, NOON)

    assert await rows(log) == [
        ("1", "jsonlog", 1, "conflict detected", COMMITTED_AT),
        ("2", "jsonlog", 1, "conflict detected", COMMITTED_AT),
    ]


async def test_an_entry_takes_over_the_row_copied_before(
    native: Native, session: NodeSession, log: asyncpg.Connection
) -> None:
    writer = await ConflictLogWriter.over(log, NODE)
    # One key twice in a transaction, and a key that the table does not tell.
    native.insert(700, 1000, 1)
    native.insert(700, 1000, 1)
    native.insert(701, 2000, 9, replica_identity=None, replica_identity_full=True)
    await copy_native(session, writer, NOON)

    first = logged(native, 700, 1000, 1)
    second = msgspec.structs.replace(
        first, conflict=msgspec.structs.replace(first.conflict, line_num=99)
    )
    counted = await writer.write(Batch(entries=[first, second]))
    await writer.write(Batch(entries=[logged(native, 701, 2000, 9)]))
    retry = logged(native, 700, 1000, 1, session="later.1", at=9)
    await writer.write(Batch(entries=[retry]))
    await copy_native(session, writer, NOON)
    await writer.write(Batch(entries=[first, second, retry]))

    assert sum(counted.conflicts.values()) == 0
    assert sum(counted.attempts.values()) == 2
    assert await rows(log) == [
        ("1", "jsonlog", 2, "conflict detected", COMMITTED_AT),
        ("1", "jsonlog", 1, "conflict detected", COMMITTED_AT),
        ("9", "jsonlog", 1, "conflict detected", COMMITTED_AT),
    ]


async def test_reading_takes_no_more_than_the_lock_of_a_select(
    native: Native, session: NodeSession, log: asyncpg.Connection
) -> None:
    """A writer of the table in an open transaction is no reason to wait."""
    writer = await ConflictLogWriter.over(log, NODE)
    native.insert(700, 1000, 1)
    with psycopg.connect(native.dsn) as other:
        other.execute(f"lock table {native.table} in exclusive mode".encode())

        assert await copy_native(session, writer, NOON) == 1


async def test_a_server_without_such_tables_has_none(
    server: Cluster, session: NodeSession, log: asyncpg.Connection
) -> None:
    writer = await ConflictLogWriter.over(log, NODE)

    assert await copy_native(session, writer, NOON) == 0
    assert server.running
