"""What one node says about its slots, its workers' waits and its clock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pgconflict.server.session import NodeSession

CLOCK_QUESTIONS: Final = 3
"""At most: the quickest answer tells the most."""

SURE_S: Final = 0.001
"""An answer that is surer than that is sure enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A logical slot; LSNs are numbers, None where the server has none.

    `synced` slots are a standby's copies, which nobody reads there.
    """

    name: str
    database: str
    active: bool
    synced: bool
    wal_status: str | None
    safe_wal_size: int | None
    restart_lsn: int | None
    confirmed_lsn: int | None
    invalidated: str | None
    inactive_since: datetime | None

    def retained(self, current_lsn: int | None) -> int:
        """Return the bytes of WAL that it keeps; an invalid slot keeps none."""
        if current_lsn is None or self.restart_lsn is None:
            return 0
        return max(0, current_lsn - self.restart_lsn)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed:
    """A subscription, as far as its publisher's side depends on it."""

    subid: int
    name: str
    slot_name: str | None


@dataclass(frozen=True, slots=True)
class LockWait:
    """A subscription whose worker waits for a lock."""

    subid: int
    by_session: bool
    by_prepared: bool


@dataclass(frozen=True, slots=True)
class Prepared:
    """Prepared transactions of one database."""

    database: str
    number: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """Seconds that a node's clock is ahead of ours, and how sure that is."""

    seconds: float
    uncertainty: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherState:
    """One node at one moment."""

    current_lsn: int | None
    slot_wal_limit: int | None
    slot_idle_timeout: float | None
    slots: Sequence[Slot]
    subscriptions: Sequence[Subscribed]
    lock_waits: Sequence[LockWait]
    prepared: Sequence[Prepared]
    clock: ClockOffset


async def read_publisher(session: NodeSession) -> PublisherState:
    """Ask a node, primary or standby, for its publisher's side.

    Raises:
        NodeUnavailableError: the node can't be asked now.
    """
    state = await session.row("publisher")
    return PublisherState(
        **state,
        slots=[Slot(**row) for row in await session.rows("slots")],
        subscriptions=[
            Subscribed(subid=row["subid"], name=row["name"], slot_name=row["slot_name"])
            for row in await session.rows("subscriptions")
        ],
        lock_waits=[LockWait(**row) for row in await session.rows("lock_waits")],
        prepared=[
            Prepared(**row) for row in await session.rows("prepared_transactions")
        ],
        clock=await read_clock(session),
    )


async def read_clock(session: NodeSession) -> ClockOffset:
    """Compare the node's clock with ours, by the quickest of a few questions."""
    answers = []
    for _ in range(CLOCK_QUESTIONS):
        asked, started = time.time(), time.perf_counter()
        clock = (await session.row("clock"))["clock"]
        half = (time.perf_counter() - started) / 2
        answers.append(ClockOffset(clock - (asked + half), half))
        if half < SURE_S:
            break
    return min(answers, key=lambda answer: answer.uncertainty)
