"""Which slots surely have nothing left of what was there when preflight began.

A subscriber that confirms says so itself; a slot without one is looked into.
"""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import conninfo

from pgconflict.errors import PgConflictError
from pgconflict.queries import query
from pgconflict.server.connect import connect_async, rows
from pgconflict.server.preflight.facts import Server
from pgconflict.server.subscriptions.facts import Slot

if TYPE_CHECKING:
    from pgconflict.config import Limits

JOB: Final = "preflight"

_LOOK_S: Final = 0.25
_FLUSH_S: Final = 2.0  # ten times the default of wal_writer_delay
# Looking for messages reads WAL from the slot's restart_lsn on.
_LONGEST_PEEK: Final = timedelta(minutes=1)


async def consumed_slots(
    connection: psycopg.AsyncConnection[Any],
    server: Server,
    dsn: str,
    limits: Limits,
    wait: float,
) -> tuple[list[Slot], frozenset[str]]:
    """Return the slots, and which of them are surely done with what was there at first.

    Args:
        connection: To any database of the server.
        server: As it was at first.
        dsn: To the same server; a slot is looked into from its own database.
        limits: Of the configuration.
        wait: Seconds that subscribers with a walsender have to confirm.
    """
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
