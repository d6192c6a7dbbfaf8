"""The key that a table is compared by: its order on both nodes, its comparisons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import sql

from pgconflict.errors import NodeNotReadyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.server.row_reader import Key, RowTable
    from pgconflict.server.table_nodes import TableNodes


@dataclass(frozen=True, slots=True)
class Order:
    """The key's columns in an order that both nodes share."""

    key: Key
    by_bytes: frozenset[str]
    """Columns that are compared as COLLATE "C", which no index of another helps."""

    deferrable: bool = False
    """Several rows may have one key: apply does not enforce the constraint."""


async def shared_order(nodes: TableNodes) -> Order:
    """Return the key, and how its values sort alike on both nodes.

    Raises:
        NodeNotReadyError: there is no key, it may be null, or it does not sort alike.
    """
    name = _name(nodes)
    reasons = [f"{name} has no unique index on both nodes"]
    one, two = nodes.nodes.values()
    theirs = {frozenset(key) for key in two.table.keys}
    for key in one.table.keys:
        if frozenset(key) not in theirs:
            continue
        orders = [
            {row["name"]: row for row in await each.session.rows(
                "key_order", each.table.relid, list(key)
            )}
            for each in (one, two)
        ]  # fmt: skip
        if not all(row["not_null"] for each in orders for row in each.values()):
            reasons.append(f"a column of the key ({', '.join(key)}) may be null")
            continue
        other = [
            column
            for column in key
            if orders[0][column]["sort_order"] != orders[1][column]["sort_order"]
        ]
        if not all(each[column]["collatable"] for each in orders for column in other):
            reasons.append(f"the key ({', '.join(key)}) sorts differently on them")
            continue
        deferrable = any(
            frozenset(key) in map(frozenset, each.table.deferrable)
            for each in (one, two)
        )
        return Order(key, frozenset(other), deferrable)
    raise NodeNotReadyError(
        reasons[-1], hint="verify needs a unique index without nulls on both nodes"
    )


def beyond(
    table: RowTable,
    key: Key,
    compared: Sequence[sql.Composable],
    bound: Sequence[sql.Composable],
    sign: str,
) -> sql.Composable:
    """Return a comparison of rows, by the operators of the key's index."""
    if not table.operators.keys() & set(key):
        return sql.SQL("({}) {} ({})").format(
            sql.SQL(", ").join(compared), sql.SQL(sign), sql.SQL(", ").join(bound)
        )

    # A comparison of rows takes all its operators from one schema.
    def pair(place: int, sign: str) -> sql.Composable:
        operator = table.operator(key[place], sign)
        return sql.SQL("{} {} {}").format(compared[place], operator, bound[place])

    last = len(key) - 1
    found = pair(last, sign)
    for place in reversed(range(last)):
        # The first part is what an index helps with.
        found = sql.SQL("{} and ({} or {})").format(
            pair(place, f"{sign[0]}="), pair(place, sign[0]), found
        )
    return found


def _name(nodes: TableNodes) -> str:
    table = next(iter(nodes.nodes.values())).table
    return f"{table.schemaname}.{table.relname}"
