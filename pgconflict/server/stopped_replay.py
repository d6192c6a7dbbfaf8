"""The changes of a publisher's transaction as statements, as apply would do them.

Values go as literals without a type: the server reads them as the column's, and a
value that is too long is an error, as in apply.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from pgconflict.server.repair import RefusedError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any

    from pgconflict.core.pgoutput import Change, Row
    from pgconflict.core.stopped import Names
    from pgconflict.server.row_reader import RowTable


def obstacle(
    changes: Sequence[Change],
    tables: Mapping[Names, RowTable],
    copied: Collection[Names],
) -> str | None:
    """Return why the changes can't be done by statements; None if they can."""
    for place, change in enumerate(changes, start=1):
        names = (change.schemaname, change.relname)
        shown = f"change {place}, {change.operation} of {'.'.join(names)}"
        table = tables.get(names)
        if change.operation == "TRUNCATE":
            return f"{shown}: what it takes along is not known here"
        if table is None:
            return f"{shown}: there is no such table here"
        if names in copied:
            return f"{shown}: the table is still being copied"
        sent = {**(change.key or {}), **(change.row or {})}
        if missing := sorted(set(sent) - table.types.keys()):
            return f"{shown}: no column {', '.join(missing)} here"
        if change.operation != "INSERT" and not change.key:
            return f"{shown}: the publisher did not send which row"
    return None


def replay(
    connection: psycopg.Connection[Any],
    changes: Sequence[Change],
    tables: Mapping[Names, RowTable],
    leave: Collection[int],
    applied: Collection[Names],
) -> int:
    """Do the changes, without those at the places `leave`; how many found no row.

    Args:
        connection: In a transaction, writing as apply does.
        changes: All of the transaction.
        tables: Of the subscriber.
        leave: Places, from 0.
        applied: Tables of the subscription; changes of others it passes over.

    Raises:
        RefusedError: one can't be done; the transaction is to be rolled back.
        psycopg.OperationalError: as the server says.
    """
    without = 0
    for place, change in enumerate(changes):
        names = (change.schemaname, change.relname)
        if place in leave or names not in applied:
            continue
        text = statement(change, tables[names])
        if text is None:
            continue
        try:
            done = connection.execute(text.encode())
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            detail = error.diag.message_detail
            said = f"{error.diag.message_primary or error}"
            raise RefusedError(
                f"change {place + 1} of the transaction, {change.operation} of"
                f" {'.'.join(names)}, fails: {said}{f' ({detail})' if detail else ''}",
                hint="nothing was changed; look at the plan again: it is made anew",
            ) from error
        without += done.rowcount == 0
    return without


def statement(change: Change, table: RowTable) -> str | None:
    """Return the statement that does a change; None if it changes no column here."""
    name = sql.Identifier(table.schemaname, table.relname)
    if change.operation == "DELETE":
        text = sql.SQL("DELETE FROM {} WHERE {}").format(name, _where(change, table))
        return text.as_string(None)
    given = {
        column: value
        for column, value in (change.row or {}).items()
        if column not in table.generated
    }
    if change.operation == "INSERT":
        return (
            sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})")
            .format(
                name,
                sql.SQL(", ").join(map(sql.Identifier, given)),
                sql.SQL(", ").join(map(_literal, given.values())),
            )
            .as_string(None)
        )
    old = change.key or {}
    # An identity column that stays what it is can't be named.
    changed = {
        column: value
        for column, value in given.items()
        if column not in old or old[column] != value
    }
    if not changed:
        return None
    return (
        sql.SQL("UPDATE {} SET {} WHERE {}")
        .format(
            name,
            sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(column), _literal(value))
                for column, value in changed.items()
            ),
            _where(change, table),
        )
        .as_string(None)
    )


def _where(change: Change, table: RowTable) -> sql.Composable:
    key: Row = change.key or {}
    same = sql.SQL(" AND ").join(
        sql.SQL("{} IS NULL").format(sql.Identifier(column))
        if value is None
        else sql.SQL("{} {} {}::{}").format(
            sql.Identifier(column),
            table.operator(column, "="),
            sql.Literal(value),
            sql.SQL(table.types[column]),
        )
        for column, value in key.items()
    )
    if any(set(columns) <= key.keys() for columns in table.keys):
        return same
    # REPLICA IDENTITY FULL: of equal rows, apply changes one.
    return sql.SQL("ctid = (SELECT ctid FROM {} WHERE {} LIMIT 1)").format(
        sql.Identifier(table.schemaname, table.relname), same
    )


def _literal(value: str | None) -> sql.Composable:
    return sql.SQL("NULL") if value is None else sql.Literal(value)
