"""Conflicts as events: what several nodes logged of one event is one of them.

Only what is proved is joined, see docs/verdict.md; all else is an event of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pgconflict.conflict_log import harm, statements
from pgconflict.conflict_log.filters import Filters
from pgconflict.conflict_log.reader import AT_ONCE, place_of
from pgconflict.conflict_log.stored import StoredConflict, from_row
from pgconflict.core.verdict import Effect
from pgconflict.queries import query

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pgconflict.conflict_log.reader import ConflictLogReader, Place

# None is not decided: it may turn out to be any of those before.
_WORST_FIRST: Final = (
    Effect.APPLY_STOPPED,
    Effect.DIVERGED,
    Effect.WRITE_LOST,
    Effect.UNKNOWN,
    None,
    Effect.NONE,
)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a list: a conflict, or several that are one event."""

    conflict: StoredConflict
    """The first in the list's order that passes its filters."""

    event_id: int | None = None
    """None where nothing is joined to the conflict."""

    members: tuple[StoredConflict, ...] = ()
    """All of its conflicts, in the order in which they were logged."""

    @property
    def conflicts(self) -> tuple[StoredConflict, ...]:
        """Its conflicts, also if it is only one."""
        return self.members or (self.conflict,)

    @property
    def effect(self) -> str | None:
        """The worst effect of its conflicts; None while that is not decided."""
        found = [one.effect for one in self.conflicts]
        known = [effect for effect in _WORST_FIRST if effect in found]
        return known[0] if known else found[0]


def events(
    reader: ConflictLogReader,
    filters: Filters,
    *,
    limit: int,
    after: Place | None = None,
    newest_first: bool = True,
) -> Iterator[Event]:
    """At most `limit` events, each where its first conflict is that passes the filters.

    Args:
        reader: Of the conflict log.
        filters: What one of its conflicts must be.
        limit: How many.
        after: Only those behind this conflict, in the order asked for.
        newest_first: The latest first, else the earliest.
    """
    left, place = limit, after
    while left > 0:
        # More than are wanted: of an event all but one are left out.
        asked = min(2 * left, AT_ONCE)
        page = list(
            harm.conflicts(
                reader, filters, limit=asked, after=place, newest_first=newest_first
            )
        )
        joined = _joined(reader, filters, page)
        for conflict in page:
            of_it = joined.get(conflict.conflict_id)
            if of_it is None:
                yield Event(conflict)
            elif _leads(conflict, of_it, newest_first=newest_first):
                yield Event(conflict, of_it.event_id, tuple(of_it.members))
            else:
                continue
            left -= 1
            if left <= 0:
                return
        if len(page) < asked:
            return
        place = place_of(page[-1])


def event_of(reader: ConflictLogReader, conflict: StoredConflict) -> Event:
    """The event that a conflict is part of."""
    of_it = _joined(reader, Filters(), [conflict]).get(conflict.conflict_id)
    if of_it is None:
        return Event(conflict)
    return Event(conflict, of_it.event_id, tuple(of_it.members))


@dataclass(slots=True)
class _Joined:
    event_id: int
    members: list[StoredConflict]
    passing: list[StoredConflict]


def _joined(
    reader: ConflictLogReader, filters: Filters, page: Sequence[StoredConflict]
) -> dict[int, _Joined]:
    """By conflict, the event that it is part of, of those that have a second one."""
    numbers = [conflict.conflict_id for conflict in page]
    rows = reader.fetch(query("conflict_event"), (numbers,))
    if not rows:
        return {}
    _, members, times = zip(*rows, strict=True)
    stored = {
        member.conflict_id: (passes, member)
        for passes, *columns in reader.fetch(
            statements.members(), (*filters.values(), list(members), list(set(times)))
        )
        for member in [from_row(tuple(columns))]
    }
    found: dict[int, _Joined] = {}
    for event_id, number, _ in rows:
        if number not in stored:
            continue
        passes, member = stored[number]
        of_it = found.setdefault(event_id, _Joined(event_id, [], []))
        of_it.members.append(member)
        if passes and not (filters.harmful and member.effect == Effect.NONE):
            of_it.passing.append(member)
    return {
        member.conflict_id: of_it
        for of_it in found.values()
        for member in of_it.members
        if len(of_it.members) > 1
    }


def _leads(conflict: StoredConflict, of_it: _Joined, *, newest_first: bool) -> bool:
    """Whether no other conflict of the event comes before it in the list."""
    number = -1 if newest_first else 0
    passing = of_it.passing
    return not passing or passing[number].conflict_id == conflict.conflict_id
