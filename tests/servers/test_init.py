"""`init` on real servers: installs once, refuses with the reason, prints what it says.

The schema itself has its own tests.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from pgconflict.cli.main import main
from pgconflict.conflict_log import schema
from pgconflict.server.connect import connect

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.servers import ConflictLogServer


@pytest.fixture
def database(conflict_log_server: ConflictLogServer) -> str:
    """Connection string of an empty database."""
    return conflict_log_server.new_database()


def init(tmp_path: Path, dsn: str, *words: str) -> int:
    file = tmp_path / "pgconflict.yml"
    file.write_text(
        f'conflict_log: {{dsn: "{dsn}"}}\nnodes: [{{name: a, dsn: host=a}}]\n'
    )
    return main(["--config", str(file), "init", *words])


def test_the_second_time_there_is_nothing_to_do(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(tmp_path, database) == 0
    first = capsys.readouterr().out
    assert init(tmp_path, database) == 0
    second = capsys.readouterr().out
    assert init(tmp_path, database, "--json") == 0
    document = json.loads(capsys.readouterr().out)

    assert first.startswith("applied 001 conflict_log\n")
    assert second.endswith("nothing to do\n")
    assert "applied" not in second
    assert document["applied"] == []
    assert document["step_before"] == document["step"] == schema.newest_step()


def test_a_published_database_is_refused_with_the_reason(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("create publication everything for all tables")

    assert init(tmp_path, database) == 78
    assert "everything (FOR ALL TABLES)" in capsys.readouterr().err
    with psycopg.connect(database) as conn:
        assert schema.installed_steps(conn) is None


def test_a_database_that_is_not_there(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(tmp_path, make_conninfo(database, dbname="nowhere")) == 69
    err = capsys.readouterr().err
    assert 'database "nowhere" does not exist' in err
    assert "CREATE DATABASE" in err


def test_a_role_that_may_not_create(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("create role nobody_special login")

    assert init(tmp_path, make_conninfo(database, user="nobody_special")) == 77
    assert "OWNER" in capsys.readouterr().err


def test_what_is_printed_for_roles_is_what_they_need(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As printed: the reader reads and can't write, the daemon's role writes."""
    assert init(tmp_path, database) == 0
    capsys.readouterr()
    with psycopg.connect(database, autocommit=True) as conn:
        for role, option in (('the "reader"', "--reader"), ("the writer", "--writer")):
            name = sql.Identifier(role)
            conn.execute(sql.SQL("create role {} login").format(name))
            assert main(["init", option, role]) == 0
            conn.execute(capsys.readouterr().out.encode())
    read = "select count(*) from pgconflict.conflict_log"
    write = "delete from pgconflict.log_position"

    def run(role: str, statement: str) -> None:
        with connect(
            make_conninfo(database, user=role), job="test", who="it", read_only=False
        ) as conn:
            conn.execute(statement.encode())

    run('the "reader"', read)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        run('the "reader"', write)
    run("the writer", read)
    run("the writer", write)


def test_print_sql_needs_neither_server_nor_configuration(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--config", "/nowhere", "init", "--print-sql"]) == 0
    assert capsys.readouterr().out == schema.render_sql()


def test_grants_quote_the_role(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--grants", """a"'; drop table x; $rows$ --"""]) == 0

    printed = capsys.readouterr().out
    statements = [line for line in printed.splitlines() if line.startswith("GRANT")]
    assert len(statements) == 4
    quoted = """ TO "a""'; drop table x; $rows$ --";"""
    assert all(line.endswith(quoted) for line in statements)
    assert printed.count("""'a"''; drop table x; $rows$ --');""") == 2
    assert printed.count("$rows_$") == 2
