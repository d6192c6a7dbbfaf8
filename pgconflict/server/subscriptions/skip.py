"""Skips a transaction: sets its LSN, and has it watched what becomes of it."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pgconflict.core.lsn import format_lsn
from pgconflict.errors import PgConflictError
from pgconflict.server.log_since import LogSince
from pgconflict.server.statements import alter_subscription
from pgconflict.server.subscriptions.skip_watch import (
    LOOK_S,
    Outcome,
    Result,
    Watch,
    Witness,
    enable,
    look,
    set_lsn,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import psycopg

    from pgconflict.config import Limits, Node
    from pgconflict.server.subscriptions.facts import NodeFacts, Subscription


def plan(subscription: Subscription, lsn: int, *, enable: bool) -> list[str]:
    """Return the statements that `apply` will execute, in order."""
    statements = [
        alter_subscription(subscription.name, f"SKIP (lsn = '{format_lsn(lsn)}')")
    ]
    if enable and not subscription.enabled:
        statements.append(alter_subscription(subscription.name, "ENABLE"))
    return statements


def undo(subscription: Subscription) -> str:
    """Return the statement that takes a skip back that was not met yet."""
    return alter_subscription(subscription.name, "SKIP (lsn = NONE)")


@asynccontextmanager
async def witness(node: Node, limits: Limits) -> AsyncIterator[Witness]:
    """The node's log from now on, or why it can't be read."""
    try:
        log = await LogSince.open(node, limits)
    except PgConflictError as error:
        yield Witness(None, str(error))
        return
    try:
        yield Witness(log)
    finally:
        await log.close()


async def seen_failing(
    connection: psycopg.AsyncConnection[Any],
    facts: NodeFacts,
    subscription: Subscription,
    seconds: float,
) -> bool:
    """Whether apply failed within these seconds, by the server's own counter.

    That no worker runs proves nothing: a publisher that is away has the same effect.
    """
    before = subscription.apply_errors or 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        now = (await look(connection, facts, subscription.subid)).subscription
        # Reset in between, it begins at 0 and does not count as a failure.
        if (now.apply_errors or 0) > before:
            return True
        before = min(before, now.apply_errors or 0)
        await asyncio.sleep(LOOK_S)
    return False


async def apply(
    connection: psycopg.AsyncConnection[Any],
    facts: NodeFacts,
    subscription: Subscription,
    lsn: int,
    *,
    enabling: bool,
    seen_by: Witness,
    wait: float,
) -> Result:
    """Set the LSN, enable the subscription if asked, and watch.

    Args:
        connection: To the subscription's database, as one who may write.
        facts: Of the node.
        subscription: As it was when the plan was made.
        lsn: The finish LSN of the transaction to be skipped.
        enabling: Whether a disabled subscription is enabled.
        seen_by: The log since before now.
        wait: Seconds until the watch is given up; the LSN stays set then.

    Raises:
        psycopg.Error: as the server says; nothing is set then, or it was set and
            the connection was lost.
    """
    if not await set_lsn(connection, subscription, lsn):
        return Result(Outcome.MOVED_ON, ("the server says that the origin is past it",))
    watched = subscription
    if enabling and not subscription.enabled:
        await enable(connection, subscription)
        watched = replace(subscription, enabled=True)
    if not watched.enabled:
        return Result(
            Outcome.SET,
            ("the subscription is disabled: it is skipped once it is enabled",),
        )
    watch = Watch(connection, facts, watched, lsn, seen_by, enabling)
    return await watch.run(wait)
