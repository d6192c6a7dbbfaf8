"""What `check` says of the ledger: conflicts counted by a server and not recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.rows import class_row

from pgconflict.cli.status_words import reason_text, utc
from pgconflict.queries import query
from pgconflict.server.checks import Check, Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import psycopg


@dataclass(frozen=True, slots=True)
class _Row:
    node: str
    subname: str
    database: str | None
    counter: str
    unaccounted: int
    began_at: datetime
    reasons: list[str]
    after: datetime | None


def unaccounted(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    """Yield a finding for each counter that differs from what is recorded."""
    with connection.cursor(row_factory=class_row(_Row)) as cursor:
        rows = cursor.execute(query("check_ledger").encode()).fetchall()
    for row in rows:
        counted = (
            "counted by the server and not recorded"
            if row.unaccounted > 0
            else "recorded and not counted by the server"
        )
        since = f"since {utc(row.after or row.began_at)} UTC"
        likely = ", ".join(reason_text(reason) for reason in row.reasons)
        where = f"subscription {row.subname}"
        if row.database is not None:
            where += f" (database {row.database})"
        yield Finding(
            node=row.node,
            check=Check.UNACCOUNTED,
            severity=Severity.WARNING,
            seen=f"{where}: {abs(row.unaccounted)} {row.counter} {counted} {since}"
            + (f"; likely: {likely}" if likely else ""),
            why="Conflicts happened that are not in the conflict log: nobody has"
            " looked at what they did.",
            remedy=(
                "-- where, and what is known of it: pgconflict status",
                "-- what the log files still hold: pgconflict scan FILE",
            ),
        )
