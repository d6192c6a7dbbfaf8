"""The job `commit-times`: asks publishers when a conflict's transaction committed."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from pgconflict.conflict_log.unavailable import translated
from pgconflict.daemon.commit_times import CommitTimes, publisher_of, slots_of
from pgconflict.daemon.conflict_log import connect
from pgconflict.errors import (
    NodeNotReadyError,
    NodeUnavailableError,
    PrivilegeMissingError,
)
from pgconflict.server.session import NodeSession

if TYPE_CHECKING:
    import asyncpg

    from pgconflict.config import Config
    from pgconflict.daemon.job import Job

ROUND_S: Final = 10.0

_AWAY: Final = (NodeUnavailableError, NodeNotReadyError, PrivilegeMissingError)


class Publishers:
    """Sessions to all nodes; one that is away keeps only its subscribers waiting."""

    def __init__(self, config: Config, job: Job) -> None:
        self._config = config
        self._job = job
        self._subscribers: dict[str, CommitTimes] = {}
        self._sessions: dict[str, NodeSession] = {}

    async def run(self) -> None:
        """Ask every few seconds, until the conflict log is away.

        Raises:
            ConflictLogUnavailableError: it is.
        """
        log = await connect(self._config, self._job.title)
        try:
            while True:
                await self._open()
                with contextlib.suppress(*_AWAY):
                    async with translated():
                        await self._complete(log)
                self._job.passed()
                await asyncio.sleep(ROUND_S)
        finally:
            log.terminate()
            for session in self._sessions.values():
                session.terminate()

    async def _open(self) -> None:
        for node in self._config.nodes:
            session = self._sessions.get(node.name)
            if session is not None and not session.closed:
                continue
            self._sessions.pop(node.name, None)
            with contextlib.suppress(*_AWAY):
                self._sessions[node.name] = await NodeSession.open(
                    node, self._config.limits, job=self._job.title
                )

    async def _complete(self, log: asyncpg.Connection) -> None:
        slots = await slots_of(self._sessions)
        for name, session in self._sessions.items():
            if name not in self._subscribers:
                row = await session.row("log_settings")
                self._subscribers[name] = CommitTimes(row["system_identifier"])
            publishers = {
                row["subid"]: self._sessions.get(
                    publisher_of(row["slot_name"], name, slots) or ""
                )
                for row in await session.rows("subscriptions")
            }
            await self._subscribers[name].complete(log, publishers)
