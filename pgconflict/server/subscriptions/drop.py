"""Drops a subscription step by step, so that no step waits for the publisher for long.

DROP SUBSCRIPTION connects to the publisher while it holds a lock on the catalog of
subscriptions. Where the publisher is the same server, it then waits for itself: a new
session that has to build its cache of relations needs that catalog (seen on 17.6, not
on 17.7, 15.18, 16.14, 18.4, 19rc1). Where the publisher is gone, it waits for the
network. A subscription without slot and without unfinished copies connects to nobody.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql

from pgconflict.errors import NodeNotReadyError
from pgconflict.queries import query
from pgconflict.server.connect import rows
from pgconflict.server.statements import alter_subscription, identifier, literal
from pgconflict.server.subscriptions.skip_watch import look

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pgconflict.server.subscriptions.facts import NodeFacts, Slot, Subscription

    Said = Callable[[str], None]

NOWHERE: Final = "host=/nonexistent"
"""A connection string that fails at once: no socket is there."""

DROP_TIMEOUT: Final = "15s"
"""For DROP SUBSCRIPTION while it asks the publisher about unfinished copies."""

_LOOK_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class _Relations:
    subid: int
    state: str
    relations: int


@dataclass(frozen=True, slots=True)
class Remains:
    """One thing that a server still has of a subscription."""

    kind: str
    name: str


def plan(
    subscription: Subscription, slots: Sequence[Slot], *, unfinished: int
) -> list[str]:
    """Return the statements, in order; the last ones are for the publisher.

    Args:
        subscription: To be dropped.
        slots: Its slots on the publisher, as far as they are known.
        unfinished: How many of its tables are not copied yet.
    """
    name = subscription.name
    statements = [
        alter_subscription(name, "DISABLE"),
        "-- wait until its workers have ended; end those that do not see it",
        alter_subscription(name, "SET (slot_name = NONE)"),
    ]
    if unfinished:
        statements += [
            "-- only if DROP waits for the publisher, about unfinished copies:",
            alter_subscription(name, f"CONNECTION {literal(NOWHERE)}"),
        ]
    statements.append(f"DROP SUBSCRIPTION {identifier(name)};")
    return statements + [drop_slot_statement(slot.name) for slot in slots]


def drop_slot_statement(name: str) -> str:
    """Return what drops a slot on the publisher."""
    return f"SELECT pg_drop_replication_slot({literal(name)});"


def slots_of(
    subscription: Subscription, subscriber: NodeFacts, slots: Sequence[Slot]
) -> list[Slot]:
    """Return the publisher's slots that are this subscription's.

    Those of table copies bear its oid and the subscriber's system identifier:
    pg_<oid>_sync_<table>_<system identifier>. Source: ReplicationSlotNameForTablesync.
    """
    begin = f"pg_{subscription.subid}_sync_"
    end = f"_{subscriber.server.system_identifier}"
    return [
        slot
        for slot in slots
        if slot.name == subscription.slot_name
        or (slot.name.startswith(begin) and slot.name.endswith(end))
    ]


async def unfinished_copies(
    connection: psycopg.AsyncConnection[Any], subscription: Subscription
) -> int:
    """Return how many tables DROP SUBSCRIPTION would ask the publisher about.

    The connection is to the subscription's database.
    """
    found = await rows(connection, _Relations, "subscription_relations")
    return sum(
        one.relations
        for one in found
        if one.subid == subscription.subid and one.state not in "rs"
    )


async def disable(
    connection: psycopg.AsyncConnection[Any],
    facts: NodeFacts,
    subscription: Subscription,
    wait: float,
    say: Said,
) -> None:
    """Disable the subscription and wait until none of its workers is left.

    A worker that waits, for a lock or for a publisher that went silent, does not see
    that it is to end: it is terminated after half the time.

    Raises:
        NodeNotReadyError: one is left after `wait` seconds; it is disabled then.
        psycopg.Error: as the server says.
    """
    name = sql.Identifier(subscription.name)
    await connection.execute(sql.SQL("alter subscription {} disable").format(name))
    began = time.monotonic()
    told = False
    while True:
        now = (await look(connection, facts, subscription.subid)).subscription
        waited = time.monotonic() - began
        if not now.workers:
            return
        if waited > wait:
            break
        if waited > wait / 2 and not told:
            told = True
            say(f"after {waited:.0f} s {now.workers} of its workers are terminated")
            await _terminate(connection, subscription)
        await asyncio.sleep(_LOOK_S)
    raise NodeNotReadyError(
        f"{now.workers} of its workers still run after {wait:g} s; the subscription is"
        " disabled, nothing else was done",
        hint="they are in pg_stat_subscription and pg_stat_activity; run this again"
        " when they have ended",
    )


async def _terminate(
    connection: psycopg.AsyncConnection[Any], subscription: Subscription
) -> None:
    async with psycopg.AsyncRawCursor(connection) as cursor:
        text = query("subscription_workers_end").encode()
        await cursor.execute(text, (subscription.subid,))


async def drop(
    connection: psycopg.AsyncConnection[Any], subscription: Subscription, say: Said
) -> None:
    """Detach the slot and drop the subscription, which is disabled.

    Raises:
        psycopg.Error: as the server says.
    """
    name = sql.Identifier(subscription.name)
    await connection.execute(
        sql.SQL("alter subscription {} set (slot_name = none)").format(name)
    )
    statement = sql.SQL("drop subscription {}").format(name)
    await connection.execute(
        sql.SQL("set statement_timeout = {}").format(sql.Literal(DROP_TIMEOUT))
    )
    try:
        await connection.execute(statement)
    except psycopg.errors.QueryCanceled:
        say(
            f"DROP SUBSCRIPTION waited for the publisher for {DROP_TIMEOUT}: its"
            " connection string is set to nowhere, and it is dropped without asking"
        )
        await connection.execute(
            sql.SQL("alter subscription {} connection {}").format(
                name, sql.Literal(NOWHERE)
            )
        )
        await connection.execute(statement)


async def drop_slot(
    connection: psycopg.AsyncConnection[Any], slot: str, wait: float
) -> bool:
    """Drop a slot of the publisher; False if there is none of that name any more.

    The walsender may need some time to see that its subscriber is gone.

    Raises:
        NodeNotReadyError: somebody still reads it after `wait` seconds.
        psycopg.Error: as the server says.
    """
    deadline = time.monotonic() + wait
    while True:
        try:
            async with psycopg.AsyncRawCursor(connection) as cursor:
                await cursor.execute(query("slot_drop").encode(), (slot,))
        except psycopg.errors.UndefinedObject:
            return False
        except psycopg.errors.ObjectInUse as error:
            if time.monotonic() > deadline:
                raise NodeNotReadyError(
                    f"slot {slot} is still read after {wait:g} s:"
                    f" {error.diag.message_primary}",
                    hint="SELECT pg_terminate_backend(active_pid) FROM"
                    f" pg_replication_slots WHERE slot_name = {literal(slot)};"
                    f" then {drop_slot_statement(slot)}",
                ) from error
            await asyncio.sleep(_LOOK_S)
        else:
            return True


async def remains(
    connection: psycopg.AsyncConnection[Any], subid: int
) -> list[Remains]:
    """Return what the subscriber still has of it; nothing is the proof."""
    return await rows(connection, Remains, "subscription_remains", subid)
