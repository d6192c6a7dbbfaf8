"""Which days are worth reading: those of which conflict_hour says that they hold some.

Pure: the numbers come from the reader, what is read of a day goes back to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
RARE: Final = 1000
"""One in so many rows is found by an index over blocks sooner than in order."""


class Hour(NamedTuple):
    """How many conflicts began in an hour, and how many of them pass the filters."""

    hour: datetime
    matching: int
    conflicts: int


@dataclass(frozen=True, slots=True)
class Span:
    """A time of one UTC day, ends as in low <= t < high."""

    low: datetime
    high: datetime
    matching: int
    conflicts: int

    @property
    def sparse(self) -> bool:
        """Whether what is looked for is rare here."""
        return self.matching * RARE < self.conflicts


def days(hours: Sequence[Hour], *, newest_first: bool) -> list[Span]:
    """Each day's time from its first to its last hour with something to find."""
    spans = []
    for _, group in groupby(sorted(hours), key=lambda each: _day(each.hour)):
        day = list(group)
        found = [each.hour for each in day if each.matching]
        if found:
            low, last = found[0], found[-1]
            inside = [each for each in day if low <= each.hour <= last]
            spans.append(
                Span(
                    low,
                    last + HOUR,
                    sum(each.matching for each in inside),
                    sum(each.conflicts for each in inside),
                )
            )
    return spans[::-1] if newest_first else spans


def windows(
    first: datetime, last: datetime, *, newest_first: bool
) -> Iterator[tuple[datetime, datetime]]:
    """Times of whole days that cover first to last, each longer than the one before.

    Most questions end in the first one; the last ones are not worth many questions.
    """
    low, high = _day(first), _day(last) + DAY
    length = 2 * DAY
    while low < high:
        if newest_first:
            begin = max(low, high - length)
            yield begin, high
            high = begin
        else:
            end = min(high, low + length)
            yield low, end
            low = end
        length *= 4


def _day(moment: datetime) -> datetime:
    utc = moment.astimezone(UTC)
    return utc.replace(hour=0, minute=0, second=0, microsecond=0)
