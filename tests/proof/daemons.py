"""What looks at the conflicts of a pair while a proof runs; killed now and then."""

from __future__ import annotations

import asyncio
import random
import threading
from typing import TYPE_CHECKING, Any, Protocol, Self

import psycopg

from pgconflict.config import Config, ConflictLog
from pgconflict.config import Node as ConfigNode
from pgconflict.config.models import Verdict as VerdictSection
from pgconflict.daemon.health import Health
from pgconflict.daemon.job import Job
from pgconflict.daemon.metrics import Metrics
from pgconflict.daemon.tail import Tail
from pgconflict.daemon.verdict.job import VerdictJob
from tests.fixtures.daemon import Daemon as Process
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.fixtures.nodes import Node
    from tests.fixtures.servers import Pair

RATE = 5000


class HasNodes(Protocol):
    """A pair, or a mesh."""

    @property
    def nodes(self) -> Sequence[Node]:
        """The nodes."""


class Asked:
    """A conflict log that a daemon writes."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.failure: BaseException | None = None

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        assert self.failure is None, self.failure
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(statement.encode()).fetchall()

    def do(self, statement: str) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(statement.encode())

    def wait_followed(self, nodes: int) -> None:
        wait_until(
            lambda: len(self.rows("select from pgconflict.log_complete")) == nodes,
            "every log is followed",
        )

    def settle(self, timeout: float) -> None:
        """Wait until nothing is left but rows that differ."""
        # Those were seen before the last writes: again, and now. What was being
        # looked at then is stored with what was seen before; so once more.
        for _ in range(2):
            self.do("update pgconflict.verdict_due set due_at = now()")
            self._wait_settled(timeout)

    def _wait_settled(self, timeout: float) -> None:
        wait_until(
            lambda: (
                not self.rows(
                    "select from pgconflict.conflict_log c"
                    " left join pgconflict.verdict_due d using (conflict_id)"
                    # Not a worker that met the one before it: nothing here ends that.
                    " where c.kind = 'conflict' and (c.effect is null"
                    " or c.verdict is null or c.verdict = 'pending'"
                    " or d.due_at <= now() or d.verdict <> 'diverged'"
                    " or (d.verdict is null and d.due_at is not null)) limit 1"
                )
            ),
            "every conflict has its verdict",
            timeout=timeout,
        )


class Daemon(Asked):
    """The jobs `tail` and `verdict` of nodes, in a thread of their own."""

    def __init__(self, pair: HasNodes, dsn: str) -> None:
        super().__init__(dsn)
        self.metrics = Metrics()
        self._config = Config(
            conflict_log=ConflictLog(dsn=dsn),
            nodes=tuple(ConfigNode(name=n.name, dsn=n.dsn) for n in pair.nodes),
            verdict=VerdictSection(rate=RATE),
        )
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        try:
            self.wait_followed(len(self._config.nodes))
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        if self.failure:
            raise self.failure

    def _end(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(20)

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


class KilledDaemon(Asked):
    """The daemon as a process that dies (kill -9) at random moments.

    Args:
        pair: Its nodes.
        dsn: Of the conflict log.
        folder: For its configuration and what it says.
        kills: How often it dies.
        seconds: Within which it does.
    """

    def __init__(
        self, pair: Pair, dsn: str, folder: Path, *, kills: int, seconds: float
    ) -> None:
        super().__init__(dsn)
        nodes = {node.name: node.dsn for node in pair.nodes}
        section = {"enabled": True, "rate": RATE}
        self._process = Process(folder, dsn, nodes, verdict=section)
        self._kills, self._pause_s = kills, seconds / (kills + 1)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._kill_now_and_then)

    def __enter__(self) -> Self:
        try:
            self._process.start()
            self.wait_followed(len(self._process.config["nodes"]))
        except BaseException:
            self._process.kill()
            raise
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self._process.stop()
        if self.failure:
            raise self.failure

    def _kill_now_and_then(self) -> None:
        chance = random.Random(self._kills)
        try:
            for _ in range(self._kills):
                if self._end.wait(self._pause_s * chance.uniform(0.5, 1.4)):
                    return
                self._process.kill()
                self._end.wait(chance.uniform(0.1, 2))
                self._process.start(ready=False)
        except BaseException as error:  # noqa: BLE001 - told at the end
            self.failure = error
