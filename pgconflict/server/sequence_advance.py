"""Moves sequences of a live node, each under its own lock.

A value read without the lock may be given out before the new one is set. So each
batch takes the locks of its sequences, looks again, sets, commits; the server does
all of that without waiting for us in between but twice. A sequence that somebody
keeps busy is left for later, so that nobody else waits behind us.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Final

import psycopg

from pgconflict.core.sequence_change import Change, Outcome, Result
from pgconflict.server import sequence_lock
from pgconflict.server.connect import translated
from pgconflict.server.sequence_careful import change_carefully
from pgconflict.server.sequence_create import create
from pgconflict.server.sequence_reader import array, fetch, read_positions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pgconflict.server.sequence_reader import Connection, Progress
    from pgconflict.server.sequences import SequenceNode

# Larger ones are hardly faster and hold each lock for longer.
LIGHT_BATCH: Final = 500
CAREFUL_BATCH: Final = 50
PAUSES: Final = (0.05, 0.1, 0.2, 0.5, 1.0)

_BUSY: Final = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.QueryCanceled,
    psycopg.errors.DeadlockDetected,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long others may be made to wait, and how long we do.

    A session that wants a value waits while we wait for a lock. All of it together
    stays below deadlock_timeout (1 s unless changed): the server then never chooses
    somebody else's transaction to end a deadlock with us.
    """

    lock: timedelta = timedelta(milliseconds=200)
    """For one lock; a quarter of it in a batch, where others are held meanwhile."""

    batch: timedelta = timedelta(milliseconds=500)
    """For all statements that take the locks of a batch."""

    total: timedelta = timedelta(seconds=30)
    """For sequences that stay busy, before they are given up."""


@dataclass(slots=True)
class Applied:
    """What became of changes, and for how long their locks were held."""

    results: list[Result] = field(default_factory=list)
    longest_lock_s: float = 0.0
    locked_s: float = 0.0
    """Sum over all sequences of the time that each was locked."""

    @property
    def mean_lock_s(self) -> float | None:
        """For how long a sequence was locked, on average."""
        return self.locked_s / len(self.results) if self.results else None

    def held(self, seconds: float, sequences: int) -> None:
        """Count a transaction that has ended."""
        self.longest_lock_s = max(self.longest_lock_s, seconds)
        self.locked_s += seconds * sequences


async def apply(
    node: SequenceNode,
    changes: Sequence[Change],
    patience: Patience = Patience(),
    *,
    progress: Progress | None = None,
) -> Applied:
    """Make the changes; every one has a result, in no particular order.

    Raises:
        NodeUnavailableError: the connection was lost. What was set stays set, and to
            do it again is safe.
    """
    applied = Applied()
    await node.widen(len(changes))
    shares = node.shares(changes, attrgetter("before.oid"))
    with translated(node.who):
        await asyncio.gather(
            *(
                _Mover(connection, patience, applied, progress).move(share)
                for connection, share in shares
                if share
            )
        )
    return applied


class _Mover:
    """One connection at work."""

    def __init__(
        self,
        connection: Connection,
        patience: Patience,
        applied: Applied,
        progress: Progress | None,
    ) -> None:
        self._connection = connection
        self._patience = patience
        self._applied = applied
        self._progress = progress
        self._busy: list[Change] = []

    async def move(self, changes: Sequence[Change]) -> None:
        await self._limit(self._patience.lock / 4, self._patience.batch)
        light = [change for change in changes if change.light]
        new = [change for change in changes if change.create]
        careful = [one for one in changes if not one.light and not one.create]
        await self._in_batches(light, LIGHT_BATCH)
        await self._in_batches(careful, CAREFUL_BATCH)
        await self._in_batches(new, 1)
        if self._busy:
            await self._one_by_one()
        await self._connection.execute("reset lock_timeout")
        await self._connection.execute("reset statement_timeout")

    async def _limit(self, lock: timedelta, statement: timedelta) -> None:
        for name, limit in (("lock_timeout", lock), ("statement_timeout", statement)):
            milliseconds = max(1, round(limit.total_seconds() * 1000))
            await self._connection.execute(
                "select pg_catalog.set_config(%s, %s, false)", (name, str(milliseconds))
            )

    async def _in_batches(self, changes: Sequence[Change], size: int) -> None:
        batches = deque(
            changes[place : place + size] for place in range(0, len(changes), size)
        )
        while batches:
            batch = batches.popleft()
            try:
                await self._transaction(batch)
            except _BUSY:
                batches.extendleft(await self._without_busy(batch))
            except psycopg.errors.InsufficientPrivilege as error:
                batches.extendleft(await self._without_denied(batch, error))
            except psycopg.Error as error:
                if self._connection.broken or self._connection.closed:
                    raise
                batches.extendleft(self._halves(batch, error))

    async def _transaction(self, batch: Sequence[Change]) -> None:
        began = time.monotonic()
        async with self._connection.transaction():
            if batch[0].light:
                results = await _set_under_lock(self._connection, batch)
            elif batch[0].create:
                results = [await create(self._connection, batch[0])]
            else:
                results = await change_carefully(self._connection, batch)
        self._applied.held(time.monotonic() - began, len(batch))
        self._finished(results)

    def _finished(self, results: Iterable[Result]) -> None:
        results = list(results)
        self._applied.results += results
        if self._progress is not None:
            self._progress(len(results))

    async def _without_busy(self, batch: Sequence[Change]) -> list[Sequence[Change]]:
        """Put aside what somebody holds; return what to try again at once."""
        holders = await lock_holders(self._connection, batch)
        free = [change for change in batch if change.before.oid not in holders]
        if len(free) == len(batch):
            # Whoever it was has gone, or it was just too much at once.
            if len(batch) > 1:
                return _split(batch)
            self._busy += batch
            return []
        self._busy += [change for change in batch if change.before.oid in holders]
        return [free] if free else []

    async def _without_denied(
        self, batch: Sequence[Change], error: psycopg.Error
    ) -> list[Sequence[Change]]:
        if batch[0].create:
            return self._halves(batch, error)
        oids = array(change.before.oid for change in batch)
        rows = await fetch(self._connection, "sequence_writable", oids)
        writable = {oid for oid, allowed in rows if allowed}
        denied = [change for change in batch if change.before.oid not in writable]
        if not denied:
            return self._halves(batch, error)
        self._finished(
            Result(change, Outcome.DENIED, "our role does not own it")
            for change in denied
        )
        free = [change for change in batch if change.before.oid in writable]
        return [free] if free else []

    def _halves(
        self, batch: Sequence[Change], error: psycopg.Error
    ) -> list[Sequence[Change]]:
        """Find the one that the server refuses, and say what it said."""
        if len(batch) > 1:
            return _split(batch)
        said = error.diag.message_primary or str(error)
        outcome = Outcome.FAILED
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            outcome = Outcome.DENIED
        elif isinstance(error, psycopg.errors.UndefinedTable):
            outcome = Outcome.GONE
        self._finished([Result(batch[0], outcome, said)])
        return []

    async def _one_by_one(self) -> None:
        """Try what was busy again and again, with longer and longer pauses."""
        await self._limit(self._patience.lock, self._patience.batch)
        deadline = time.monotonic() + self._patience.total.total_seconds()
        pauses = iter(PAUSES)
        pause = 0.0
        while self._busy:
            waiting, self._busy = self._busy, []
            for change in waiting:
                if time.monotonic() < deadline:
                    await self._in_batches([change], 1)
                else:
                    await self._give_up(change)
            if self._busy:
                pause = next(pauses, pause)
                await asyncio.sleep(pause)

    async def _give_up(self, change: Change) -> None:
        holders = await lock_holders(self._connection, [change])
        who = holders.get(change.before.oid, "sessions that keep changing")
        self._finished([Result(change, Outcome.BUSY, f"locked by {who}")])


def _split(batch: Sequence[Change]) -> list[Sequence[Change]]:
    middle = len(batch) // 2
    return [batch[middle:], batch[:middle]]


async def lock_holders(
    connection: Connection, changes: Iterable[Change]
) -> dict[int, str]:
    """Return who keeps sequences from being locked, by oid."""
    oids = array(change.before.oid for change in changes)
    rows = await fetch(connection, "sequence_lock_holders", oids)
    found: dict[int, str] = {}
    for oid, pid, user, application, state, since in rows:
        if pid is None:
            text = "a prepared transaction"
        else:
            text = f"pid {pid} ({user}, {application or 'no application_name'}, {state}"
            text += f" since {since:%H:%M:%S})" if since else ")"
        found[oid] = f"{found[oid]}, {text}" if oid in found else text
    return found


async def _set_under_lock(
    connection: Connection, batch: Sequence[Change]
) -> list[Result]:
    """Lock the batch's sequences, and move what is still behind."""
    await connection.execute(sequence_lock.lock(change.before for change in batch))
    outcomes = await _set(connection, batch, {})
    unknown = [change for change in batch if outcomes[change.before.oid] == "unknown"]
    if unknown:
        # Before 18 only the sequence itself tells where it is before its first call.
        names = {change.before.oid: change.name for change in unknown}
        positions = await read_positions(connection, list(names), names)
        outcomes |= await _set(connection, unknown, positions)
    return [_result(change, outcomes[change.before.oid]) for change in batch]


async def _set(
    connection: Connection,
    batch: Sequence[Change],
    positions: dict[int, tuple[int | None, bool]],
) -> dict[int, str]:
    known = [positions[change.before.oid] for change in batch] if positions else []
    rows = await fetch(
        connection,
        "sequence_set",
        array(change.before.oid for change in batch),
        array(change.last_value for change in batch),
        array(change.is_called for change in batch),
        array(change.before.increment for change in batch),
        array(last_value for last_value, _ in known),
        array(is_called for _, is_called in known),
        array(change.name.schemaname for change in batch),
        array(change.name.sequencename for change in batch),
    )
    outcomes = {oid: outcome for oid, outcome, _ in rows}
    if "altered" in outcomes.values():
        # Undone by the rollback; the next run reads what it is now.
        raise psycopg.errors.ObjectNotInPrerequisiteState("altered meanwhile")
    return outcomes


def _result(change: Change, outcome: str) -> Result:
    if outcome == "unknown":
        return Result(change, Outcome.DENIED, "our role may not read it")
    return Result(change, Outcome(outcome))
