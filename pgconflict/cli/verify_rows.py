"""Where a row is that a comparison found to differ, and the key it is shown by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgconflict.conflict_log.differences import Subscribed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.server.table_nodes import Settled, TableNodes
    from pgconflict.server.table_order import Order


@dataclass(frozen=True, slots=True)
class Place:
    """The table whose row it is: the one that is compared, or a partition of it."""

    nodes: TableNodes
    names: tuple[str, str]


def subscribed(nodes: TableNodes) -> Subscribed:
    """Whose conflict a difference is: the second node's, where it subscribes."""
    one, two = nodes.nodes.values()
    links = {link.subscriber: link for link in nodes.links}
    here, there = (two, one) if two.name in links or not links else (one, two)
    link = links.get(here.name)
    return Subscribed(
        node=here.name,
        system_identifier=here.system_identifier,
        database=None,
        subid=None if link is None else link.subid,
        subname=None if link is None else link.subname,
        publisher=there.name,
        relid=here.table.relid,
    )


def keys_shown(order: Order, one: Settled) -> tuple[str | None, ...]:
    """The key as each node has it."""
    return tuple(
        None if row is None else row.values.get(column)
        for row in one.rows.values()
        for column in order.key
    )


def key_text(order: Order, values: Sequence[str]) -> str:
    """The key as a server prints it."""
    return f"({', '.join(order.key)})=({', '.join(values)})"
