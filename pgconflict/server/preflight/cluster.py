"""Asks one server, read-only, what is judged before an upgrade or a switchover."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from psycopg import conninfo

from pgconflict.core.capability import capability
from pgconflict.errors import PgConflictError
from pgconflict.server.connect import connect_async, rows, translated
from pgconflict.server.preflight.consumed import JOB, consumed_slots
from pgconflict.server.preflight.facts import (
    ClusterFacts,
    Copy,
    Database,
    Extension,
    NullableChild,
    Objects,
    Prepared,
    Server,
    Table,
)
from pgconflict.server.subscriptions.facts import Subscription

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.config import Limits

SETTINGS: Final = (
    "data_checksums",
    "max_active_replication_origins",
    "max_logical_replication_workers",
    "max_replication_slots",
    "max_slot_wal_keep_size",
    "max_wal_senders",
    "max_worker_processes",
    "output_plugin_libraries",
    "track_commit_timestamp",
    "wal_level",
)
AT_ONCE: Final = 4
"""Databases asked at the same time."""


@dataclass(frozen=True, slots=True)
class _Setting:
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class _Name:
    name: str


@dataclass(frozen=True, slots=True)
class _Subid:
    subid: int


@dataclass(frozen=True, slots=True)
class _Listed:
    name: str
    open: bool


async def read(
    node: str,
    dsn: str,
    limits: Limits,
    *,
    wait: float,
    publications: Sequence[str] | None = None,
) -> ClusterFacts:
    """Return what a server says, all its databases included.

    Args:
        node: What messages call it.
        dsn: To any database of it.
        limits: Of the configuration.
        wait: Seconds that subscribers have for what was written when we began.
        publications: Those that decide whether a table is published; None: any.

    Raises:
        NodeUnavailableError: it can't be reached, or is too slow.
    """
    who = f"node {node}"
    connection = await connect_async(dsn, job=JOB, who=who, limits=limits)
    try:
        with translated(who):
            (server,) = await rows(connection, Server, "preflight_server")
            known = capability(server.major)
            settings = await rows(
                connection, _Setting, "preflight_settings", list(SETTINGS)
            )
            slots, consumed = await consumed_slots(
                connection, server, dsn, limits, wait
            )
            return ClusterFacts(
                node=node,
                server=server,
                capability=known,
                settings={one.name: one.value for one in settings},
                slots=slots,
                consumed=consumed,
                subscriptions=await rows(
                    connection, Subscription, "subscription_states"
                ),
                origins=frozenset(
                    one.subid
                    for one in await rows(connection, _Subid, "preflight_origins")
                ),
                prepared=await rows(connection, Prepared, "preflight_prepared"),
                databases=await _databases(
                    await rows(connection, _Listed, "preflight_databases"),
                    dsn,
                    limits,
                    publications,
                ),
                available=frozenset(
                    one.name
                    for one in await rows(connection, _Name, "preflight_available")
                ),
            )
    finally:
        connection.pgconn.finish()


async def _databases(
    listed: Sequence[_Listed],
    dsn: str,
    limits: Limits,
    publications: Sequence[str] | None,
) -> list[Database]:
    free = asyncio.Semaphore(AT_ONCE)

    async def ask(one: _Listed) -> Database:
        if not one.open:
            return Database(name=one.name, refusal="our role may not connect to it")
        async with free:
            return await _database(one.name, dsn, limits, publications)

    return list(await asyncio.gather(*map(ask, listed)))


async def _database(
    name: str, dsn: str, limits: Limits, publications: Sequence[str] | None
) -> Database:
    who = f"database {name}"
    found = Database(name=name)
    wanted = None if publications is None else list(publications)
    try:
        connection = await connect_async(
            conninfo.make_conninfo(dsn, dbname=name), job=JOB, who=who, limits=limits
        )
    except PgConflictError as error:
        return replace(found, refusal=str(error))
    try:
        with translated(who):
            (objects,) = await rows(connection, Objects, "preflight_objects")
            return Database(
                name=name,
                copies=await rows(connection, Copy, "preflight_copies"),
                not_null=await rows(connection, NullableChild, "preflight_not_null"),
                objects=objects,
                extensions=await rows(connection, Extension, "preflight_extensions"),
                tables=await rows(connection, Table, "preflight_tables", wanted),
            )
    except PgConflictError as error:
        return replace(found, refusal=str(error))
    finally:
        connection.pgconn.finish()
