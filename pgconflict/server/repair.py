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
from pgconflict.errors import PgConflictError
from pgconflict.server.connect import connect, translated
from pgconflict.server.repair_deferrable import taken
from pgconflict.server.repair_effects import Effects, echo, effects
from pgconflict.server.repair_errors import (
    BlockedError,
    PartialError,
    RefusedError,
    refused,
    stopped,
)
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


class RowPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One row: what every node has, and what is written where, in this order."""

    keys: Sequence[Values]
    rows: Sequence[Mapping[str, Version]]
    writes: Mapping[str, Sequence[Write]]
    types: Mapping[str, str] = {}
    """Of the columns where the version is that stays."""


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
            except (PgConflictError, psycopg.Error, KeyboardInterrupt) as error:
                raise refused(error) from error
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
            except (psycopg.Error, KeyboardInterrupt) as error:
                raise stopped(done, writers[len(done) :], error) from error
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
                _take_origin(connection, on)
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
        self._see_others(on, connection)

    def _see_others(self, on: TableNode, connection: Connection) -> None:
        """See that no constraint is broken which the server does not look at."""
        name = taken(connection, on, self._plan.writes[on.name])
        if name is not None:
            raise BlockedError(
                f"node {on.name}: another row has the value of {name}, which is"
                " deferrable: apply's way of writing does not check it",
                hint="repair that row first, or take the other node's version",
            )
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
        row = connection.execute(self._select(on, write.after).encode()).fetchone()
        found = dict(zip(self._columns, row[1:], strict=True)) if row else {}
        other = [
            name
            for name, value in write.values.items()
            if found.get(name) != value
            and not self._prints_differently(on, connection, write.after, name, value)
        ]
        if other:
            raise RefusedError(
                f"node {on.name}: {', '.join(other)} is not what was written",
                hint="a trigger that fires on apply changes it, or the column's type"
                " can't hold it",
            )

    def _prints_differently(
        self,
        on: TableNode,
        connection: Connection,
        key: Values,
        column: str,
        value: str | None,
    ) -> bool:
        """Whether the value is whole, of another type than where it is from."""
        theirs = self._plan.types.get(column, on.table.types[column])
        if value is None or theirs == on.table.types[column]:
            return False
        asked = sql.SQL("select t.{}::{}::text from {} t where {}").format(
            sql.Identifier(column),
            sql.SQL(theirs),
            sql.Identifier(on.table.schemaname, on.table.relname),
            condition(on, key),
        )
        row = connection.execute(asked.as_string(None).encode()).fetchone()
        return row is not None and row[0] == value


def _take_origin(connection: Connection, on: TableNode) -> None:
    try:
        connection.execute(
            "select pg_catalog.pg_replication_origin_session_setup(%s)", (ORIGIN,)
        )
    except psycopg.errors.ObjectInUse as error:
        raise RefusedError(
            f"node {on.name}: {error.diag.message_primary}",
            hint="another repair is at work there: run it again when that has ended;"
            " SELECT pg_terminate_backend(PID) ends one that was left behind",
        ) from error


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
