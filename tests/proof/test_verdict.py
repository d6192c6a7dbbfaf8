"""Verdict, cause and effect on real pairs, against writes that carry their truth."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.conflict_logs import new_conflict_log
from tests.fixtures.operated import Desk
from tests.fixtures.truth import TABLE, write_with_truth
from tests.fixtures.waiting import wait_until
from tests.proof.daemons import Daemon, KilledDaemon
from tests.servers.repair.test_repair import errors_and_conflicts, repair
from tests.servers.repair.test_repair_divergence import sends

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fixtures.servers import ConflictLogServer, Node, Pair, Replicated
    from tests.fixtures.truth import Truth
    from tests.proof.daemons import Asked

SECONDS = float(os.environ.get("PGCONFLICT_VERDICT_SECONDS", "8"))
KEYS = int(os.environ.get("PGCONFLICT_VERDICT_KEYS", "800"))
LONGEST_S = float(os.environ.get("PGCONFLICT_VERDICT_PAUSE", "1.2"))
SEED = int(os.environ.get("PGCONFLICT_VERDICT_SEED", "1"))
KILLS = int(os.environ.get("PGCONFLICT_VERDICT_KILLS", "0"))
REPAIR = os.environ.get("PGCONFLICT_VERDICT_REPAIR") == "1"


@pytest.fixture
def daemon(
    pair: Pair, conflict_log_server: ConflictLogServer, tmp_path: Path
) -> Iterator[Asked]:
    dsn = new_conflict_log(conflict_log_server)
    made: Daemon | KilledDaemon = Daemon(pair, dsn)
    if KILLS:
        made = KilledDaemon(pair, dsn, tmp_path, kills=KILLS, seconds=SECONDS)
    with made as started:
        yield started


@contextlib.contextmanager
def replicated_table(pair: Pair) -> Iterator[Replicated]:
    with pair.replicate(TABLE) as replicated:
        yield replicated


def contents(node: Node, replicated: Replicated) -> dict[int, str]:
    return dict(node.execute(f"select id, t::text from {replicated.table} t"))


def differing(replicated: Replicated) -> set[int]:
    both = [contents(node, replicated) for node in replicated.pair.nodes]
    keys = both[0].keys() | both[1].keys()
    return {key for key in keys if both[0].get(key) != both[1].get(key)}


def concurrent(truth: Truth, row: tuple[Any, ...]) -> bool | None:
    node, type_, key, remote_xid, local_xid = row[:5]
    if type_.endswith(("_missing", "_deleted")):
        return True  # only a write of its own takes a row from under a change
    other = "b" if node == "a" else "a"
    # Where a change of the key met a row: that has the new one.
    met = key if row[9] is None else row[9]
    local = truth.made.get((node, local_xid, met))
    if local is None:
        return None  # a version that came from the other node itself
    return not truth.saw(truth.made[other, remote_xid, key], local)


def keys_of(row: tuple[Any, ...]) -> set[int]:
    """The rows that an entry is about: two where the key was changed."""
    return {row[2], row[2] if row[10] is None else row[10]}


ENTRIES = """
select node, conflict_type,
       (coalesce(replica_identity, local_conflicts[1] -> 'key') ->> 'id')::int,
       remote_xid, (local_conflicts[1] ->> 'xid')::int8, cause, effect, verdict,
       conflict_id, (local_conflicts[1] -> 'key' ->> 'id')::int,
       (remote_tuple ->> 'id')::int
  from pgconflict.conflict_log
 where kind = 'conflict'
"""


def told(daemon: Asked, truth: Truth, wrong: list[tuple[Any, ...]]) -> str:
    """What was known of the first wrong one: its evidence and all around it."""
    lines: list[str] = []
    for row in wrong[:3]:
        lines += map(
            str,
            daemon.rows(
                "select conflict_id, node, conflict_type, remote_xid,"
                " local_conflicts[1] ->> 'xid', local_conflicts[1] ->> 'commit_ts',"
                " local_conflicts[1] ->> 'origin_kind', remote_commit_ts, attempts,"
                " first_logged_at, last_logged_at, ingested_at, cause, effect"
                " from pgconflict.conflict_log where coalesce(replica_identity,"
                f" local_conflicts[1] -> 'key') ->> 'id' = '{row[2]}'"
                f" and abs(conflict_id - {row[8]}) < 400"
                " order by first_logged_at"
            ),
        )
        lines += map(
            str,
            daemon.rows(
                "select looked_at, verdict, cause, effect, evidence"
                f" from pgconflict.verdict where conflict_id = {row[8]}"
            ),
        )
        other = "b" if row[0] == "a" else "a"
        chain = [truth.made[other, row[3], row[2]]]
        while (seen := truth.parents.get(chain[-1])) and len(chain) < 12:
            chain.append(seen[0])
        local = truth.made.get((row[0], row[4], row[2]))
        lines.append(f"{row} local {local} {chain}")
    return "\n".join(lines)


def repair_all(
    desk: Desk, replicated: Replicated, expected: set[int], named: set[int]
) -> None:
    """Put right all rows that differ: they agree, and nobody is told.

    `named` are these and those of the same conflicts: of a change of the key, one of
    the two rows may differ and the other not.
    """
    pair = replicated.pair
    before = [contents(node, replicated) for node in pair.nodes]
    counted = errors_and_conflicts(pair)
    sent = {one.publisher.name: sends(one) for one in replicated.subscriptions}
    words = ["--all-diverged", "--winner", "latest", "--apply"]

    answer, told = repair(desk, [], *words)

    outcomes = Counter(one["outcome"] for one in told)
    assert answer.code == 0, (outcomes, answer.err)
    repaired, equal = (
        {
            int(key["id"])
            for one in told
            if one["outcome"] == outcome
            for key in one["keys"]
        }
        for outcome in ("repaired", "equal")
    )
    # Both keys of a change of the key are put right at once, and equal then.
    assert outcomes.total() == outcomes["repaired"] + outcomes["equal"]
    assert expected <= repaired <= named
    assert equal <= named
    replicated.catch_up()
    after = [contents(node, replicated) for node in pair.nodes]
    assert after[0] == after[1]
    assert all(
        after[0].get(key) in {one.get(key) for one in before} for key in expected
    )
    written = {name for row in told for name in row["statements"]}
    assert [count(repaired=name in written) for name, count in sent.items()] == [0, 0]
    assert errors_and_conflicts(pair) == counted
    assert repair(desk, [], *words)[1] == []


def summed_up(daemon: Asked, truth: Truth, rows: list[tuple[Any, ...]]) -> str:
    causes = Counter((row[5], concurrent(truth, row)) for row in rows)
    moves = Counter((row[1], row[5]) for row in rows if len(keys_of(row)) > 1)
    effects = Counter(row[6] for row in rows)
    reasons = daemon.rows(
        "select evidence ->> 'reason', count(*) from pgconflict.verdict"
        " where cause = 'unknown' group by 1 order by 2 desc"
    )
    unknown = sum(row[5] == "unknown" for row in rows) / len(rows)
    return f"{len(rows)} {unknown:.2%} unknown {causes} {effects} {moves} {reasons}"


def judge(
    daemon: Asked, truth: Truth, rows: list[tuple[Any, ...]], expected: set[int]
) -> None:
    """Compare what was found with the truth."""
    assert len(rows) > 200
    wrong = [
        row
        for row in rows
        if (row[5] == "hand_over" and concurrent(truth, row) is not False)
        or (row[5] == "concurrent" and concurrent(truth, row) is not True)
    ]
    assert wrong == [], told(daemon, truth, wrong)
    diverged = [keys_of(row) for row in rows if row[6] == "diverged"]
    assert expected <= set().union(*diverged)
    assert [keys for keys in diverged if not keys & expected] == []
    for row in rows:
        harmless = not concurrent(truth, row) or row[1] == "delete_missing"
        if row[6] in ("none", "write_lost"):
            assert (row[6] == "none") == harmless, row
    unknown = sum(row[5] == "unknown" for row in rows)
    assert unknown < 0.02 * len(rows), summed_up(daemon, truth, rows)


@pytest.mark.majors(18, 19)
@pytest.mark.timeout(600 + 12 * SECONDS)
def test_cause_and_effect_are_never_wrong(
    pair: Pair, daemon: Asked, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with replicated_table(pair) as replicated:
        truth = write_with_truth(
            replicated,
            seconds=SECONDS,
            keys=KEYS,
            seed=pair.major * SEED,
            longest_s=LONGEST_S,
        )
        wait_until(
            lambda: daemon.rows("select from pgconflict.conflict_log limit 1"),
            "conflicts",
        )
        daemon.settle(timeout=60 + 4 * SECONDS)
        expected = differing(replicated)
        rows = daemon.rows(ENTRIES)
        with capsys.disabled():
            summary = summed_up(daemon, truth, rows)
            print(f"\n{pair.major}: {summary} {len(expected)} differ")
        judge(daemon, truth, rows, expected)
        if REPAIR:
            desk = Desk(tmp_path, daemon.dsn, capsys)
            desk.knows(**{node.name: node.dsn for node in pair.nodes})
            diverged = (keys_of(row) for row in rows if row[6] == "diverged")
            named = set[int]().union(*diverged)
            repair_all(desk, replicated, expected, named)
