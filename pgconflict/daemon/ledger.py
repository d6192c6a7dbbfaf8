"""Keeps one node's ledger: compares, shows and stores whether anything is missing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from pgconflict.conflict_log.tally import APPLY_ERROR
from pgconflict.core.ledger import Account, Epoch, Reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from pgconflict.conflict_log.ledger_store import LedgerStore
    from pgconflict.daemon.metrics import Metrics
    from pgconflict.daemon.statistics import SubscriptionStatistics

STORE_S: Final = 30.0
"""Between two stores of an epoch in which only the time of the check moved."""

Key = tuple[int, str]  # subscription oid, counter


class Ledger:
    """The accounts of one node; `load` takes up those of the conflict log."""

    def __init__(self, node: str, metrics: Metrics, store: LedgerStore) -> None:
        self._node = node
        self._metrics = metrics
        self._store_in = store
        self._accounts: dict[Key, Account] = {}
        self._names: dict[int, str] = {}
        self._stored: dict[Key, tuple[Epoch, float]] = {}

    async def load(self) -> None:
        """Takes up the epochs that have not ended.

        Raises:
            ConflictLogUnavailableError: it can't be asked now.
        """
        for (subid, subname, counter), epoch in await self._store_in.open_epochs():
            self._accounts[subid, counter] = Account(epoch)
            self._names[subid] = subname

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
        for one in subscriptions:
            self._names[one.subid] = one.name
            for counter, number in _counters(one):
                key = (one.subid, counter)
                reading = Reading(
                    at, number, recorded.get(key, 0), one.stats_reset, caught_up
                )
                account = self._accounts.setdefault(key, Account())
                for epoch in account.read(reading):
                    await self._store(key, epoch)
                self._show(one.name, counter, account.epoch)
        await self._drop_missing({one.subid for one in subscriptions})

    async def _drop_missing(self, present: set[int]) -> None:
        for key in [key for key in self._accounts if key[0] not in present]:
            for epoch in self._accounts.pop(key).drop():
                await self._store(key, epoch)
            self._stored.pop(key, None)

    def _show(self, subscription: str, counter: str, epoch: Epoch | None) -> None:
        if epoch is None:
            return
        labels = (self._node, subscription)
        if counter == APPLY_ERROR:
            gauge = self._metrics.unaccounted_apply_errors.labels(*labels)
        else:
            gauge = self._metrics.unaccounted_conflicts.labels(*labels, counter)
        gauge.set(epoch.unaccounted)

    async def _store(self, key: Key, epoch: Epoch) -> None:
        last, at = self._stored.get(key, (None, 0.0))
        now = time.monotonic()
        moved = (
            last is None
            or epoch.ended_at is not None
            or epoch.unaccounted != last.unaccounted
            or epoch.began_at != last.began_at
        )
        if moved or now - at >= STORE_S:
            subid, counter = key
            await self._store_in.put(subid, self._names[subid], counter, epoch)
            self._stored[key] = (epoch, now)


def _counters(one: SubscriptionStatistics) -> Iterator[tuple[str, int]]:
    found: Mapping[str, int] = one.conflicts
    yield from found.items()
    yield APPLY_ERROR, one.apply_errors
