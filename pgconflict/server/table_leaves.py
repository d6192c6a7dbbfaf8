"""The partitions of a table that are published, each as a table of its own.

No subscription has the table itself then: what is on its way to a row, and what repairs
it, is known of the partition that has the row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from pgconflict.errors import NodeNotReadyError, PrivilegeMissingError
from pgconflict.server.table_nodes import TableNodes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pgconflict.config import Limits
    from pgconflict.server.row_reader import Key
    from pgconflict.server.table_nodes import KeyValues

Names = tuple[str, str]

PLACE: Final = "tableoid"


class Leaves:
    """The partitions of one table, on all nodes that have it."""

    def __init__(
        self,
        nodes: TableNodes,
        limits: Limits,
        known: Mapping[str, Mapping[str, Names]],
        *,
        job: str,
    ) -> None:
        self._nodes = nodes
        self._limits = limits
        self._known = known
        self._job = job

    @classmethod
    async def of(cls, nodes: TableNodes, limits: Limits, *, job: str) -> Self | None:
        """Return them; None if no subscription has one of them by its own name.

        Raises:
            NodeUnavailableError: a node does not say.
        """
        known: dict[str, dict[str, Names]] = {}
        subscribed = False
        for name, one in nodes.nodes.items():
            rows = await one.session.rows("table_leaves", one.table.relid)
            subscribed = subscribed or any(row["subscribed"] for row in rows)
            known[name] = {
                str(row["relid"]): (row["schemaname"], row["relname"]) for row in rows
            }
        return cls(nodes, limits, known, job=job) if subscribed else None

    async def of_rows(
        self, key: Key, wanted: Sequence[KeyValues]
    ) -> dict[Names | None, list[KeyValues]]:
        """Return which partition each row is in; None: no node has the row any more.

        Raises:
            NodeUnavailableError, PrivilegeMissingError: a node does not say.
        """
        found: dict[Names | None, list[KeyValues]] = {}
        read = await self._nodes.read(key, (PLACE,), wanted)
        for values, rows in zip(wanted, read, strict=True):
            places = [
                self._known[name].get(row.values[PLACE] or "")
                for name, several in rows.items()
                for row in several
            ]
            found.setdefault(places[0] if places else None, []).append(values)
        return found

    async def open(self, names: Names) -> TableNodes | None:
        """Return the partition on all nodes, to be closed by the caller.

        None where one of them does not have it, or not by this name, or no subscription
        has it, or it may only be read through its table.

        Raises:
            NodeUnavailableError: a node can't be reached.
        """
        nodes = [one.node for one in self._nodes.nodes.values()]
        try:
            leaf = await TableNodes.open(nodes, self._limits, names, job=self._job)
        except (NodeNotReadyError, PrivilegeMissingError):
            return None
        if leaf.links:
            return leaf
        leaf.close()
        return None
