"""What row filters are to `conflicts verify` and `repair`: rows that are not sent.

A repair does not go round them: a node with a row that its subscription would not be
sent stops apply when a change lets that row pass, and it comes as an INSERT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
from psycopg import sql

from pgconflict.core.verdict import difference
from pgconflict.errors import NodeNotReadyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pgconflict.core.repair import Version
    from pgconflict.core.verdict import Row
    from pgconflict.server.table_nodes import Link, TableNode, TableNodes


async def try_filter(on: TableNode, condition: str | None) -> None:
    """See that the filters of both nodes can be asked of this one's columns.

    Raises:
        NodeUnavailableError: it did not answer.
        NodeNotReadyError: they can't.
    """
    if condition is None:
        return
    table = sql.Identifier(on.table.schemaname, on.table.relname).as_string(None)
    try:
        await on.session.rows_of(f"select from {table} t where {condition} limit 0")
    except asyncpg.SyntaxOrAccessError as error:
        raise NodeNotReadyError(
            f"node {on.name}: the row filter {condition} can't be asked of its rows:"
            f" {error}",
            hint="its columns must be on both nodes, with types that it can compare",
        ) from error


async def kept_back(
    nodes: TableNodes, rows: Sequence[Mapping[str, Version]], node: str, winner: str
) -> str | None:
    """Return why a row filter keeps a node from the winner's row; None if none does.

    Args:
        nodes: That have the table.
        rows: Node to its version, of each key that the row has or had.
        node: To be written.
        winner: Whose version stays.

    Raises:
        NodeUnavailableError: a node did not answer.
    """
    for versions in rows:
        here, there = versions[node].row, versions[winner].row
        if difference(nodes.columns, here, there) is None:
            continue
        # Where the winner has none, the row is deleted unless it may well be missing.
        sender, receiver = (node, winner) if there is None else (winner, node)
        row = here if there is None else there
        given = _filters(nodes, sender, receiver)
        if row is None or not given:
            continue
        passes = [await _passes(nodes, link, row) for link in given]
        if True in passes:
            continue
        said = _said(given, sender, None not in passes)
        if None in passes:
            return said
        if None in (here, there):
            return f"{said}: node {receiver} is not sent it, and need not have it"
        return f"{said}: node {receiver} is not to have it; --winner {receiver}"
    return None


def _filters(nodes: TableNodes, sender: str, receiver: str) -> Sequence[Link]:
    """The links of which one brings the row if it passes; none: all rows come."""
    direct = [
        link
        for link in nodes.links
        if (link.publisher, link.subscriber) == (sender, receiver)
    ]
    links = direct or nodes.links
    return () if any(link.sent.filter is None for link in links) else links


async def _passes(nodes: TableNodes, link: Link, row: Row) -> bool | None:
    """Whether the link's filter lets a row pass, of whatever node."""
    row_filter = link.sent.filter
    types = [one.table.types for one in nodes.nodes.values()]
    if row_filter is None or not row_filter.readable(nodes.columns, *types):
        return None
    (passes,) = await nodes.nodes[link.publisher].reader.passing(
        row_filter, [row.values]
    )
    return passes


def _said(links: Sequence[Link], sender: str, known: bool) -> str:  # noqa: FBT001 - of this module
    given = dict.fromkeys(one.sent.filter.text for one in links if one.sent.filter)
    condition = " or ".join(given)
    if known:
        return f"the row filter {condition} does not let node {sender}'s row pass"
    return (
        f"whether the row filter {condition} lets node {sender}'s row pass can't be"
        " told: it reads columns that are not compared, or can't be computed"
    )
