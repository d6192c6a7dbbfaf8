"""One connection of one job of the daemon to a node.

Knows which settings keep the node safe from us, and what each failure means to the
operator. It never tries again: that is the business of the job's supervisor.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final, Self

import asyncpg

from pgconflict import libpq
from pgconflict.core.capability import OLDEST
from pgconflict.errors import (
    NodeNotReadyError,
    NodeUnavailableError,
    PgConflictError,
    PrivilegeMissingError,
)
from pgconflict.queries import query

if TYPE_CHECKING:
    from pgconflict.config import Limits, Node

# Seconds that the answer to a statement may take beyond statement_timeout, before
# the server counts as hung.
ANSWER_SLACK_S: Final = 2.0

CLOSE_S: Final = 1.0


class NodeSession:
    """A connection that can only read, with a time limit on everything.

    Who asks while it is at work waits for the answer before.
    """

    def __init__(
        self, node: str, connection: libpq.Connection, answer_s: float
    ) -> None:
        self.node = node
        self.major = connection.get_server_version().major
        self._connection = connection
        self._answer_s = answer_s
        self._turn = asyncio.Lock()

    @classmethod
    async def open(
        cls, node: Node, limits: Limits, *, job: str, database: str | None = None
    ) -> Self:
        """Connect as `pgconflict/<job>`, to another database than the node's if given.

        Raises:
            NodeUnavailableError: it can't be reached now.
            NodeNotReadyError: it does not let us in, or is too old.
            ConfigError: the connection string can't be used.
        """
        statement_s = limits.statement_timeout.total_seconds()
        try:
            connection = await libpq.connect(
                node.dsn,
                seconds=limits.connect_timeout.total_seconds(),
                database=database,
                application_name=f"pgconflict/{job}",
                search_path="",
                default_transaction_read_only="on",
                statement_timeout=_milliseconds(statement_s),
                lock_timeout=_milliseconds(limits.lock_timeout.total_seconds()),
                idle_in_transaction_session_timeout=_milliseconds(statement_s),
            )
        except Exception as error:
            raise _meaning(node.name, error) from error
        session = cls(node.name, connection, statement_s + ANSWER_SLACK_S)
        if session.major < OLDEST:
            session.terminate()
            raise NodeNotReadyError(
                f"node {node.name} is PostgreSQL {session.major}",
                hint=f"PostgreSQL {OLDEST} is the oldest that is supported",
            )
        return session

    async def rows(self, name: str, *values: object) -> list[asyncpg.Record]:
        """Return the rows of the statement `sql/queries/NAME` of this version.

        Raises:
            NodeUnavailableError: the connection is lost, or the answer is late; the
                session can't be used again.
            PrivilegeMissingError: the role may not ask it.
        """
        return await self.rows_of(query(name, self.major), *values)

    async def rows_of(self, statement: str, *values: object) -> list[asyncpg.Record]:
        """Return the rows of a statement with identifiers filled in; see `rows`."""
        try:
            async with self._turn:
                return await self._connection.fetch(
                    statement, *values, timeout=self._answer_s
                )
        except Exception as error:
            meaning = _meaning(self.node, error)
            if not isinstance(error, asyncpg.PostgresError):
                # Late or broken: what comes over it now answers another question.
                self.terminate()
            raise meaning from error

    async def row(self, name: str, *values: object) -> asyncpg.Record:
        """Return the one row of a statement that returns one; see `rows`."""
        (row,) = await self.rows(name, *values)
        return row

    @property
    def closed(self) -> bool:
        """Whether it can't be used any more."""
        return self._connection.is_closed()

    async def close(self) -> None:
        """Say goodbye to the server, or leave without when it does not answer."""
        if not self.closed:
            with contextlib.suppress(
                OSError, asyncpg.PostgresError, asyncpg.InterfaceError
            ):
                await self._connection.close(timeout=CLOSE_S)

    def terminate(self) -> None:
        """End the connection at once."""
        self._connection.terminate()


def _milliseconds(seconds: float) -> str:
    # 0 would mean no limit.
    return str(max(1, round(seconds * 1000)))


# The server lets nobody in, or not us; someone must do something there or here.
_REFUSALS: Final = {
    "28": "pg_hba.conf, the role and its password (passfile) decide who is let in",
    "3D": "the connection string names a database that must exist on the node",
}


def _meaning(node: str, error: Exception) -> Exception:
    """What a failure means to the operator; the failure itself where it is a defect."""
    if isinstance(error, PgConflictError):
        return error
    if isinstance(error, asyncpg.ClientConfigurationError):
        return NodeNotReadyError(f"node {node}: {error}")
    if isinstance(error, asyncpg.PostgresError) and not isinstance(
        error, asyncpg.ConnectionDoesNotExistError
    ):
        return _servers_meaning(node, error)
    if isinstance(error, OSError | asyncpg.PostgresError | asyncpg.InterfaceError):
        reason = str(error) or "no answer in time"
        return NodeUnavailableError(f"node {node} can't be reached: {reason}")
    return error


def _servers_meaning(node: str, error: asyncpg.PostgresError) -> Exception:
    sqlstate = error.sqlstate or ""
    said = f"node {node}: {error.args[0] if error.args else sqlstate}"
    if sqlstate == "42501":
        return PrivilegeMissingError(
            said, hint="`pgconflict init --grants ROLE` prints what the role needs"
        )
    if sqlstate[:2] in _REFUSALS:
        return NodeNotReadyError(said, hint=_REFUSALS[sqlstate[:2]])
    # Shut down, starting, recovering; no connections, memory or disk; a lock or the
    # statement's time limit; a file that could not be read: all may pass.
    if sqlstate[:2] in {"08", "53", "55", "57", "58"}:
        return NodeUnavailableError(said)
    return error
