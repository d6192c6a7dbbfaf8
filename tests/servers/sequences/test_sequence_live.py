"""Under load: no value is given out twice, whenever sync runs, however it ends."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections import Counter
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.fixtures.sequence_nodes import Writers, fresh_pair, stands
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.nodes import Node
    from tests.fixtures.nodes import Pair as Servers
    from tests.fixtures.sequence_nodes import Pair

SECONDS = 2.5  # of load
KILLS = 5  # on each of two versions


def duplicates(values: list[int]) -> int:
    return sum(count - 1 for count in Counter(values).values())


@pytest.mark.parametrize("cache", [1, 20])
def test_writers_on_the_target_never_get_a_value_twice(same: Pair, cache: int) -> None:
    """Both are moved again and again, under their writers' feet."""
    same.both(f"create schema app; create sequence app.x cache {cache}")
    with Writers(same.a, "app.x") as ours, Writers(same.b, "app.x") as theirs:
        deadline = time.monotonic() + SECONDS
        runs = 0
        while time.monotonic() < deadline:
            for source, target in (("a", "b"), ("b", "a")):
                margin = str(random.choice([0, 10, 1000]))
                same.run(
                    *("sync", "--from", source, "--to", target, "--no-store"),
                    *("--apply", "--margin", margin),
                )
                runs += 1

    assert runs > 3
    assert len(ours.values) > 1000
    assert len(theirs.values) > 1000
    assert duplicates(ours.values) == 0
    assert duplicates(theirs.values) == 0
    for mine in (*ours.got, *theirs.got):
        assert mine == sorted(mine)


def test_staggered_nodes_never_share_a_value_while_sync_runs(same: Pair) -> None:
    same.both("create schema app; create sequence app.x")
    assert same.run("stagger", "a", "b", "--apply").code == 0
    with Writers(same.a, "app.x") as ours, Writers(same.b, "app.x") as theirs:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            for source, target in (("a", "b"), ("b", "a")):
                same.run(
                    *("sync", "--from", source, "--to", target, "--no-store"),
                    *("--apply", "--margin", "500"),
                )

    assert min(len(ours.values), len(theirs.values)) > 1000
    assert duplicates(ours.values + theirs.values) == 0


def test_staggering_under_load(same: Pair) -> None:
    """From its step on a node's values are its own alone; before, they were not."""
    same.both("create schema app; create sequence app.x cache 5")
    with Writers(same.a, "app.x") as ours, Writers(same.b, "app.x") as theirs:
        wait_until(lambda: len(theirs.values) > 500, "values before")

        done = same.run(
            "stagger", "a", "b", "--apply", "--margin", "10s", "--sample", "500ms"
        )

        seen = len(ours.values), len(theirs.values)
        wait_until(lambda: len(ours.values) > seen[0] + 1000, "values afterwards")
        wait_until(lambda: len(theirs.values) > seen[1] + 1000, "values afterwards")

    assert done.code == 0
    assert "proved by reading all nodes again" in done.err
    mine, other = _own(ours), _own(theirs)
    assert len(mine) > 1000
    assert len(other) > 1000
    assert {value % 2 for value in mine} != {value % 2 for value in other}
    assert set(mine).isdisjoint(theirs.values)
    assert set(other).isdisjoint(ours.values)


def _own(writers: Writers) -> list[int]:
    """Return what each session got after the jump to the node's own values."""
    found = []
    for mine in writers.got:
        jump = max(range(1, len(mine)), key=lambda place: mine[place] - mine[place - 1])
        found += mine[jump:]
    return found


@pytest.mark.majors(15, 19)
def test_killed_at_any_moment_the_next_run_makes_it_right(same: Pair) -> None:
    kill_again_and_again(same, KILLS)


def kill_again_and_again(same: Pair, times: int) -> int:
    """Kill the command at random moments and run it again; how often it had ended."""
    count = 1500
    same.both(
        "create schema app; do $$ begin for i in 1.." + str(count) + " loop execute"
        " format('create sequence app.s_%s', i); end loop; end $$"
    )
    move = (
        "select count(setval(oid::regclass, %s + oid::bigint %% 7)) from pg_class"
        " where relkind = 'S'"
    )
    same.a.execute(move, [1000])
    began = time.monotonic()
    assert same.run.start(*_SYNC).wait() == 0
    whole = time.monotonic() - began
    killed = too_late = 0
    while killed < times:
        round_number = 2 + killed + too_late
        same.a.execute(move, [1000 * round_number])
        process = same.run.start(*_SYNC)
        time.sleep(random.uniform(0.2, 1.0) * whole)
        process.kill()
        if process.wait() == 0:
            too_late += 1
            whole *= 0.9  # other tests ran beside the first
            assert too_late <= 3 * times
        else:
            killed += 1
        wait_until(lambda: _sessions(same) == 0, "the server has ended its sessions")
        # Nothing is lost, nothing went back.
        moved = same.b.execute("select last_value from pg_sequences")
        floor = 1000 * (round_number - 1)
        assert all(value >= floor for (value,) in moved)

        done = same.sync("--apply")

        assert done.code == 0
        assert "proved by reading both nodes again" in done.err
        assert _positions(same.b) == _positions(same.a)
    return too_late


def _positions(node: Node) -> dict[str, int]:
    return dict(node.execute("select sequencename, last_value from pg_sequences"))


@pytest.mark.majors(18)
def test_interrupted_by_hand_it_says_what_to_do(same: Pair) -> None:
    same.both("create schema app; create sequence app.x; create sequence app.y")
    same.a.execute("select setval('app.x', 50), setval('app.y', 60)")
    with same.b.connect() as other, other.transaction():
        other.execute("select nextval('app.x')")
        process = same.run.start(*_SYNC, "--no-store", stderr=subprocess.PIPE)
        wait_until(lambda: stands(same.b, "app.y")[0] == 60, "one of them is moved")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)

    assert process.returncode == 130
    assert b"what was changed stays so; run it again for the rest" in said
    assert same.sync("--apply", "--no-store").code == 0
    assert stands(same.b, "app.x") == (50, True)


_SYNC = ("sync", "--from", "a", "--to", "b", "--apply")


def _sessions(pair: Pair) -> int:
    statement = (
        "select count(*) from pg_stat_activity where datname = %s"
        " and application_name = 'pgconflict/sequences'"
    )
    return int(pair.b.value(statement, [pair.b.dbname]))


@pytest.mark.majors(19)
def test_more_sequences_than_the_lock_table_has_places(
    new_pair: Callable[..., Servers],
    tmp_path: Path,
    sequence_log: str,
    capsys: pytest.CaptureFixture[str],
    major: int,
) -> None:
    count = 12_000
    # Half of the least default; with 100 connections it has room for 6,000.
    servers = new_pair(major, settings={"max_locks_per_transaction": 32})
    pair = fresh_pair(servers.a, servers.b, tmp_path, sequence_log, capsys)
    pair.both("create schema app")
    for first in range(0, count, 3000):
        pair.both(
            f"do $$ begin for i in {first}..{first + 2999} loop"
            " execute format('create sequence app.s_%s', i); end loop; end $$"
        )
    move = "select count(setval(oid::regclass, 77)) from pg_class where relkind = 'S'"
    with pytest.raises(psycopg.errors.OutOfMemory):
        pair.a.execute(move)
    for part in range(12):
        pair.a.execute(f"{move} and oid::bigint % 12 = {part}")

    done = pair.sync("--apply", "--no-store")

    assert done.code == 0
    assert f"moved {count}" in done.err
