"""Entries that were recorded from a log in another format already.

jsonlog and csvlog number each session's entries alike, so the conflict log knows
those again. A stderr log has no numbers: after a change from or to it the time of an
entry, by the second, and what it says must do, and how many of them there were.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pgconflict.conflict_log.entry import Recorded
    from pgconflict.conflict_log.writer import ConflictLogWriter

_SECOND = timedelta(seconds=1)
_REMEMBERED = 100
"""Conflicts of one second that are told apart after a restart: a position stays small.
"""

Key = tuple[datetime, bytes]
"""Second of logging, and identity as stored."""

Met = tuple[str, str, int, int]
"""A key as JSON has it, how many of its entries were met, how many were fresh."""


class Overlap:
    """What was recorded up to a change of format.

    Args:
        writer: Of the node.
        until: When the last entry before the change was logged.
        met: What `met_lately` returned before a restart.
    """

    def __init__(
        self, writer: ConflictLogWriter, until: datetime, met: Iterable[Met] = ()
    ) -> None:
        self.until = until
        self._writer = writer
        self._met: Counter[Key] = Counter()
        self._passed_on: Counter[Key] = Counter()
        self._newest: dict[Key, None] = {}  # of the last second met
        for second, identity, number, fresh in met:
            key = datetime.fromisoformat(second), bytes.fromhex(identity)
            self._count(key)
            self._met[key], self._passed_on[key] = number, fresh

    def met_lately(self) -> list[Met]:
        """Return what was met of the last second, which may go on after a restart.

        Without it a retry in that second would be taken for one recorded already.
        """
        return [
            (key[0].isoformat(), key[1].hex(), self._met[key], self._passed_on[key])
            for key in list(self._newest)[-_REMEMBERED:]
        ]

    def ended(self, entries: Sequence[Recorded]) -> bool:
        """Whether all of these were logged after the change."""
        first = min((entry.conflict.log_time for entry in entries), default=self.until)
        return _second(first) > self.until

    async def fresh(self, entries: Sequence[Recorded]) -> list[Recorded]:
        """Return those entries that are not recorded.

        Raises:
            ConflictLogUnavailableError: the conflict log did not answer.
        """
        if not entries:
            return []
        keys = [self._key(entry) for entry in entries]
        seconds = [second for second, _ in keys]
        recorded = await self._writer.logged_between(
            min(seconds), max(seconds) + _SECOND
        )
        # Those of this side of the change are no proof of anything.
        recorded.subtract(self._passed_on)
        fresh = []
        for key, entry in zip(keys, entries, strict=True):
            self._count(key)
            if self._met[key] > recorded[key]:
                self._passed_on[key] += 1
                fresh.append(entry)
        return fresh

    def _count(self, key: Key) -> None:
        self._met[key] += 1
        newest = next(iter(self._newest), key)[0]
        if key[0] > newest:
            self._newest.clear()
        if key[0] >= newest:
            self._newest[key] = None

    def _key(self, entry: Recorded) -> Key:
        return _second(entry.conflict.log_time), self._writer.stored_identity(entry)


def _second(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(microsecond=0)
