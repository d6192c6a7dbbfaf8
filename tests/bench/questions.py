"""How long the conflict log takes to answer, with many rows in it.

`PGCONFLICT_BENCH_ROWS` says how many (two million if it does not), over 90 days.  The
first and the last day are storms: each has a quarter of the rows, ten million at most.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import psycopg

from pgconflict.conflict_log.effects import effects
from pgconflict.conflict_log.events import event_of, events
from pgconflict.conflict_log.filters import Filters
from pgconflict.conflict_log.follow import Follower
from pgconflict.conflict_log.looks import looks_at
from pgconflict.conflict_log.reader import ConflictLogReader, Place
from pgconflict.conflict_log.schema import install
from tests.bench.harness import Line, Workshop, at_most, measurement, say, seconds
from tests.fixtures.servers import ConflictLogServer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pgconflict.demo.settings import SettingValue

ROWS = int(os.environ.get("PGCONFLICT_BENCH_ROWS", "2000000"))
DAYS = 90
AT_ONCE = 1_000_000  # rows of one INSERT
AIM = 1.0  # seconds
SETTINGS: Mapping[str, SettingValue] = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "wal_level": "minimal",
    "max_wal_senders": 0,
}
STORM = datetime.now(UTC).date() - timedelta(days=1)

# Twenty-five tables of two nodes, a quarter of a million rows of each; ten rows a
# transaction; one in 100,000 stopped apply, one in 200,000 is of a rare type.
# All but the last hundredth of a storm was looked at: one in a thousand is no hand-over
# but one side of an event of two.
# Without the texts of the log entries and the values of rows (`row_data: keys`), for
# the sake of the disk that holds a hundred million.
FILL = """
insert into pgconflict.conflict_log (
    kind, conflict_type, severity, sqlstate, stalls, node, system_identifier, database,
    subid, subname, relid, schemaname, relname, relation, operation, remote_origin,
    remote_xid, remote_commit_lsn, replica_identity_full, replica_identity,
    replica_identity_text, first_logged_at, last_logged_at, source, status,
    acknowledged_at, verdict, verdict_at, cause, effect, identity, session_id, line_num)
select 'conflict',
       case when stalls then 'update_exists'
            when n %% 200003 = 5 then 'delete_origin_differs'
            when n %% 20 = 0 then 'delete_missing'
            when n %% 7 = 0 then 'update_origin_differs' else 'update_missing' end,
       case when stalls then 'ERROR' else 'LOG' end, '40001', stalls, 'node' || n %% 2,
       7000 + n %% 2, 'app', 16400 + n %% 2, 'sub' || n %% 2, 16500 + n %% 25, 'public',
       't' || n %% 25, 'public.t' || n %% 25, 'UPDATE', 'pg_16400',
       700 + n / 10, '0/0'::pg_lsn + (n / 10) * 100, false,
       jsonb_build_object('id', (n %% 250000)::text), '(id)=(' || n %% 250000 || ')',
       at, at, 'jsonlog',
       case when stalls and n / 100000 %% 3 = 0 then 'open' else 'applied' end,
       case when stalls and n / 100000 %% 3 = 1 then at end,
       case when looked_at then 'converged' end, case when looked_at then at end,
       case when looked_at and harm then 'concurrent'
            when looked_at then 'hand_over' end,
       case when looked_at and harm then 'write_lost' when looked_at then 'none' end,
       decode(lpad(to_hex(n), 32, '0'), 'hex'), 's', n
  from (select n, n %% 100000 = 77 as stalls, n %% 2000 in (3, 4) as harm,
               n < %(looked_at)s::bigint as looked_at,
               %(begin)s::timestamptz + (n - %(first)s) * %(step)s::interval as at
          from generate_series(%(first)s::bigint, %(last)s) n) s
"""


@measurement
def questions(workshop: Workshop) -> list[Line]:
    """Seconds that list, show, summary ... take in a large conflict log."""
    settings = SETTINGS
    server = ConflictLogServer(workshop.servers.cluster(18, settings=settings))
    dsn = server.new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        install(connection)
        fill(connection, ROWS)
        asked = _questions(ConflictLogReader(connection))
        return [
            at_most(
                f"{what}, {ROWS:,} rows",
                [seconds(question) for _ in range(workshop.rounds)],
                "s",
                AIM,
            )
            for what, question in asked.items()
        ]


def fill(connection: psycopg.Connection[Any], total: int) -> None:
    """Rows as if recorded over 90 days; quicker than the daemon would."""
    storm = min(total // 4, 10_000_000)
    done = 0
    connection.execute("set maintenance_work_mem = '512MB'")
    for place in range(DAYS):
        day = STORM - timedelta(days=DAYS - 1 - place)
        often = place in {0, DAYS - 1}
        rows = storm if often else (total - 2 * storm) // (DAYS - 2)
        # A table made in this transaction is filled without WAL where wal_level allows.
        with connection.transaction():
            connection.execute("select pgconflict.make_partition(%s)", (day,))
            _fill_day(connection, day, rows, done, looked_at=total - storm // 100)
        done += rows
        if place % 10 == 0:
            say(f"  {done:,} of {total:,} rows")
    connection.execute("vacuum (analyze) pgconflict.conflict_log")


INDEXES = """
select indexrelid::regclass::text, pg_get_indexdef(indexrelid) from pg_index
 where indrelid = %s::regclass and not indisprimary
"""


EVENTS = """
insert into pgconflict.conflict_event
select conflict_id, min(conflict_id) over (partition by line_num / 2000),
       first_logged_at, '{{}}'
  from {table} where effect = 'write_lost'
"""


def _fill_day(
    connection: psycopg.Connection[Any],
    day: date,
    rows: int,
    done: int,
    *,
    looked_at: int,
) -> None:
    """Rows of numbers from `done` on, evenly over the day; indexes come last."""
    table = f"pgconflict.conflict_log_{day:%Y%m%d}"
    indexes = connection.execute(INDEXES, (table,)).fetchall()
    for name, _ in indexes:
        connection.execute(f"drop index {name}".encode())
    # Without the triggers, which keep what they see in memory.
    connection.execute("set local session_replication_role = replica")
    _insert(connection, day, rows, done, looked_at)
    for _, definition in indexes:
        connection.execute(definition.encode())
    for count in ("recount_hours", "recount_effects"):
        connection.execute(
            f"select pgconflict.{count}(%s::date::timestamp at time zone 'UTC',"
            " (%s::date + 1)::timestamp at time zone 'UTC')".encode(),
            (day, day),
        )
    connection.execute(EVENTS.format(table=table).encode())


def _insert(
    connection: psycopg.Connection[Any],
    day: date,
    rows: int,
    done: int,
    looked_at: int,
) -> None:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    step = timedelta(days=1) / (rows + 1)
    for first in range(0, rows, AT_ONCE):
        number = min(AT_ONCE, rows - first)
        connection.execute(
            FILL,
            {
                "begin": midnight + first * step,
                "first": done + first,
                "last": done + first + number - 1,
                "step": step,
                "looked_at": looked_at,
            },
        )


def _questions(reader: ConflictLogReader) -> dict[str, Callable[[], object]]:
    day = datetime(STORM.year, STORM.month, STORM.day, tzinfo=UTC)
    storm = Filters(since=day, until=day + timedelta(days=1))
    deep = Place(day + timedelta(hours=12), 0)
    early = Place(day, 0)
    follower = Follower(reader, Filters(nodes=("node1",)))
    follower.start()

    def page(filters: Filters, after: Place | None = None) -> Callable[[], object]:
        return lambda: list(events(reader, filters, limit=100, after=after))

    def harm(filters: Filters, after: Place | None = None) -> Callable[[], object]:
        return page(replace(filters, harmful=True), after)

    def summary(filters: Filters, bucket: timedelta) -> Callable[[], object]:
        return lambda: effects(reader, filters, len(reader.sums(filters, bucket)))

    def show() -> None:
        number = next(reader.conflicts(Filters(), limit=1, after=deep)).conflict_id
        conflict = reader.by_id([number])[number]
        assert reader.transaction_of(conflict)
        assert reader.attempts_of(conflict)
        event_of(reader, conflict)
        looks_at(reader, number)

    def look() -> None:
        follower._last = -1  # as after something new
        follower.new()

    return {
        "list": harm(Filters()),
        "list, a page from the middle": harm(Filters(), deep),
        "list, from the day before": harm(Filters(), early),
        "list --table --node": harm(Filters(table="t7", nodes=("node1",))),
        "list --all": page(Filters()),
        "list --all, a page from the middle": page(Filters(), deep),
        "list --open": page(Filters(statuses=("open", "disabled"))),
        "list --all --table --node": page(Filters(table="t7", nodes=("node1",))),
        "list --type, a rare one": page(Filters(types=("update_exists",))),
        "list --type, none": page(Filters(types=("update_deleted",))),
        "list --key, of the day of a storm": page(replace(storm, key="id=4711")),
        "show": show,
        "summary of the day of a storm": summary(storm, timedelta(hours=1)),
        "summary of 90 days": summary(
            Filters(since=day - timedelta(days=DAYS)), timedelta(days=1)
        ),
        "summary of 90 days of a table": summary(
            Filters(since=day - timedelta(days=DAYS), table="t7"), timedelta(days=1)
        ),
        "a look of list --follow": look,
        "first row of export": lambda: list(
            islice(reader.conflicts(Filters(), limit=1, newest_first=False), 1)
        ),
    }
