"""The daemon: starts the jobs, ends them, tells systemd how it goes."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, NoReturn

from pgconflict import libpq
from pgconflict.daemon import systemd
from pgconflict.daemon.coverage_job import CoverageJob
from pgconflict.daemon.health import Health
from pgconflict.daemon.http import serve
from pgconflict.daemon.job import Job
from pgconflict.daemon.links import Links
from pgconflict.daemon.messages import messages
from pgconflict.daemon.metrics import Metrics
from pgconflict.daemon.node_statistics import NodeStatistics
from pgconflict.daemon.publisher import Publisher
from pgconflict.daemon.publishers import Publishers
from pgconflict.daemon.sequence_sync import SequenceSync
from pgconflict.daemon.tail import Tail
from pgconflict.daemon.top_tables import TopTables
from pgconflict.daemon.upkeep import keep_up
from pgconflict.daemon.verdict.job import WITHIN_S as VERDICT_WITHIN_S
from pgconflict.daemon.verdict.job import VerdictJob
from pgconflict.errors import (
    NodeNotReadyError,
    NodeUnavailableError,
    PgConflictError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Literal

    from pgconflict.config import Config

    Wish = Literal["stop", "reload"]

LOG: Final = messages()

TAIL_WITHIN_S: Final = 30.0
"""A log that was not looked into for so long is not followed."""

STATISTICS_WITHIN_S: Final = 30.0
PUBLISHER_WITHIN_S: Final = 30.0
COVERAGE_WITHIN_S: Final = 5 * 60.0
TOP_TABLES_WITHIN_S: Final = 5 * 60.0
UPKEEP_WITHIN_S: Final = 2 * 3600.0

SEQUENCES_WITHIN_S: Final = 60.0
"""Beyond the pause between two looks: hundreds of thousands take their time."""

END_WITHIN_S: Final = 4.5
"""After SIGTERM: what has not ended by then is left as it is. All of it can be: the
conflict log rolls back what was not committed."""

Work = tuple[Job, "Callable[[], Awaitable[None]]"]


class _WishedError(Exception):
    """Somebody wants the jobs to end."""

    def __init__(self, wish: Wish) -> None:
        super().__init__(wish)
        self.wish = wish


@dataclass(slots=True)
class Service:
    """The daemon, from its start to its end.

    Attributes:
        load: Reads the configuration, now and at each reload.
    """

    load: Callable[[], Config]
    _wishes: asyncio.Queue[Wish] = field(default_factory=asyncio.Queue)

    async def run(self) -> None:
        """Work until SIGTERM or SIGINT; begin anew at SIGHUP.

        Raises:
            PgConflictError: the configuration, or what it names, is not as it must
                be.
            ExceptionGroup: a defect.
        """
        self._listen()
        config = self.load()
        while True:
            refuse_unusable(config)
            wish = await self._work(config)
            if wish == "stop":
                return
            config = self._reloaded(config)

    def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        wishes: dict[signal.Signals, Wish] = {
            signal.SIGTERM: "stop",
            signal.SIGINT: "stop",
            signal.SIGHUP: "reload",
        }
        for number, wish in wishes.items():
            loop.add_signal_handler(number, self._wishes.put_nowait, wish)

    def _reloaded(self, present: Config) -> Config:
        systemd.reloading()
        try:
            config = self.load()
            refuse_unusable(config)
        except PgConflictError as error:
            # Not a defect: no traceback.
            LOG.error("the configuration stays as it was: %s", error)  # noqa: TRY400
            return present
        LOG.info("read the configuration again")
        return config

    async def _work(self, config: Config) -> Wish:
        metrics, health = Metrics(), Health()
        endpoint = serve(config.metrics, metrics, health)
        try:
            jobs = _jobs(config, metrics, health)
            async with asyncio.TaskGroup() as group:
                for job, work in jobs:
                    group.create_task(job.keep(work), name=job.title)
                group.create_task(self._obey(), name="wishes")
                group.create_task(_tell_systemd([job for job, _ in jobs]))
            raise AssertionError("jobs do not end by themselves")
        except BaseExceptionGroup as ended:
            return _wish_of(ended)
        finally:
            if endpoint is not None:
                endpoint.close()

    async def _obey(self) -> NoReturn:
        wish = await self._wishes.get()
        if wish == "stop":
            LOG.info("stops")
            systemd.notify("STOPPING=1")
            _end_in_time()
        raise _WishedError(wish)


def refuse_unusable(config: Config) -> None:
    """Refuse connection strings that the daemon can't use, before anything starts.

    Raises:
        ConfigError: names the key.
    """
    dsns = {"conflict_log.dsn": config.conflict_log.dsn}
    dsns |= {f"nodes[{n}].dsn": node.dsn for n, node in enumerate(config.nodes)}
    for key, dsn in dsns.items():
        try:
            libpq.parameters(dsn)
        except PgConflictError as error:
            raise type(error)(f"{key}: {error}", hint=error.hint) from error


def _jobs(config: Config, metrics: Metrics, health: Health) -> list[Work]:
    limits = config.limits
    wait = max(limits.connect_timeout, limits.statement_timeout)

    def job(node: str, name: str, within_s: float) -> Job:
        made = Job(node, name, metrics, health, within_s)
        made.wait_s = wait.total_seconds()
        return made

    works: list[Work] = []
    links = Links(metrics.nodes)
    metrics.jobs_late.watch(health, [node.name for node in config.nodes])
    tails: dict[str, Tail] = {}
    for node in config.nodes:
        tail_job = job(node.name, "tail", TAIL_WITHIN_S)
        tail = tails[node.name] = Tail(node, config, tail_job)
        statistics_job = job(node.name, "statistics", STATISTICS_WITHIN_S)
        # Its questions need no privilege: what it is refused is the whole node.
        statistics_job.down = (NodeUnavailableError, NodeNotReadyError)
        publisher_job = job(node.name, "publisher", PUBLISHER_WITHIN_S)
        coverage_job = job(node.name, "coverage", COVERAGE_WITHIN_S)
        for own in (publisher_job, coverage_job):
            # Whether the node answers is said by the job `statistics` alone.
            own.down = ()
        publisher = Publisher(node, config, publisher_job, links)
        coverage = CoverageJob(node, config, coverage_job, metrics.nodes)
        statistics = NodeStatistics(node, config, statistics_job, tail, coverage)
        works += [(tail_job, tail.run), (statistics_job, statistics.run)]
        works += [(publisher_job, publisher.run), (coverage_job, coverage.run)]
        names = ["tail", "statistics", "publisher", "coverage"]
        metrics.know_node(node.name, names)
    upkeep = job("", "upkeep", UPKEEP_WITHIN_S)
    works.append((upkeep, partial(keep_up, config, upkeep)))
    if config.metrics.top_tables and config.conflict_log.destination != "log":
        top = job("", "top-tables", TOP_TABLES_WITHIN_S)
        works.append((top, TopTables(config, top).run))
    if len(config.nodes) > 1:
        times = job("", "commit-times", UPKEEP_WITHIN_S)
        works.append((times, Publishers(config, times).run))
        # It takes two nodes to compare, and rows of conflicts to start from.
        if config.verdict.enabled and config.conflict_log.destination != "log":
            verdict = job("", "verdict", VERDICT_WITHIN_S)
            works.append((verdict, VerdictJob(config, verdict, tails).run))
    for pair in config.sequences.pairs:
        within_s = SEQUENCES_WITHIN_S + config.sequences.interval.total_seconds()
        sequences = job("", f"sequences/{pair.name}", within_s)
        works.append((sequences, SequenceSync(pair, config, sequences).run))
    return works


async def _tell_systemd(jobs: list[Job]) -> None:
    """READY after the first pass or failure of each job, then signs of life."""
    for job in jobs:
        await job.settled.wait()
    nodes = len({job.node for job in jobs if job.node})
    LOG.info("started")
    systemd.notify("READY=1", f"STATUS=follows {nodes} nodes")
    interval = systemd.watchdog_interval()
    while interval is not None:
        hanging = [job.title for job in jobs if job.hangs]
        if not hanging:
            systemd.notify("WATCHDOG=1")
        await asyncio.sleep(interval / 3)


def _wish_of(ended: BaseExceptionGroup[BaseException]) -> Wish:
    """What ended the jobs, if it was a wish.

    Raises:
        PgConflictError: one that no job tries again.
        BaseExceptionGroup: defects, with their tracebacks.
    """
    wished, rest = ended.split(_WishedError)
    if rest is None and wished is not None:
        wish = wished.exceptions[0]
        assert isinstance(wish, _WishedError)  # noqa: S101 - split by it
        return wish.wish
    assert rest is not None  # noqa: S101 - a group is never empty
    first = rest.exceptions[0]
    if isinstance(first, PgConflictError):
        raise first
    raise rest


def _end_in_time() -> None:
    """End the process although something in it hangs: a name's resolution, a disk."""
    timer = threading.Timer(END_WITHIN_S, os._exit, [0])
    timer.daemon = True
    timer.start()
