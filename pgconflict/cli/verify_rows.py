"""Where a row is that a comparison found to differ, and the key it is shown by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pgconflict.conflict_log.differences import Subscribed
from pgconflict.errors import NodeUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from pgconflict.core.verdict import Row
    from pgconflict.server.table_nodes import KeyValues, Settled, TableNodes
    from pgconflict.server.table_order import Order

AT_ONCE: Final = 500
"""Suspects that are looked at together, if they are not large."""

FIRST: Final = 20
LARGE: Final = 16_000_000
"""Characters of rows that are looked at together."""


@dataclass(frozen=True, slots=True)
class Place:
    """The table whose row it is: the one that is compared, or a partition of it."""

    nodes: TableNodes
    names: tuple[str, str]


class Looks:
    """Looks at rows that may differ, as many together as can be had."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = wait_s
        self._rows = FIRST

    async def settled(
        self, nodes: TableNodes, order: Order, keys: Sequence[KeyValues]
    ) -> AsyncIterator[dict[KeyValues, Settled]]:
        """Look at rows of one table, part by part.

        Raises:
            NodeUnavailableError, PrivilegeMissingError: a node does not say.
        """
        left = list(keys)
        while left:
            part = left[: self._rows]
            try:
                found = await nodes.settle(order.key, nodes.columns, part, self.wait_s)
            except NodeUnavailableError:
                # The statement's limit: rows are large, or a node has slowed down.
                lost = any(one.session.closed for one in nodes.nodes.values())
                if lost or len(part) == 1:
                    raise
                self._rows = max(1, len(part) // 4)
                continue
            left = left[len(part) :]
            size = sum(size_of(one.rows.values()) for one in found.values())
            most = LARGE * len(part) // max(size, 1)
            self._rows = max(1, min(most, 2 * self._rows, AT_ONCE))
            yield found


def size_of(rows: Iterable[Row | None]) -> int:
    """How many characters rows have."""
    return sum(len(value or "") for row in rows if row for value in row.values.values())


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
