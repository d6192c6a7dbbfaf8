"""Is anything missing? The server's count of trouble against the recorded entries.

The server raises a counter for each entry it logs about a conflict or an apply error
(measured on 15 to 19: the difference of a counter is the number of genuine entries,
retries included). Neither side is read at the same moment, and a counter of a
conflict that stops nothing comes about a second late; so a difference counts only
when it can't be explained by what came in between.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from datetime import datetime

SETTLE_S: Final = 4.0
"""How much later than one side the other is asked: counters come about 1 s late (18,
19), an entry is recorded as soon as it is written and read."""

Ended = Literal["reset", "restart", "dropped"]


@dataclass(frozen=True, slots=True)
class Reading:
    """Both sides, as they were at one moment.

    `caught_up`: everything that the server had logged by then was recorded.
    """

    at: datetime
    server: int
    recorded: int
    stats_reset: datetime | None
    caught_up: bool
    statistics_began: datetime | None = None
    """When the server's statistics began as a whole: a crash is the end of all of them,
    also where this counter is no lower afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """From a beginning of the server's statistics to their end, as far as proven."""

    began_at: datetime
    checked_at: datetime
    base: int
    server: int
    recorded: int
    unaccounted: int
    stats_reset: datetime | None
    statistics_began: datetime | None = None
    ended_at: datetime | None = None
    ended_by: Ended | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """What an epoch's unaccounted entries changed by, between two comparisons."""

    epoch_began_at: datetime
    after: datetime
    found_at: datetime
    change: int


def difference(before: Epoch | None, now: Epoch | None) -> Difference | None:
    """What came up between two comparisons of one epoch; None if nothing did."""
    if before is None or now is None or before.began_at != now.began_at:
        return None
    if now.unaccounted == before.unaccounted:
        return None
    return Difference(
        now.began_at,
        before.checked_at,
        now.checked_at,
        now.unaccounted - before.unaccounted,
    )


@dataclass(slots=True)
class Account:
    """One counter of one subscription."""

    epoch: Epoch | None = None
    _readings: deque[Reading] = field(default_factory=deque)

    def read(self, reading: Reading) -> list[Epoch]:
        """Takes the next reading; the epochs that it changed, an ended one first."""
        changed = []
        if self.epoch is not None and (ended := self._ended(self.epoch, reading)):
            changed.append(self._end(self.epoch, ended))
            self.epoch = None
            self._readings.clear()
        self._readings.append(reading)
        earlier = self._settled(reading)
        if earlier is None:
            return changed
        epoch = self._judged(earlier, reading)
        if epoch is not None and epoch != self.epoch:
            self.epoch = epoch
            changed.append(epoch)
        return changed

    def drop(self) -> list[Epoch]:
        """The subscription is gone; its epoch, ended."""
        if self.epoch is None:
            return []
        ended = self._end(self.epoch, "dropped")
        self.epoch = None
        return [ended]

    def _ended(self, epoch: Epoch, now: Reading) -> Ended | None:
        """Why the server's counting began anew since; None if it did not."""
        if now.stats_reset is not None and now.stats_reset != epoch.stats_reset:
            return "reset"
        if now.server < self._last_server(epoch):
            return "restart"
        if epoch.stats_reset is not None and now.stats_reset is None:
            return "restart"
        if None not in (began := {epoch.statistics_began, now.statistics_began}):
            return "restart" if len(began) > 1 else None
        return None

    def _last_server(self, epoch: Epoch) -> int:
        return self._readings[-1].server if self._readings else epoch.server

    def _settled(self, now: Reading) -> Reading | None:
        """The youngest reading that is old enough to be judged by the present one."""
        found = None
        while self._readings and (
            (now.at - self._readings[0].at).total_seconds() >= SETTLE_S
        ):
            found = self._readings.popleft()
        if found is not None:
            # Kept: after a slow reading it may be the only old one next time.
            self._readings.appendleft(found)
        return found

    def _judged(self, earlier: Reading, now: Reading) -> Epoch | None:
        if not now.caught_up:
            return None
        if self.epoch is None:
            # Nothing moved in between: what one side is ahead now was before us.
            if (earlier.server, earlier.recorded) != (now.server, now.recorded):
                return None
            return Epoch(
                began_at=earlier.at,
                checked_at=now.at,
                base=now.server - now.recorded,
                server=now.server,
                recorded=now.recorded,
                unaccounted=0,
                stats_reset=now.stats_reset,
                statistics_began=now.statistics_began,
            )
        base = self.epoch.base
        missing = max(0, earlier.server - base - now.recorded)
        surplus = max(0, earlier.recorded - (now.server - base))
        return Epoch(
            began_at=self.epoch.began_at,
            checked_at=now.at,
            base=base,
            server=now.server,
            recorded=now.recorded,
            unaccounted=missing - surplus,
            stats_reset=now.stats_reset,
            statistics_began=now.statistics_began,
        )

    @staticmethod
    def _end(epoch: Epoch, ended: Ended) -> Epoch:
        return replace(epoch, ended_at=epoch.checked_at, ended_by=ended)
