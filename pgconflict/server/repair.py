"""Writes one row where it differs: in one transaction a node, while all hold the row.

The order: every node's row is locked and compared with the plan; the rows are written
under the repairs' origin; foreign keys are looked at, which apply's way of writing does
not check; then the writers commit, one after the other; only then the others let go.
Until the first commit everything can still be taken back, and is.
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
from pgconflict.queries import query
from pgconflict.server.connect import connect, major_version, translated
from pgconflict.server.row_reader import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgconflict.config import Limits
    from pgconflict.server.table_nodes import TableNode, TableNodes

JOB: Final = "repair"
Connection = psycopg.Connection[Any]


class RefusedError(PgConflictError):
    """The row was not written anywhere; the message says why."""

    exit_code = 3


class PartialError(PgConflictError):
    """Some nodes are written and others are not, or it is not known."""

    exit_code = 3


class Effects(msgspec.Struct, frozen=True, kw_only=True):
    """What else happens on a node when its row is written, and what does not."""

    fires: Sequence[str]
    silent: Sequence[str]
    foreign_keys: Sequence[str]


class RowPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One row: what every node has, and what is written where, in this order."""

    keys: Sequence[Values]
    rows: Sequence[Mapping[str, Version]]
    writes: Mapping[str, Sequence[Write]]


async def echo(nodes: TableNodes, node: str) -> str | None:
    """Return why a write on this node would reach others; None if it would not.

    Raises:
        NodeUnavailableError: a node did not answer.
    """
    for link in nodes.links:
        if link.publisher == node and link.origin != "none":
            return (
                f"subscription {link.subname} of node {link.subscriber} has origin ="
                f" {link.origin}: it would bring the repair of node {node} there."
                " PostgreSQL 16 and later leave it out with ALTER SUBSCRIPTION"
                f' "{link.subname}" SET (origin = none)'
            )
    on = nodes.nodes[node]
    names = (on.table.schemaname, on.table.relname)
    if not (await on.session.row("published_anywhere", *names))["published"]:
        return None
    known = {link.slot_name for link in nodes.links if link.publisher == node}
    for one in nodes.nodes.values():
        rows = await one.session.rows("subscriptions")
        known |= {row["slot_name"] for row in rows if one.name != node}
    for slot in await on.session.rows("subscriber_slots"):
        if slot["name"] not in known:
            return (
                f"slot {slot['name']} of node {node} is of no subscription that is"
                " known here: whoever reads it may get the repair"
            )
    return None


async def effects(on: TableNode) -> Effects:
    """Return what fires when a row is written on this node, and what is not checked.

    Raises:
        NodeUnavailableError: it did not answer.
    """
    triggers = await on.session.rows("repair_triggers", on.table.relid)
    keys = await on.session.rows("repair_foreign_keys", on.table.relid)
    return Effects(
        fires=[row["name"] for row in triggers if row["fires"]],
        silent=[row["name"] for row in triggers if not row["fires"]],
        foreign_keys=[
            f"{row['name']} {'to' if row['outgoing'] else 'from'}"
            f" {row['schemaname']}.{row['relname']}"
            for row in keys
        ],
    )


def statement(on: TableNode, write: Write) -> str:
    """Return the statement that does it, as it is executed."""
    table = on.table
    name = sql.Identifier(table.schemaname, table.relname)
    where = _condition(on, write.key)
    if write.operation == "DELETE":
        return sql.SQL("DELETE FROM {} WHERE {}").format(name, where).as_string(None)
    if write.operation == "INSERT":
        return (
            sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})")
            .format(
                name,
                sql.SQL(", ").join(map(sql.Identifier, write.values)),
                sql.SQL(", ").join(
                    _value(on, column, value) for column, value in write.values.items()
                ),
            )
            .as_string(None)
        )
    changes = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(column), _value(on, column, value))
        for column, value in write.values.items()
    )
    return (
        sql.SQL("UPDATE {} SET {} WHERE {}")
        .format(name, changes, where)
        .as_string(None)
    )


def _condition(on: TableNode, key: Values) -> sql.Composable:
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier(column), _value(on, column, value))
        for column, value in key.items()
    )


def _value(on: TableNode, column: str, value: str | None) -> sql.Composable:
    if value is None:
        return sql.SQL("NULL")
    kind = on.table.types[column]
    return sql.SQL("{}::{}").format(sql.Literal(value), sql.SQL(kind))


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
                left = ", ".join(writers[len(done) :])
                written = f"written on {', '.join(done)}; " if done else ""
                raise PartialError(
                    f"{written}not known, or not written, on {left}: {_text(error)}",
                    hint="run the same command again: it looks at every node and goes"
                    " on from there",
                ) from error
            done.append(name)
            committed(name)
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
                _condition(on, key),
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
        self._check_foreign_keys(on, connection)

    def _check_foreign_keys(self, on: TableNode, connection: Connection) -> None:
        cursor = psycopg.RawCursor(connection)
        text = query("repair_foreign_keys", major_version(connection))
        cursor.execute(text.encode(), (on.table.relid,))
        for name, outgoing, schema, relname, columns, referred, types in cursor:
            other = sql.Identifier(schema, relname)
            for key, versions in zip(self._plan.keys, self._plan.rows, strict=True):
                row = versions[on.name].row
                if outgoing:
                    asked = self._dangling(on, key, other, columns, referred)
                elif row is None or not set(referred) <= row.values.keys():
                    continue
                else:
                    values = [row.values[column] for column in referred]
                    asked = self._orphans(on, other, columns, referred, values, types)
                if connection.execute(asked.encode()).fetchone():
                    raise RefusedError(
                        f"node {on.name}: foreign key {name}"
                        f" {'to' if outgoing else 'from'} {schema}.{relname} would be"
                        " broken",
                        hint="repair the rows of that table first, or take the other"
                        " node's version",
                    )

    def _dangling(
        self,
        on: TableNode,
        key: Values,
        other: sql.Composable,
        columns: Sequence[str],
        referred: Sequence[str],
    ) -> str:
        """Asks for the row if it refers to one that is not there."""
        return (
            sql.SQL(
                "select 1 from (select * from {table} where {key}) t"
                " where {given} and not exists (select from {other} r where {same})"
            )
            .format(
                table=sql.Identifier(on.table.schemaname, on.table.relname),
                key=_condition(on, key),
                given=sql.SQL(" and ").join(
                    sql.SQL("t.{} is not null").format(sql.Identifier(column))
                    for column in columns
                ),
                other=other,
                same=_same("r", referred, "t", columns),
            )
            .as_string(None)
        )

    def _orphans(  # noqa: PLR0917 - three lists that belong together
        self,
        on: TableNode,
        other: sql.Composable,
        columns: Sequence[str],
        referred: Sequence[str],
        values: Sequence[str | None],
        types: Sequence[str],
    ) -> str:
        """Asks for rows that referred to the row and have nothing to refer to now."""
        return (
            sql.SQL(
                "select 1 from {other} r where {mine}"
                " and not exists (select from {table} t where {same}) limit 1"
            )
            .format(
                other=other,
                mine=sql.SQL(" and ").join(
                    sql.SQL("r.{} = {}::{}").format(
                        sql.Identifier(column), sql.Literal(value), sql.SQL(kind)
                    )
                    for column, value, kind in zip(columns, values, types, strict=True)
                ),
                table=sql.Identifier(on.table.schemaname, on.table.relname),
                same=_same("t", referred, "r", columns),
            )
            .as_string(None)
        )


def _same(
    one: str, columns: Sequence[str], two: str, others: Sequence[str]
) -> sql.Composable:
    return sql.SQL(" and ").join(
        sql.SQL("{}.{} = {}.{}").format(
            sql.SQL(one), sql.Identifier(column), sql.SQL(two), sql.Identifier(other)
        )
        for column, other in zip(columns, others, strict=True)
    )


def _grants(connection: Connection, on: TableNode) -> str:
    """What a role that is no superuser needs."""
    role = sql.Identifier(connection.info.user).as_string(None)
    rows: Sequence[Any] = ()
    with suppress(psycopg.Error):
        rows = connection.execute(
            "select p.oid::pg_catalog.regprocedure::text from pg_catalog.pg_proc p"
            " where p.proname in ('pg_replication_origin_create',"
            " 'pg_replication_origin_session_setup') order by p.proname"
        ).fetchall()
    functions = ", ".join(row[0] for row in rows)
    name = sql.Identifier(on.table.schemaname, on.table.relname).as_string(None)
    return (
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO {role};"
        f" GRANT SET ON PARAMETER session_replication_role TO {role};"
        f" GRANT EXECUTE ON FUNCTION {functions} TO {role};"
    )


def _refused(error: Exception) -> Exception:
    """What keeps the row from being written; nothing has been."""
    if isinstance(error, RefusedError | PrivilegeMissingError):
        return error
    hint = error.hint if isinstance(error, PgConflictError) else None
    return RefusedError(_text(error), hint=hint)


def _text(error: Exception) -> str:
    if isinstance(error, psycopg.Error):
        said = error.diag.message_primary or str(error)
        detail = f" ({error.diag.message_detail})" if error.diag.message_detail else ""
        return " ".join(said.split()) + detail
    return str(error)
