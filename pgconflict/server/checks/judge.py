"""All checks of a node, the worst finding first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgconflict.errors import PrivilegeMissingError
from pgconflict.server import grants
from pgconflict.server.checks import (
    detection,
    log,
    publications,
    replication,
    subscriptions,
    unread_rows,
)
from pgconflict.server.checks.finding import Check, Finding, Severity
from pgconflict.server.statements import identifier

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pgconflict.errors import PgConflictError
    from pgconflict.server.checks.contents import Other
    from pgconflict.server.checks.facts import Facts

_ORDER: Final = list(Severity)


def judge(facts: Facts, *, rows_are_read: bool = True) -> list[Finding]:
    """Return what was found on a node, errors before warnings before notices.

    Args:
        facts: What the node said.
        rows_are_read: Whether the daemon looks at rows of conflicts.
    """
    found = [
        *_server(facts),
        *_privileges(facts),
        *(unread_rows.judge(facts) if rows_are_read else ()),
        *log.judge(facts),
        *detection.judge(facts),
        *replication.judge(facts),
        *subscriptions.judge(facts),
        *publications.judge(facts),
    ]
    return sort(found)


def sort(found: Iterable[Finding]) -> list[Finding]:
    """Errors before warnings before notices."""
    return sorted(found, key=lambda finding: _ORDER.index(finding.severity))


def unreachable(node: str, error: PgConflictError) -> Finding:
    """Return the finding about a node that did not answer our questions."""
    return Finding(
        node=node,
        check=Check.CONNECTION,
        severity=Severity.ERROR,
        seen=str(error),
        why="Nothing of this node is read, and its other checks were not made.",
        remedy=(error.hint,) if error.hint else (),
    )


def refuse_closed(other: Other) -> None:
    """Raise PrivilegeMissingError where we may not connect, without trying."""
    name = identifier(other.name)
    if not other.accepts:
        raise PrivilegeMissingError(f"database {name} accepts no connections")
    if not other.open:
        raise PrivilegeMissingError(f"no privilege to connect to database {name}")


def unread(facts: Facts, other: Other, error: PgConflictError) -> Finding:
    """Return the finding about a database that could not be looked into."""
    name = identifier(other.name)
    hint = (f"-- {error.hint}",) if error.hint else ()
    grant = f"GRANT CONNECT ON DATABASE {name} TO {identifier(facts.server.role)};"
    return Finding(
        node=facts.node,
        check=Check.DATABASE_UNREAD,
        severity=Severity.WARNING,
        seen=f"database {name} replicates, and was not looked into: {error}",
        why="Its publications, and the tables that its subscriptions apply to, were"
        " not checked.",
        remedy=(grant,) if other.accepts and not other.open else hint,
    )


def _server(facts: Facts) -> Iterator[Finding]:
    if facts.newer_than_known:
        yield Finding(
            node=facts.node,
            check=Check.SERVER_VERSION,
            severity=Severity.NOTICE,
            seen=f"PostgreSQL {facts.server.version}",
            why="This pgconflict does not know that version, and reads it as"
            f" {facts.capability.major}.",
        )
    if facts.server.in_recovery:
        yield Finding(
            node=facts.node,
            check=Check.STANDBY,
            severity=Severity.WARNING,
            seen="the server is a standby",
            why="Apply workers run on its primary, and so does the log that tells of"
            " conflicts. target_session_attrs=primary in the dsn finds it.",
        )


def _privileges(facts: Facts) -> Iterator[Finding]:
    role = facts.server.role
    # Without pg_monitor nobody knows yet whether the files can be read.
    over_sql = facts.read == "sql" or (
        facts.read == "auto" and facts.server.pg_monitor and not facts.log.as_file
    )
    if not facts.server.pg_monitor:
        yield _missing(
            facts,
            Severity.ERROR,
            "is no member of pg_monitor",
            "It can't see where the log is, nor list its files.",
            (grants.grant_monitor(role),),
        )
    if over_sql and not facts.privileges.read_file:
        yield _missing(
            facts,
            Severity.ERROR,
            "may not execute pg_read_binary_file(text, bigint, bigint, boolean)",
            "The log can't be read over SQL. The grant lets the role read every file"
            " of the data directory; reading the log as files needs no grant.",
            (grants.grant_read_file(role),),
        )
    if not facts.privileges.origin_status:
        yield _missing(
            facts,
            Severity.WARNING,
            "may not read pg_replication_origin_status",
            "Whether a transaction that stopped apply was applied in the end can't be"
            " seen.",
            grants.grant_origin_status(role),
        )


def _missing(
    facts: Facts, severity: Severity, what: str, why: str, remedy: tuple[str, ...]
) -> Finding:
    database = facts.server.database
    return Finding(
        node=facts.node,
        check=Check.PRIVILEGE,
        severity=severity,
        seen=f"role {identifier(facts.server.role)} {what}"
        f" (database {identifier(database)})",
        why=why,
        remedy=remedy,
    )
