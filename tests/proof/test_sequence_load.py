"""Under load, for long: no value comes twice, and every interruption is made good."""

from __future__ import annotations

import itertools
import os
import random
import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.fixtures.postgres import MAJORS
from tests.fixtures.sequence_nodes import Writers, fresh_pair
from tests.servers.sequences import test_sequence_cutover as cutover
from tests.servers.sequences import test_sequence_live as live

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.nodes import Pair as Servers
    from tests.fixtures.sequence_nodes import Pair

VALUES = int(os.environ.get("PGCONFLICT_SEQUENCE_VALUES", "1000000"))
KILLS = int(os.environ.get("PGCONFLICT_SEQUENCE_KILLS", "50"))
MANY = int(os.environ.get("PGCONFLICT_SEQUENCES", "100000"))


def run_until(pair: Pair, ours: Writers, theirs: Writers) -> int:
    """Synchronise both ways until each node has given out enough; how often."""
    runs = 0
    while min(_count(ours), _count(theirs)) < VALUES:
        for source, target in (("a", "b"), ("b", "a")):
            margin = str(random.choice([0, 10, 1000]))
            pair.run(
                *("sync", "--from", source, "--to", target, "--no-store"),
                *("--apply", "--margin", margin),
            )
            runs += 1
    return runs


def _count(writers: Writers) -> int:
    return sum(map(len, writers.got))


@pytest.mark.parametrize("cache", [1, 20])
def test_no_value_twice_in_a_million(same: Pair, cache: int) -> None:
    same.both(f"create schema app; create sequence app.x cache {cache}")
    with Writers(same.a, "app.x") as ours, Writers(same.b, "app.x") as theirs:
        runs = run_until(same, ours, theirs)

    values = len(ours.values) + len(theirs.values)
    same.run.report(f"cache {cache}: {values} values, {runs} runs")
    assert live.duplicates(ours.values) == 0
    assert live.duplicates(theirs.values) == 0
    for mine in (*ours.got, *theirs.got):
        assert mine == sorted(mine)


def test_staggered_nodes_share_no_value_in_a_million(same: Pair) -> None:
    same.both("create schema app; create sequence app.x")
    assert same.run("stagger", "a", "b", "--apply").code == 0
    with Writers(same.a, "app.x") as ours, Writers(same.b, "app.x") as theirs:
        runs = run_until(same, ours, theirs)

    values = ours.values + theirs.values
    same.run.report(f"staggered: {len(values)} values, {runs} runs")
    assert live.duplicates(values) == 0


@pytest.mark.parametrize(("source", "target"), list(itertools.combinations(MAJORS, 2)))
def test_a_switchover_between_any_two_versions(
    two: Callable[..., Pair], source: int, target: int
) -> None:
    cutover.test_a_switchover_under_load(two, source, target)


def test_killed_at_any_moment(same: Pair) -> None:
    too_late = live.kill_again_and_again(same, KILLS)

    same.run.report(f"killed {KILLS} times; had ended before {too_late} times more")


@pytest.mark.parametrize(("source", "target"), [(15, 18), (18, 19)])
def test_so_many_at_default_settings(  # noqa: PLR0917  # fixtures
    new_pair: Callable[..., Servers],
    tmp_path: Path,
    sequence_log: str,
    capsys: pytest.CaptureFixture[str],
    source: int,
    target: int,
) -> None:
    settings = {"max_locks_per_transaction": 64, "max_connections": 100}
    a = new_pair(source, settings=settings).a
    b = new_pair(target, settings=settings).b
    pair = fresh_pair(a, b, tmp_path, sequence_log, capsys)
    pair.both("create schema app")
    for first in range(0, MANY, 3000):
        pair.both(
            f"do $$ begin for i in {first}..{min(first + 2999, MANY - 1)} loop"
            " execute format('create sequence app.s_%s', i); end loop; end $$"
        )
    move = "select count(setval(oid::regclass, 77)) from pg_class where relkind = 'S'"
    with pytest.raises(psycopg.errors.OutOfMemory):
        pair.a.execute(move)
    for part in range(50):
        pair.a.execute(f"{move} and oid::bigint % 50 = {part}")
    began = time.monotonic()

    done = pair.sync("--apply")

    pair.run.report(f"{MANY} sequences, proof kept: {time.monotonic() - began:.1f} s")
    assert done.code == 0
    assert f"moved {MANY}" in done.err
    there = (
        "select count(nullif(pg_sequence_last_value(oid) = 77, false)) from pg_class"
        " where relkind = 'S'"
    )
    parts = (pair.b.value(f"{there} and oid::bigint % 50 = {n}") for n in range(50))
    assert sum(parts) == MANY
