"""Whether a subscription stands still because of a conflict or an error. No I/O.

The server has no word for it. A worker that fails is started again every few
seconds (wal_retrieve_retry_interval) and fails again: an error was counted, and since
then no worker has lived long enough to have passed it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.daemon.statistics import SubscriptionStatistics

PASSED_S: Final = 10.0
"""A worker that lives so long after an error has got past it."""


@dataclass(slots=True)
class _State:
    errors: int
    stalled: bool = False
    up_since: float | None = None


@dataclass(slots=True)
class Stalls:
    """The subscriptions of one node, seen again and again."""

    _seen: dict[int, _State] = field(default_factory=dict)

    def look(
        self, subscriptions: Sequence[SubscriptionStatistics], now: float
    ) -> dict[int, bool]:
        """Return the oids of subscriptions, and whether each is stalled.

        Args:
            subscriptions: As just read.
            now: Seconds of a clock that only goes forward.
        """
        self._seen = {
            one.subid: self._seen.get(one.subid) or _State(one.apply_errors)
            for one in subscriptions
        }
        return {
            one.subid: self._stalled(one, self._seen[one.subid], now)
            for one in subscriptions
        }

    def _stalled(self, one: SubscriptionStatistics, state: _State, now: float) -> bool:
        if one.apply_errors > state.errors:
            state.stalled = True
            state.up_since = None
        # The counter falls when the statistics are reset, or lost in a crash.
        state.errors = one.apply_errors
        if not one.worker_up:
            state.up_since = None
        elif state.up_since is None:
            state.up_since = now
        elif now - state.up_since >= PASSED_S:
            state.stalled = False
        return state.stalled
