"""What storing each conflict once costs, beside a COPY that looks at nothing.

Into an empty table, and into one with `PGCONFLICT_BENCH_ALREADY` rows over 90 days (two
million if it does not say), a quarter of them, ten million at most, in the day written.
"""

from __future__ import annotations

import asyncio
import os
import time
from itertools import count
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
import psycopg

from pgconflict.conflict_log import rows as table
from pgconflict.conflict_log.entry import Batch, LogPosition, Node, Recorded
from pgconflict.conflict_log.schema import install
from pgconflict.conflict_log.writer import ConflictLogWriter
from tests.bench.harness import Line, Workshop, at_least, measurement, without_aim
from tests.bench.questions import STORM, fill
from tests.fixtures.entries import NOON, entry
from tests.fixtures.servers import ConflictLogServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pgconflict.demo.settings import SettingValue

NODE = Node(name="a", system_identifier=7_000_000_000_000_000_001)
ROWS = 100_000
BATCH = 10_000
ALREADY = int(os.environ.get("PGCONFLICT_BENCH_ALREADY", "2000000"))

# As PostgreSQL ships: what is committed is on the disk.
SETTINGS: Mapping[str, SettingValue] = {
    "fsync": True,
    "full_page_writes": True,
    "shared_buffers": "256MB",
    "max_wal_size": "8GB",
}
DETAIL = (
    "Could not find the row to be updated.\n"
    "Remote row (1, 10, remote); replica identity (id)=(1)."
)
CONTEXT = (
    'processing remote data for replication origin "pg_16400" during message type'
    ' "UPDATE" for replication target relation "public.t" in transaction 769,'
    " finished at 0/1BB5CA8"
)


@measurement
def writer(workshop: Workshop) -> list[Line]:
    """Rows a second of the conflict log's writer, and of plain COPY into its table."""
    server = ConflictLogServer(workshop.servers.cluster(18, settings=SETTINGS))
    lines = []
    for already, what in ((0, "empty"), (ALREADY, f"{ALREADY:,} rows there")):
        dsn = server.new_database()
        with psycopg.connect(dsn, autocommit=True) as connection:
            install(connection)
            if already:
                fill(connection, already)
        lines += asyncio.run(_measure(dsn, already, what, workshop.rounds))
    return lines


async def _measure(dsn: str, already: int, what: str, rounds: int) -> list[Line]:
    numbers = count()
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    connection: Any = await asyncpg.connect(
        host=str(parts["host"]),
        port=int(str(parts["port"])),
        user=str(parts["user"]),
        database=str(parts["dbname"]),
    )
    stored = await ConflictLogWriter.over(connection, NODE)

    async def ours(entries: list[Recorded]) -> float:
        begin = time.perf_counter()
        for start in range(0, len(entries), BATCH):
            batch = entries[start : start + BATCH]
            await stored.write(Batch(entries=batch, position=_position(start)))
        return len(entries) / (time.perf_counter() - begin)

    async def copied(entries: list[Recorded]) -> float:
        rows = [table.row_of(NODE, each) for each in entries]
        begin = time.perf_counter()
        for start in range(0, len(rows), BATCH):
            await connection.copy_records_to_table(
                "conflict_log",
                schema_name="pgconflict",
                columns=table.COLUMNS,
                records=rows[start : start + BATCH],
            )
        return len(entries) / (time.perf_counter() - begin)

    await ours(_entries(numbers, 1))  # the day's partition, the statements' plans
    first, second, replayed = [], [], []
    for _ in range(rounds):
        if not already:
            await connection.execute(
                "truncate pgconflict.conflict_log, pgconflict.conflict_attempt"
            )
        entries = _entries(numbers, ROWS)
        first.append(await ours(entries))
        replayed.append(await ours(entries))
        second.append(await copied(_entries(numbers, ROWS)))
    await connection.close()
    ratios = [one / two for one, two in zip(first, second, strict=True)]
    return [
        at_least(f"writer, table: {what}", ratios, "x plain COPY", 0.6),
        without_aim(f"writer, table: {what}", first, "rows/s"),
        without_aim(f"writer, all known, table: {what}", replayed, "rows/s"),
    ]


def _entries(numbers: Iterator[int], how_many: int) -> list[Recorded]:
    """Return conflicts that were never stored before, of ever later transactions."""
    made = []
    for _, number in zip(range(how_many), numbers, strict=False):
        one = entry(
            key=f"(id)=({number})",
            line=number,
            at=(STORM - NOON.date()).total_seconds(),
            lsn=0x1_0000 + number,
            message='conflict detected on relation "public.t": conflict=update_missing',
            replica_identity={"id": str(number)},
            remote_tuple={"id": str(number), "v": "10", "w": "remote"},
        )
        conflict = msgspec.structs.replace(one.conflict, detail=DETAIL, context=CONTEXT)
        made.append(msgspec.structs.replace(one, conflict=conflict))
    return made


def _position(offset: int) -> LogPosition:
    return LogPosition(
        log_format="jsonlog",
        file_name="postgresql.json",
        signature=b"\x01",
        signature_length=1,
        byte_offset=offset,
        state={},
    )
