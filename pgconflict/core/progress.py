"""Whether a node had applied a commit of another when it wrote: from positions seen.

Each node is asked from time to time how far its WAL is written, and how far it has
applied each publisher's. Between two such samples a commit of one node can be placed in
its WAL, and a commit of the other between two positions applied. Every time is compared
with times of the same clock only.

The writer of a row waits for whoever wrote the row before. So what was applied before
the other node committed was seen by its write, and what was not yet applied at any time
after that was not.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

MOST: Final = 8000
"""Samples that are kept of one kind: more than an hour in full, days thinned out."""

_XIDS: Final = 1 << 32


class Placed(StrEnum):
    """How one node's write stands to another node's commit."""

    SEEN = "seen"
    UNSEEN = "unseen"


class Sample(msgspec.Struct, frozen=True):
    """A position that was read between two moments of the node's clock."""

    began: datetime
    ended: datetime
    position: int
    up_since: datetime
    """Of the server: the same in two samples, it did not crash between them."""

    oldest_xid: int = 0
    """Of the written position: every lower transaction id had ended before it."""

    confirmed: int = 0
    """Of the applied position: what had been confirmed before, maybe beyond it.

    What is between the two changed nothing there.
    """

    @property
    def reached(self) -> int:
        """Everything up to here was applied."""
        return max(self.position, self.confirmed)


class Positions(msgspec.Struct, frozen=True, kw_only=True):
    """What positions tell of one node's write and another node's commits."""

    placed: Placed | None = None
    """How the write stands to the version that it met."""

    low: int | None = None
    """Finish LSNs lower than this had been applied when it was written."""

    high: int | None = None
    """Finish LSNs from here on had not changed anything when it was written."""

    came_after: datetime | None = None
    """When the version had certainly not been applied yet, by the applying clock."""


class Samples:
    """Samples of one position of one node, in their order."""

    def __init__(self) -> None:
        self._all: list[Sample] = []

    def __len__(self) -> int:
        return len(self._all)

    def add(self, sample: Sample) -> None:
        """Add the newest; an earlier clock makes all before it void."""
        if self._all and sample.began < self._all[-1].ended:
            self._all.clear()
        self._all.append(sample)
        if len(self._all) > MOST:
            half = MOST // 2
            self._all = self._all[:half:2] + self._all[half:]

    def before(self, moment: datetime) -> Sample | None:
        """Return the last one that was over before, if the server was up from then on.

        A crash may take back what was applied: there is a later one without it.
        """
        place = bisect_left(self._all, moment, key=lambda one: one.ended)
        if place == 0 or place == len(self._all):
            return None
        found = self._all[place - 1]
        return found if self._all[place].up_since == found.up_since else None

    def since(self, moment: datetime) -> Sample | None:
        """Return the first one that began later."""
        place = bisect_right(self._all, moment, key=lambda one: one.began)
        return None if place == len(self._all) else self._all[place]

    @property
    def newest(self) -> Sample | None:
        """The newest one."""
        return self._all[-1] if self._all else None

    @property
    def lowest(self) -> int | None:
        """The lowest position that is known to have been reached; None if none is."""
        for one in self._all:
            if one.reached:
                return min(lsn for lsn in (one.position, one.confirmed) if lsn)
        return None

    def until(self, position: int) -> Sample | None:
        """Return the last one that was not beyond, with another one after it."""
        place = bisect_right(self._all, position, key=lambda one: one.position)
        place = min(place, len(self._all) - 1)
        return None if place < 1 else self._all[place - 1]

    def not_beyond(self, position: int) -> datetime | None:
        """Return the last moment at which this position was certainly not passed."""
        found = self.until(position)
        return None if found is None else found.began

    def reached(self, position: int) -> datetime | None:
        """Return when this position was reached at latest, by the node's clock."""
        place = bisect_left(self._all, position, key=lambda one: one.reached)
        return None if place == len(self._all) else self._all[place].ended

    def after_xid(self, moment: datetime, xid: int) -> Sample | None:
        """Return the first since `moment` before which a transaction had ended."""
        place = bisect_left(self._all, moment, key=lambda one: one.began)
        for sample in self._all[place : place + 200]:
            if 0 < (sample.oldest_xid - xid) % _XIDS < _XIDS // 2:
                return sample
        return None


def arrival(
    *, written: Samples, applied: Samples, commit: datetime, xid: int
) -> datetime | None:
    """Return when a commit had been applied, by the applying node's clock, at latest.

    The arguments are those of `place_write`.
    """
    end = written.after_xid(commit, xid)
    return None if end is None else applied.reached(end.position)


def place_write(
    *,
    written: Samples,
    applied: Samples,
    commit: datetime | None,
    xid: int | None,
    other: datetime,
) -> Positions:
    """Return whether another node's write had seen a commit, as far as that is told.

    Args:
        written: Positions of the WAL of the node that committed.
        applied: How far the other node had applied it.
        commit: When that was, by the committing node's clock; None if there is none.
        xid: Its transaction, or subtransaction, there.
        other: When the other node's write committed, by that node's clock.
    """
    begin = end = None
    if commit is not None and xid is not None:
        begin, end = written.before(commit), written.after_xid(commit, xid)
    seen, later = applied.before(other), applied.since(other)
    placed = None
    if end is not None and seen is not None and seen.reached >= end.position:
        placed = Placed.SEEN
    elif begin is not None and later is not None and later.position <= begin.position:
        placed = Placed.UNSEEN
    return Positions(
        placed=placed,
        low=None if seen is None else seen.reached,
        high=None if later is None else later.position,
        came_after=None if begin is None else applied.not_beyond(begin.position),
    )
