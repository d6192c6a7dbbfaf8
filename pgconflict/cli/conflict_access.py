"""The way of commands into the conflict log, and which conflicts they are asked for."""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from psycopg import sql

from pgconflict.cli import output
from pgconflict.config import load
from pgconflict.config.values import duration
from pgconflict.conflict_log import schema
from pgconflict.conflict_log.filters import (
    STATUSES,
    UNFINISHED,
    Filters,
    split_table,
)
from pgconflict.conflict_log.reader import ConflictLogReader, refuse_other_schema
from pgconflict.core.conflict import ConflictType, Kind
from pgconflict.errors import (
    ConflictLogUnavailableError,
    PrivilegeMissingError,
    UsageError,
)
from pgconflict.server.connect import connect, translated

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

PATIENCE: Final = timedelta(minutes=1)
"""Longest statement on the conflict log: it is ours, and may be large."""

_WHO: Final = "the conflict log"


@contextmanager
def opened(
    arguments: argparse.Namespace,
    *,
    write: bool = False,
    grant: sql.SQL | None = None,
) -> Iterator[ConflictLogReader]:
    """The conflict log of the configuration, of the schema known here.

    Args:
        arguments: With the configuration's name.
        write: Whether the command changes something.
        grant: Statement for what it needs beside reading; the role is put in.

    Raises:
        ConflictLogUnavailableError: it can't be reached, or took too long.
        PrivilegeMissingError: with the statements that grant what is missing.
        ConfigError: the configuration is wrong, or the schema is another one.
    """
    config = load(arguments.config)
    patience = max(PATIENCE, config.limits.statement_timeout)
    limits = config.limits.model_copy(update={"statement_timeout": patience})
    role = ""
    try:
        with (
            connect(
                config.conflict_log.dsn,
                job="conflicts",
                who=_WHO,
                limits=limits,
                read_only=not write,
                unavailable=ConflictLogUnavailableError,
            ) as connection,
            translated(_WHO, unavailable=ConflictLogUnavailableError),
        ):
            role = connection.info.user
            refuse_other_schema(connection)
            yield ConflictLogReader(connection)
    except PrivilegeMissingError as error:
        if not role:
            raise
        raise PrivilegeMissingError(
            str(error), hint=" ".join(_grants(role, grant))
        ) from error


def _grants(role: str, more: sql.SQL | None) -> list[str]:
    if more is None:
        return schema.grants(role, None)
    return [
        *schema.grants(role, None),
        more.format(sql.Identifier(role)).as_string(None),
    ]


def add_filters(parser: argparse.ArgumentParser, *, since: str | None = None) -> None:
    """Take what conflicts must be; `since` is the default of --since."""
    group = parser.add_argument_group("which conflicts")
    default = f"; default: {since}" if since else ""
    group.add_argument(
        "--since",
        metavar="TIME",
        default=since,
        help="first logged since: a duration before now (2h, 7d) or a time in"
        " ISO 8601, of UTC unless it has a zone" + default,
    )
    group.add_argument("--until", metavar="TIME", help="first logged before")
    group.add_argument("--node", action="append", metavar="NAME")
    group.add_argument("--subscription", action="append", metavar="NAME")
    group.add_argument("--table", metavar="[SCHEMA.]TABLE")
    group.add_argument(
        "--type",
        action="append",
        metavar="TYPE",
        help=f"{', '.join(ConflictType)}, or a new one of the server",
    )
    group.add_argument("--kind", action="append", choices=[*Kind], metavar="KIND")


def add_row_filters(parser: argparse.ArgumentParser) -> None:
    """Take what only whole rows tell."""
    group = parser.add_argument_group("which conflicts, by row")
    group.add_argument("--status", action="append", choices=STATUSES, metavar="STATUS")
    group.add_argument(
        "--open",
        action="store_true",
        help="what keeps a subscription from applying: open or disabled",
    )
    group.add_argument(
        "--key",
        metavar="KEY",
        help="of the row, as id=1 or as the server prints it: '(id)=(1)'",
    )


def filters_of(arguments: argparse.Namespace, now: datetime | None = None) -> Filters:
    """What the options ask for.

    Raises:
        UsageError: a time that is none, --open beside --status.
    """
    now = now or datetime.now(UTC)
    given = vars(arguments)
    schema_name, table = (
        split_table(arguments.table) if arguments.table else (None,) * 2
    )
    statuses = given.get("status") or ()
    if given.get("open"):
        if statuses:
            raise UsageError("--open and --status exclude each other")
        statuses = UNFINISHED
    for name in set(arguments.type or ()) - {*ConflictType}:
        # Not refused: a server newer than this pgconflict may have it.
        output.print_message(
            f"--type {output.visible(name)} is none of {', '.join(ConflictType)}"
        )
    return Filters(
        since=_moment("--since", arguments.since, now),
        until=_moment("--until", arguments.until, now),
        nodes=arguments.node or (),
        subscriptions=arguments.subscription or (),
        schema=schema_name,
        table=table,
        types=arguments.type or (),
        kinds=arguments.kind or (),
        statuses=statuses,
        key=given.get("key"),
    )


def _moment(option: str, text: str | None, now: datetime) -> datetime | None:
    return None if text is None else moment(text, now, option)


def moment(text: str, now: datetime, option: str) -> datetime:
    """The time that `2h` (before now) or an ISO 8601 text names.

    >>> noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    >>> str(moment("2h", noon, "--since")), str(moment("2026-11-19", noon, "--since"))
    ('2026-11-20 10:00:00+00:00', '2026-11-19 00:00:00+00:00')
    """
    if not re.fullmatch(r"[0-9]+ ?[A-Za-z]+|0", text):
        return iso_time(text, option)
    try:
        return now - duration(text)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{option} {output.visible(text)}: {error}") from None


def iso_time(text: str, option: str) -> datetime:
    """The time that an ISO 8601 text names, of UTC unless it has a zone."""
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option} {output.visible(text)}: not a time",
            hint="such as 2h, 7d, 2026-11-20, 2026-11-20T12:00:00+01:00",
        ) from None


def utc(time: datetime | None) -> str | None:
    """A time as tables show it, to the millisecond; their titles say that it is UTC."""
    if time is None:
        return None
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]
