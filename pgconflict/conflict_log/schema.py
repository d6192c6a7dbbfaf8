"""Makes and upgrades the objects of the conflict log database.

The steps are the numbered files of sql/schema: forward only, each in one
transaction, under an advisory lock, so that two daemons or DBAs can't mix.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import sql

from pgconflict.errors import ConfigError
from pgconflict.queries import query, sql_directory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg import Connection

LOCK = 0x70676366  # "pgcf": the advisory lock that serialises installations


@dataclass(frozen=True, slots=True)
class Step:
    """One numbered file of sql/schema."""

    number: int
    name: str
    text: str


def steps() -> list[Step]:
    """All steps this pgconflict knows, in order."""
    found = []
    for path in sorted((sql_directory() / "schema").glob("*.sql")):
        match = re.fullmatch(r"(\d{3})_(\w+)\.sql", path.name)
        if match is None:
            raise LookupError(f"not a schema step: {path.name}")
        text = path.read_text(encoding="utf-8")
        found.append(Step(int(match[1]), match[2], text))
    return found


def newest_step() -> int:
    """The step that the daemon and the commands of this version work with."""
    return steps()[-1].number


def render_sql() -> str:
    """All steps as one script for psql, each in a transaction with its record."""
    return "\\set ON_ERROR_STOP on\n" + "".join(
        f"begin;\n{step.text}\ninsert into pgconflict.schema_step (step, name)"
        f" values ({step.number}, '{step.name}');\ncommit;\n"
        for step in steps()
    )


def installed_steps(connection: Connection) -> frozenset[int] | None:
    """The steps applied in this database; None without a conflict log."""
    row = connection.execute(
        "select pg_catalog.to_regclass('pgconflict.schema_step') is not null"
    ).fetchone()
    if row is None or not row[0]:
        return None
    rows = connection.execute("select step from pgconflict.schema_step").fetchall()
    return frozenset(number for (number,) in rows)


def installed_step(connection: Connection) -> int | None:
    """The newest step applied in this database; None without a conflict log."""
    return max(installed_steps(connection) or (), default=None)


def missing(present: frozenset[int]) -> list[Step]:
    """The steps that are not applied, in order; one below the newest may be missing."""
    return [step for step in steps() if step.number not in present]


def install(connection: Connection) -> list[Step]:
    """Applies what is missing; the steps applied, none when all were there.

    Roles of `grants` get their rights on what is new. The connection is in autocommit
    mode.

    Raises:
        ConfigError: a publication would publish the conflict log, or the schema is
            newer than this pgconflict.
    """
    done = []
    with connection.transaction():
        connection.execute("select pg_catalog.pg_advisory_xact_lock(%s)", (LOCK,))
        refuse_where_published(connection)
        present = installed_steps(connection) or frozenset()
        refuse_newer(present)
        roles = _roles(connection) if present else []
        for step in missing(present):
            # A statement's text without parameters may hold many statements.
            connection.execute(step.text)
            connection.execute(
                "insert into pgconflict.schema_step (step, name) values (%s, %s)",
                (step.number, step.name),
            )
            done.append(step)
        for role, writes in roles if done else ():
            for statement in grants(*((None, role) if writes else (role, None))):
                connection.execute(statement.encode())
    return done


def _roles(connection: Connection) -> list[tuple[str, bool]]:
    """The roles that `grants` was for, and whether each writes."""
    rows = connection.execute(query("roles_of_conflict_log")).fetchall()
    return [(role, writes) for role, writes in rows]


def refuse_other(present: frozenset[int] | None, database: str) -> None:
    """Raises ConfigError unless all steps known here, and no others, are applied."""
    if not present:
        raise ConfigError(
            f"there is no conflict log in database {database}",
            hint="`pgconflict init` makes one where conflict_log.dsn leads",
        )
    refuse_newer(present)
    if lacking := missing(present):
        raise ConfigError(
            f"the conflict log's schema is at step {max(present)} and lacks"
            f" {_named(step.number for step in lacking)}, which this pgconflict needs",
            hint="`pgconflict init` upgrades it; what it holds stays",
        )


def refuse_newer(present: frozenset[int]) -> None:
    """Raises ConfigError when the database has steps that this version doesn't know."""
    known = {step.number for step in steps()}
    if unknown := present - known:
        raise ConfigError(
            f"the conflict log's schema has {_named(unknown)}; this pgconflict knows"
            f" none after {newest_step()}"
            if min(unknown) > newest_step()
            else f"the conflict log's schema has {_named(unknown)}, which this"
            " pgconflict does not know",
            hint="upgrade pgconflict on this machine to the version that made it;"
            " `pgconflict --version` tells which this is",
        )


def _named(numbers: Iterable[int]) -> str:
    ordered = sorted(numbers)
    return ("step " if len(ordered) == 1 else "steps ") + ", ".join(map(str, ordered))


def refuse_where_published(connection: Connection) -> None:
    """Raises ConfigError when a publication of this database would replicate it.

    A subscriber without these tables would stop apply at the first row
    ("logical replication target relation ... does not exist", seen on 15 to 19).
    """
    rows = connection.execute(query("publications_of_conflict_log")).fetchall()
    if rows:
        names = ", ".join(f"{name} ({reason})" for name, reason in rows)
        raise ConfigError(
            f"a publication of this database would replicate the conflict log: {names}",
            hint="give the conflict log a database of its own: a subscriber that lacks"
            " these tables stops apply at the first conflict recorded;"
            " CREATE DATABASE pgconflict, then conflict_log.dsn with that dbname",
        )


def grants(reader: str | None, writer: str | None) -> list[str]:
    """The statements that let roles read or write the conflict log.

    The writer is the role of the daemon. Neither role owns anything, so neither can
    alter the log's tables; only the writer sees the digest key.
    """
    statements = []
    for role, may in ((reader, "SELECT"), (writer, "SELECT, INSERT, UPDATE, DELETE")):
        if role is None:
            continue
        name = sql.Identifier(role).as_string(None)
        statements += [
            f"GRANT USAGE ON SCHEMA pgconflict TO {name};",
            f"GRANT {may} ON ALL TABLES IN SCHEMA pgconflict TO {name};",
            f"GRANT EXECUTE ON FUNCTION pgconflict.version() TO {name};",
        ]
    if reader is not None:
        name = sql.Identifier(reader).as_string(None)
        statements.append(f"REVOKE ALL ON pgconflict.digest_key FROM {name};")
        # Who follows new conflicts looks at their numbers first.
        statements.append(
            f"GRANT SELECT ON SEQUENCE pgconflict.conflict_id_seq TO {name};"
        )
    if writer is not None:
        name = sql.Identifier(writer).as_string(None)
        statements += [
            f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA pgconflict TO {name};",
            f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgconflict TO {name};",
        ]
    return statements
