"""Positions of nodes that were seen, in the conflict log: a restart forgets none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pgconflict.conflict_log.unavailable import translated
from pgconflict.core.progress import Sample
from pgconflict.queries import query

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import asyncpg


class Seen(msgspec.Struct, frozen=True):
    """One position of one node; without `subid` that of its own WAL."""

    system_identifier: int
    subid: int | None
    sample: Sample


async def positions_seen(connection: asyncpg.Connection) -> list[Seen]:
    """Return what was seen in the last hours, in its order.

    Raises:
        ConflictLogUnavailableError: the conflict log is away.
    """
    async with translated():
        rows = await connection.fetch(query("positions_seen"))
    return [
        Seen(
            row["system_identifier"],
            row["subid"],
            Sample(
                row["began"],
                row["ended"],
                row["lsn"],
                row["up_since"],
                row["oldest_xid"],
                row["confirmed"],
            ),
        )
        for row in rows
    ]


async def put_positions(
    connection: asyncpg.Connection, seen: Sequence[Seen], void: Collection[int]
) -> None:
    """Store what was seen; `void`: nodes of which nothing earlier counts.

    Raises:
        ConflictLogUnavailableError: the conflict log is away.
    """
    if not seen and not void:
        return
    columns = [
        [one.system_identifier for one in seen],
        [one.subid for one in seen],
        [one.sample.began for one in seen],
        [one.sample.ended for one in seen],
        [one.sample.position for one in seen],
        [one.sample.confirmed for one in seen],
        [one.sample.oldest_xid for one in seen],
        [one.sample.up_since for one in seen],
    ]
    async with translated():
        await connection.execute(query("positions_put"), *columns, list(void))
