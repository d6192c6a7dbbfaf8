"""What may have kept log entries of one node from being recorded, and when. No I/O.

Holes of the log are known from the moment they were met, settings that hide entries
from the last look of the job `coverage`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from pgconflict.conflict_log.tally import APPLY_ERROR
from pgconflict.daemon.coverage import STOPPING
from pgconflict.server.checks import Check

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from pgconflict.conflict_log.ledger_store import Account
    from pgconflict.daemon.coverage import Coverage
    from pgconflict.daemon.metrics import Metrics

EARLIER: Final = timedelta(minutes=1)
"""An entry is counted, hidden and missed at three times: so much before the last
comparison that was right, a hole may have been met that explains the next."""

HIDING: Final = (
    Check.LOGGING_COLLECTOR,
    Check.LOG_DESTINATION,
    Check.LOG_MIN_MESSAGES,
    Check.LOG_ERROR_VERBOSITY,
    Check.LOG_LINE_PREFIX,
    Check.LC_MESSAGES,
)
"""Settings that hide what the server counts all the same."""


@dataclass(slots=True)
class Troubles:
    """Of one node.

    Attributes:
        coverage: What the last look at the node's settings found.
        look_soon: Asks for another look.
    """

    node: str
    metrics: Metrics
    coverage: Callable[[], Coverage | None]
    look_soon: Callable[[], None]
    _counted: dict[str, float] = field(default_factory=dict)
    _met: dict[str, datetime] = field(default_factory=dict)

    def look(self, now: datetime) -> None:
        """Note what was met in the log since the last look."""
        for reason, number in self._holes().items():
            if number > self._counted.get(reason, 0):
                self._met[reason] = now
            self._counted[reason] = number

    def since(self, then: datetime, account: Account) -> list[str]:
        """Return what may have hidden entries of an account's kind since then."""
        met = [reason for reason, at in self._met.items() if at >= then - EARLIER]
        coverage = self.coverage()
        hidden = {
            str(gap.check)
            for gap in (coverage.gaps if coverage else ())
            if gap.check in HIDING
            and gap.database == account.database
            and (not gap.subscriptions or account.subname in gap.subscriptions)
            and gap.types & _entries_of(account.counter)
        }
        return sorted(met) + sorted(hidden)

    def _holes(self) -> dict[str, float]:
        found = {}
        for metric, prefix in (
            (self.metrics.log_gaps, "log_"),
            (self.metrics.unrecognised_records, "unrecognised_"),
        ):
            for sample in next(iter(metric.collect())).samples:
                if sample.labels["node"] == self.node:
                    found[prefix + sample.labels["reason"]] = sample.value
        return found


def _entries_of(counter: str) -> frozenset[str]:
    """The conflict types whose entries would hide with those of a counter."""
    return STOPPING if counter == APPLY_ERROR else frozenset({counter})
