"""Makes the conflict log's days ahead of time and drops those past the retention."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from pgconflict.queries import query

if TYPE_CHECKING:
    import asyncpg

AHEAD = 3  # days; a daemon that is away over a weekend still finds Monday's


@dataclass(frozen=True, slots=True)
class Maintained:
    """What one round changed."""

    made: tuple[date, ...]
    dropped: tuple[date, ...]


async def maintain(
    connection: asyncpg.Connection, retention: timedelta | None, now: datetime
) -> Maintained:
    """Makes today's and the next days' partitions, drops the ones too old.

    Dropping waits for nobody for long: the connection's lock_timeout bounds it, and
    the next round tries again.

    Args:
        connection: To the conflict log, in no transaction.
        retention: How long rows are kept; None keeps them for ever.
        now: Aware; days are UTC days.

    Raises:
        asyncpg.PostgresError: as the server says, lock_timeout included.
    """
    today = now.astimezone(UTC).date()
    made = []
    for number in range(AHEAD + 1):
        day = today + timedelta(days=number)
        if await connection.fetchval("select pgconflict.make_partition($1)", day):
            made.append(day)
    await connection.execute(query("forget_streamed"))
    dropped: list[date] = []
    if retention is not None:
        before = (now - retention).astimezone(UTC).date()
        rows = await connection.fetch(
            "select day from pgconflict.drop_partitions($1) as d (day)", before
        )
        dropped = [row["day"] for row in rows]
        if dropped:
            await connection.execute("select pgconflict.forget_verdicts($1)", before)
    return Maintained(tuple(made), tuple(dropped))
