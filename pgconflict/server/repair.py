"""Writes one row where it differs: in one transaction a node, while all hold the row.

The order: every node's row is locked and compared with the plan; the rows are written
under the repairs' origin; foreign keys are looked at, which apply's way of writing does
not check; then the writers commit, one after the other; only then the others let go.
Until the first commit everything can still be taken back, and is; before it every
node is asked once more whether it still holds the row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec
import psycopg
from psycopg import sql

from pgconflict.core.conflict import Values
from pgconflict.core.repair import ORIGIN, Version, Write
from pgconflict.errors import PgConflictError, PrivilegeMissingError
from pgconflict.server.connect import connect, translated
from pgconflict.server.repair_effects import Effects, echo, effects
from pgconflict.server.repair_foreign_keys import broken
from pgconflict.server.repair_statements import condition, statement
from pgconflict.server.row_reader import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgconflict.config import Limits
    from pgconflict.server.table_nodes import TableNode, TableNodes

__all__ = [
    "JOB",
    "BlockedError",
    "Effects",
    "PartialError",
    "RefusedError",
    "Repair",
    "RowPlan",
    "echo",
    "effects",
    "statement",
]

JOB: Final = "repair"
Connection = psycopg.Connection[Any]


class RefusedError(PgConflictError):
    """The row was not written anywhere; the message says why."""

    exit_code = 3


class BlockedError(RefusedError):
    """Another row is in the way: it may pass when that has been repaired."""


class PartialError(PgConflictError):
    """Some nodes are written and others are not, or it is not known."""

    exit_code = 3


class RowPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One row: what every node has, and what is written where, in this order."""

    keys: Sequence[Values]
    rows: Sequence[Mapping[str, Version]]
    writes: Mapping[str, Sequence[Write]]


class Repair:
    """The transactions of one row, on all nodes that have its table."""

    def __init__(
        self, nodes: TableNodes, limits: Limits, plan: RowPlan, columns: Sequence[str]
    ) -> None:
        self._nodes = nodes
        self._limits = limits
        self._plan = plan
        self._columns = columns

    def apply(self, committed: Callable[[str], None]) -> list[str]:
        """Write the row; the nodes written.

        Args:
            committed: Told each node whose transaction has committed, at once.

        Raises:
            RefusedError: nothing is written; what every node has is not as planned, a
                lock is not to be had, a foreign key or another constraint is in the
                way.
            PartialError: some nodes are written, or it is not known whether.
            PrivilegeMissingError: with what is to be granted; nothing is written.
        """
        writers = list(self._plan.writes)
        with ExitStack() as stack:
            connections = {}
            try:
                for name, on in self._nodes.nodes.items():
                    connections[name] = self._connect(on, stack, name in writers)
                for name, connection in connections.items():
                    self._hold(self._nodes.nodes[name], connection)
                for name in writers:
                    self._write(self._nodes.nodes[name], connections[name])
                for name, connection in connections.items():
                    # A session that was ended meanwhile holds nothing any more.
                    with translated(f"node {name}"):
                        connection.execute("select")
            except (PgConflictError, psycopg.Error) as error:
                raise _refused(error) from error
            return self._commit(writers, connections, committed)

    def _commit(
        self,
        writers: Sequence[str],
        connections: Mapping[str, Connection],
        committed: Callable[[str], None],
    ) -> list[str]:
        done: list[str] = []
        for name in writers:
            try:
                connections[name].execute("commit")
            except psycopg.Error as error:
                raise _stopped(done, writers[len(done) :], error) from error
            done.append(name)
            committed(name)
        for name, connection in connections.items():
            if name not in done:
                # Flushes the locks' WAL, which the next row's reading waits for.
                with suppress(psycopg.Error):
                    connection.execute("commit")
        return done

    def _connect(self, on: TableNode, stack: ExitStack, writes: bool) -> Connection:  # noqa: FBT001 - of this class
        connection = connect(
            on.node.dsn,
            job=JOB,
            who=f"node {on.name}",
            limits=self._limits,
            read_only=False,
        )
        # Not `with connection`: that would commit.
        stack.callback(connection.close)
        with translated(f"node {on.name}", privilege_hint=_grants(connection, on)):
            settings = ", ".join(
                f"pg_catalog.set_config('{name}', '{value}', false)"
                for name, value in SETTINGS.items()
            )
            connection.execute(f"select {settings}".encode())
            if writes:
                connection.execute(
                    "select pg_catalog.pg_replication_origin_create(%s)"
                    " where not exists (select from pg_catalog.pg_replication_origin"
                    " where roname = %s)",
                    (ORIGIN, ORIGIN),
                )
                connection.execute(
                    "select pg_catalog.pg_replication_origin_session_setup(%s)",
                    (ORIGIN,),
                )
            connection.execute("begin")
            if writes:
                # As apply writes: ordinary triggers would write more under our origin,
                # which nobody else would ever get.
                connection.execute("set local session_replication_role = 'replica'")
        return connection

    def _hold(self, on: TableNode, connection: Connection) -> None:
        """Lock the row and see that it is what the plan saw."""
        for key, versions in zip(self._plan.keys, self._plan.rows, strict=True):
            with translated(
                f"node {on.name}", privilege_hint=_lock_grant(connection, on)
            ):
                row = connection.execute(self._select(on, key).encode()).fetchone()
            seen = versions[on.name].row
            found = None if row is None else (row[0], list(row[1:]))
            planned = (
                None
                if seen is None
                else (seen.version, [seen.values[name] for name in self._columns])
            )
            if found != planned:
                raise RefusedError(
                    f"node {on.name}: the row was written since the plan was made",
                    hint="run it again: the plan is made anew",
                )

    def _select(self, on: TableNode, key: Values) -> str:
        columns = sql.SQL(", ").join(
            sql.SQL("t.{}::text").format(sql.Identifier(name)) for name in self._columns
        )
        return (
            sql.SQL(
                "select t.ctid::text || '/' || t.xmin::text, {} from {} t where {}"
                " for update"
            )
            .format(
                columns,
                sql.Identifier(on.table.schemaname, on.table.relname),
                condition(on, key),
            )
            .as_string(None)
        )

    def _write(self, on: TableNode, connection: Connection) -> None:
        with translated(f"node {on.name}", privilege_hint=_grants(connection, on)):
            for write in self._plan.writes[on.name]:
                done = connection.execute(statement(on, write).encode())
                if done.rowcount != 1:
                    raise RefusedError(
                        f"node {on.name}: {write.operation} wrote {done.rowcount} rows",
                        hint="a trigger or a rule is in the way",
                    )
                self._see(on, connection, write)
        before = [versions[on.name].row for versions in self._plan.rows]
        held = zip(self._plan.keys, before, strict=True)
        one = broken(connection, on, held)
        if one is not None:
            raise BlockedError(
                f"node {on.name}: foreign key {one} would be broken",
                hint="repair the rows of that table first, or take the other"
                " node's version",
            )

    def _see(self, on: TableNode, connection: Connection, write: Write) -> None:
        """See that the row is what was written: a trigger may have made it another."""
        if write.operation == "DELETE":
            return
        row = connection.execute(self._select(on, write.key).encode()).fetchone()
        found = dict(zip(self._columns, row[1:], strict=True)) if row else {}
        other = [
            name
            for name, value in write.values.items()
            # Of another type it may print in another way.
            if found.get(name) != value and not self._nodes.types_differ([name])
        ]
        if other:
            raise RefusedError(
                f"node {on.name}: {', '.join(other)} is not what was written",
                hint="a trigger that fires on apply changes it",
            )


def _grants(connection: Connection, on: TableNode) -> str:
    """What a role that is no superuser needs."""
    role, name = _names(connection, on)
    rows: Sequence[Any] = ()
    with suppress(psycopg.Error):
        rows = connection.execute(
            "select p.oid::pg_catalog.regprocedure::text from pg_catalog.pg_proc p"
            " where p.proname in ('pg_replication_origin_create',"
            " 'pg_replication_origin_session_setup') order by p.proname"
        ).fetchall()
    functions = ", ".join(row[0] for row in rows)
    return (
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO {role};"
        f" GRANT SET ON PARAMETER session_replication_role TO {role};"
        f" GRANT EXECUTE ON FUNCTION {functions} TO {role};"
    )


def _lock_grant(connection: Connection, on: TableNode) -> str:
    """What it takes to hold a row."""
    role, name = _names(connection, on)
    return f"GRANT SELECT, UPDATE ON {name} TO {role};"


def _names(connection: Connection, on: TableNode) -> tuple[str, str]:
    """The role and the table, as the server reads them."""
    return (
        sql.Identifier(connection.info.user).as_string(None),
        sql.Identifier(on.table.schemaname, on.table.relname).as_string(None),
    )


def _stopped(done: Sequence[str], left: Sequence[str], error: Exception) -> Exception:
    """Where it stopped; the commit on the first of `left` has failed."""
    # A server that refuses the commit has taken the transaction back; one that ends
    # the session may have done either.
    sqlstate = error.sqlstate if isinstance(error, psycopg.Error) else None
    sure = sqlstate is not None and sqlstate[:2] not in {"08", "57", "58", "XX"}
    if sure and not done:
        return _refused(error)
    known = "not written" if sure else "not known whether it is written"
    said = [f"written on {', '.join(done)}"] if done else []
    said.append(f"{known} on {left[0]}: {_text(error)}")
    if left[1:]:
        said.append(f"not written on {', '.join(left[1:])}")
    return PartialError(
        "; ".join(said),
        hint="run the same command again: it looks at every node and goes on from"
        " there",
    )


def _refused(error: Exception) -> Exception:
    """What keeps the row from being written; nothing has been."""
    if isinstance(error, RefusedError | PrivilegeMissingError):
        return error
    if isinstance(error, psycopg.errors.IntegrityError):
        return BlockedError(
            _text(error),
            hint="another row has the value: repair that first, or take the other"
            " node's version",
        )
    hint = error.hint if isinstance(error, PgConflictError) else None
    if isinstance(error, psycopg.errors.GeneratedAlways):
        hint = "ALTER TABLE ... ALTER COLUMN ... SET GENERATED BY DEFAULT lets it"
    return RefusedError(_text(error), hint=hint)


def _text(error: Exception) -> str:
    if isinstance(error, psycopg.Error):
        said = error.diag.message_primary or str(error)
        detail = f" ({error.diag.message_detail})" if error.diag.message_detail else ""
        return " ".join(said.split()) + detail
    return str(error)
