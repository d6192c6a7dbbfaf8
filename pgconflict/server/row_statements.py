"""Statements that read rows by their keys, and that tell whether rows pass a filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.core.row_filter import FilterColumn, RowFilter
    from pgconflict.server.row_reader import Key, RowTable


def rows_by_key(table: RowTable, key: Key, columns: Sequence[str]) -> str:
    """Return one index lookup a key; the types' names are the server's own."""
    arrays = sql.SQL(", ").join(
        sql.SQL(f"${number}::text[]") for number in range(1, len(key) + 1)
    )
    names = [sql.SQL(f"k{number}") for number in range(1, len(key) + 1)]
    return (
        sql.SQL(
            "select w.place, r.* from unnest({arrays}) with ordinality"
            " as w ({names}, place)"
            " cross join lateral (select t.ctid::text || '/' || t.xmin::text"
            " as version, {columns} from {table} t where {condition} limit 2) r"
        )
        .format(
            arrays=arrays,
            names=sql.SQL(", ").join(names),
            columns=sql.SQL(", ").join(
                sql.SQL("t.{}::text as {}").format(
                    sql.Identifier(name), sql.Identifier(f"c{number}")
                )
                for number, name in enumerate(columns)
            ),
            table=sql.Identifier(table.schemaname, table.relname),
            condition=sql.SQL(" and ").join(
                sql.SQL("t.{} {} w.{}::{}").format(
                    sql.Identifier(column),
                    table.operator(column, "="),
                    name,
                    sql.SQL(table.types[column]),
                )
                for column, name in zip(key, names, strict=True)
            ),
        )
        .as_string(None)
    )


def rows_passing(row_filter: RowFilter) -> str:
    """Return the statement for texts of places and of each of the filter's columns."""
    numbers = range(2, len(row_filter.columns) + 2)
    names = [sql.SQL(f"k{number}") for number in numbers]
    return (
        # In a query of its own the condition finds its columns first.
        sql.SQL(
            "select w.place, (select coalesce({condition}, false)"
            " from (select {columns}) as t) as passes"
            " from unnest({arrays}) as w ({names})"
        )
        .format(
            condition=sql.SQL(row_filter.text),
            columns=sql.SQL(", ").join(
                _typed(one, name)
                for one, name in zip(row_filter.columns, names, strict=True)
            ),
            arrays=sql.SQL(", ").join(
                sql.SQL(f"${number}::text[]") for number in (1, *numbers)
            ),
            names=sql.SQL(", ").join([sql.SQL("place"), *names]),
        )
        .as_string(None)
    )


def _typed(column: FilterColumn, value: sql.Composable) -> sql.Composable:
    """A value as the column has it; names of types and collations are the server's."""
    kind = sql.SQL(column.type)
    collation = sql.SQL(f" collate {column.collation}" if column.collation else "")
    name = sql.Identifier(column.name)
    return sql.SQL("w.{}::{}{} as {}").format(value, kind, collation, name)
