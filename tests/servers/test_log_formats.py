"""One server, its log in every format and with many prefixes: the same is read.

Beside its worker a client writes what looks like conflicts, as does a trigger that
the worker runs.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pgconflict.cli.main import main
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.nodes import Node, Pair, Replicated

LOOKS = [
    ("%m [%p] %q%u@%d ", "default"),
    ("%t [%p] %l %c %q<%a>(%u) ", "verbose"),
    ("<%m> (%b) [%p]: ", "verbose"),
    ("%n {%p} %e %q[app=%a,db=%d] ", "default"),
    ("%m ", "default"),
    ("%m [%p] %q%u@%d ", "terse"),
]
SUFFIXES = (".json", ".csv", ".log")
SAID = ("kind", "conflict_type", "relation", "index_names", "sqlstate", "operation")
KNOWN = ("remote_origin", "remote_xid", "remote_commit_lsn", "subname", "attempts")
DETAIL = (
    "Could not find the row to be updated.\n"
    "Remote row (1, x); replica identity (id)=(1)."
)
MESSAGE = 'conflict detected on relation "public.forged": conflict=update_missing'
FRAME = (
    'processing remote data for replication origin "pg_{oid}" during message type'
    ' "UPDATE" for replication target relation "public.forged" in transaction 700,'
    " finished at 0/1BB5CA8"
)


def raise_it() -> str:
    return (
        f"raise log using message = '{MESSAGE}', detail = '{DETAIL}', errcode = '40001'"
    )


def imitate(node: Node, oid: int) -> None:
    """Write what a worker would write, as a client and within SQL that is logged."""
    frame = FRAME.replace("{oid}", str(oid))
    with node.connect(application_name="logical replication apply worker") as client:
        client.execute(f"do $$ begin {raise_it()}; end $$".encode())
        client.execute("set log_statement = 'all'")
        line = f"2026-11-20 17:29:25.083 UTC [1] ERROR:  {MESSAGE}"
        text = f"{line}\nDETAIL:  {DETAIL}\nCONTEXT:  {frame}\n"
        client.execute(f"select 1 /* {text} */".encode())


def log_like_this(node: Node, prefix: str, verbosity: str) -> None:
    """Change the settings, and begin new files."""
    before = {suffix: node.log_files(suffix) for suffix in SUFFIXES}
    node.execute(f"alter system set log_line_prefix = '{prefix}'")
    node.execute(f"alter system set log_error_verbosity = '{verbosity}'")
    node.execute("select pg_reload_conf()")
    node.execute("select pg_sleep(1.1)")  # a file's name has the second
    node.execute("select pg_rotate_logfile()")
    for suffix in SUFFIXES:
        wait_until(
            lambda suffix=suffix: len(node.log_files(suffix)) > len(before[suffix]),  # type: ignore[misc]
            "there is a new file",
        )


def stop_and_go(made: Replicated, number: int) -> int:
    """Restart the worker and stop apply, as often as it takes; returns the xid."""
    node = made.to_b.subscriber
    old = made.to_b.worker()
    node.execute("select pg_terminate_backend(%s)", [old])
    wait_until(lambda: made.to_b.worker() not in (None, old), "another worker runs")
    wait_until(made.to_b.streaming, "it streams")
    imitate(node, made.to_b.oid)
    node.execute(f"insert into {made.table} values ({number}, 'mine')")
    with made.to_b.publisher.connect() as publisher, publisher.transaction():
        row = publisher.execute("select pg_current_xact_id()::text::int8").fetchone()
        publisher.execute(f"update {made.table} set v = 'gone' where id = 0".encode())
        publisher.execute(
            f"insert into {made.table} values ({number}, 'theirs')".encode()
        )
    assert row is not None
    wait_until(
        lambda: (
            len(node.logged(f'{made.relname}.*insert_exists|"{made.relname}_pkey"'))
            >= 2 * number
        ),
        "it was logged twice",
    )
    node.execute(f"delete from {made.table} where id = {number}")
    made.catch_up()
    return int(row[0])


def scan(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert main(["--json", "scan", *arguments]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def said(records: list[dict[str, Any]], *fields: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(str(record[field]) for field in fields) for record in records)


@pytest.fixture
def logging_pair(new_pair: Callable[..., Pair], major: int) -> Pair:
    return new_pair(
        major,
        settings={
            "log_destination": "stderr,csvlog,jsonlog",
            "log_filename": "pg-%Y%m%d%H%M%S.log",
            "lc_messages": "C",
        },
    )


@pytest.mark.majors(15, 18)  # seen on 16, 17 and 19 too: the formats are the same
def test_every_format_and_prefix_says_the_same(
    logging_pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = logging_pair
    node = pair.b
    made = pair.replicate(both=False, subscription={"streaming": False})
    pair.a.execute(f"insert into {made.table} values (0, 'to be lost')")
    made.catch_up()
    node.execute(
        f"delete from {made.table};"
        f" create function forge() returns trigger language plpgsql"
        f" as $$ begin {raise_it()}; return new; end $$;"
        f" create trigger forge before insert on {made.table}"
        f" for each row execute function forge();"
        f" alter table {made.table} enable always trigger forge"
    )
    node.execute("alter role postgres set log_min_messages = 'debug1'")
    types = ["insert_exists", "update_missing"]
    for number, (prefix, verbosity) in enumerate(LOOKS, 1):
        log_like_this(node, prefix, verbosity)
        xid = stop_and_go(made, number)
        log_like_this(node, prefix, verbosity)
        json_file, csv_file, stderr_file = (
            str(node.log_files(suffix)[-2]) for suffix in SUFFIXES
        )

        from_json = scan(capsys, json_file)

        conflicts = [each for each in from_json if each["kind"] == "conflict"]
        assert sorted(each["conflict_type"] for each in conflicts) == types
        assert {each["remote_xid"] for each in conflicts} == {xid}
        assert {each["subname"] for each in conflicts} == {made.to_b.name}
        assert all(each["attempts"] >= 2 for each in conflicts)
        assert said(scan(capsys, csv_file), *SAID, *KNOWN) == said(
            from_json, *SAID, *KNOWN
        )
        told = scan(capsys, "--log-line-prefix", prefix, stderr_file)
        if verbosity == "terse":
            assert {each["conflict_type"] for each in told} <= {*types, None}
            assert all(each["remote_xid"] is None for each in told)
            continue
        fields = [*SAID, *KNOWN]
        if "%p" not in prefix and "%c" not in prefix:
            fields = ["kind", "conflict_type", "remote_xid", "remote_commit_lsn"]
        if "%e" not in prefix and verbosity != "verbose":
            fields = [field for field in fields if field != "sqlstate"]
        assert said(told, *fields) == said(from_json, *fields)
        # Not given, the prefix is found out, or asked for where it is not clear.
        if main(["--json", "scan", stderr_file]) == 0:
            guessed = [
                json.loads(each) for each in capsys.readouterr().out.splitlines()
            ]
            assert said(guessed, *fields) == said(told, *fields)
        else:
            assert "--log-line-prefix" in capsys.readouterr().err
