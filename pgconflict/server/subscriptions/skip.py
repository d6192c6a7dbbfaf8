"""Skips a transaction: sets its LSN, and watches what becomes of it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from psycopg import sql

from pgconflict.core.lsn import format_lsn
from pgconflict.errors import NodeNotReadyError
from pgconflict.server.statements import alter_subscription
from pgconflict.server.subscriptions.facts import read

if TYPE_CHECKING:
    import psycopg

    from pgconflict.server.subscriptions.facts import NodeFacts, Subscription

_LOOK_S: Final = 0.2


class Outcome(StrEnum):
    """What became of a skip; the names are stable."""

    SKIPPED = "skipped"
    NOT_CLEARED = "not_cleared"
    CLEARED_UNMET = "cleared_unmet"
    SET = "set"
    MOVED_ON = "moved_on"


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome, and what was seen on the way."""

    outcome: Outcome
    seen: tuple[str, ...]


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


@dataclass(frozen=True, slots=True)
class State:
    """A subscription at one moment, and where its origin is."""

    subscription: Subscription
    origin_lsn: int | None


async def look(
    connection: psycopg.AsyncConnection[Any], facts: NodeFacts, subid: int
) -> State:
    """Return how the subscription stands now.

    Raises:
        NodeNotReadyError: it is gone.
        psycopg.Error: as the server says.
    """
    now = await read(connection, facts.node)
    for subscription in now.subscriptions:
        if subscription.subid == subid:
            return State(subscription, (now.origins or {}).get(subid))
    raise NodeNotReadyError(f"the subscription is gone from node {facts.node.name}")


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
        await asyncio.sleep(_LOOK_S)
    return False


async def apply(
    connection: psycopg.AsyncConnection[Any],
    facts: NodeFacts,
    subscription: Subscription,
    lsn: int,
    *,
    enable: bool,
    wait: float,
) -> Result:
    """Set the LSN, enable the subscription if asked, and watch.

    Args:
        connection: To the subscription's database, as one who may write.
        facts: Of the node.
        subscription: As it was when the plan was made.
        lsn: The finish LSN of the transaction to be skipped.
        enable: Whether a disabled subscription is enabled.
        wait: Seconds until the watch is given up; the LSN stays set then.

    Raises:
        psycopg.Error: as the server says; nothing is set then, or it was set and
            the connection was lost.
    """
    name = sql.Identifier(subscription.name)
    skip = sql.SQL("alter subscription {} skip (lsn = {})").format(
        name, sql.Literal(format_lsn(lsn))
    )
    await connection.execute(skip)
    watched = subscription
    if enable and not subscription.enabled:
        await connection.execute(sql.SQL("alter subscription {} enable").format(name))
        watched = replace(subscription, enabled=True)
    if not watched.enabled:
        return Result(
            Outcome.SET,
            ("the subscription is disabled: it is skipped once it is enabled",),
        )
    return await _watch(connection, facts, watched, lsn, wait)


async def _watch(
    connection: psycopg.AsyncConnection[Any],
    facts: NodeFacts,
    subscription: Subscription,
    lsn: int,
    wait: float,
) -> Result:
    deadline = time.monotonic() + wait
    while True:
        state = await look(connection, facts, subscription.subid)
        now = state.subscription
        if now.skip_lsn != lsn:
            return _cleared(state, lsn)
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(_LOOK_S)
    errors = (now.apply_errors or 0) - (subscription.apply_errors or 0)
    seen = [f"skip LSN {format_lsn(lsn)} is still set after {wait:g} s"]
    if errors > 0:
        seen.append(f"apply failed {errors} more times")
    if not now.enabled:
        seen.append("the subscription is disabled")
    elif now.worker_pid is None:
        seen.append("no worker runs")
    return Result(Outcome.NOT_CLEARED, tuple(seen))


def _cleared(state: State, lsn: int) -> Result:
    seen = ["skip LSN is cleared"]
    origin = state.origin_lsn
    if origin is None:
        seen.append("our role may not see the origin: that it moved on was not seen")
        return Result(Outcome.SKIPPED, tuple(seen))
    seen.append(f"the origin is at {format_lsn(origin)}")
    if origin <= lsn:
        # Another transaction was applied first; the server says so in a WARNING.
        return Result(Outcome.CLEARED_UNMET, tuple(seen))
    return Result(Outcome.SKIPPED, tuple(seen))
