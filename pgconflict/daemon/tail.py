"""Follows one node's server log into the conflict log.

Read, recognise, resolve, write rows and position in one transaction, count. Nothing
is kept in between: where a step fails the position has not moved, and everything is
read again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from pgconflict.conflict_log.connect import connect_log
from pgconflict.conflict_log.entry import Batch, LogPosition, Recorded
from pgconflict.conflict_log.entry import Node as LoggedNode
from pgconflict.conflict_log.writer import ConflictLogWriter
from pgconflict.core.conflict import Conflict, FinishLsn, StoryEvent
from pgconflict.core.recogniser import Recogniser
from pgconflict.daemon.resolve import Resolver
from pgconflict.errors import ConflictLogUnavailableError
from pgconflict.server.catalog import Catalog
from pgconflict.server.log_follower import Bytes, FilePosition
from pgconflict.server.log_reader import LogReader, ReadPosition
from pgconflict.server.log_settings import LogSettings
from pgconflict.server.session import NodeSession

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.config import Config, Node
    from pgconflict.core.conflict import Entry
    from pgconflict.daemon.job import Job

CLAIM_S: Final = 3.0
"""Between two tries to take the node over from another daemon."""

REFRESH_S: Final = 5.0
"""Between two looks at the server's settings, and at how much is unread."""

POSITION_S: Final = 5.0
"""A position is stored so long after the last one when there was nothing to store
with it: that much of a quiet log is read again after a crash."""

PAUSE_S: Final = 0.02
"""The server writes an entry at once: what has no end after that has none to come."""

IDLE_S: Final = 1.0


class Tail:
    """The job `tail` of one node.

    `writer` is the node's writer while there is one: other jobs record through it.
    """

    def __init__(self, node: Node, config: Config, job: Job) -> None:
        self.writer: ConflictLogWriter | None = None
        self._node = node
        self._config = config
        self._job = job

    async def run(self) -> None:
        """Follow the log until something fails.

        Raises:
            PgConflictError: the node or the conflict log is away, or not as it must
                be.
        """
        limits = self._config.limits
        async with contextlib.AsyncExitStack() as stack:
            session = await NodeSession.open(self._node, limits, job="tail")
            stack.push_async_callback(session.close)
            row = await session.row("log_settings")
            settings = LogSettings.from_row(self._node.name, row)
            writer = await self._writer(settings.system_identifier)
            stack.push_async_callback(self._let_go, writer)
            await self._claim(writer)
            position = await writer.position()
            reader = await LogReader.open(
                self._node, session, settings, _read_position(position)
            )
            stack.callback(reader.close)
            catalog = Catalog(self._node, limits, session, settings.database)
            stack.push_async_callback(catalog.close)
            await catalog.look()
            self.writer = writer
            follow = _Following(self._job, reader, session, writer, catalog)
            await follow.run(position, limits.max_entry_bytes)

    async def _writer(self, system_identifier: int) -> ConflictLogWriter:
        settings = self._config.conflict_log
        connection = await connect_log(settings, self._config.limits, job="tail")
        try:
            return await ConflictLogWriter.over(
                connection,
                LoggedNode(name=self._node.name, system_identifier=system_identifier),
                policy=policy_of(settings),
                retention=settings.retention or None,
                destination=settings.destination,
            )
        except BaseException:
            connection.terminate()
            raise

    async def _let_go(self, writer: ConflictLogWriter) -> None:
        self.writer = None
        await writer.close()

    async def _claim(self, writer: ConflictLogWriter) -> None:
        """Wait until no other daemon follows the node."""
        said = False
        while not await writer.claim():
            if not said:
                self._job.log.info("another daemon follows this node; waiting for it")
                said = True
            self._job.waits()
            await asyncio.sleep(CLAIM_S)
