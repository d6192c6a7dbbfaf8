"""What is judged before an upgrade or a switchover: one server, asked read-only."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import conninfo

from pgconflict.core.capability import Capability, capability
from pgconflict.errors import PgConflictError
from pgconflict.queries import query
from pgconflict.server.connect import connect_async, rows, translated
from pgconflict.server.subscriptions.facts import Slot, Subscription

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pgconflict.config import Limits

JOB: Final = "preflight"
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

_LOOK_S: Final = 0.25
_FLUSH_S: Final = 2.0  # ten times the default of wal_writer_delay
_PAGE: Final = 8192  # XLOG_BLCKSZ, unless somebody built PostgreSQL otherwise
_HEADERS: Final = (24, 40)  # of a page, and of a file's first one
# Looking for messages reads WAL from the slot's restart_lsn on.
_LONGEST_PEEK: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Server:
    """Who answered, and how far it is."""

    system_identifier: int
    database: str
    role: str
    version: str
    version_num: int
    in_recovery: bool
    insert_lsn: int | None
    flush_lsn: int | None
    next_xid: int

    @property
    def written(self) -> int | None:
        """Where the last record ends that was inserted, flushed or not.

        At the end of a page the insert position is past the next page's header, where
        nothing may come for long: nobody can confirm that.
        """
        if self.insert_lsn is None:
            return None
        into_page = self.insert_lsn % _PAGE
        return self.insert_lsn - (into_page if into_page in _HEADERS else 0)

    @property
    def flushed(self) -> bool:
        """Whether all that was inserted can be read."""
        if self.written is None or self.flush_lsn is None:
            return False
        return self.flush_lsn >= self.written

    @property
    def major(self) -> int:
        """The major version."""
        return self.version_num // 10000


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prepared transaction."""

    gid: str
    database: str
    owner: str
    prepared: datetime


@dataclass(frozen=True, slots=True)
class Copy:
    """A table that a subscription has not copied to the end."""

    subscription: str
    schemaname: str
    relname: str
    state: str


@dataclass(frozen=True, slots=True)
class NullableChild:
    """A column that may be null, and may not be in the parent."""

    schemaname: str
    relname: str
    attname: str


@dataclass(frozen=True, slots=True)
class Objects:
    """Counts of what logical replication does not carry."""

    large_objects: int
    materialized_views: int
    unlogged_tables: int
    unlogged_sequences: int


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension of a database; `library`: its code is not all SQL."""

    name: str
    version: str
    library: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table with rows of people; `columns` are names and types as one text."""

    schemaname: str
    relname: str
    columns: str | None
    published: bool
    never_analyzed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """One database; None where it could not be asked."""

    name: str
    refusal: str | None = None
    copies: Sequence[Copy] = ()
    not_null: Sequence[NullableChild] = ()
    objects: Objects = Objects(0, 0, 0, 0)
    extensions: Sequence[Extension] = ()
    tables: Sequence[Table] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterFacts:
    """One server."""

    node: str
    server: Server
    capability: Capability
    settings: Mapping[str, str]
    slots: Sequence[Slot]
    consumed: frozenset[str]
    """Slots that surely have nothing left of what was there when we began."""

    subscriptions: Sequence[Subscription]
    origins: frozenset[int]
    """Oids of the subscriptions that have their origin."""

    prepared: Sequence[Prepared]
    databases: Sequence[Database]
    available: frozenset[str]
    """Extensions that can be created."""

    def number(self, setting: str) -> int | None:
        """Return a setting's number; None where the version has it not."""
        value = self.settings.get(setting)
        return None if value is None else int(value)


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
            slots, consumed = await _slots(connection, server, dsn, limits, wait)
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


async def _slots(
    connection: psycopg.AsyncConnection[Any],
    server: Server,
    dsn: str,
    limits: Limits,
    wait: float,
) -> tuple[list[Slot], frozenset[str]]:
    """The slots, and which of them are surely done with what was there at first."""
    target = server.written
    deadline = time.monotonic() + wait
    while True:
        slots = await rows(connection, Slot, "subscription_slots")
        behind = [one for one in slots if not _confirmed(one, target)]
        if not any(one.active for one in behind) or time.monotonic() > deadline:
            break
        await asyncio.sleep(_LOOK_S)
    consumed = {one.name for one in slots if _confirmed(one, target)}
    idle = [one for one in behind if not one.active and not one.invalidated]
    now = await _flushed(connection) if idle else None
    for slot in idle:
        unused = now is not None and slot.catalog_xmin == now.next_xid
        if unused and await _silent(slot, dsn, limits):
            consumed.add(slot.name)
    return slots, frozenset(consumed)


async def _flushed(connection: psycopg.AsyncConnection[Any]) -> Server | None:
    """The server once all that was inserted can be read; None if that takes long.

    A slot can be looked into only as far as WAL is flushed: what is not could hold a
    message. The server flushes what it writes for itself within wal_writer_delay.
    """
    deadline = time.monotonic() + _FLUSH_S
    while True:
        (now,) = await rows(connection, Server, "preflight_server")
        if now.flushed:
            return now
        if time.monotonic() > deadline:
            return None
        await asyncio.sleep(_LOOK_S)


def _confirmed(slot: Slot, target: int | None) -> bool:
    """Whether its subscriber has confirmed everything up to there."""
    if target is None or slot.confirmed_lsn is None:
        return False
    return slot.confirmed_lsn >= target


async def _silent(slot: Slot, dsn: str, limits: Limits) -> bool:
    """Whether a slot holds no logical message, which takes no transaction number.

    With no number given out since its catalog_xmin there is no transaction either:
    what it holds is what the server writes for itself.
    """
    patient = limits.model_copy(update={"statement_timeout": _LONGEST_PEEK})
    try:
        connection = await connect_async(
            conninfo.make_conninfo(dsn, dbname=slot.database),
            job=JOB,
            who="the server",
            limits=patient,
        )
    except PgConflictError:
        return False
    options = ["proto_version", "1", "publication_names", '"none"', "messages", "true"]
    try:
        async with psycopg.AsyncRawCursor(connection) as cursor:
            values = (slot.name, None, 1, options)
            await cursor.execute(query("slot_peek").encode(), values)
            return not await cursor.fetchall()
    except psycopg.Error:
        return False
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
