"""The conflict log stores each conflict once, whatever is read how often."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import psycopg
import pytest
import pytest_asyncio

from pgconflict.conflict_log.entry import Batch, LogPosition, Node, Recorded
from pgconflict.conflict_log.schema import install
from pgconflict.conflict_log.writer import ConflictLogWriter
from pgconflict.core.conflict import FinishLsn, StoryEvent
from pgconflict.core.fields import SCAN_FIELDS
from tests.fixtures.entries import NOON, entry

if TYPE_CHECKING:
    from tests.fixtures.servers import ConflictLogServer

NODE = Node(name="a", system_identifier=7_000_000_000_000_000_001)

Rows = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def database(conflict_log_server: ConflictLogServer) -> str:
    dsn = conflict_log_server.new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        install(connection)
    return dsn


@pytest.fixture
def rows(database: str) -> Rows:
    def select(what: str = "*", rest: str = "") -> list[tuple[Any, ...]]:
        with psycopg.connect(database) as connection:
            return connection.execute(
                f"select {what} from pgconflict.conflict_log {rest}".encode()
            ).fetchall()

    return select


async def connect(dsn: str) -> asyncpg.Connection:
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    return await asyncpg.connect(
        host=str(parts["host"]),
        port=int(str(parts["port"])),
        database=str(parts["dbname"]),
        user=str(parts["user"]),
    )


@pytest_asyncio.fixture
async def writer(database: str) -> AsyncIterator[ConflictLogWriter]:
    writer = await ConflictLogWriter.over(await connect(database), NODE)
    yield writer
    await writer.close()


async def write(
    writer: ConflictLogWriter, *entries: Recorded, **more: Any
) -> tuple[int, int]:
    counted = await writer.write(Batch(entries=entries, **more))
    return sum(counted.conflicts.values()), sum(counted.attempts.values())


async def test_a_retry_is_an_attempt_and_a_replay_is_nothing(
    writer: ConflictLogWriter, rows: Rows
) -> None:
    first = entry(session="1.1", stalls=True)
    retries = [entry(session=f"{n}.1", at=5 * n, stalls=True) for n in range(2, 5)]

    assert await write(writer, first) == (1, 1)
    assert await write(writer, *retries) == (0, 3)
    assert await write(writer, *retries, first) == (0, 0)
    assert await write(writer, first) == (0, 0)

    assert rows("attempts, first_logged_at, last_logged_at, status") == [
        (4, NOON, NOON + timedelta(seconds=20), "open")
    ]


async def test_equal_entries_of_one_attempt_are_told_apart_by_place(
    writer: ConflictLogWriter, rows: Rows
) -> None:
    one = [entry(session="1.1", line=n, key="") for n in (2, 3, 4)]
    two = [entry(session="2.1", line=n, key="", at=5) for n in (9, 10, 11)]

    assert await write(writer, *one[:2]) == (2, 2)
    assert await write(writer, one[2]) == (1, 1)
    assert await write(writer, *two) == (0, 3)
    assert await write(writer, *two, *one) == (0, 0)

    assert sorted(rows("place, attempts")) == [(1, 2), (2, 2), (3, 2)]


@pytest.mark.parametrize("how", ["whole", "streamed"])
@pytest.mark.parametrize("seed", range(6))
async def test_any_order_and_cutting_gives_the_same_rows(
    writer: ConflictLogWriter, rows: Rows, seed: int, how: str
) -> None:
    """Attempts of whole transactions, in any order, cut anywhere, read twice.

    Those that are streamed lack their LSN: by that no row's day can be known.
    """
    chance = random.Random(seed)
    attempts = [
        [
            entry(
                session=f"{xid}{attempt}.1",
                line=10 * attempt + n,
                at=xid + attempt * (40_000 if how == "streamed" else 5),
                xid=xid,
                lsn=None if how == "streamed" else xid * 1000,
                key=f"(id)=({n // 2})",
            )
            for n in range(6)
        ]
        for xid in range(700, 710)
        for attempt in range(1, 1 + xid % 4)
    ]
    read = attempts * 2
    chance.shuffle(read)
    stream = list(itertools.chain.from_iterable(read))

    attempted = 0
    while stream:
        size = chance.choice([1, 2, 7, 150])
        part, stream = stream[:size], stream[size:]
        attempted += (await write(writer, *part))[1]

    expected = sorted(
        (xid, f"(id)=({key})", place, xid % 4)
        for xid in range(700, 710)
        if xid % 4
        for key in range(3)
        for place in (1, 2)
    )
    assert expected == sorted(
        rows("remote_xid, replica_identity_text, place, attempts")
    )
    assert attempted == sum(map(len, attempts))


async def test_many_at_once_are_stored_once(
    writer: ConflictLogWriter, rows: Rows
) -> None:
    many = [entry(key=f"(id)=({n})", line=n) for n in range(2000)]

    assert await write(writer, *many) == (2000, 2000)
    assert await write(writer, *many) == (0, 0)
    more = [entry(key=f"(id)=({n})", line=n) for n in range(1500, 3000)]
    assert await write(writer, *more) == (1000, 1000)

    assert rows("count(*), count(distinct conflict_id)") == [(3000, 3000)]


async def test_a_conflict_is_the_same_over_midnight_and_a_new_writer(
    database: str, rows: Rows
) -> None:
    day = 86400
    for attempt in range(4):
        writer = await ConflictLogWriter.over(await connect(database), NODE)
        await write(writer, entry(session=f"{attempt}.1", at=attempt * day))
        await write(
            writer,
            entry(
                session=f"{attempt}.1",
                at=attempt * day,
                line=3,
                key="(id)=(2)",
                lsn=0x2_0000 + attempt,
            ),
        )
        await writer.close()

    # The second conflict has another LSN each time: other transactions, xid reused.
    assert sorted(rows("replica_identity_text, attempts")) == [
        ("(id)=(1)", 4),
        *[("(id)=(2)", 1)] * 4,
    ]


async def test_an_earlier_attempt_read_later_moves_the_row_to_its_day(
    writer: ConflictLogWriter, rows: Rows
) -> None:
    await write(writer, entry(session="2.1", at=86400))
    await write(writer, entry(session="1.1", at=0))

    assert rows("first_logged_at, attempts, tableoid::regclass::text") == [
        (NOON, 2, "pgconflict.conflict_log_20261120")
    ]
    assert await write(writer, entry(session="2.1", at=86400)) == (0, 0)
    assert await write(writer, entry(session="1.1", at=0)) == (0, 0)


async def test_position_and_rows_move_together(
    writer: ConflictLogWriter, rows: Rows
) -> None:
    def position(offset: int) -> LogPosition:
        return LogPosition(
            log_format="jsonlog",
            file_name="postgresql.json",
            signature=b"\x01\x02",
            signature_length=2,
            byte_offset=offset,
            state={"workers": {"24272": "sub"}},
        )

    assert await writer.position() is None
    await write(writer, entry(), position=position(10))
    await write(writer, entry(line=3, key="2"), position=position(20))
    assert await writer.position() == position(20)
    # A duplicate goes through the stage, and the position with it.
    await write(writer, entry(), position=position(30))
    assert await writer.position() == position(30)

    bad = entry(line=4, key="3", remote_commit_ts="not a time")
    with pytest.raises(ValueError, match="not a time"):
        await write(writer, bad, position=position(40))
    assert await writer.position() == position(30)
    assert len(rows()) == 2


async def test_a_streamed_transaction_gets_its_lsn_when_the_leader_tells(
    writer: ConflictLogWriter, database: str, rows: Rows
) -> None:
    def streamed(session: str, at: float) -> Sequence[Recorded]:
        return [
            entry(session=session, line=n, at=at, lsn=None, key=f"{n}")
            for n in range(3)
        ]

    await write(writer, *streamed("1.1", 0))
    assert rows("distinct remote_commit_lsn") == [(None,)]
    told = FinishLsn(
        log_time=NOON, remote_origin="pg_16400", remote_xid=700, remote_commit_lsn=9999
    )
    await write(writer, finish_lsns=[told])
    await write(writer, *streamed("2.1", 5))
    await writer.close()
    again = await ConflictLogWriter.over(await connect(database), NODE)
    await write(again, *streamed("3.1", 10))
    by_leader = entry(session="4.1", line=1, at=15, lsn=9999, key="1")
    assert await write(again, by_leader) == (0, 1)
    assert await write(again, *streamed("1.1", 0), by_leader) == (0, 0)
    await again.close()

    assert sorted(rows("remote_commit_lsn::text, replica_identity_text, attempts")) == [
        ("0/270F", "0", 3),
        ("0/270F", "1", 4),
        ("0/270F", "2", 3),
    ]


async def test_a_streamed_burst_is_stored_once(
    writer: ConflictLogWriter, database: str, rows: Rows
) -> None:
    def streamed(numbers: range, session: str = "1.1", at: float = 0) -> list[Recorded]:
        return [
            entry(session=session, line=n, at=at, lsn=None, key=f"{n}") for n in numbers
        ]

    assert await write(writer, *streamed(range(500))) == (500, 500)
    assert await write(writer, *streamed(range(400, 1000))) == (500, 500)
    # The next attempt, on the next day; then the first once more.
    assert await write(writer, *streamed(range(900), "2.1", 86_400)) == (0, 900)
    assert await write(writer, *streamed(range(1000, 1200), "2.1", 86_400)) == (
        200,
        200,
    )
    assert await write(writer, *streamed(range(1100))) == (0, 100)
    await writer.close()
    again = await ConflictLogWriter.over(await connect(database), NODE)
    assert await write(again, *streamed(range(900), "2.1", 86_400)) == (0, 0)
    assert await write(again, *streamed(range(50), "3.1", 172_800)) == (0, 50)
    await again.close()

    assert rows("count(*), sum(attempts)::int") == [(1200, 2250)]


async def test_a_streamed_attempt_read_after_the_leaders_is_the_same_conflict(
    writer: ConflictLogWriter, rows: Rows
) -> None:
    await write(writer, entry(session="2.1", at=5, lsn=9999))
    await write(writer, entry(session="1.1", at=0, lsn=None))

    assert rows("remote_commit_lsn::text, attempts") == [("0/270F", 2)]


async def test_a_leaders_attempt_completes_what_was_streamed(
    writer: ConflictLogWriter, rows: Rows
) -> None:
    await write(writer, entry(session="1.1", at=0, lsn=None))
    await write(writer, entry(session="2.1", at=5, lsn=9999))

    assert rows("remote_commit_lsn::text, attempts") == [("0/270F", 2)]


def story(what: Any, at: float, lsn: int | None = None) -> StoryEvent:
    return StoryEvent(
        what=what,
        log_time=NOON + timedelta(seconds=at),
        subname="sub",
        lsn=lsn,
        pid=1,
    )


async def test_stories_end(writer: ConflictLogWriter, rows: Rows) -> None:
    def status() -> list[str]:
        return [s for (s,) in rows("status", "order by remote_xid")]

    await write(writer, entry(stalls=True, lsn=1000, xid=1))
    await write(writer, events=[story("disabled", 1)])
    assert status() == ["disabled"]
    await write(writer, entry(stalls=True, lsn=1000, xid=1, session="2.1", at=2))
    assert status() == ["open"]
    await write(writer, events=[story("skip_finished", 3, lsn=1000)])
    assert status() == ["skipped"]
    # A later transaction in the log shows that the earlier one is past.
    await write(writer, entry(stalls=True, lsn=2000, xid=2, at=4, session="3.1"))
    await write(writer, entry(lsn=3000, xid=3, at=5, session="4.1"))
    assert status() == ["skipped", "applied", "applied"]
    await write(writer, entry(stalls=True, lsn=4000, xid=4, at=6, session="5.1"))
    await writer.origin_moved(16400, 4000, NOON + timedelta(seconds=7))
    assert status()[-1] == "open"
    await writer.origin_moved(16400, 4001, datetime.now(UTC))
    assert status() == ["skipped", "applied", "applied", "applied"]


async def test_text_that_postgresql_cannot_hold_is_replaced(
    writer: ConflictLogWriter, rows: Rows
) -> None:
    await write(writer, entry(message="torn\0line"))
    await write(
        writer, *[entry(message="a\0b", key=f"{n}", line=n) for n in range(200)]
    )

    assert rows("count(*)", "where message = 'torn\N{REPLACEMENT CHARACTER}line'") == [
        (1,)
    ]
    assert rows("count(*)") == [(201,)]


@pytest.mark.parametrize("destination", ["log", "all"])
async def test_destination_log_prints_json_lines(
    database: str, rows: Rows, capfdbinary: Any, destination: Any
) -> None:
    writer = await ConflictLogWriter.over(
        await connect(database), NODE, destination=destination
    )
    await write(writer, entry(stalls=True), entry(line=3, key="(id)=(2)"))
    await writer.close()

    lines = capfdbinary.readouterr().out.splitlines()
    first = json.loads(lines[0])
    assert len(lines) == 2
    assert tuple(first) == SCAN_FIELDS
    assert first["remote_commit_lsn"] == "0/10000"
    assert first["first_logged_at"] == "2026-11-20T12:00:00Z"
    assert (first["attempts"], first["status"]) == (1, "open")
    assert len(rows()) == (0 if destination == "log" else 2)


async def test_one_writer_a_node(database: str) -> None:
    first = await ConflictLogWriter.over(await connect(database), NODE)
    second = await ConflictLogWriter.over(await connect(database), NODE)

    assert await first.claim()
    assert not await second.claim()
    await first.close()
    assert await second.claim()
    await second.close()


def test_init_twice_changes_nothing(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        assert install(connection) == []
