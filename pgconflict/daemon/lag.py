"""How far a subscription is behind its publisher, in bytes and in seconds. No I/O.

Bytes are WAL between what the publisher has flushed and what the subscriber has
confirmed. Seconds tell how long ago the publisher was where the subscriber is now, by
our own clock: neither server's clock counts, and it also holds while no worker runs.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final

MOST_SAMPLES: Final = 600
"""At 5 s each the last 25 minutes are exact to one interval; what is older, the less
the longer ago."""

_lsn = itemgetter(1)


@dataclass(slots=True)
class WalHistory:
    """When a publisher's WAL was first seen to have reached which LSN."""

    _samples: list[tuple[float, int]] = field(default_factory=list)

    def add(self, now: float, lsn: int) -> None:
        """Note where the publisher is; `now` is of a clock that only goes forward."""
        if self._samples and lsn < self._samples[-1][1]:
            # Restored from a backup, or a standby that was promoted: another history.
            self._samples.clear()
        if not self._samples or lsn > self._samples[-1][1]:
            self._samples.append((now, lsn))
        if len(self._samples) > MOST_SAMPLES:
            half = MOST_SAMPLES // 2
            self._samples[:half] = self._samples[:half:2]

    def seconds_behind(self, confirmed: int, now: float) -> float:
        """How long it is that the publisher has been past `confirmed`.

        Too short by at most the time between two samples, and for what was there
        before the first one.
        """
        place = bisect_right(self._samples, confirmed, key=_lsn)
        if place == len(self._samples):
            return 0.0
        return now - self._samples[place][0]
