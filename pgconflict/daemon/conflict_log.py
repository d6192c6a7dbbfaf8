"""The daemon's connections to the conflict log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import asyncpg

from pgconflict import libpq
from pgconflict.conflict_log.row_policy import policy_of
from pgconflict.conflict_log.schema import refuse_other
from pgconflict.conflict_log.writer import ConflictLogWriter
from pgconflict.errors import ConflictLogUnavailableError, PgConflictError

if TYPE_CHECKING:
    from pgconflict.config import Config
    from pgconflict.conflict_log.entry import Node
    from pgconflict.conflict_log.row_policy import RowPolicy

STATEMENT_S: Final = 60  # a batch of 10,000 rows through the stage, on a busy server
LOCK_S: Final = 5
# The server ends the session of a host that is gone after six seconds, and with it the
# claim to its nodes; left to the kernel that takes two hours.
KEEPALIVES: Final = {
    "tcp_keepalives_idle": "3",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "6000",
}


async def connect(config: Config, job: str) -> asyncpg.Connection:
    """A connection of `job` with time limits on everything.

    Raises:
        ConflictLogUnavailableError: it can't be reached, or lets us not in.
        ConfigError: there is no conflict log, or not this version's.
    """
    try:
        connection = await libpq.connect(
            config.conflict_log.dsn,
            seconds=config.limits.connect_timeout.total_seconds(),
            answer_s=STATEMENT_S + 5,
            application_name=f"pgconflict/{job}",
            search_path="",
            statement_timeout=str(STATEMENT_S * 1000),
            lock_timeout=str(LOCK_S * 1000),
            idle_in_transaction_session_timeout=str(STATEMENT_S * 1000),
            **KEEPALIVES,
        )
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise ConflictLogUnavailableError(
            f"the conflict log can't be reached: {str(error) or 'no answer in time'}",
            hint="conflict_log.dsn names it; nothing is lost meanwhile: the server"
            " logs are read on from where they were",
        ) from error
    try:
        await _require_schema(connection)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def open_writer(config: Config, node: Node, job: str) -> ConflictLogWriter:
    """A writer for the node, with the configuration's policy and retention.

    Raises:
        ConflictLogUnavailableError, ConfigError: see `connect`.
    """
    settings = config.conflict_log
    connection = await connect(config, job)
    try:
        return await ConflictLogWriter.over(
            connection,
            node,
            policy=policy_from(config),
            retention=settings.retention or None,
            destination=settings.destination,
        )
    except BaseException:
        connection.terminate()
        raise


def policy_from(config: Config) -> RowPolicy:
    """The configuration's policy, without the conflict log's digest key.

    Raises:
        ConfigError: a rule hashes and there is no key to hash with.
    """
    settings = config.conflict_log
    return policy_of(settings.row_data, settings.rules, _hash_key(config))


async def _require_schema(connection: asyncpg.Connection) -> None:
    present = frozenset[int]()
    try:
        rows = await connection.fetch("select step from pgconflict.schema_step")
        present = frozenset(row["step"] for row in rows)
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        pass
    except asyncpg.InsufficientPrivilegeError as error:
        raise ConflictLogUnavailableError(
            f"the conflict log: {error}",
            hint="pgconflict init --writer ROLE prints what the daemon's role needs",
        ) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise ConflictLogUnavailableError(f"the conflict log: {error}") from error
    refuse_other(present, "of conflict_log.dsn")


def _hash_key(config: Config) -> bytes:
    path = config.conflict_log.hash_key_file
    if path is None:
        return b""
    try:
        return path.read_bytes().strip()
    except OSError as error:
        raise PgConflictError(f"conflict_log.hash_key_file: {error}") from error
