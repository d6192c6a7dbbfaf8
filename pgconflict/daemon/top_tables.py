"""The job `top-tables`: which tables had the most conflicts, as a bounded metric.

Asked of the conflict log, so that it is exact, the same after a restart, and costs
the recording of conflicts nothing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from pgconflict.conflict_log.unavailable import translated
from pgconflict.daemon.conflict_log import connect
from pgconflict.queries import query

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from pgconflict.config import Config
    from pgconflict.daemon.gauges import Labels, NodeGauge
    from pgconflict.daemon.job import Job

ROUND_S: Final = 60.0
"""Between two looks."""


async def show_top_tables(
    connection: asyncpg.Connection, gauge: NodeGauge, nodes: Sequence[str], most: int
) -> None:
    """Show the `most` tables of each subscription, and the others as one.

    Raises:
        ConflictLogUnavailableError: it can't be asked now.
    """
    async with translated():
        rows = await connection.fetch(query("top_tables"), most)
    found: dict[str, dict[Labels, float]] = {node: {} for node in nodes}
    for row in rows:
        if row["node"] in found:
            labels = (row["subscription"], row["schemaname"], row["relname"])
            found[row["node"]][labels] = row["conflicts"]
    for node, series in found.items():
        gauge.show(node, series)


class TopTables:
    """The job `top-tables`; only where metrics.top_tables asks for it."""

    def __init__(self, config: Config, job: Job) -> None:
        self._config = config
        self._job = job
        self._nodes = [node.name for node in config.nodes]

    async def run(self) -> None:
        """Ask again and again, until the conflict log is away.

        Raises:
            ConflictLogUnavailableError: it is away.
        """
        gauge = self._job.metrics.nodes.table_conflicts
        connection = await connect(self._config, self._job.title)
        try:
            while True:
                most = self._config.metrics.top_tables
                await show_top_tables(connection, gauge, self._nodes, most)
                self._job.passed()
                await asyncio.sleep(ROUND_S)
        finally:
            connection.terminate()
