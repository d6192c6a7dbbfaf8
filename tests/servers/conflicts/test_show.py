"""`conflicts show`: one conflict from all sides, with statements to paste."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgconflict.cli.sql_text import identifier, literal
from tests.fixtures.conflict_logs import record, renamed, stalled
from tests.fixtures.entries import entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Ask = Callable[..., str]
    Lines = Callable[..., list[dict[str, Any]]]


def test_a_stall_is_shown_whole(dsn: str, ask: Ask, lines: Lines) -> None:
    """The story of an insert that met a local row, in a transaction with another."""
    first = [entry(line=1, at=-1, key="(id)=(5)", schemaname="public"), stalled(line=2)]
    again = [
        item
        for attempt in range(2, 15)
        for item in (
            entry(line=1, at=5 * attempt, session=f"{attempt}.1", key="(id)=(5)"),
            stalled(line=2, at=5 * attempt, session=f"{attempt}.1"),
        )
    ]
    record(dsn, first)
    record(dsn, again)
    number = lines("list", "--open")[0]["conflict_id"]

    shown = ask("show", number)

    assert shown.startswith(
        f"conflict {number}: insert_exists on public.t, node a, open\n"
    )
    for text in (
        "The publisher inserted a row into public.t.",
        "A row with this key is here already, in unique index t_pkey, last changed by",
        "*  name    here",
        f"   note    {'x' * 61}... (cut)  null",
        "The server cut values longer than 64 bytes: note.",
        "finish LSN       0/10000",
        "It met 1 more conflict:",
        "update_missing  public.t  (id)=(5)  applied",
        "first (UTC)   2026-11-20 12:00:00.000",
        "last (UTC)    2026-11-20 12:01:10.000",
        "attempts      14",
        "the last 10 of 14; --json has 14",
        'DELETE FROM "public"."t" WHERE "id" = \'1\';',
        "ALTER SUBSCRIPTION \"sub\" SKIP (lsn = '0/10000');",
        f"pgconflict conflicts ack {number} --note",
    ):
        assert text in shown


def test_json_is_the_conflict_and_what_show_adds(
    dsn: str, ask: Ask, lines: Lines
) -> None:
    record(dsn, [stalled(), entry(line=9, key="(id)=(7)")])
    record(dsn, [stalled(at=5, session="2.1")])
    listed = lines("list", "--open")[0]
    del listed["event"]

    document = json.loads(ask("show", listed["conflict_id"], "--json"))

    assert list(document)[: len(listed)] == list(listed)
    assert {name: document[name] for name in listed} == listed
    assert list(document)[len(listed) :] == [
        "what_it_did",
        "what_happened",
        "next_steps",
        "transaction_conflicts",
        "attempt_log",
        "event",
        "verdict_log",
    ]
    assert [each["conflicts"] for each in document["transaction_conflicts"]] == [2, 2]
    assert [each["logged_at"] for each in document["attempt_log"]] == [
        "2026-11-20T12:00:05Z",
        "2026-11-20T12:00:00Z",
    ]
    assert document["attempt_log"][0]["session_id"] == "2.1"
    assert all(step["what"] for step in document["next_steps"])


def test_a_transaction_is_not_that_of_another_node_or_subscription(
    dsn: str, ask: Ask, lines: Lines
) -> None:
    for node in "ab":
        same = [entry(line=n, key=str(n), subid=16400 + n % 2) for n in range(4)]
        record(dsn, same, node=node)

    for each in lines("list"):
        document = json.loads(ask("show", each["conflict_id"], "--json"))
        of_it = {one["conflict_id"] for one in document["transaction_conflicts"]}
        assert len(of_it) == 2
        assert each["conflict_id"] in of_it


def test_hostile_values_neither_move_the_cursor_nor_break_the_lines(
    dsn: str, ask: Ask, lines: Lines
) -> None:
    hostile = "\x1b[2J\u202e\r\nDROP\x9b"
    record(
        dsn,
        [
            renamed(
                stalled(number=hostile, line=1),
                relation=hostile,
                message=hostile,
                detail=f"one\n{hostile}\ttwo",
                context=hostile,
            )
        ],
    )
    number = lines("list")[0]["conflict_id"]

    shown = ask("show", number)

    unsafe = [c for c in shown if unicodedata.category(c) in {"Cc", "Cf"} and c != "\n"]
    assert unsafe == []
    delete = next(
        line for line in shown.splitlines() if line.strip().startswith("DELETE")
    )
    assert delete.strip() == (
        'DELETE FROM "public"."t" WHERE "id" ='
        r" E'\u001b[2J\u202e\u000d\u000aDROP\u009b';"
    )


@pytest.fixture(scope="module")
def server(conflict_log_server: Any) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(
        conflict_log_server.new_database(), autocommit=True
    ) as connection:
        yield connection


_TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30
)
_NASTY = st.sampled_from(
    ["'", '"', "\\", "\\u0041", "E'", "\x1b", "\n", "\u202e", "$$"]
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(_TEXTS, st.lists(_NASTY).map("".join)))
def test_a_literal_is_the_same_text_to_the_server(
    server: psycopg.Connection[Any], text: str
) -> None:
    row = server.execute(f"select {literal(text)}".encode()).fetchone()

    assert row == (text,)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(_TEXTS, st.lists(_NASTY).map("".join)).filter(
        lambda name: 0 < len(name.encode()) < 64
    )
)
def test_an_identifier_is_the_same_name_to_the_server(
    server: psycopg.Connection[Any], name: str
) -> None:
    cursor = server.execute(f"select 1 as {identifier(name)}".encode())

    assert cursor.description is not None
    assert cursor.description[0].name == name


def test_the_statements_find_and_remove_the_row(
    server: psycopg.Connection[Any], dsn: str, ask: Ask, lines: Lines
) -> None:
    """As `show` prints them, on a table as in the conflict, nulls and quotes in it."""
    schema, table, column = 'We"ird. S', "T\x1b[0m", 'the "id"'
    key = {column: "O'Re\\illy\n\x07", "part": None}
    name = identifier(schema, table)
    for statement in (
        f"create schema {identifier(schema)}",
        f"create table {name} ({identifier(column)} text, part text)",
    ):
        server.execute(statement.encode())
    server.execute(
        f"insert into {name} values (%s, null), ('other', null)".encode(),
        [key[column]],
    )
    given_local = stalled(line=1)
    local = given_local.resolution.local_conflicts[0]
    resolution = msgspec.structs.replace(
        given_local.resolution,
        schemaname=schema,
        relname=table,
        local_conflicts=(msgspec.structs.replace(local, key=key, tuple=key),),
    )
    record(dsn, [msgspec.structs.replace(given_local, resolution=resolution)])
    document = json.loads(ask("show", lines("list")[0]["conflict_id"], "--json"))
    look, remove = (step["statements"] for step in document["next_steps"][1:3])

    assert server.execute(look[0].encode()).fetchall() == [(key[column], None)]
    for statement in remove:
        server.execute(statement.encode())

    rest = server.execute(f"select * from {name}".encode()).fetchall()
    assert rest == [("other", None)]


def test_an_unknown_conflict_is_no_usage(
    refused: Callable[..., tuple[int, str]],
) -> None:
    code, err = refused("show", 4711)

    assert code == 2
    assert "no conflict 4711" in err
    assert "conflict_log.retention" in err
