"""`conflicts list --follow`: each new conflict once, and none passed over."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from pgconflict.conflict_log import follow
from pgconflict.conflict_log.filters import Filters
from pgconflict.conflict_log.follow import Follower
from pgconflict.conflict_log.reader import ConflictLogReader
from tests.fixtures.conflict_logs import config_for, record
from tests.fixtures.entries import entry
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Connection = psycopg.Connection[tuple[Any, ...]]

# Each connection for a node of its own: daemons of different nodes don't wait for each
# other, those of one node would, where they count an hour.
INSERT = """
insert into pgconflict.conflict_log{} (
       kind, stalls, node, system_identifier, first_logged_at, last_logged_at, source,
       status, identity, session_id, line_num)
select 'conflict', false, pg_backend_pid()::text, 1,
       timestamptz '2026-11-20 12:00:00+00',
       now(), 'jsonlog', 'applied', decode(md5(random()::text), 'hex'), 's', n
  from generate_series(1, {}) n
returning conflict_id
"""


@pytest.fixture
def connections(dsn: str) -> Iterator[list[Connection]]:
    """One to follow with, three to write with; the day is there."""
    record(dsn, [entry(key="of before")])
    opened = [psycopg.connect(dsn, autocommit=n == 0) for n in range(4)]
    yield opened
    for connection in opened:
        connection.close()


def store(connection: Connection, number: int = 1, day: str = "") -> set[int]:
    rows = connection.execute(INSERT.format(day, number).encode()).fetchall()
    return {row[0] for row in rows}


def ids(follower: Follower) -> list[int]:
    return [conflict.conflict_id for conflict in follower.new()]


def follower_on(connection: Connection, filters: Filters | None = None) -> Follower:
    follower = Follower(ConflictLogReader(connection), filters or Filters())
    assert follower.start()
    return follower


def test_a_lower_number_that_commits_later_is_shown(
    connections: list[Connection],
) -> None:
    reader, one, two, three = connections
    follower = follower_on(reader)
    assert ids(follower) == []

    first = store(one, 2)
    aborted = store(three)
    second = store(two, day="_20261120")
    assert ids(follower) == []
    two.commit()
    assert set(ids(follower)) == second
    assert ids(follower) == []
    three.rollback()
    one.commit()
    assert set(ids(follower)) == first
    assert ids(follower) == []
    third = store(two)
    two.commit()
    assert set(ids(follower)) == third
    assert not aborted & (first | second | third)


def test_what_is_being_stored_at_the_start_is_waited_for(
    connections: list[Connection],
) -> None:
    """It is of before then; what is stored meanwhile is new."""
    reader, one, two, _ = connections
    store(one)
    follower = Follower(ConflictLogReader(reader), Filters())
    done = threading.Thread(target=follower.start)
    done.start()
    time.sleep(0.3)
    assert done.is_alive()
    new = store(two)
    two.commit()
    one.commit()
    done.join(5)

    assert set(ids(follower)) == new


def test_a_transaction_that_does_not_end_is_told(
    connections: list[Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, one, two, _ = connections
    monkeypatch.setattr(follow, "PATIENCE", 0.2)
    store(one)
    follower = Follower(ConflictLogReader(reader), Filters())

    assert not follower.start()
    new = store(two)
    two.commit()
    assert set(ids(follower)) == new


def test_more_than_one_look_holds_are_shown_in_full(
    connections: list[Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, one, two, _ = connections
    monkeypatch.setattr(follow, "AT_ONCE", 7)
    follower = follower_on(reader)
    late = store(one, 3)
    stored = store(two, 40)
    two.commit()

    shown: list[int] = []
    while found := ids(follower):
        shown += found
        if len(shown) == 21:
            one.commit()

    assert set(shown) == late | stored
    assert len(shown) == 43


def test_filters_hold(connections: list[Connection]) -> None:
    reader, one, _, _ = connections
    follower = follower_on(reader, Filters(nodes=("b",)))

    new = store(one, 2)
    one.execute(
        "update pgconflict.conflict_log set node = 'b' where conflict_id = %s",
        [max(new)],
    )
    one.commit()

    assert ids(follower) == [max(new)]


@pytest.mark.parametrize("seed", range(4))
def test_any_interleaving_shows_each_commit_once(
    connections: list[Connection], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(follow, "AT_ONCE", 5)
    chance = random.Random(seed)
    reader, *writers = connections
    follower = follower_on(reader)
    pending: dict[int, set[int]] = {n: set() for n in range(len(writers))}
    committed: set[int] = set()
    shown: list[int] = []
    for _ in range(120):
        number = chance.randrange(len(writers))
        match chance.choice(["store", "store", "commit", "rollback", "look", "look"]):
            case "store":
                pending[number] |= store(writers[number], chance.choice([1, 3, 11]))
            case "commit":
                writers[number].commit()
                committed |= pending[number]
                pending[number] = set()
            case "rollback":
                writers[number].rollback()
                pending[number] = set()
            case _:
                shown += ids(follower)
        assert set(shown) <= committed
    for writer in writers:
        writer.rollback()
    while found := ids(follower):
        shown += found

    assert sorted(shown) == sorted(committed)
    assert len(committed) > 20


def test_the_command_streams_until_it_is_interrupted(dsn: str, tmp_path: Path) -> None:
    record(dsn, [entry(key="old", line=1)])
    process = subprocess.Popen(
        [
            *(
                sys.executable,
                "-m",
                "pgconflict",
                "--config",
                config_for(dsn, tmp_path),
            ),
            *("conflicts", "list", "--follow", "--since", "2026-11-01", "--json"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        keys = [json.loads(process.stdout.readline())["replica_identity_text"]]
        for key in ("new", "newer"):
            record(dsn, [entry(key=key, line=len(key))])
            keys.append(json.loads(process.stdout.readline())["replica_identity_text"])
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        code = process.wait(10)
    finally:
        process.kill()
        process.communicate()

    assert keys == ["old", "new", "newer"]
    assert (rest, code) == ("", 130)


def test_text_has_titles_and_a_line_each(dsn: str, tmp_path: Path) -> None:
    record(dsn, [entry(key="a\x1b[2J", line=1)])
    output = tmp_path / "followed"
    with output.open("w") as file:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "pgconflict"),
                *("--config", config_for(dsn, tmp_path)),
                *("conflicts", "list", "--follow", "--since", "2026-11-01"),
            ],
            stdout=file,
        )
    try:
        wait_until(lambda: output.read_text().count("\n") > 1, "two lines")
        lines = output.read_text().splitlines()
        process.terminate()
    finally:
        process.kill()
        process.wait()

    assert lines[0].split()[:3] == ["id", "logged", "(UTC)"]
    assert lines[1].split()[-4:] == [r"a\x1b[2J", "1", "applied", "-"]
