"""Which days are worth reading: those of which conflict_hour says that they hold some.

Pure: the numbers come from the reader, what is read of a day goes back to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY: Final = timedelta(days=1)
RARE: Final = 1000
"""One in so many rows is found by an index over blocks sooner than in order."""


@dataclass(frozen=True, slots=True)
class Span:
    """A time of one UTC day that holds something, ends as in low <= t < high."""

    low: datetime
    high: datetime
    matching: int

    def sparse(self, conflicts: int) -> bool:
        """Whether what is looked for is rare among the conflicts of this time."""
        return self.matching * RARE < conflicts


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
