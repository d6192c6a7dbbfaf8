"""Foreign keys of a row that was written as apply writes: nothing else checks them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
from psycopg import sql

from pgconflict.queries import query
from pgconflict.server.connect import major_version, translated
from pgconflict.server.repair_statements import condition

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pgconflict.core.conflict import Values
    from pgconflict.core.verdict import Row
    from pgconflict.server.table_nodes import TableNode


class ForeignKey(msgspec.Struct, frozen=True, array_like=True):
    """One constraint, from the repaired table or to it; `other` is at its far end."""

    name: str
    outgoing: bool
    schemaname: str
    relname: str
    columns: Sequence[str]
    referred: Sequence[str]
    types: Sequence[str]
    operators: Sequence[str]
    """Each has a column referred to on its left."""

    @property
    def other(self) -> sql.Identifier:
        """The table at the other end."""
        return sql.Identifier(self.schemaname, self.relname)

    def __str__(self) -> str:
        way = "to" if self.outgoing else "from"
        return f"{self.name} {way} {self.schemaname}.{self.relname}"


def broken(
    connection: psycopg.Connection[Any],
    on: TableNode,
    rows: Iterable[tuple[Values, Row | None]],
) -> ForeignKey | None:
    """Return a foreign key that the written rows break; None if all hold.

    Args:
        connection: In the transaction that wrote them.
        on: The node.
        rows: Key, and the row as it was before.

    Raises:
        PrivilegeMissingError: a table at the other end can't be read.
    """
    role = sql.Identifier(connection.info.user).as_string(None)
    cursor = psycopg.RawCursor(connection)
    text = query("repair_foreign_keys", major_version(connection))
    cursor.execute(text.encode(), (on.table.relid,))
    written = list(rows)
    for found in cursor.fetchall():
        one = ForeignKey(*found)
        for key, before in written:
            asked = (
                _dangling(on, key, one) if one.outgoing else _orphans(on, before, one)
            )
            if asked is None:
                continue
            grant = f"GRANT SELECT ON {one.other.as_string(None)} TO {role};"
            with translated(f"node {on.name}", privilege_hint=grant):
                if connection.execute(asked.encode()).fetchone():
                    return one
    return None


def _dangling(on: TableNode, key: Values, one: ForeignKey) -> str:
    """Asks for the row if it refers to one that is not there."""
    return (
        sql.SQL(
            "select 1 from (select * from {table} where {key}) t"
            " where {given} and not exists (select from {other} r where {same})"
        )
        .format(
            table=sql.Identifier(on.table.schemaname, on.table.relname),
            key=condition(on, key),
            given=sql.SQL(" and ").join(
                sql.SQL("t.{} is not null").format(sql.Identifier(column))
                for column in one.columns
            ),
            other=one.other,
            same=_same(one, "r", "t"),
        )
        .as_string(None)
    )


def _orphans(on: TableNode, before: Row | None, one: ForeignKey) -> str | None:
    """Asks for rows that referred to the row and have nothing to refer to now."""
    if before is None or not set(one.referred) <= before.values.keys():
        return None
    values = [before.values[column] for column in one.referred]
    return (
        sql.SQL(
            "select 1 from {other} r where {mine}"
            " and not exists (select from {table} t where {same}) limit 1"
        )
        .format(
            other=one.other,
            mine=sql.SQL(" and ").join(
                sql.SQL("{}::{} {} r.{}").format(
                    sql.Literal(value),
                    sql.SQL(kind),
                    sql.SQL(operator),
                    sql.Identifier(column),
                )
                for column, value, kind, operator in zip(
                    one.columns, values, one.types, one.operators, strict=True
                )
            ),
            table=sql.Identifier(on.table.schemaname, on.table.relname),
            same=_same(one, "t", "r"),
        )
        .as_string(None)
    )


def _same(one: ForeignKey, there: str, here: str) -> sql.Composable:
    """Compares the row referred to with the row that refers to it."""
    return sql.SQL(" and ").join(
        sql.SQL("{}.{} {} {}.{}").format(
            sql.SQL(there),
            sql.Identifier(referred),
            sql.SQL(operator),
            sql.SQL(here),
            sql.Identifier(column),
        )
        for referred, operator, column in zip(
            one.referred, one.operators, one.columns, strict=True
        )
    )
