"""The job `statistics`: what a node counts and knows beside its log."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pgconflict.conflict_log.ledger_store import LedgerStore
from pgconflict.daemon.conflict_log import connect
from pgconflict.daemon.ledger import Ledger
from pgconflict.daemon.native import copy_native
from pgconflict.daemon.stalls import Stalls
from pgconflict.daemon.statistics import (
    Mirror,
    StatisticsReader,
    read_origin_progress,
)
from pgconflict.daemon.troubles import Troubles
from pgconflict.errors import ConflictLogUnavailableError
from pgconflict.server.session import NodeSession

if TYPE_CHECKING:
    import asyncpg

    from pgconflict.config import Config, Node
    from pgconflict.conflict_log.writer import ConflictLogWriter
    from pgconflict.daemon.coverage_job import CoverageJob
    from pgconflict.daemon.job import Job
    from pgconflict.daemon.statistics import SubscriptionStatistics
    from pgconflict.daemon.tail import Tail

STORIES_S: Final = 5.0
"""Between two looks at what the conflict log is told besides the log's entries."""


CAUGHT_UP_S: Final = 2.5
"""The tail looks every second: a log that it read to its end so lately is recorded."""


class NodeStatistics:
    """Shows a node's own counters, and closes the stories that its log leaves open."""

    def __init__(
        self, node: Node, config: Config, job: Job, tail: Tail, coverage: CoverageJob
    ) -> None:
        self._node = node
        self._config = config
        self._limits = config.limits
        self._job = job
        self._tail = tail
        # These outlive a lost connection: a counter must not fall for it.
        self._reader = StatisticsReader()
        self._mirror = Mirror(node.name, job.metrics)
        self._stalls = Stalls()
        self._troubles = Troubles(
            node.name, job.metrics, lambda: coverage.latest, coverage.look_soon
        )
        self._stalled: set[int] = set()
        self._ledger: Ledger | None = None
        self._ledger_connection: asyncpg.Connection | None = None

    async def run(self) -> None:
        """Look at the node again and again, until it does not answer.

        Raises:
            PgConflictError: it can't be asked.
        """
        session = await NodeSession.open(self._node, self._limits, job="statistics")
        try:
            told_at = float("-inf")
            while True:
                await self._show(session)
                if time.monotonic() - told_at >= STORIES_S:
                    told_at = time.monotonic()
                    await self._tell(session)
                self._job.passed()
                await asyncio.sleep(self._limits.statistics_interval.total_seconds())
        finally:
            self._drop_ledger()
            await session.close()

    async def _show(self, session: NodeSession) -> None:
        subscriptions = await self._reader.read(session)
        metrics, node = self._job.metrics, self._node.name
        metrics.node_up.labels(node).set(1)
        self._mirror.show(session.major, subscriptions)
        stalled = self._stalls.look(subscriptions, time.monotonic())
        stand = {one.name for one in subscriptions if stalled[one.subid]}
        for one in subscriptions:
            metrics.stalled.labels(node, one.name).set(one.name in stand)
        with contextlib.suppress(ConflictLogUnavailableError):
            await self._compare(subscriptions)
            await self._close_survived(subscriptions, stalled)

    async def _tell(self, session: NodeSession) -> None:
        """Record what the log does not say: what was applied after all, and more."""
        writer = self._tail.writer
        if writer is None:
            return
        now = datetime.now(UTC)
        try:
            for subid, lsn in (await read_origin_progress(session)).items():
                await writer.origin_moved(subid, lsn, now)
            await copy_native(session, writer, now)
        except ConflictLogUnavailableError:
            # The tail, whose connection it is, says so and tries again.
            return

    async def _compare(self, subscriptions: list[SubscriptionStatistics]) -> None:
        """Compare the node's counters with what was recorded."""
        writer = self._tail.writer
        if writer is None:
            self._drop_ledger()
            return
        try:
            if self._ledger is None:
                self._ledger = await self._open_ledger(writer)
            await self._ledger.compare(
                subscriptions,
                writer.recorded,
                datetime.now(UTC),
                caught_up=time.monotonic() - writer.caught_up_at < CAUGHT_UP_S,
            )
        except ConflictLogUnavailableError:
            self._drop_ledger()
            raise

    async def _open_ledger(self, writer: ConflictLogWriter) -> Ledger:
        # Its own connection: the tail's is busy with batches.
        self._ledger_connection = await connect(self._config, self._job.title)
        store = LedgerStore(self._ledger_connection, writer.node)
        ledger = Ledger(self._node.name, self._job.metrics, store, self._troubles)
        await ledger.load()
        return ledger

    def _drop_ledger(self) -> None:
        self._ledger = None
        if self._ledger_connection is not None:
            self._ledger_connection.terminate()
            self._ledger_connection = None

    async def _close_survived(
        self, subscriptions: list[SubscriptionStatistics], stalled: dict[int, bool]
    ) -> None:
        """End the stories that no LSN can end, when a worker has outlived them."""
        writer = self._tail.writer
        for one in subscriptions:
            if stalled[one.subid]:
                self._stalled.add(one.subid)
            elif one.subid in self._stalled and writer is not None:
                await writer.worker_survived(one.subid, datetime.now(UTC))
                self._stalled.discard(one.subid)
