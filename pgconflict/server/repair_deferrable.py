"""Deferrable constraints of a row that was written as apply writes: nothing else looks.

The server checks them by triggers, which do not fire then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
from psycopg import sql

from pgconflict.queries import query
from pgconflict.server.connect import major_version
from pgconflict.server.repair_statements import condition

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pgconflict.core.repair import Write
    from pgconflict.server.table_nodes import TableNode


class Deferrable(msgspec.Struct, frozen=True, array_like=True):
    """One constraint: no two rows may have `parts` that all of `operators` hold for."""

    name: str
    nulls_too: bool
    predicate: str | None
    parts: Sequence[str]
    operators: Sequence[str]
    columns: Sequence[str] | None
    """None where an expression or a predicate has a say."""

    def concerns(self, write: Write) -> bool:
        """Whether the statement can break it."""
        if write.operation == "DELETE":
            return False
        return self.columns is None or bool({*self.columns} & write.values.keys())


def taken(
    connection: psycopg.Connection[Any], on: TableNode, writes: Iterable[Write]
) -> str | None:
    """Return a constraint that a written row and another break; None if all hold.

    Args:
        connection: In the transaction that wrote them.
        on: The node.
        writes: What was written.
    """
    cursor = psycopg.RawCursor(connection)
    text = query("repair_deferrable", major_version(connection))
    cursor.execute(text.encode(), (on.table.relid,))
    written = list(writes)
    for found in cursor.fetchall():
        one = Deferrable(*found)
        for write in written:
            if (
                one.concerns(write)
                and connection.execute(_others(on, write, one).encode()).fetchone()
            ):
                return one.name
    return None


def _others(on: TableNode, write: Write, one: Deferrable) -> str:
    """Asks for another row that the written one must not be together with."""
    names = [sql.Identifier(f"c{number}") for number in range(len(one.parts))]
    parts = [
        sql.SQL("({}) as {}").format(sql.SQL(part), name)
        for part, name in zip(one.parts, names, strict=True)
    ]
    same = []
    for name, operator in zip(names, one.operators, strict=True):
        form = "o.{name} {operator} n.{name}"
        if one.nulls_too:
            form = f"({form} or (o.{{name}} is null and n.{{name}} is null))"
        same.append(sql.SQL(form).format(name=name, operator=sql.SQL(operator)))
    return (
        sql.SQL(
            "select 1 from (select ctid as place, tableoid as part, {parts}"
            " from {table} where {key} and {given}) n"
            " join (select ctid as place, tableoid as part, {parts}"
            " from {table} where {given}) o"
            " on (o.place, o.part) <> (n.place, n.part) and {same} limit 1"
        )
        .format(
            parts=sql.SQL(", ").join(parts),
            table=sql.Identifier(on.table.schemaname, on.table.relname),
            key=condition(on, write.after),
            given=sql.SQL(f"({one.predicate or 'true'})"),
            same=sql.SQL(" and ").join(same),
        )
        .as_string(None)
    )
