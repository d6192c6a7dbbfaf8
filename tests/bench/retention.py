"""How long a day of the conflict log takes to go, and what it leaves.

The first of 90 days with `PGCONFLICT_BENCH_ROWS` rows; see `questions`.
"""

from __future__ import annotations

from datetime import timedelta

import psycopg

from pgconflict.conflict_log.schema import install
from tests.bench.harness import (
    Line,
    Workshop,
    at_most,
    measurement,
    seconds,
    without_aim,
)
from tests.bench.questions import DAYS, ROWS, SETTINGS, STORM, fill
from tests.fixtures.servers import ConflictLogServer

AIM = 1.0  # seconds
FIRST = STORM - timedelta(days=DAYS - 1)

DEAD = "select coalesce(sum(n_dead_tup), 0) from pg_stat_user_tables"
KEPT = "select count(*) from pgconflict.conflict_log_kept"


@measurement
def retention(workshop: Workshop) -> list[Line]:
    """Seconds in which the retention drops a day, and rows that it leaves dead."""
    settings = {**SETTINGS, "fsync": True}
    server = ConflictLogServer(workshop.servers.cluster(18, settings=settings))
    dsn = server.new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        install(connection)
        fill(connection, ROWS)
        rows = _number(
            connection, f"select count(*) from pgconflict.conflict_log_{FIRST:%Y%m%d}"
        )
        before = _number(connection, DEAD)

        def drop() -> None:
            connection.execute(
                "select pgconflict.drop_partitions(%s)", (FIRST + timedelta(days=1),)
            )

        took = seconds(drop)
        connection.execute("select pg_stat_force_next_flush()")
        dead = _number(connection, DEAD) - before
        kept = _number(connection, KEPT)
    return [
        at_most(f"drop a day of {rows:,} rows", [took], "s", AIM),
        without_aim("dead counts of hours that it leaves", [dead], "rows"),
        Line("conflicts it keeps: open, or not acknowledged", f"{kept} rows"),
    ]


def _number(connection: psycopg.Connection[tuple[int]], question: str) -> int:
    row = connection.execute(question.encode()).fetchone()
    assert row is not None
    return int(row[0])
