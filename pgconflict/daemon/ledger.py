"""Keeps one node's ledger: compares, shows and stores whether anything is missing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pgconflict.conflict_log.ledger_store import Account as Name
from pgconflict.conflict_log.tally import APPLY_ERROR
from pgconflict.core.ledger import (
    SETTLE_S,
    Account,
    Difference,
    Epoch,
    Reading,
    difference,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pgconflict.conflict_log.ledger_store import LedgerStore
    from pgconflict.daemon.metrics import Metrics
    from pgconflict.daemon.statistics import SubscriptionStatistics
    from pgconflict.daemon.troubles import Troubles

STORE_S: Final = 30.0
"""Between two stores of an epoch in which only the time of the check moved."""

COUNTED_S: Final = 5.0
"""The same where the server has counted more."""

EXPLAINED_WITHIN: Final = timedelta(minutes=5)
"""A setting that hides entries is looked at now and then: until then a difference
may still be explained."""

SAME_FOR: Final = timedelta(seconds=3 * SETTLE_S)
SELDOM: Final = timedelta(seconds=10)
"""Where neither side has moved for so long, they are compared so often only."""

Key = tuple[int, str]  # subscription oid, counter


@dataclass(slots=True)
class _Unexplained:
    found: Difference
    reasons: list[str]


class Ledger:
    """The accounts of one node; `load` takes up those of the conflict log."""

    def __init__(
        self, node: str, metrics: Metrics, store: LedgerStore, troubles: Troubles
    ) -> None:
        self._node = node
        self._metrics = metrics
        self._store_in = store
        self._troubles = troubles
        self._accounts: dict[Key, Account] = {}
        self._names: dict[int, tuple[str, str | None]] = {}
        self._stored: dict[Key, tuple[Epoch, float]] = {}
        self._unexplained: dict[Key, _Unexplained] = {}
        self._seen: object = None
        self._same_since = self._compared_at = datetime.min.replace(tzinfo=UTC)

    async def load(self) -> None:
        """Takes up the epochs that have not ended.

        Raises:
            ConflictLogUnavailableError: it can't be asked now.
        """
        for name, epoch in await self._store_in.open_epochs():
            self._accounts[name.subid, name.counter] = Account(epoch)
            self._names[name.subid] = (name.subname, name.database)

    async def compare(
        self,
        subscriptions: list[SubscriptionStatistics],
        recorded: Mapping[Key, int],
        at: datetime,
        *,
        caught_up: bool,
    ) -> None:
        """Compares the counters just read with what is recorded.

        Args:
            subscriptions: As read from the server just now.
            recorded: Entries recorded ever, by subscription oid and counter.
            at: When both were read.
            caught_up: Whether all that the server has logged is recorded.

        Raises:
            ConflictLogUnavailableError: an epoch could not be stored.
        """
        if self._nothing_new(subscriptions, recorded, at, caught_up=caught_up):
            return
        self._troubles.look(at)
        for one in subscriptions:
            self._names[one.subid] = (one.name, one.database)
            for counter, number in _counters(one):
                key = (one.subid, counter)
                reading = Reading(
                    at,
                    number,
                    recorded.get(key, 0),
                    one.stats_reset,
                    caught_up,
                    one.statistics_began,
                )
                account = self._accounts.setdefault(key, Account())
                before = account.epoch
                for epoch in account.read(reading):
                    await self._store(key, epoch)
                await self._tell(key, before, account.epoch)
        await self._explain(at)
        self._show(subscriptions)
        await self._drop_missing({one.subid for one in subscriptions})

    def _nothing_new(
        self,
        subscriptions: list[SubscriptionStatistics],
        recorded: Mapping[Key, int],
        at: datetime,
        *,
        caught_up: bool,
    ) -> bool:
        """Whether both sides have been the same for so long that it can wait.

        What is compared seldom is judged alike: only the two sides' last change
        counts, and both are compared every second from then on.
        """
        seen = (
            [_counted(one) for one in subscriptions],
            sum(recorded.values()),
            caught_up,
        )
        if seen != self._seen:
            self._seen, self._same_since = seen, at
        if at - self._same_since < SAME_FOR or at - self._compared_at >= SELDOM:
            self._compared_at = at
            return False
        return True

    async def _drop_missing(self, present: set[int]) -> None:
        for key in [key for key in self._accounts if key[0] not in present]:
            for epoch in self._accounts.pop(key).drop():
                await self._store(key, epoch)
            self._stored.pop(key, None)
            self._unexplained.pop(key, None)

    async def _tell(self, key: Key, before: Epoch | None, now: Epoch | None) -> None:
        """Store where the epoch is not complete, if that just came up."""
        found = difference(before, now)
        if found is None or now is None:
            return
        name = self._name(key)
        if not now.unaccounted:
            self._unexplained.pop(key, None)
            await self._store_in.made_up(name, now)
            return
        reasons = self._troubles.since(found.after, name)
        await self._store_in.put_difference(name, found, reasons)
        self._unexplained[key] = _Unexplained(found, reasons)
        self._troubles.look_soon()

    async def _explain(self, at: datetime) -> None:
        """Complete the reasons of what came up lately."""
        for key, one in list(self._unexplained.items()):
            name = self._name(key)
            reasons = self._troubles.since(one.found.after, name)
            if added := set(reasons) - set(one.reasons):
                one.reasons = sorted({*one.reasons, *added})
                await self._store_in.put_difference(name, one.found, one.reasons)
            if at - one.found.found_at > EXPLAINED_WITHIN:
                del self._unexplained[key]

    def _show(self, subscriptions: list[SubscriptionStatistics]) -> None:
        """Show what is missing; of one name in several databases the sum.

        What one of them lacks is not made up for by what another has too much.
        """
        lacks: dict[tuple[str, str], list[int]] = {}
        for one in subscriptions:
            for counter, _ in _counters(one):
                epoch = self._accounts[one.subid, counter].epoch
                if epoch is not None:
                    lacks.setdefault((one.name, counter), []).append(epoch.unaccounted)
        for (name, counter), numbers in lacks.items():
            labels = (self._node, name)
            if counter == APPLY_ERROR:
                gauge = self._metrics.unaccounted_apply_errors.labels(*labels)
            else:
                gauge = self._metrics.unaccounted_conflicts.labels(*labels, counter)
            gauge.set(sum(n for n in numbers if n > 0) or sum(numbers))

    async def _store(self, key: Key, epoch: Epoch) -> None:
        last, at = self._stored.get(key, (None, 0.0))
        now = time.monotonic()
        moved = (
            last is None
            or epoch.ended_at is not None
            or epoch.unaccounted != last.unaccounted
            or epoch.began_at != last.began_at
        )
        counted = last is not None and epoch.server != last.server
        if moved or now - at >= (COUNTED_S if counted else STORE_S):
            await self._store_in.put(self._name(key), epoch)
            self._stored[key] = (epoch, now)

    def _name(self, key: Key) -> Name:
        subid, counter = key
        return Name(subid, *self._names[subid], counter)


def _counters(one: SubscriptionStatistics) -> Iterator[tuple[str, int]]:
    found: Mapping[str, int] = one.conflicts
    yield from found.items()
    yield APPLY_ERROR, one.apply_errors


def _counted(one: SubscriptionStatistics) -> tuple[object, ...]:
    """What the ledger takes of a subscription."""
    return (
        one.subid,
        one.name,
        one.apply_errors,
        one.conflicts,
        one.stats_reset,
        one.statistics_began,
    )
