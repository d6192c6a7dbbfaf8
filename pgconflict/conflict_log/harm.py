"""Conflicts without those that did nothing to the data, however many these are.

What was looked at comes from an index that leaves out effect `none`. What nobody looked
at yet is in no such index, so that it costs who writes nothing: it is read by the hours
of which the counts say that they have some, which are the last ones as a rule.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Final

from pgconflict.conflict_log import spans
from pgconflict.conflict_log.reader import place_of
from pgconflict.queries import query

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from pgconflict.conflict_log.filters import Filters
    from pgconflict.conflict_log.reader import ConflictLogReader, Place
    from pgconflict.conflict_log.stored import StoredConflict

HOUR: Final = timedelta(hours=1)


def conflicts(
    reader: ConflictLogReader,
    filters: Filters,
    *,
    limit: int,
    after: Place | None = None,
    newest_first: bool = True,
) -> Iterator[StoredConflict]:
    """As the reader's, without effect `none` where the filters ask for harm."""
    if not filters.harmful or not reader.fetch(query("effects_known"), ())[0][0]:
        return reader.conflicts(
            filters, limit=limit, after=after, newest_first=newest_first
        )
    looked_at = reader.conflicts(
        replace(filters, looked_at=True),
        limit=limit,
        after=after,
        newest_first=newest_first,
    )
    others = _not_looked_at(
        reader,
        replace(filters, looked_at=False),
        limit=limit,
        after=after,
        newest_first=newest_first,
    )
    both = merge(looked_at, others, key=_order, reverse=newest_first)
    return islice(both, limit)


def _order(conflict: StoredConflict) -> tuple[datetime, int]:
    place = place_of(conflict)
    return place.first_logged_at, place.conflict_id


def _not_looked_at(
    reader: ConflictLogReader,
    filters: Filters,
    *,
    limit: int,
    after: Place | None,
    newest_first: bool,
) -> Iterator[StoredConflict]:
    left = limit
    for low, high in _times(reader, filters, after, newest_first=newest_first):
        of_time = replace(
            filters,
            since=max(filters.since or low, low),
            until=min(filters.until or high, high),
        )
        for conflict in reader.conflicts(
            of_time, limit=left, after=after, newest_first=newest_first
        ):
            yield conflict
            left -= 1
        if left <= 0:
            return


def _times(
    reader: ConflictLogReader,
    filters: Filters,
    after: Place | None,
    *,
    newest_first: bool,
) -> Iterator[tuple[datetime, datetime]]:
    """Times that have such conflicts, each as long as hours with some go on."""
    first, last = reader.fetch(query("conflict_bounds"), ())[0]
    if first is None:
        return
    first = max(first, filters.since) if filters.since else first
    last = min(last, filters.until) if filters.until else last
    if after is not None and newest_first:
        last = min(last, after.first_logged_at)
    elif after is not None:
        first = max(first, after.first_logged_at)
    for low, high in spans.windows(first, last, newest_first=newest_first):
        rows = reader.fetch(query("conflicts_not_looked_at"), (low, high))
        times: list[tuple[datetime, datetime]] = []
        for (hour,) in rows:
            if times and times[-1][1] == hour:
                times[-1] = (times[-1][0], hour + HOUR)
            else:
                times.append((hour, hour + HOUR))
        yield from reversed(times) if newest_first else times
