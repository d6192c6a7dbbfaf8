"""conflict_hour holds what conflict_log holds, whatever is done to it by whom."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from pgconflict.conflict_log.entry import Batch, Node
from pgconflict.conflict_log.retention import maintain
from pgconflict.conflict_log.schema import steps
from pgconflict.conflict_log.writer import ConflictLogWriter
from pgconflict.core.conflict import FinishLsn
from tests.fixtures.conflict_logs import connect, new_conflict_log, record, stalled
from tests.fixtures.entries import NOON, entry

if TYPE_CHECKING:
    from pgconflict.conflict_log.entry import Recorded
    from tests.fixtures.servers import ConflictLogServer

DAY = 86400

KEPT = """
select hour, node, subname, kind, conflict_type, schemaname, relname, relation,
       conflicts, attempts, stalled
  from pgconflict.conflict_hour where conflicts <> 0 or attempts <> 0 or stalled <> 0
 order by 1, 2, 3, 4, 5, 6, 7, 8
"""
COUNTED = """
select date_trunc('hour', first_logged_at, 'UTC'), node, subname, kind, conflict_type,
       schemaname, relname, relation, count(*), sum(attempts)::bigint,
       count(*) filter (where stalls)
  from pgconflict.conflict_log group by 1, 2, 3, 4, 5, 6, 7, 8
 order by 1, 2, 3, 4, 5, 6, 7, 8
"""


@pytest.fixture
def dsn(conflict_log_server: ConflictLogServer) -> str:
    return new_conflict_log(conflict_log_server)


def kept_and_counted(dsn: str) -> tuple[list[Any], list[Any]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(KEPT).fetchall(), connection.execute(
            COUNTED
        ).fetchall()


def assert_exact(dsn: str) -> None:
    kept, counted = kept_and_counted(dsn)
    assert kept == counted


def some(chance: random.Random, number: int) -> list[Recorded]:
    """Attempts of a few transactions over three days, some of them stalls."""
    return [
        entry(
            key=f"(id)=({chance.randrange(9)})",
            xid=(xid := chance.randrange(6)),
            # The streamed ones lack their LSN until somebody tells it.
            lsn=None if xid == 0 else 1000 * xid,
            at=chance.randrange(3 * DAY),
            session=f"{chance.randrange(4)}.{xid}",
            line=chance.randrange(50),
            conflict_type=chance.choice(["update_missing", "delete_missing"]),
            schemaname=chance.choice(["public", None]),
            stalls=xid == 5,
        )
        for _ in range(number)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_it_follows_whatever_the_daemon_writes(dsn: str, seed: int) -> None:
    chance = random.Random(seed)

    async def write() -> None:
        writers = [
            await ConflictLogWriter.over(
                await connect(dsn), Node(name=name, system_identifier=number)
            )
            for number, name in enumerate("ab", start=1)
        ]
        for _ in range(12):
            size = chance.choice([1, 1, 7, 150])
            await chance.choice(writers).write(Batch(entries=some(chance, size)))
        told = FinishLsn(
            log_time=NOON, remote_origin="pg_16400", remote_xid=0, remote_commit_lsn=77
        )
        for writer in writers:
            await writer.write(Batch(finish_lsns=[told], entries=some(chance, 30)))
            await writer.origin_moved(16400, 10**6, datetime.now(UTC))
            await writer.close()

    asyncio.run(write())

    kept, counted = kept_and_counted(dsn)
    assert kept == counted
    assert sum(row[8] for row in kept) > 20
    assert sum(row[9] for row in kept) > sum(row[8] for row in kept)


def test_it_follows_what_people_change_in_days_and_their_parent(dsn: str) -> None:
    record(dsn, [entry(key=str(n), line=n, at=n * 600) for n in range(200)])
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in (
            "delete from pgconflict.conflict_log_20261120 where line_num % 3 = 0",
            "delete from pgconflict.conflict_log where line_num % 5 = 0",
            "update pgconflict.conflict_log set relname = 'u' where line_num % 7 = 0",
            (
                "update pgconflict.conflict_log_20261120 set stalls = true"
                " where line_num % 11 = 0"
            ),
            (
                "update pgconflict.conflict_log"
                " set first_logged_at = first_logged_at - interval '1 day'"
                " where line_num % 13 = 0"
            ),
            (
                "insert into pgconflict.conflict_log_kept"
                " select * from pgconflict.conflict_log where false"
            ),
        ):
            connection.execute(statement.encode())
            assert_exact(dsn)


def test_it_forgets_the_days_that_go_and_keeps_what_stays(dsn: str) -> None:
    entries = [
        item
        for day in range(5)
        for item in (
            entry(key=f"{day}", xid=day, at=day * DAY, line=day),
            stalled(number=day, xid=day, at=day * DAY + 1, subid=16401, line=day),
        )
    ]
    record(dsn, entries)

    async def keep(days: int) -> None:
        connection = await connect(dsn)
        await maintain(connection, timedelta(days=days), NOON + timedelta(days=4))
        await connection.close()

    for days in (3, 1, 4):  # a longer retention brings days back
        asyncio.run(keep(days))
        assert_exact(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "update pgconflict.conflict_log set acknowledged_at = now(),"
            " status = 'applied'"
        )
    asyncio.run(keep(1))
    assert_exact(dsn)
    assert len(kept_and_counted(dsn)[0]) == 4


def test_recounting_changes_nothing_and_mends_a_truncated_day(dsn: str) -> None:
    record(dsn, [entry(key=str(n), line=n, at=n * 3000) for n in range(100)])
    before = kept_and_counted(dsn)[0]
    recount = "select pgconflict.recount_hours('2026-11-01', '2026-12-01')"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(recount)
        assert kept_and_counted(dsn)[0] == before
        connection.execute("truncate pgconflict.conflict_log_20261121")
        connection.execute(recount)
    assert_exact(dsn)
    assert 0 < len(kept_and_counted(dsn)[0]) < len(before)


def test_an_earlier_schema_with_data_is_counted_when_upgraded(
    conflict_log_server: ConflictLogServer,
) -> None:
    dsn = conflict_log_server.new_database()
    numbers = [step for step in steps() if step.number <= 3]
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(numbers[0].text.encode())
        connection.execute("create role of_before")
        try:
            connection.execute(
                "grant usage on schema pgconflict to of_before;"
                " grant select on all tables in schema pgconflict to of_before;"
                " grant execute on function pgconflict.make_partition(date)"
                " to of_before"
            )
            connection.execute(
                "create table pgconflict.conflict_log_20261120"
                " partition of pgconflict.conflict_log"
                " for values from ('2026-11-20 00:00+00') to ('2026-11-21 00:00+00')"
            )
            connection.execute(
                "insert into pgconflict.conflict_log (kind, stalls, node,"
                " system_identifier, first_logged_at, last_logged_at, source, status,"
                " identity, session_id, line_num, attempts)"
                " select 'conflict', n % 2 = 0, 'a', 1,"
                " timestamptz '2026-11-20 00:00:00+00' + n * interval '150 s', now(),"
                " 'jsonlog', 'open', decode(lpad(to_hex(n), 32, '0'), 'hex'), 's', n, n"
                " from generate_series(1, 800) n"
            )
            for step in numbers[1:]:
                connection.execute(step.text.encode())
            assert_exact(dsn)

            # The rest of the rows is moved from the table of the kept to its day.
            connection.execute("select pgconflict.make_partition('2026-11-21')")
            assert_exact(dsn)
            connection.execute(
                "delete from pgconflict.conflict_log where line_num < 99"
            )
            assert_exact(dsn)
            connection.execute("set role of_before")
            for readable in ("open_conflicts", "conflict_hour", "pg_conflict_log"):
                connection.execute(f"select from pgconflict.{readable}".encode())
            connection.execute("select last_value from pgconflict.conflict_id_seq")
            connection.execute("select pgconflict.summarize_days()")
            connection.execute("reset role")
        finally:
            connection.execute("drop owned by of_before; drop role of_before")


def test_new_blocks_are_in_the_indexes_over_blocks(dsn: str) -> None:
    """Those of today; an old day is none of the daemon's business."""
    today = (datetime.now(UTC) - NOON).total_seconds()
    for at in (today, today - 9 * DAY):
        record(
            dsn, [entry(key=str(n), line=n, at=at, xid=int(at)) for n in range(3000)]
        )

    def left(day: datetime) -> list[int]:
        """Ranges of blocks that each index had not, and has now."""
        return [
            number
            for (number,) in connection.execute(
                "select brin_summarize_new_values(x.indexrelid) from pg_index x"
                " join pg_class i on i.oid = x.indexrelid"
                " join pg_am a on a.oid = i.relam and a.amname = 'brin'"
                " where x.indrelid = %s::regclass",
                (f"pgconflict.conflict_log_{day:%Y%m%d}",),
            )
        ]

    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("select pgconflict.summarize_days()")
        now = NOON + timedelta(seconds=today)

        assert left(now) == [0, 0, 0]
        assert all(left(now - timedelta(days=9)))


def test_an_open_transaction_of_one_node_keeps_no_other_waiting(dsn: str) -> None:
    """Counts of an hour are rows of a node: two daemons do not meet in them."""
    record(dsn, [entry(key="first")], node="a")
    record(dsn, [entry(key="first")], node="b")
    count = "update pgconflict.conflict_log set attempts = attempts + 1 where node = %s"
    with (
        psycopg.connect(dsn) as asleep,
        psycopg.connect(dsn, autocommit=True) as other,
    ):
        asleep.execute(count, ("a",))
        other.execute("set lock_timeout = '10ms'")
        other.execute(count, ("b",))
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute(count, ("a",))
        record(dsn, [entry(key=str(n), line=n) for n in range(200)], node="b")
        asleep.rollback()
    assert_exact(dsn)
