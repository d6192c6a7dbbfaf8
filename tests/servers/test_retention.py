"""Old days go at once; what needs a person stays."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import psycopg
import pytest

from pgconflict.conflict_log.entry import Batch, Node, Recorded
from pgconflict.conflict_log.retention import AHEAD, maintain
from pgconflict.conflict_log.schema import grants, install
from pgconflict.conflict_log.writer import ConflictLogWriter
from tests.fixtures.entries import NOON, entry

if TYPE_CHECKING:
    from tests.fixtures.servers import ConflictLogServer

NODE = Node(name="a", system_identifier=7)
DAY = 86400


async def connect(dsn: str, user: str | None = None) -> asyncpg.Connection:
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    return await asyncpg.connect(
        host=str(parts["host"]),
        port=int(str(parts["port"])),
        database=str(parts["dbname"]),
        user=user or str(parts["user"]),
    )


@pytest.fixture
def database(conflict_log_server: ConflictLogServer) -> str:
    dsn = conflict_log_server.new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        install(connection)
    return dsn


async def fill(connection: asyncpg.Connection) -> None:
    writer = await ConflictLogWriter.over(connection, NODE)
    entries: list[Recorded] = []
    for day in range(5):
        at = day * DAY
        entries += [
            entry(key=f"log {day}", xid=day, lsn=1000 * day + 1, at=at, line=10 * day),
            entry(
                key=f"open {day}",
                xid=day,
                lsn=1000 * day + 2,
                at=at,
                stalls=True,
                line=10 * day + 1,
                subid=16401,
            ),
        ]
    await writer.write(Batch(entries=entries))


async def test_old_days_are_dropped_and_open_conflicts_kept(database: str) -> None:
    connection = await connect(database)
    await fill(connection)
    await connection.execute(
        "update pgconflict.conflict_log set status = 'applied',"
        " acknowledged_at = now() where replica_identity_text = 'open 0'"
    )

    done = await maintain(connection, timedelta(days=2), NOON + timedelta(days=4))

    assert [f"{day:%d}" for day in done.dropped] == ["20", "21"]
    assert len(done.made) == AHEAD
    kept = await connection.fetch(
        "select replica_identity_text as key, tableoid::regclass::text as part"
        " from pgconflict.conflict_log order by first_logged_at, conflict_id"
    )
    # Of the two oldest days only the open conflict is left; the acknowledged went.
    assert [tuple(row) for row in kept][:2] == [
        ("open 1", "pgconflict.conflict_log_kept"),
        ("log 2", "pgconflict.conflict_log_20261122"),
    ]
    again = await maintain(connection, timedelta(days=2), NOON + timedelta(days=4))
    assert (again.made, again.dropped) == ((), ())
    await connection.execute(
        "update pgconflict.conflict_log set acknowledged_at = now(), status = 'skipped'"
        " where replica_identity_text = 'open 1'"
    )
    await maintain(connection, timedelta(days=2), NOON + timedelta(days=4))
    assert not await connection.fetchval(
        "select count(*) from pgconflict.conflict_log_kept"
    )
    await connection.close()


async def test_a_kept_conflict_is_still_the_same_when_logged_again(
    database: str,
) -> None:
    connection = await connect(database)
    await fill(connection)
    await maintain(connection, timedelta(days=2), NOON + timedelta(days=4))
    writer = await ConflictLogWriter.over(
        connection, NODE, retention=datetime.now(UTC) - NOON - timedelta(days=3)
    )
    again = entry(
        key="open 1",
        xid=1,
        lsn=1002,
        at=4 * DAY,
        stalls=True,
        subid=16401,
        session="later.1",
    )

    counted = await writer.write(Batch(entries=[again]))

    assert sum(counted.conflicts.values()) == 0
    assert (
        await connection.fetchval(
            "select attempts from pgconflict.conflict_log"
            " where replica_identity_text = 'open 1'"
        )
        == 2
    )
    await connection.close()


async def test_zero_keeps_for_ever(database: str) -> None:
    connection = await connect(database)
    await fill(connection)
    await maintain(connection, None, NOON + timedelta(days=4000))
    assert (
        await connection.fetchval("select count(*) from pgconflict.conflict_log") == 10
    )
    await connection.close()


async def test_roles_of_least_privilege(database: str) -> None:
    """A writer that owns nothing records and maintains; a reader only reads."""
    with psycopg.connect(database, autocommit=True) as admin:
        for role in ("few_writer", "few_reader"):
            exists = admin.execute(
                "select from pg_roles where rolname = %s", (role,)
            ).rowcount
            if not exists:
                admin.execute(f"create role {role} login".encode())
        for statement in grants("few_reader", "few_writer"):
            admin.execute(statement.encode())
    connection = await connect(database, "few_writer")
    await fill(connection)
    many: list[Any] = [entry(key=str(n), line=n, session="m.1") for n in range(500)]
    writer = await ConflictLogWriter.over(connection, NODE)
    await writer.write(Batch(entries=many))
    await writer.write(Batch(entries=many))
    await maintain(connection, timedelta(days=2), NOON + timedelta(days=4))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("drop table pgconflict.conflict_log")
    await connection.close()

    reader = await connect(database, "few_reader")
    assert await reader.fetchval("select count(*) from pgconflict.conflict_log") > 0
    for forbidden in (
        "delete from pgconflict.conflict_log",
        "select key from pgconflict.digest_key",
        "select pgconflict.drop_partitions('2100-01-01')",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.execute(forbidden)
    await reader.close()


async def test_nothing_is_granted_to_public(database: str) -> None:
    connection = await connect(database)
    public = await connection.fetch(
        "select c.relname::text as name from pg_class c, aclexplode(c.relacl) a"
        " where c.relnamespace = 'pgconflict'::regnamespace and a.grantee = 0"
        " union all select p.proname::text from pg_proc p,"
        " aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a"
        " where p.pronamespace = 'pgconflict'::regnamespace and a.grantee = 0"
        " union all select n.nspname::text from pg_namespace n, aclexplode(n.nspacl) a"
        " where n.nspname = 'pgconflict' and a.grantee = 0"
    )
    assert public == []
    await connection.close()


async def test_two_daemons_may_need_the_same_day_at_once(database: str) -> None:
    connections = [await connect(database) for _ in range(6)]
    for number in range(10):
        day = NOON.date() + timedelta(days=100 + number)
        made = await asyncio.gather(
            *(
                one.fetchval("select pgconflict.make_partition($1)", day)
                for one in connections
            )
        )
        assert sorted(made) == [False] * 5 + [True]
    for one in connections:
        await one.close()
