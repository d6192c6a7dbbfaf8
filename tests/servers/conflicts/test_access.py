"""Commands say why they can't ask the conflict log, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.fixtures.conflict_logs import record
from tests.fixtures.entries import entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fixtures.servers import ConflictLogServer

    Refused = Callable[..., tuple[int, str]]

QUESTIONS = [["list"], ["show", "1"], ["summary"], ["export"], ["ack", "1"]]


@pytest.fixture(scope="module")
def empty(conflict_log_server: ConflictLogServer) -> str:
    return conflict_log_server.new_database()


@pytest.mark.parametrize("words", QUESTIONS, ids=" ".join)
def test_no_conflict_log_there(empty: str, refused: Refused, words: list[str]) -> None:
    code, err = refused(*words, dsn=empty)

    assert code == 78
    assert "there is no conflict log in database conflict_log_" in err
    assert "hint: `pgconflict init`" in err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "delete from pgconflict.schema_step where step > 1",
            "is at step 1 and lacks steps 2, 3",
        ),
        (
            "insert into pgconflict.schema_step (step, name) values (999, 'later')",
            "has step 999; this pgconflict knows",
        ),
    ],
    ids=["older", "newer"],
)
def test_another_schema_is_refused(
    dsn: str, refused: Refused, change: str, said: str
) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(change.encode())

    code, err = refused("list")

    assert code == 78
    assert said in err
    assert "hint: " in err


def test_no_server_there(refused: Refused) -> None:
    code, err = refused("list", dsn="host=127.0.0.1 port=1 dbname=x")

    assert code == 69
    assert "the conflict log can't be reached" in err


@pytest.fixture
def few(dsn: str) -> Iterator[str]:
    """The connection string of a role that may nothing."""
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute("create role few_rights login")
        yield make_conninfo(dsn, user="few_rights")
        admin.execute("drop owned by few_rights; drop role few_rights")


def granted(dsn: str, err: str) -> None:
    """Run the statements of the hint, as an operator would."""
    hint = err.split("hint: ")[1]
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(hint.encode())


def test_the_hint_grants_what_is_missing_and_no_more(
    dsn: str, few: str, refused: Refused, ask: Callable[..., Any]
) -> None:
    record(dsn, [entry()])

    code, err = refused("list", dsn=few)
    assert code == 77
    assert "permission denied for schema pgconflict" in err
    granted(dsn, err)

    for words in (["list"], ["show", "1"], ["summary"], ["export"]):
        ask(*words, dsn=few)
    code, err = refused("ack", "1", dsn=few)
    assert code == 77
    assert "GRANT UPDATE (acknowledged_at, acknowledged_by, note)" in err
    granted(dsn, err)
    ask("ack", "1", dsn=few)
    with (
        psycopg.connect(few) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("update pgconflict.conflict_log set status = 'open'")
