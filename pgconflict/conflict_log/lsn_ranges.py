"""Which days of the conflict log can already hold a conflict of a remote transaction.

A conflict may be logged again days after it was first seen, so its row may be in
another day's partition. Remote LSNs grow with time, so each day holds a narrow range
of them: most entries can only be new, and are stored without a look at other days.
A publisher made anew starts over at low LSNs: ranges overlap, more days are looked
at, nothing is missed.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from pgconflict.core.lsn import parse_lsn
from pgconflict.queries import query

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from pgconflict.conflict_log.entry import Node, Recorded

Range = tuple[int, int]  # the lowest LSN and the highest
Ranges = dict[tuple[int, date], Range]  # by subscription and UTC day
ROOM = 1 << 28  # bytes of WAL
DAY = timedelta(days=1)
FOREVER = (datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC))


class LsnRanges:
    """The ranges of one node's subscriptions, as they are stored."""

    def __init__(self, connection: asyncpg.Connection, node: Node) -> None:
        self._connection = connection
        self._node = node
        self._days: dict[int, dict[date, Range]] = {}  # by subscription

    async def load(self) -> None:
        """Reads what the conflict log holds."""
        rows = await self._connection.fetch(
            query("lsn_ranges"), self._node.system_identifier
        )
        for row in rows:
            low, high = parse_lsn(row["min_lsn"]), parse_lsn(row["max_lsn"])
            self._put(row["subid"], row["day"], low, high)

    def elsewhere(self, ranges: Ranges) -> set[date]:
        """The days, other than an entry's own, that may hold entries of `ranges`."""
        return {
            other
            for (subid, day), (low, high) in ranges.items()
            for other, (lowest, highest) in self._days.get(subid, {}).items()
            if other != day and lowest <= high and low <= highest
        }

    def wider(self, ranges: Ranges) -> Ranges:
        """What must be stored so that the days hold `ranges`, with room ahead.

        The room keeps most conflicts from changing anything: with it they are one
        statement. All it costs is that the next day's first LSNs are looked for in
        this day too.
        """
        return {
            (subid, day): (low, high + ROOM)
            for (subid, day), (low, high) in ranges.items()
            if not self._covers(subid, day, low, high)
        }

    async def store(self, wider: Ranges) -> None:
        """Stores what `wider` found; in the transaction of its entries."""
        for (subid, day), (low, high) in wider.items():
            await self._connection.execute(
                query("widen_lsn_range"),
                self._node.system_identifier,
                subid,
                day,
                low,
                high,
            )

    def stored(self, wider: Ranges) -> None:
        """Remembers what was stored; comes after the commit."""
        for (subid, day), (low, high) in wider.items():
            self._put(subid, day, low, high)

    def _put(self, subid: int, day: date, low: int, high: int) -> None:
        held = self._days.setdefault(subid, {})
        lowest, highest = held.get(day, (low, high))
        held[day] = (min(lowest, low), max(highest, high))

    def _covers(self, subid: int, day: date, low: int, high: int) -> bool:
        lowest, highest = self._days.get(subid, {}).get(day, (high + 1, low))
        return lowest <= low and high <= highest


def window(days: set[date]) -> tuple[datetime, datetime]:
    """The time span of these UTC days, as half-open bounds of first_logged_at."""
    return start_of(min(days)), start_of(max(days)) + DAY


def start_of(day: date) -> datetime:
    """Midnight UTC at which the day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def ranges_of(entries: Sequence[Recorded]) -> Ranges:
    """Subscription and UTC day to the lowest and highest remote LSN among entries."""
    found: Ranges = {}
    for entry in entries:
        conflict = entry.conflict
        lsn = conflict.remote_commit_lsn
        if lsn is None or conflict.subid is None:
            continue
        key = (conflict.subid, conflict.log_time.astimezone(UTC).date())
        held = found.get(key)
        if held is None:
            found[key] = (lsn, lsn)
        elif lsn < held[0] or lsn > held[1]:
            found[key] = (min(held[0], lsn), max(held[1], lsn))
    return found
