"""Connections of commands, to nodes and conflict log, and what their errors mean.

Every connection bounds what it can cost the server. No message repeats a
connection string.
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any, Final, TypeVar

import psycopg
from psycopg import conninfo
from psycopg.rows import class_row

from pgconflict.config import Limits
from pgconflict.core.capability import capability
from pgconflict.errors import (
    ConfigError,
    NodeNotReadyError,
    NodeUnavailableError,
    PrivilegeMissingError,
    ServerUnavailableError,
)
from pgconflict.queries import query

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

Row = TypeVar("Row")

DEFAULT_LIMITS: Final = Limits()
GRANTS_HINT: Final = "`pgconflict init --grants ROLE` prints what a role needs"

_SERVICE_HINT: Final = "look at the service file: ~/.pg_service.conf, $PGSERVICEFILE"

# What libpq says, in any language's server, about a way in that is shut; and what
# opens it. The server's own words may be translated: then there is no hint.
_REASONS: Final = {
    "no password supplied": "put the password into a passfile of libpq (~/.pgpass, or"
    " passfile=FILE in the dsn), mode 0600",
    "password authentication failed": "look at the passfile of libpq and the role's"
    " password",
    "no pg_hba.conf entry": "add a line to pg_hba.conf of the server, then"
    " SELECT pg_reload_conf()",
    " does not exist": "create it on that server (CREATE ROLE, CREATE DATABASE), or"
    " name another one in the dsn",
}


def connect(
    dsn: str,
    *,
    job: str,
    who: str,
    limits: Limits = DEFAULT_LIMITS,
    read_only: bool = True,
    autocommit: bool = True,
    unavailable: type[ServerUnavailableError] = NodeUnavailableError,
) -> psycopg.Connection[tuple[Any, ...]]:
    """Return a connection as `pgconflict/<job>`; `who` names the server in messages.

    Raises:
        ServerUnavailableError: of the kind `unavailable`; the server can't be reached.
        ConfigError: libpq refuses the connection string.
        NodeNotReadyError: the server is older than the oldest supported.
    """
    with translated(who, unavailable=unavailable):
        connection = psycopg.connect(
            _parameters(dsn, job, limits, read_only=read_only), autocommit=autocommit
        )
    try:
        _refuse_old(connection.info.server_version, who)
    except NodeNotReadyError:
        connection.close()
        raise
    return connection


async def connect_async(
    dsn: str,
    *,
    job: str,
    who: str,
    limits: Limits = DEFAULT_LIMITS,
    read_only: bool = True,
    autocommit: bool = True,
    unavailable: type[ServerUnavailableError] = NodeUnavailableError,
) -> psycopg.AsyncConnection[tuple[Any, ...]]:
    """Do as `connect` does, while the event loop runs on."""
    with translated(who, unavailable=unavailable):
        connection = await psycopg.AsyncConnection.connect(
            _parameters(dsn, job, limits, read_only=read_only), autocommit=autocommit
        )
    try:
        _refuse_old(connection.info.server_version, who)
    except NodeNotReadyError:
        await connection.close()
        raise
    return connection


def major_version(
    connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any],
) -> int:
    """Return the major version of the server at the other end."""
    return connection.info.server_version // 10000


async def rows(
    connection: psycopg.AsyncConnection[Any],
    kind: type[Row],
    name: str,
    *values: object,
) -> list[Row]:
    """Return what the statement sql/queries/NAME of this version says, a `kind` a row.

    The names of its columns are the fields of `kind`.
    """
    cursor = psycopg.AsyncRawCursor(connection, row_factory=class_row(kind))
    async with cursor:
        text = query(name, major_version(connection))
        await cursor.execute(text.encode(), values or None)
        return await cursor.fetchall()


@contextlib.contextmanager
def translated(
    who: str,
    *,
    unavailable: type[ServerUnavailableError] = NodeUnavailableError,
    privilege_hint: str = GRANTS_HINT,
) -> Iterator[None]:
    """Give psycopg's errors inside the block their meaning to the operator.

    Args:
        who: The server, in messages.
        unavailable: Which error it is when the server can't be asked.
        privilege_hint: What to do about a missing privilege.

    Raises:
        ServerUnavailableError: of the kind `unavailable`; the server was lost, refused,
            or took too long.
        PrivilegeMissingError: the role may not.
        ConfigError: libpq refuses the connection string.
    """
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        said = error.diag.message_primary or "permission denied"
        raise PrivilegeMissingError(f"{who}: {said}", hint=privilege_hint) from error
    except psycopg.OperationalError as error:
        said = " ".join((error.diag.message_primary or str(error)).split())
        if "definition of service" in said or "service file" in said:
            raise ConfigError(f"{who}: {said}", hint=_SERVICE_HINT) from error
        raise unavailable(
            f"{who} can't be reached: {said}"
            if error.sqlstate is None
            else f"{who}: {said}",
            hint=next(
                (hint for text, hint in _REASONS.items() if text in said),
                error.diag.message_hint,
            ),
        ) from error
    except psycopg.ProgrammingError as error:
        if error.sqlstate is not None:
            raise
        # libpq could not parse the string. It repeats parts of it, maybe of a
        # password, so neither the text nor the cause goes on.
        raise ConfigError(f"{who}: the dsn is no connection string of libpq") from None


def _parameters(dsn: str, job: str, limits: Limits, *, read_only: bool) -> str:
    given = conninfo.conninfo_to_dict(dsn)
    settings = {
        "statement_timeout": _milliseconds(limits.statement_timeout),
        "lock_timeout": _milliseconds(limits.lock_timeout),
        # A command that hangs must not hold back vacuum on the server.
        "idle_in_transaction_session_timeout": _milliseconds(
            2 * limits.statement_timeout
        ),
        "default_transaction_read_only": "on" if read_only else "off",
        "datestyle": "ISO",
        "search_path": "",
    }
    options = [str(given["options"])] if given.get("options") else []
    options += [f"-c {name}={value}" for name, value in settings.items()]
    # A host that vanished without a word: without these, TCP waits for two hours.
    alive = {
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 1000 * math.ceil(limits.statement_timeout.total_seconds())
        + 5000,
    }
    forced = {
        "application_name": f"pgconflict/{job}",
        "client_encoding": "UTF8",
        "connect_timeout": max(2, math.ceil(limits.connect_timeout.total_seconds())),
        "options": " ".join(options),
    }
    parameters: dict[str, Any] = {**alive, **given, **forced}
    return conninfo.make_conninfo("", **parameters)


def _milliseconds(duration: timedelta) -> str:
    # 0 would mean no limit.
    return str(max(1, round(duration.total_seconds() * 1000)))


def _refuse_old(server_version: int, who: str) -> None:
    try:
        capability(server_version // 10000)
    except LookupError as error:
        raise NodeNotReadyError(f"{who}: {error}") from None
