"""What was seen of tables, in the conflict log: a restart forgets none."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from pgconflict.conflict_log.unavailable import translated
from pgconflict.queries import query

if TYPE_CHECKING:
    from collections.abc import Iterable

    import asyncpg

LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
"""Stored as -infinity."""


class SeenTable(msgspec.Struct, kw_only=True):
    """One table of one node; every time is by the node's clock."""

    system_identifier: int
    relid: int
    seen_at: datetime
    """When it was looked at last, at least."""

    up_since: datetime
    """Of the server; another in the next look: it was restarted, or crashed."""

    change: str
    """Names the last change of its definition, or TRUNCATE."""

    same_since: datetime
    """Since when that is known to be the last."""

    vacuums: int
    """How many had ended."""

    vacuuming_ms: float | None
    """How long they all took; None until 17."""

    at_work_since: datetime | None = None
    """Since when at the earliest one is at work."""

    spans: list[tuple[datetime, datetime]] = msgspec.field(default_factory=list)
    """When vacuums may have been at work."""


async def tables_seen(connection: asyncpg.Connection) -> list[SeenTable]:
    """Return what was seen of tables before.

    Raises:
        ConflictLogUnavailableError: the conflict log is away.
    """
    async with translated():
        rows = await connection.fetch(query("tables_seen"))
    return [
        SeenTable(
            system_identifier=row["system_identifier"],
            relid=row["relid"],
            seen_at=_aware(row["seen_at"]),
            up_since=_aware(row["up_since"]),
            change=row["change"],
            same_since=_aware(row["same_since"]),
            vacuums=row["vacuums"],
            vacuuming_ms=row["vacuuming_ms"],
            at_work_since=row["at_work_since"] and _aware(row["at_work_since"]),
            spans=[
                (_aware(began), _aware(ended))
                for began, ended in zip(
                    row["vacuum_began"], row["vacuum_ended"], strict=True
                )
            ],
        )
        for row in rows
    ]


async def put_tables(
    connection: asyncpg.Connection, tables: Iterable[SeenTable]
) -> None:
    """Store what was seen of tables.

    Raises:
        ConflictLogUnavailableError: the conflict log is away.
    """
    rows = [
        (
            one.system_identifier,
            one.relid,
            one.seen_at,
            one.up_since,
            one.change,
            one.same_since,
            one.vacuums,
            one.vacuuming_ms,
            one.at_work_since,
            [began for began, _ in one.spans],
            [ended for _, ended in one.spans],
        )
        for one in tables
    ]
    if rows:
        async with translated():
            await connection.executemany(query("table_seen_put"), rows)


def _aware(moment: datetime) -> datetime:
    # asyncpg returns -infinity without a time zone.
    return LONG_AGO if moment.tzinfo is None else moment
