"""Which days of the conflict log can already hold a conflict of a remote transaction.

A conflict may be logged again days after it was first seen, so its row may be in
another day's partition. Remote LSNs grow with time, so each day holds a narrow range
of them: most entries can only be new, and are stored without a look at other days.
A publisher made anew starts over at low LSNs: ranges overlap, more days are looked
at, nothing is missed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Range = tuple[int, int]
DAY = timedelta(days=1)
FOREVER = (datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC))


@dataclass(slots=True)
class LsnRanges:
    """Subscription oid to UTC day to the lowest and highest remote LSN stored."""

    days: dict[int, dict[date, Range]] = field(default_factory=dict)

    def put(self, subid: int, day: date, low: int, high: int) -> None:
        """Widens a day's range."""
        held = self.days.setdefault(subid, {})
        lowest, highest = held.get(day, (low, high))
        held[day] = (min(lowest, low), max(highest, high))

    def covers(self, subid: int, day: date, low: int, high: int) -> bool:
        """Whether the day's range holds all of low..high."""
        lowest, highest = self.days.get(subid, {}).get(day, (high + 1, low))
        return lowest <= low and high <= highest

    def elsewhere(self, subid: int, day: date, low: int, high: int) -> set[date]:
        """The days other than `day` that may hold an LSN in low..high."""
        return {
            other
            for other, (lowest, highest) in self.days.get(subid, {}).items()
            if other != day and lowest <= high and low <= highest
        }

    def forget(self, days: Iterable[date]) -> None:
        """Drops the ranges of days whose partitions are gone."""
        gone = set(days)
        for held in self.days.values():
            for day in gone & held.keys():
                del held[day]


def window(days: set[date]) -> tuple[datetime, datetime]:
    """The time span of these UTC days, as half-open bounds of first_logged_at."""
    return start_of(min(days)), start_of(max(days)) + DAY


def start_of(day: date) -> datetime:
    """Midnight UTC at which the day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
