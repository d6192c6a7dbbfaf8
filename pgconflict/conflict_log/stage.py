"""Entries that may be in the conflict log already: found there, or made rows.

They are laid beside the log in a temporary table of the connection, and a few
statements sort them: the same entry read again changes nothing, another attempt is
counted, what is left is new. All in the caller's transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgconflict.conflict_log import rows as table
from pgconflict.conflict_log.tally import Tally
from pgconflict.queries import query

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

Bounds = tuple["datetime", "datetime"]


class Stage:
    """The temporary table of one connection."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._made = False
        self.native_waiting = False
        """Whether rows of PostgreSQL's own tables still lack their log entries."""

    async def store(self, rows: list[table.Row], bounds: Bounds) -> tuple[Tally, Tally]:
        """Stores log entries; the new conflicts, and the attempts with them.

        `bounds`: the days that can hold them.
        """
        connection = self._connection
        await self._fill(rows)
        await connection.execute(query("stage_drop_double"))
        await connection.execute(query("stage_drop_known"), *bounds)
        # Only here the stage meets itself, not a day: each row its attempt.
        await connection.execute("set local enable_hashjoin = on")
        await connection.execute(query("stage_place"), *bounds)
        await connection.execute("set local enable_hashjoin = off")
        adopted: list[asyncpg.Record] = []
        if self.native_waiting:
            adopted = await connection.fetch(query("native_adopt"), *bounds)
        await connection.execute(query("stage_mark_fresh"), *bounds)
        conflicts = Tally.of(await connection.fetch(query("stage_insert")))
        repeated = await connection.fetch(query("stage_attempts"), *bounds)
        attempts = Tally.of([*repeated, *adopted])
        attempts.add(conflicts)
        await connection.execute("delete from pg_temp.stage")
        return conflicts, attempts

    async def store_native(self, rows: list[table.Row], bounds: Bounds) -> Tally:
        """Stores rows of PostgreSQL's own tables, or completes the rows there are."""
        await self._fill(rows)
        await self._connection.execute(query("native_merge"), *bounds)
        stored = await self._connection.fetch(query("native_insert"))
        await self._connection.execute("delete from pg_temp.stage")
        return Tally.of(stored)

    async def _fill(self, rows: list[table.Row]) -> None:
        connection = self._connection
        if not self._made:
            await connection.execute(query("stage_create"))
            self._made = True
        # The stage has no statistics; every look-up must use the day's index.
        await connection.execute(query("stage_plans"))
        await connection.copy_records_to_table(
            "stage", schema_name="pg_temp", columns=table.COLUMNS, records=rows
        )
