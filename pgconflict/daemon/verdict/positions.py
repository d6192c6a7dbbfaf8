"""Asks every node how far it is, also while a round of looks takes long.

Two writes that lie between two answers can't be placed by them.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

from pgconflict.conflict_log.positions import positions_seen, put_positions
from pgconflict.daemon.conflict_log import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from pgconflict.config import Config
    from pgconflict.daemon.verdict.history import Progress
    from pgconflict.daemon.verdict.nodes import Nodes

BUSY_S: Final = 0.1
IDLE_S: Final = 1.0

SAVE_S: Final = 0.5
"""What a restart may forget."""

IDLE_SAVE_S: Final = 2.0


class Sampling:
    """Keeps `progress` up to date, over a connection to the conflict log of its own."""

    def __init__(
        self, config: Config, title: str, nodes: Nodes, progress: Progress
    ) -> None:
        self._config = config
        self._title = title
        self._nodes = nodes
        self._progress = progress
        self._saved_at = float("-inf")
        self._task: asyncio.Task[None] | None = None
        self.busy = False
        """Whether there is something to decide."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take what was seen before, and go on until the block ends.

        Raises:
            ConflictLogUnavailableError: the conflict log is away.
        """
        connection = await connect(self._config, self._title)
        try:
            self._progress.load(await positions_seen(connection))
            self._task = asyncio.create_task(self._run(connection))
            try:
                yield
            finally:
                self._task.cancel()
                await asyncio.wait([self._task])
        finally:
            connection.terminate()

    def check(self) -> None:
        """See that it still runs.

        Raises:
            ConflictLogUnavailableError: the conflict log is away.
        """
        if self._task is not None and self._task.done():
            self._task.result()

    async def _run(self, connection: asyncpg.Connection) -> None:
        while True:
            began = time.monotonic()
            await self._nodes.sample()
            self._progress.note(self._nodes.views.values())
            if began - self._saved_at >= (SAVE_S if self.busy else IDLE_SAVE_S):
                self._saved_at = began
                await self._save(connection)
            pause = BUSY_S if self.busy else IDLE_S
            await asyncio.sleep(max(0.0, pause - (time.monotonic() - began)))

    async def _save(self, connection: asyncpg.Connection) -> None:
        progress = self._progress
        seen, void = progress.unsaved, progress.void
        progress.unsaved, progress.void = [], set()
        await put_positions(connection, seen, void)
