"""The job `publisher`: slots, lag, what apply waits for, and the clock of one node.

Every node may publish, subscribe, or both: each is asked for both sides.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from pgconflict.daemon.publisher_state import read_publisher
from pgconflict.server.session import NodeSession

if TYPE_CHECKING:
    from pgconflict.config import Config, Node
    from pgconflict.daemon.job import Job
    from pgconflict.daemon.links import Links

ROUND_S: Final = 5.0
"""Between two looks."""


class Publisher:
    """The job `publisher` of one node."""

    def __init__(self, node: Node, config: Config, job: Job, links: Links) -> None:
        self._node = node
        self._limits = config.limits
        self._job = job
        self._links = links

    async def run(self) -> None:
        """Look at the node again and again, until it does not answer.

        Raises:
            PgConflictError: it can't be asked.
        """
        session = await NodeSession.open(self._node, self._limits, job="publisher")
        try:
            while True:
                self._links.show(self._node.name, await read_publisher(session))
                self._job.passed()
                await asyncio.sleep(ROUND_S)
        finally:
            self._links.lost(self._node.name)
            await session.close()
