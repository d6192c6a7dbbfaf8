"""Since when a node's log counts as recorded without a gap, over restarts."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from pgconflict.config import Config, ConflictLog
from pgconflict.config import Node as ConfigNode
from pgconflict.conflict_log.entry import Node as LoggedNode
from pgconflict.conflict_log.verdicts import Verdicts
from pgconflict.daemon.conflict_log import open_writer
from pgconflict.daemon.health import Health
from pgconflict.daemon.job import Job
from pgconflict.daemon.metrics import Metrics
from pgconflict.daemon.tail import Tail
from pgconflict.daemon.verdict.nodes import LOGGER_S, Nodes
from tests.fixtures.conflict_logs import connect, new_conflict_log

if TYPE_CHECKING:
    from datetime import datetime

    from tests.fixtures.servers import ConflictLogServer, Pair


class Restarted:
    """What a daemon knows of one node when it has just been started."""

    def __init__(self, config: Config, verdicts: Verdicts) -> None:
        self.metrics = Metrics()
        self._verdicts = verdicts
        self._node = config.nodes[0]
        self.tail = Tail(self._node, config, self._job("tail"))
        tails = {self._node.name: self.tail}
        self.nodes = Nodes(config, tails, self._job("verdict"))

    def _job(self, name: str) -> Job:
        return Job(self._node.name, name, self.metrics, Health(), 60)

    def read_to_the_end(self) -> float:
        """Say that the log is recorded to its end; return for when that counts."""
        assert self.tail.writer is not None
        self.tail.writer.caught_up_at = time.monotonic()
        return self.tail.writer.caught_up_at - LOGGER_S

    def loses_a_part(self) -> None:
        self.metrics.log_gaps.labels(self._node.name, "vanished").inc()

    async def complete_since(self) -> datetime | None:
        await self.nodes.look(self._verdicts)
        return self.nodes.views[self._node.name].complete_since

    def recorded_since(self, moment: float) -> bool:
        return self.nodes.views[self._node.name].recorded_since(moment)


@pytest.mark.majors(18)
def test_a_restart_makes_no_gap_and_a_gap_outlives_it(
    pair: Pair, conflict_log_server: ConflictLogServer
) -> None:
    dsn = new_conflict_log(conflict_log_server)
    identity = pair.a.value("select system_identifier from pg_control_system()")
    config = Config(
        conflict_log=ConflictLog(dsn=dsn),
        nodes=(ConfigNode(name="a", dsn=pair.a.dsn),),
    )

    async def work() -> None:
        connection = await connect(dsn)
        verdicts = Verdicts(connection)
        writer = await open_writer(
            config, LoggedNode(name="a", system_identifier=identity), "tail"
        )
        try:
            first, second, third = (Restarted(config, verdicts) for _ in range(3))
            first.tail.writer = second.tail.writer = third.tail.writer = writer
            assert await first.complete_since() is None
            first.read_to_the_end()
            began = await first.complete_since()
            assert began is not None

            writer.caught_up_at = float("-inf")
            assert await second.complete_since() is None
            read = second.read_to_the_end()
            # Known as soon as its log counts as recorded, in the same round.
            assert not second.recorded_since(read)
            assert await second.complete_since() == began
            assert second.recorded_since(read)
            second.loses_a_part()
            read = second.read_to_the_end()
            assert not second.recorded_since(read)
            after = await second.complete_since()
            assert after is not None
            assert after > began

            await writer.lost_a_part()
            last = await third.complete_since()
            assert last is not None
            assert last > after
        finally:
            for one in (first, second, third):
                one.nodes.close()
            await writer.close()
            await connection.close()

    asyncio.run(work())
