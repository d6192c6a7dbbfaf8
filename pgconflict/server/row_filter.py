"""Whether a row is one that subscriptions bring: row filters leave others out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from pgconflict.server.repair_statements import condition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.core.conflict import Values
    from pgconflict.server.table_nodes import Link, TableNode


def brought(links: Sequence[Link]) -> str | None:
    """Return which rows any of these subscriptions brings, as SQL; None: all."""
    given = dict.fromkeys(link.filter for link in links)
    if None in given:
        return None
    return " or ".join(str(one) for one in given)


async def is_outside(on: TableNode, key: Values, given: str) -> bool:
    """Return whether a node has a row of this key that `given` leaves out.

    Raises:
        NodeUnavailableError, PrivilegeMissingError: the node does not say.
    """
    asked = sql.SQL("select 1 from {} t where {} and ({}) is not true").format(
        sql.Identifier(on.table.schemaname, on.table.relname),
        condition(on, key),
        sql.SQL(given),
    )
    return bool(await on.session.rows_of(asked.as_string(None)))
