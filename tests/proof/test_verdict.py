"""Verdict, cause and effect on real pairs, against writes that carry their truth."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

import psycopg
import pytest

from pgconflict.config import Config, ConflictLog
from pgconflict.config import Node as ConfigNode
from pgconflict.config.models import Verdict as VerdictSection
from pgconflict.daemon.health import Health
from pgconflict.daemon.job import Job
from pgconflict.daemon.metrics import Metrics
from pgconflict.daemon.tail import Tail
from pgconflict.daemon.verdict import VerdictJob
from tests.fixtures.conflict_logs import new_conflict_log
from tests.fixtures.truth import TABLE, write_with_truth
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.servers import ConflictLogServer, Pair, Replicated
    from tests.fixtures.truth import Truth

SECONDS = float(os.environ.get("PGCONFLICT_VERDICT_SECONDS", "8"))
KEYS = int(os.environ.get("PGCONFLICT_VERDICT_KEYS", "800"))
LONGEST_S = float(os.environ.get("PGCONFLICT_VERDICT_PAUSE", "1.2"))
SEED = int(os.environ.get("PGCONFLICT_VERDICT_SEED", "1"))


class Daemon:
    """The jobs `tail` and `verdict` of a pair, in a thread of their own."""

    def __init__(self, pair: Pair, dsn: str) -> None:
        self.dsn = dsn
        self.metrics = Metrics()
        self._config = Config(
            conflict_log=ConflictLog(dsn=dsn),
            nodes=tuple(ConfigNode(name=n.name, dsn=n.dsn) for n in pair.nodes),
            verdict=VerdictSection(rate=5000),
        )
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self.failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        wait_until(
            lambda: self.rows("select from pgconflict.log_complete offset 1"),
            "both logs are followed",
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(20)
        if self.failure:
            raise self.failure

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.ensure_future(self._work())
        self._ready.set()
        try:
            await self._task
        except asyncio.CancelledError:
            return
        except BaseException as error:  # noqa: BLE001 - told at the end
            self.failure = error

    async def _work(self) -> None:
        def job(node: str, name: str) -> Job:
            return Job(node, name, self.metrics, Health(), 60)

        tails = {}
        async with asyncio.TaskGroup() as group:
            for node in self._config.nodes:
                tail_job = job(node.name, "tail")
                tails[node.name] = Tail(node, self._config, tail_job)
                group.create_task(tail_job.keep(tails[node.name].run))
            verdict_job = job("", "verdict")
            verdict = VerdictJob(self._config, verdict_job, tails)
            group.create_task(verdict_job.keep(verdict.run))

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        assert self.failure is None, self.failure
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(statement.encode()).fetchall()

    def do(self, statement: str) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(statement.encode())

    def settle(self, timeout: float) -> None:
        """Wait until nothing is left but rows that differ."""
        # Those were seen before the last writes: again, and now.
        self.do("update pgconflict.verdict_due set due_at = now()")
        wait_until(
            lambda: (
                not self.rows(
                    "select from pgconflict.conflict_log c"
                    " where verdict is null or effect is null or verdict = 'pending'"
                    " union all select from pgconflict.verdict_due"
                    " where due_at <= now() or verdict is distinct from 'diverged'"
                    " limit 1"
                )
            ),
            "every conflict has its verdict",
            timeout=timeout,
        )


@pytest.fixture
def daemon(pair: Pair, conflict_log_server: ConflictLogServer) -> Iterator[Daemon]:
    with Daemon(pair, new_conflict_log(conflict_log_server)) as started:
        yield started


@contextlib.contextmanager
def replicated_table(pair: Pair) -> Iterator[Replicated]:
    with pair.replicate(TABLE) as replicated:
        yield replicated


def differing(replicated: Replicated) -> set[int]:
    both = [
        dict(node.execute(f"select id, t::text from {replicated.table} t"))
        for node in replicated.pair.nodes
    ]
    keys = both[0].keys() | both[1].keys()
    return {key for key in keys if both[0].get(key) != both[1].get(key)}


def concurrent(truth: Truth, row: tuple[Any, ...]) -> bool | None:
    node, type_, shown, remote_xid, local_xid = row[:5]
    key = int(shown)
    if type_.endswith(("_missing", "_deleted")):
        return True  # only a delete of its own takes a row from under a change
    other = "b" if node == "a" else "a"
    local = truth.made.get((node, local_xid, key))
    if local is None:
        return None  # a version that came from the other node itself
    return not truth.saw(truth.made[other, remote_xid, key], local)


ENTRIES = """
select node, conflict_type,
       coalesce(replica_identity, local_conflicts[1] -> 'key') ->> 'id', remote_xid,
       (local_conflicts[1] ->> 'xid')::int8, cause, effect, verdict, conflict_id
  from pgconflict.conflict_log
"""


def told(daemon: Daemon, truth: Truth, wrong: list[tuple[Any, ...]]) -> str:
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
                f" and abs(conflict_id - {row[-1]}) < 400"
                " order by first_logged_at"
            ),
        )
        lines += map(
            str,
            daemon.rows(
                "select looked_at, verdict, cause, effect, evidence"
                f" from pgconflict.verdict where conflict_id = {row[-1]}"
            ),
        )
        other = "b" if row[0] == "a" else "a"
        token: str | None = truth.made[other, row[3], int(row[2])]
        chain: list[str] = []
        while token is not None and len(chain) < 12:
            chain.append(token)
            token = truth.parents.get(token)
        lines.append(f"{row} local {truth.made[row[0], row[4], int(row[2])]} {chain}")
    return "\n".join(lines)


@pytest.mark.majors(18, 19)
@pytest.mark.timeout(600 + 12 * SECONDS)
def test_cause_and_effect_are_never_wrong(pair: Pair, daemon: Daemon) -> None:
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
    causes = Counter((row[5], concurrent(truth, row)) for row in rows)
    effects = Counter(row[6] for row in rows)
    reasons = daemon.rows(
        "select evidence ->> 'reason', count(*) from pgconflict.verdict"
        " where cause = 'unknown' group by 1"
    )
    print(pair.major, len(rows), causes, effects, len(expected), reasons)
    assert len(rows) > 200
    wrong = [
        row
        for row in rows
        if (row[5] == "hand_over" and concurrent(truth, row) is not False)
        or (row[5] == "concurrent" and concurrent(truth, row) is not True)
    ]
    assert wrong == [], told(daemon, truth, wrong)
    assert {int(row[2]) for row in rows if row[6] == "diverged"} == expected
    for row in rows:
        harmless = not concurrent(truth, row) or row[1] == "delete_missing"
        if row[6] in ("none", "write_lost"):
            assert (row[6] == "none") == harmless, row
    unknown = sum(row[5] == "unknown" for row in rows)
    assert unknown < 0.02 * len(rows), reasons
