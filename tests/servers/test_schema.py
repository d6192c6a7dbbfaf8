"""The numbered steps make the schema that is written down, once."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import psycopg
import pytest

from pgconflict.conflict_log import schema
from pgconflict.conflict_log.entry import Batch, Node
from pgconflict.conflict_log.writer import ConflictLogWriter
from pgconflict.demo.programs import bin_dir_of_wheel
from pgconflict.errors import ConfigError
from tests.fixtures.entries import NOON, entry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pgconflict.conflict_log.entry import Recorded
    from tests.fixtures.servers import ConflictLogServer

DUMP = Path(__file__).parents[1] / "schema.sql"


def dumped(dsn: str) -> str:
    """pg_dump of the conflict log, without what differs between two runs of it."""
    programs = bin_dir_of_wheel(18)
    assert programs is not None
    done = subprocess.run(
        [programs / "pg_dump", "--schema-only", "--no-owner", f"--dbname={dsn}"],
        capture_output=True,
        check=True,
        text=True,
    )
    lines = [
        line
        for line in done.stdout.splitlines()
        if not re.match(r"--|\\(un)?restrict|SET |SELECT pg_catalog.set_config", line)
    ]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def test_the_steps_make_the_schema_that_is_written_down(
    conflict_log_server: ConflictLogServer,
) -> None:
    """`PGCONFLICT_WRITE_SCHEMA=1 pytest tests/servers/test_schema.py` writes it."""
    if conflict_log_server.cluster.major != 18:
        pytest.skip("the dump is PostgreSQL 18's")
    dsn = conflict_log_server.new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        schema.install(connection)

    found = dumped(dsn)

    if os.environ.get("PGCONFLICT_WRITE_SCHEMA"):
        DUMP.write_text(found, encoding="utf-8")
    assert found == DUMP.read_text(encoding="utf-8")


def test_two_installations_at_once_are_one(
    conflict_log_server: ConflictLogServer,
) -> None:
    dsn = conflict_log_server.new_database()

    def install() -> list[int]:
        with psycopg.connect(dsn, autocommit=True) as connection:
            return [step.number for step in schema.install(connection)]

    with ThreadPoolExecutor(4) as pool:
        done = [future.result() for future in [pool.submit(install) for _ in range(4)]]

    every = [step.number for step in schema.steps()]
    assert sorted(map(len, done)) == [0, 0, 0, len(every)]
    assert every in done


def test_the_script_for_psql_makes_the_same(
    conflict_log_server: ConflictLogServer,
) -> None:
    programs = bin_dir_of_wheel(18)
    assert programs is not None
    by_psql, by_init = (conflict_log_server.new_database() for _ in range(2))
    subprocess.run(
        [programs / "psql", "-qX", f"--dbname={by_psql}"],
        input=schema.render_sql(),
        check=True,
        text=True,
        capture_output=True,
    )
    with psycopg.connect(by_init, autocommit=True) as connection:
        schema.install(connection)

    assert dumped(by_psql) == dumped(by_init)
    with psycopg.connect(by_psql, autocommit=True) as connection:
        assert schema.install(connection) == []


NODE = Node(name="a", system_identifier=7)


def applied(connection: psycopg.Connection[Any], steps: Iterable[schema.Step]) -> None:
    for step in steps:
        connection.execute(step.text.encode())
        connection.execute(
            "insert into pgconflict.schema_step (step, name) values (%s, %s)",
            (step.number, step.name),
        )


def definitions(connection: psycopg.Connection[Any], day: str) -> set[str]:
    """What a day's table has: indexes and triggers, without the day in their names."""
    rows = connection.execute(
        "select pg_get_indexdef(indexrelid) from pg_index"
        " where indrelid = %(table)s::regclass"
        " union all select pg_get_triggerdef(oid) from pg_trigger"
        " where tgrelid = %(table)s::regclass",
        {"table": f"pgconflict.conflict_log_{day}"},
    ).fetchall()
    return {re.sub(r"(INDEX )\S+|_\d{8}", r"\1", text) for (text,) in rows}


STORED = """
insert into pgconflict.conflict_log (
    kind, conflict_type, severity, sqlstate, stalls, node, system_identifier, subid,
    remote_xid, remote_commit_lsn, relation, replica_identity_text, first_logged_at,
    last_logged_at, source, status, identity, place, session_id, line_num)
values ('conflict', 'update_missing', 'LOG', '40001', false, 'a', 7, 16400, 700,
        '0/10000', 'public.t', '(id)=(1)', %(at)s, %(at)s, 'jsonlog', 'applied',
        %(identity)s, 1, 'before', 1)
"""


@pytest.mark.parametrize(
    "present", range(1, len(schema.steps())), ids=lambda n: schema.steps()[n - 1].name
)
def test_each_step_upgrades_the_one_before_with_rows_in_it(
    conflict_log_server: ConflictLogServer, present: int
) -> None:
    """What an earlier step stored is counted, found again and writable as if new."""
    steps = schema.steps()
    dsn = conflict_log_server.new_database()
    known = entry()
    with psycopg.connect(dsn, autocommit=True) as connection:
        applied(connection, steps[:present])
        # Until step 3 there is no day that can be made; its rows are with the kept.
        if present >= 3:
            connection.execute("select pgconflict.make_partition(%s)", (NOON.date(),))
        connection.execute(STORED, {"at": NOON, "identity": known.conflict.identity})

        assert schema.install(connection) == steps[present:]

        counted = connection.execute(
            "select conflicts, attempts from pgconflict.conflict_hour"
        ).fetchall()
        days = []
        for day in (NOON.date(), NOON.date() + timedelta(days=1)):
            connection.execute("select pgconflict.make_partition(%s)", (day,))
            days.append(definitions(connection, f"{day:%Y%m%d}"))
        asyncio.run(_write(dsn, [known, entry(key="(id)=(2)", line=3)]))
        stored = connection.execute(
            "select replica_identity_text, attempts from pgconflict.conflict_log"
            " order by 1"
        ).fetchall()

    assert counted == [(1, 1)]
    assert days[0] == days[1]
    assert stored == [("(id)=(1)", 2), ("(id)=(2)", 1)]


async def _write(dsn: str, entries: list[Recorded]) -> None:
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    connection = await asyncpg.connect(
        host=str(parts["host"]),
        port=int(str(parts["port"])),
        user=str(parts["user"]),
        database=str(parts["dbname"]),
    )
    writer = await ConflictLogWriter.over(connection, NODE)
    await writer.write(Batch(entries=entries))
    await writer.close()


def test_a_step_below_the_newest_is_applied_too(
    conflict_log_server: ConflictLogServer,
) -> None:
    """Steps of two releases may be installed in another order than their numbers'."""
    dsn, whole = (conflict_log_server.new_database() for _ in range(2))
    left_out = next(step for step in schema.steps() if step.number == 10)
    with psycopg.connect(dsn, autocommit=True) as connection:
        applied(connection, (step for step in schema.steps() if step != left_out))
        with pytest.raises(ConfigError, match="lacks step 10, which"):
            schema.refuse_other(schema.installed_steps(connection), "x")

        assert schema.install(connection) == [left_out]
        schema.refuse_other(schema.installed_steps(connection), "x")
    with psycopg.connect(whole, autocommit=True) as connection:
        schema.install(connection)
    assert dumped(dsn) == dumped(whole)


def test_roles_keep_what_they_may_and_get_no_more(
    conflict_log_server: ConflictLogServer,
) -> None:
    dsn = conflict_log_server.new_database()
    steps = schema.steps()
    with psycopg.connect(dsn, autocommit=True) as connection:
        applied(connection, steps[:3])
        for role in ("old_reader", "old_writer", "old_guest"):
            connection.execute(f"create role {role}".encode())
        try:
            for statement in schema.grants("old_reader", "old_writer"):
                connection.execute(statement.encode())
            connection.execute("grant usage on schema pgconflict to old_guest")
            connection.execute("grant select on pgconflict.conflict_log to old_guest")
            schema.install(connection)
            may = connection.execute(
                "select r, array(select p from unnest(array['select', 'insert']) p"
                " where has_table_privilege(r, 'pgconflict.verdict', p)),"
                " has_table_privilege(r, 'pgconflict.digest_key', 'select')"
                " from unnest(array['old_guest', 'old_reader', 'old_writer']) r"
            ).fetchall()
        finally:
            connection.execute(
                "drop owned by old_reader, old_writer, old_guest;"
                " drop role old_reader, old_writer, old_guest"
            )
    assert may == [
        ("old_guest", [], False),
        ("old_reader", ["select"], False),
        ("old_writer", ["select", "insert"], True),
    ]


def test_a_newer_schema_is_refused(conflict_log_server: ConflictLogServer) -> None:
    dsn = conflict_log_server.new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        schema.install(connection)
        connection.execute(
            "insert into pgconflict.schema_step (step, name) values (999, 'later')"
        )
        with pytest.raises(
            ConfigError, match="has step 999; this pgconflict knows none"
        ):
            schema.install(connection)


KEYS = """
select c.relname, array(
        select a.attname::text from pg_attribute a
         where a.attrelid = i.indrelid and a.attnum = any (i.indkey))
  from pg_index i
  join pg_class c on c.oid = i.indrelid
 where i.indisunique and c.relnamespace = 'pgconflict'::regnamespace
   and exists (select from pg_attribute a where a.attrelid = i.indrelid
                  and a.attname = 'system_identifier' and not a.attisdropped)
"""
ONE_ROW_AN_ACTION = {"subscription_action"}


def test_every_key_of_what_is_recorded_names_its_server(
    conflict_log_server: ConflictLogServer,
) -> None:
    """What distributed tables ask of unique indexes; the days' own are among them."""
    dsn = conflict_log_server.new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        schema.install(connection)
        connection.execute("select pgconflict.make_partition('2026-11-20')")
        keys = connection.execute(KEYS).fetchall()

    tables = {table for table, _ in keys}
    assert {"conflict_log", "conflict_log_20261120", "conflict_attempt"} <= tables
    assert {
        table for table, columns in keys if "system_identifier" not in columns
    } <= ONE_ROW_AN_ACTION
    partitioned = {"conflict_log": "first_logged_at", "conflict_attempt": "logged_at"}
    for table, columns in keys:
        if table in partitioned:
            assert partitioned[table] in columns
