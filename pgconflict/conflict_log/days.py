"""The days of the conflict log: made when they are needed, and written to directly.

A day is a partition, by the UTC day of an entry's first logging. What is surely new
need not be looked for on other days, so it goes straight into its own.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg
from psycopg import sql

from pgconflict.conflict_log import rows as table
from pgconflict.conflict_log.copy_format import COPY_COLUMNS, encoded
from pgconflict.conflict_log.tally import Tally
from pgconflict.queries import query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.conflict_log.entry import Node, Recorded


class Days:
    """The days that one connection writes one node's entries to."""

    def __init__(
        self, connection: asyncpg.Connection, node: Node, retention: timedelta | None
    ) -> None:
        """`retention`: days before now - retention are not made; None: all are."""
        self._connection = connection
        self._node = node
        self._retention = retention
        self._made: set[date] = set()

    async def make(self, days: set[date]) -> bool:
        """Makes the days that are missing; whether one is too old to have any."""
        horizon = date.min
        if self._retention is not None:
            horizon = (datetime.now(UTC) - self._retention).date()
        for day in sorted(days - self._made):
            if day >= horizon:
                await self._connection.execute(
                    "select pgconflict.make_partition($1)", day
                )
                self._made.add(day)
        return any(day < horizon for day in days)

    async def insert(
        self, day: date, rows: list[table.Row], position: Sequence[object]
    ) -> Tally:
        """One statement; what it stored, which is less than all on a duplicate.

        `position`: as `move_position` has it, eight nulls for none. It moves only
        where all was stored. What was stored stays: the stage, which then takes the
        whole batch, knows these rows again by their log entries.
        """
        partition = sql.Identifier(_partition(day))
        statement = sql.SQL(query("record_few")).format(day=partition)
        stored = await self._connection.fetch(
            statement.as_string(None), table.json_rows(rows), len(rows), *position
        )
        return Tally.of(stored)

    async def copy(self, day: date, entries: Sequence[Recorded]) -> bool:
        """COPY straight into the day; False, and nothing stored, on a duplicate."""
        try:
            async with self._connection.transaction():
                await self._connection.copy_to_table(
                    _partition(day),
                    schema_name="pgconflict",
                    columns=COPY_COLUMNS,
                    source=encoded(self._node, entries),
                    format="binary",
                )
        except asyncpg.UniqueViolationError:
            return False
        return True


def days_of(entries: Sequence[Recorded]) -> set[date]:
    """The UTC days on which the entries were logged."""
    return {entry.conflict.log_time.astimezone(UTC).date() for entry in entries}


def _partition(day: date) -> str:
    return f"conflict_log_{day:%Y%m%d}"
