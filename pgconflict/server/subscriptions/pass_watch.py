"""Whether apply has come past a transaction, and runs."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pgconflict.core.lsn import format_lsn
from pgconflict.errors import PgConflictError
from pgconflict.server.subscriptions.facts import ask
from pgconflict.server.subscriptions.skip_watch import look

if TYPE_CHECKING:
    import psycopg

    from pgconflict.config import Limits
    from pgconflict.server.subscriptions.facts import NodeFacts, Subscription
    from pgconflict.server.subscriptions.publisher import Publisher
    from pgconflict.server.subscriptions.skip_watch import State

LOOK_S: Final = 0.3


@dataclass(frozen=True, slots=True)
class Passed:
    """Whether apply runs beyond the transaction, and what was seen of it."""

    runs: bool
    enabled: bool
    seen: tuple[str, ...]


async def watch(
    connection: psycopg.AsyncConnection[Any],
    facts: NodeFacts,
    before: Subscription,
    publisher: Publisher,
    *,
    end_lsn: int,
    limits: Limits,
    wait: float,
) -> Passed:
    """Look until the worker has told the publisher that it is past the transaction.

    That the origin is past it proves nothing of the worker: a session may have moved
    it. What it confirms to the publisher's slot, a worker that runs has sent.

    Args:
        connection: To the subscription's database.
        facts: Of the subscriber.
        before: The subscription as it was.
        publisher: With the slot.
        end_lsn: Where the transaction ends.
        limits: Of the configuration.
        wait: Seconds to look at most.

    Raises:
        psycopg.Error: as the server says.
        NodeNotReadyError: the subscription is gone.
    """
    deadline = time.monotonic() + wait
    while True:
        state = await look(connection, facts, before.subid)
        confirmed = await _confirmed(publisher, limits)
        if not state.subscription.enabled:
            return Passed(False, False, _seen(state, confirmed, before, end_lsn))
        runs = (
            state.subscription.worker_pid is not None
            and confirmed is not None
            and confirmed >= end_lsn
        )
        if runs or time.monotonic() > deadline:
            return Passed(runs, True, _seen(state, confirmed, before, end_lsn))
        await asyncio.sleep(LOOK_S)


async def _confirmed(publisher: Publisher, limits: Limits) -> int | None:
    if publisher.facts is None or publisher.slot is None:
        return None
    try:
        now = await ask(publisher.facts.node, limits)
    except PgConflictError:
        return None
    slot = now.slot(publisher.slot.name)
    return None if slot is None else slot.confirmed_lsn


def _seen(
    state: State, confirmed: int | None, before: Subscription, end_lsn: int
) -> tuple[str, ...]:
    now = state.subscription
    seen = []
    if state.origin_lsn is not None:
        past = "past the transaction" if state.origin_lsn >= end_lsn else "before it"
        seen.append(f"the origin is at {format_lsn(state.origin_lsn)}, {past}")
    if confirmed is not None:
        seen.append(f"the worker has confirmed {format_lsn(confirmed)}")
    if not now.enabled:
        seen.append("the subscription is disabled")
    elif now.worker_pid is None:
        seen.append("no worker runs")
    errors = (now.apply_errors or 0) - (before.apply_errors or 0)
    if errors > 0:
        seen.append(f"apply failed {errors} more times meanwhile")
    return tuple(seen)
