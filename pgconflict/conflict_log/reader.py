"""The conflict log's answers: pages of conflicts, one with all about it, sums.

Rows come by their place (first_logged_at, conflict_id), so that a page costs the same
wherever it begins and no row is shown twice. What may match few of many rows is looked
up in conflict_hour first: only days that hold something are read.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.rows import class_row

from pgconflict.conflict_log import schema, spans, statements
from pgconflict.conflict_log.stored import from_rows
from pgconflict.queries import query

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pgconflict.conflict_log.filters import Filters
    from pgconflict.conflict_log.spans import Span
    from pgconflict.conflict_log.stored import StoredConflict

Connection = psycopg.Connection[tuple[Any, ...]]
Row = tuple[Any, ...]

SHOWN: Final = 100
"""How many attempts, or conflicts of a transaction, `show` knows at most."""
AT_ONCE: Final = 1000
"""Rows of one statement: a long page is not held in memory."""
_INSTANT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a conflict stands among all: the cursor of a page."""

    first_logged_at: datetime
    conflict_id: int


@dataclass(frozen=True, slots=True)
class Companion:
    """A conflict of a remote transaction, by what names it."""

    conflict_id: int
    kind: str
    conflict_type: str | None
    operation: str | None
    schemaname: str | None
    relname: str | None
    relation: str | None
    replica_identity_text: str | None
    status: str
    stalls: bool
    attempts: int
    conflicts: int
    """How many the transaction has, shown or not."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One time that the server logged a conflict."""

    logged_at: datetime
    pid: int | None
    session_id: str
    line_num: int


@dataclass(frozen=True, slots=True)
class Sum:
    """Conflicts of one bucket of time, type, subscription or table, or of all."""

    level: int
    bucket: datetime | None
    kind: str | None
    conflict_type: str | None
    node: str | None
    subname: str | None
    schemaname: str | None
    relname: str | None
    relation: str | None
    conflicts: int
    attempts: int
    stalled: int


BY_TIME, BY_TYPE, BY_SUBSCRIPTION, BY_TABLE, TOTAL = range(5)


def place_of(conflict: StoredConflict) -> Place:
    """The cursor that goes on behind this conflict."""
    return Place(conflict.first_logged_at, conflict.conflict_id)


def refuse_other_schema(connection: Connection) -> None:
    """Raises ConfigError where the conflict log is not of the steps known here."""
    present = schema.installed_steps(connection)
    schema.refuse_other(present, connection.info.dbname)


class ConflictLogReader:
    """Questions on a connection in autocommit mode, which is this reader's alone."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        # Times are of UTC in every answer, and sums over months are grouped in memory.
        connection.execute("set timezone = 'UTC'")
        connection.execute("set work_mem = '32MB'")

    def conflicts(
        self,
        filters: Filters,
        *,
        limit: int,
        after: Place | None = None,
        newest_first: bool = True,
    ) -> Iterator[StoredConflict]:
        """At most `limit` conflicts, in the order of their first log entry.

        Args:
            filters: What they must be.
            limit: How many.
            after: Only those behind this one, in the order asked for.
            newest_first: The latest first, else the earliest.
        """
        if after is not None:
            filters = _beyond(filters, after, newest_first=newest_first)
        statement = statements.page(
            newest_first=newest_first, looked_at=filters.looked_at
        )
        left = limit
        for span in self._worth_reading(filters, newest_first=newest_first):
            asked = filters if span is None else within(filters, span)
            by_block = span is not None and self.by_block(filters, span)
            place = after
            while left > 0:
                at_once = min(left, AT_ONCE)
                values = (*asked.values(), *_cursor(place), at_once)
                found = from_rows(self.fetch(statement, values, by_block=by_block))
                yield from found
                left -= len(found)
                if len(found) < at_once:
                    break
                place = place_of(found[-1])
                asked = _beyond(asked, place, newest_first=newest_first)
            if left <= 0:
                return

    def spans(self, filters: Filters, *, newest_first: bool) -> Iterator[Span]:
        """The days that hold conflicts which may pass the filters."""
        first, last = self.fetch(query("conflict_bounds"), ())[0]
        if first is None:
            return
        first = max(first, filters.since) if filters.since else first
        last = min(last, filters.until) if filters.until else last
        for low, high in spans.windows(first, last, newest_first=newest_first):
            values = replace(filters, since=low, until=high).values()[:8]
            rows = self.fetch(query("conflict_days"), values)
            yield from (spans.Span(*row) for row in sorted(rows, reverse=newest_first))

    def by_block(self, filters: Filters, span: Span) -> bool:
        """Whether what passes is found by an index over blocks, or in order."""
        if filters.key is not None or filters.stalls_only:
            return True
        if not filters.names:
            return False
        rows = self.fetch(query("conflicts_within"), (span.low, span.high))
        return span.sparse(rows[0][0])

    def by_id(self, ids: Sequence[int]) -> dict[int, StoredConflict]:
        """Those of these conflicts that are in the conflict log."""
        # No bigint, no conflict.
        asked = [one for one in ids if abs(one) < 2**63]
        rows = self.fetch(statements.by_id(), (asked,), by_block=True)
        found = from_rows(rows)
        return {conflict.conflict_id: conflict for conflict in found}

    def transaction_of(self, conflict: StoredConflict) -> list[Companion]:
        """The first SHOWN conflicts of its remote transaction, itself among them."""
        place = place_of(conflict)
        return self._objects(
            Companion,
            "conflict_transaction",
            (place.conflict_id, place.first_logged_at, SHOWN),
        )

    def attempts_of(self, conflict: StoredConflict) -> list[Attempt]:
        """The last SHOWN times it was logged, newest first."""
        place = place_of(conflict)
        return self._objects(
            Attempt,
            "conflict_attempts",
            (place.conflict_id, place.first_logged_at, SHOWN),
        )

    def sums(self, filters: Filters, bucket: timedelta) -> list[Sum]:
        """Sums at each level, of conflicts that began in the filters' full hours.

        Status and key are not asked for: no sum knows them.
        """
        return self._objects(Sum, "conflict_summary", (*filters.values()[:8], bucket))

    def acknowledge(
        self,
        conflicts: Sequence[StoredConflict],
        *,
        by: str,
        note: str | None,
        again: bool,
    ) -> set[int]:
        """Marks conflicts as seen by a person; the numbers of those it changed.

        What is acknowledged already is left alone unless `again`.
        """
        ids = [conflict.conflict_id for conflict in conflicts]
        times = [conflict.first_logged_at for conflict in conflicts]
        rows = self.fetch(query("conflict_acknowledge"), (ids, times, by, note, again))
        return {row[0] for row in rows}

    def fetch(
        self,
        statement: str,
        values: Sequence[object],
        *,
        by_block: bool = False,
        by_row: bool = False,
    ) -> list[Row]:
        """The rows of one statement.

        Args:
            statement: With `$1` for its values.
            values: As many.
            by_block: Plan for what is rare; see `statements.BLOCK_PLANS`.
            by_row: Plan for rows that are known; see `statements.ROW_PLANS`.
        """
        with planned(self.connection, by_block=by_block, by_row=by_row):
            cursor = psycopg.RawCursor(self.connection)
            # Planned for these values: what asks for nothing must cost nothing.
            return cursor.execute(statement.encode(), values, prepare=False).fetchall()

    def _worth_reading(
        self, filters: Filters, *, newest_first: bool
    ) -> Iterator[Span | None]:
        """Days to read one after the other; None for all at once.

        Without names to look for any row will do, and what stopped apply has an
        index of its own.
        """
        if filters.key is None and (filters.stalls_only or not filters.names):
            yield None
        else:
            yield from self.spans(filters, newest_first=newest_first)

    def _objects(
        self, kind: type[Any], name: str, values: Sequence[object]
    ) -> list[Any]:
        cursor = psycopg.RawCursor(self.connection, row_factory=class_row(kind))
        return cursor.execute(query(name).encode(), values, prepare=False).fetchall()


@contextmanager
def planned(
    connection: Connection, *, by_block: bool, by_row: bool = False
) -> Iterator[None]:
    """A transaction in which statements are planned for what is rare, or none."""
    if not by_block and not by_row:
        yield
        return
    with connection.transaction():
        for setting in statements.BLOCK_PLANS if by_block else statements.ROW_PLANS:
            connection.execute(setting)
        yield


def within(filters: Filters, span: Span) -> Filters:
    """The filters, for one day of those that they ask for."""
    low = max(filters.since or span.low, span.low)
    high = min(filters.until or span.high, span.high)
    return replace(filters, since=low, until=high)


def _beyond(filters: Filters, after: Place, *, newest_first: bool) -> Filters:
    """The filters without the days before the cursor."""
    if newest_first:
        high = after.first_logged_at + _INSTANT
        return replace(filters, until=min(filters.until or high, high))
    low = after.first_logged_at
    return replace(filters, since=max(filters.since or low, low))


def _cursor(after: Place | None) -> tuple[object, object]:
    return (None, None) if after is None else (after.first_logged_at, after.conflict_id)
