"""New conflicts as they are stored: each once, and none passed over.

Numbers are given in order, but transactions end in any order: of two daemons the one
that took the lower number may commit later. So what was seen is everything up to a
floor, and single numbers above it. The floor rises to a number when all transactions
that were storing conflicts as that number was the last have ended.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pgconflict.conflict_log import statements
from pgconflict.conflict_log.stored import from_rows
from pgconflict.queries import query

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pgconflict.conflict_log.filters import Filters
    from pgconflict.conflict_log.reader import ConflictLogReader
    from pgconflict.conflict_log.stored import StoredConflict

AT_ONCE: Final = 1000  # rows of one look
PATIENCE: Final = 10.0  # seconds
_PAUSE: Final = 0.02  # seconds


@dataclass(slots=True)
class _Awaited:
    """The floor can rise to `number` when these transactions have ended."""

    number: int
    writers: set[str]


@dataclass(slots=True)
class Follower:
    """What was seen, on one connection."""

    reader: ConflictLogReader
    filters: Filters
    _floor: int = 0
    _last: int = 0
    _seen: set[int] = field(default_factory=set)
    _awaited: list[_Awaited] = field(default_factory=list)

    def start(self) -> bool:
        """Takes all that is stored now as seen, what is just being stored included.

        Waits for transactions that are storing conflicts; False if one is not at its
        end after PATIENCE: what it stores may come under numbers that count as seen.
        """
        self._floor = self._last = self._highest()
        writers = self._writers()
        give_up = time.monotonic() + PATIENCE
        while writers and time.monotonic() < give_up:
            time.sleep(_PAUSE)
            writers &= self._writers()
        return not writers

    def see(self, conflicts: Iterable[StoredConflict]) -> None:
        """Takes these as seen."""
        self._seen |= {
            conflict.conflict_id
            for conflict in conflicts
            if conflict.conflict_id > self._floor
        }

    def new(self) -> list[StoredConflict]:
        """What was stored since, by number; at most AT_ONCE, then there may be more."""
        # In this order: whoever took a number up to `highest` and is not among the
        # writers has ended, and what it stored is visible to the look.
        highest = self._highest()
        if highest == self._last and not self._awaited:
            return []
        writers = self._writers()
        found = self._look()
        self.see(found)
        full = len(found) == AT_ONCE
        reached = found[-1].conflict_id if full else highest
        self._last = -1 if full else highest
        self._awaited.append(_Awaited(reached, writers))
        self._rise(writers, reached)
        return found

    def _rise(self, writers: set[str], reached: int) -> None:
        """Lifts the floor as far as nobody can store below it any more.

        Not above `reached`: what lies there has not been looked at.
        """
        for awaited in self._awaited:
            awaited.writers &= writers
        ended = [each.number for each in self._awaited if not each.writers]
        self._awaited = [
            each for each in self._awaited if each.writers or each.number > reached
        ]
        self._floor = max([self._floor, *(min(number, reached) for number in ended)])
        self._seen = {number for number in self._seen if number > self._floor}

    def _highest(self) -> int:
        return int(self.reader.fetch(query("conflict_id_last"), ())[0][0])

    def _writers(self) -> set[str]:
        rows = self.reader.fetch(query("conflict_writers"), ())
        return {str(name) for (name,) in rows}

    def _look(self) -> list[StoredConflict]:
        values = (*self.filters.values(), self._floor, sorted(self._seen), AT_ONCE)
        rows = self.reader.fetch(statements.arrived(), values, by_block=True)
        return from_rows(rows)
