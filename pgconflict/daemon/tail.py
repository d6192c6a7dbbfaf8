"""The job `tail`: one node's server log into the conflict log.

Opens what that takes, waits until no other daemon follows the node, and follows.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from pgconflict.conflict_log.entry import Node as LoggedNode
from pgconflict.daemon.conflict_log import open_writer
from pgconflict.daemon.follow import Following
from pgconflict.daemon.positions import to_be_read
from pgconflict.daemon.resolve import Resolver
from pgconflict.server.catalog import Catalog
from pgconflict.server.log_reader import LogReader
from pgconflict.server.log_settings import LogSettings
from pgconflict.server.session import NodeSession

if TYPE_CHECKING:
    from pgconflict.config import Config, Node
    from pgconflict.conflict_log.writer import ConflictLogWriter
    from pgconflict.daemon.job import Job

CLAIM_S: Final = 3.0
"""Between two tries to take the node over from another daemon."""


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
            logged = LoggedNode(
                name=self._node.name, system_identifier=settings.system_identifier
            )
            writer = await open_writer(self._config, logged, "tail")
            stack.push_async_callback(self._let_go, writer)
            await self._claim(writer)
            position = await writer.position()
            reader = await LogReader.open(
                self._node, session, settings, to_be_read(position)
            )
            stack.callback(reader.close)
            catalog = Catalog(self._node, limits, session, settings.database)
            stack.push_async_callback(catalog.close)
            await catalog.look()
            self.writer = writer
            following = Following(
                self._job,
                reader=reader,
                session=session,
                writer=writer,
                resolver=Resolver(catalog),
                limits=limits,
            )
            await following.run(position)

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
