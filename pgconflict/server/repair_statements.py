"""Statements of a repair, as they are shown and executed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

if TYPE_CHECKING:
    from pgconflict.core.conflict import Values
    from pgconflict.core.repair import Write
    from pgconflict.server.table_nodes import TableNode


def statement(on: TableNode, write: Write) -> str:
    """Return the statement that does it, as it is executed."""
    table = on.table
    name = sql.Identifier(table.schemaname, table.relname)
    where = condition(on, write.key)
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


def condition(on: TableNode, key: Values) -> sql.Composable:
    """Return what finds the row of a key."""
    return sql.SQL(" AND ").join(
        sql.SQL("{} {} {}").format(
            sql.Identifier(column),
            on.table.operator(column, "="),
            _value(on, column, value),
        )
        for column, value in key.items()
    )


def _value(on: TableNode, column: str, value: str | None) -> sql.Composable:
    if value is None:
        return sql.SQL("NULL")
    kind = on.table.types[column]
    return sql.SQL("{}::{}").format(sql.Literal(value), sql.SQL(kind))
