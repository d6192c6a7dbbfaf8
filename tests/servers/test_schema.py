"""The numbered steps make the schema that is written down, once."""

from __future__ import annotations

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from pgconflict.conflict_log import schema
from pgconflict.demo.programs import bin_dir_of_wheel
from pgconflict.errors import ConfigError

if TYPE_CHECKING:
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


def test_each_step_upgrades_the_one_before_with_rows_in_it(
    conflict_log_server: ConflictLogServer,
) -> None:
    """From each earlier step, with a conflict stored as that step stores it."""
    steps = schema.steps()
    for present in range(1, len(steps)):
        dsn = conflict_log_server.new_database()
        with psycopg.connect(dsn, autocommit=True) as connection:
            for step in steps[:present]:
                connection.execute(step.text.encode())
                connection.execute(
                    "insert into pgconflict.schema_step (step, name) values (%s, %s)",
                    (step.number, step.name),
                )
            connection.execute(
                "insert into pgconflict.conflict_log (kind, stalls, node,"
                " system_identifier, first_logged_at, last_logged_at, source, status,"
                " identity, session_id, line_num)"
                " values ('conflict', false, 'a', 1, now(), now(), 'jsonlog',"
                " 'applied', 'x', 's', 1)"
            )
            done = schema.install(connection)
            row = connection.execute(
                "select count(*) from pgconflict.conflict_log"
            ).fetchone()

        assert done == steps[present:]
        assert row == (1,)


def test_a_newer_schema_is_refused(conflict_log_server: ConflictLogServer) -> None:
    dsn = conflict_log_server.new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        schema.install(connection)
        connection.execute(
            "insert into pgconflict.schema_step (step, name) values (999, 'later')"
        )
        with pytest.raises(ConfigError, match="step 999; this pgconflict knows"):
            schema.install(connection)
