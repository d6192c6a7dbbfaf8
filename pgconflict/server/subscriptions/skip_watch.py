"""What becomes of a skip that was set: met, lost to an earlier transaction, or late.

A cleared skip LSN alone says nothing. An earlier transaction clears it, too, with a
warning: one that changed nothing here leaves the origin where it was, so that it is
sent again before the one that fails. The worker that cleared it may still skip, as its
memory has it, and does not move the origin then (seen on 18.4). So the log is asked
first, then the origin. Source: clear_subscription_skip_lsn() in worker.c, 15 to 19.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql

from pgconflict.core.lsn import format_lsn
from pgconflict.errors import NodeNotReadyError, PgConflictError
from pgconflict.server.subscriptions.facts import read

if TYPE_CHECKING:
    from collections.abc import Collection

    from pgconflict.server.log_since import LogSince
    from pgconflict.server.subscriptions.facts import NodeFacts, Subscription

LOOK_S: Final = 0.2

MOST_AGAIN: Final = 1000
"""Times that the LSN is set again: each clearing takes one transaction away."""

_LOG_S: Final = 2.0
"""From the commit of a worker until the collector has written what it said before."""


class Outcome(StrEnum):
    """What became of a skip; the names are stable."""

    SKIPPED = "skipped"
    APPLIED = "applied"
    NOT_CLEARED = "not_cleared"
    CLEARED_UNMET = "cleared_unmet"
    SET = "set"
    MOVED_ON = "moved_on"


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome, and what was seen on the way."""

    outcome: Outcome
    seen: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class State:
    """A subscription at one moment, and where its origin is."""

    subscription: Subscription
    origin_lsn: int | None
    """None: our role may not see it."""


@dataclass(frozen=True, slots=True)
class Witness:
    """The node's log since before the LSN was set; or why it can't be read."""

    log: LogSince | None
    why_not: str = ""


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
            origin = None if now.origins is None else now.origins.get(subid, 0)
            return State(subscription, origin)
    raise NodeNotReadyError(f"the subscription is gone from node {facts.node.name}")


async def set_lsn(
    connection: psycopg.AsyncConnection[Any], subscription: Subscription, lsn: int
) -> bool:
    """Set the LSN to skip; False if the origin is past it, whoever may see that."""
    statement = sql.SQL("alter subscription {} skip (lsn = {})")
    values = (sql.Identifier(subscription.name), sql.Literal(format_lsn(lsn)))
    try:
        await connection.execute(statement.format(*values))
    except psycopg.errors.InvalidParameterValue:
        return False
    return True


async def enable(
    connection: psycopg.AsyncConnection[Any], subscription: Subscription
) -> None:
    """Enable a subscription."""
    name = sql.Identifier(subscription.name)
    await connection.execute(sql.SQL("alter subscription {} enable").format(name))


def ended(*, passed: bool, said: Collection[str] | None) -> Outcome:
    """What a cleared skip LSN means.

    Args:
        passed: Whether the origin is past the transaction.
        said: The workers' words about it in the log; None: it can't be read.

    >>> ended(passed=True, said={"skip_finished", "skip_cleared"})
    <Outcome.SKIPPED: 'skipped'>
    >>> ended(passed=True, said={"skip_cleared"})
    <Outcome.APPLIED: 'applied'>
    >>> ended(passed=False, said=None)
    <Outcome.CLEARED_UNMET: 'cleared_unmet'>
    """
    said = said or ()
    if "skip_finished" in said:
        return Outcome.SKIPPED
    if not passed:
        return Outcome.CLEARED_UNMET
    return Outcome.APPLIED if "skip_cleared" in said else Outcome.SKIPPED


@dataclass(slots=True)
class Watch:
    """Looks until the LSN is cleared, and sets it again where that was in vain."""

    connection: psycopg.AsyncConnection[Any]
    facts: NodeFacts
    subscription: Subscription
    """As it was when the LSN was set."""

    lsn: int
    witness: Witness
    enable: bool
    """Whether it may be enabled, should an error disable it meanwhile."""

    _again: int = field(default=0, init=False)

    async def run(self, wait: float) -> Result:
        """Watch for so many seconds, anew after each transaction that was in the way.

        Raises:
            psycopg.Error: as the server says.
            NodeNotReadyError: the subscription is gone.
        """
        deadline = time.monotonic() + wait
        while True:
            state = await self._look()
            now = state.subscription
            if now.skip_lsn == self.lsn:
                if self._again and "skip_finished" in (await self._words()):
                    return await self._taken_back(state)
                if not now.enabled and not self.enable and self._again:
                    return self._result(Outcome.SET, "an error has disabled it again")
                if time.monotonic() > deadline:
                    return self._still_set(state, wait)
                await asyncio.sleep(LOOK_S)
                continue
            result = await self._cleared(now)
            if result is not None:
                return result
            deadline = time.monotonic() + wait

    async def _look(self) -> State:
        return await look(self.connection, self.facts, self.subscription.subid)

    async def _cleared(self, now: Subscription) -> Result | None:
        """What that means; None if the LSN was set again."""
        if now.skip_lsn:
            other = format_lsn(now.skip_lsn)
            return self._result(
                Outcome.CLEARED_UNMET, f"somebody has set a skip of {other} instead"
            )
        if "skip_finished" in await self._words():
            return await self._past((await self._look()).origin_lsn)
        # Only now: the origin was asked for before the subscription.
        origin = (await self._look()).origin_lsn
        passed = origin is not None and origin > self.lsn
        if passed:
            return await self._past(origin)
        if self._again >= MOST_AGAIN:
            return self._result(Outcome.CLEARED_UNMET, "skip LSN is cleared")
        if not await set_lsn(self.connection, self.subscription, self.lsn):
            # The server knows where the origin is, also where we may not look.
            return await self._past(None)
        self._again += 1
        if not now.enabled and self.enable:
            await enable(self.connection, self.subscription)
        return None

    async def _past(self, origin: int | None) -> Result:
        seen = ["skip LSN is cleared"]
        if origin is not None:
            seen.append(f"the origin is at {format_lsn(origin)}")
        words, why_not = await self._last_words()
        if words is None:
            seen.append(f"the log can't tell: {why_not}")
        elif "skip_finished" in words:
            seen.append("the log says that it was skipped")
        elif "skip_cleared" in words:
            seen.append("the log says that the skip LSN was cleared without it")
        else:
            seen.append("the log says nothing of it")
        return self._result(ended(passed=True, said=words), *seen)

    async def _taken_back(self, state: State) -> Result:
        """It was skipped before it was set again: nothing is left to be skipped."""
        name = sql.Identifier(self.subscription.name)
        statement = sql.SQL("alter subscription {} skip (lsn = none)")
        await self.connection.execute(statement.format(name))
        return await self._past(state.origin_lsn)

    async def _last_words(self) -> tuple[set[str] | None, str]:
        """The workers' words about it, when the collector had time to write them."""
        if self.witness.log is None:
            return None, self.witness.why_not
        deadline = time.monotonic() + _LOG_S
        try:
            while True:
                words = await self._asked_words(self.witness.log)
                if "skip_finished" in words or time.monotonic() > deadline:
                    return words, ""
                await asyncio.sleep(LOOK_S)
        except PgConflictError as error:
            return None, str(error)

    async def _words(self) -> set[str]:
        """Their words up to now; none where the log can't be read."""
        if self.witness.log is None:
            return set()
        try:
            return await self._asked_words(self.witness.log)
        except PgConflictError:
            return set()

    async def _asked_words(self, log: LogSince) -> set[str]:
        return {
            str(one.what)
            for one in await log.events()
            if one.subname in (None, self.subscription.name)
            and (one.lsn == self.lsn or one.what == "skip_cleared")
        }

    def _still_set(self, state: State, wait: float) -> Result:
        now = state.subscription
        errors = (now.apply_errors or 0) - (self.subscription.apply_errors or 0)
        seen = [f"skip LSN {format_lsn(self.lsn)} is still set after {wait:g} s"]
        if errors > 0:
            seen.append(f"apply failed {errors} more times")
        if not now.enabled:
            seen.append("the subscription is disabled")
        elif now.worker_pid is None:
            seen.append("no worker runs")
        return self._result(Outcome.NOT_CLEARED, *seen)

    def _result(self, outcome: Outcome, *seen: str) -> Result:
        if not self._again:
            return Result(outcome, seen)
        times = "once" if self._again == 1 else f"{self._again} times"
        before = (
            f"cleared by an earlier transaction and set again {times}: sent again,"
            " because it changed nothing here"
        )
        return Result(outcome, (before, *seen))
