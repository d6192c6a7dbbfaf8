"""What is known of further nodes that write to a conflict's table.

The version that a change met may be a third node's: then the two that matter are that
node and the publisher of the change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgconflict.core.passing import Way
from pgconflict.daemon.verdict_links import Sides, read_sides
from pgconflict.daemon.verdict_nodes import AWAY
from pgconflict.daemon.verdict_ways import other_ways

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgconflict.core.row_entry import RowEntry
    from pgconflict.daemon.verdict_nodes import NodeView
    from pgconflict.server.row_reader import Incoming


@dataclass(frozen=True, slots=True)
class Writers:
    """The node that wrote a version (`here`) and the publisher of the change."""

    sides: Sides
    ways: tuple[Way, ...] | None
    """By which the two may have seen each other, but directly; None: not known."""

    brought: int | None = None
    """The subscription that brought the version to the node that logged."""

    back: Way | None = None
    """From the publisher to a third node that wrote the version."""


class WritersOf:
    """Finds them for the conflicts of one table and subscription, each pair once."""

    def __init__(self, sides: Sides, views: Mapping[str, NodeView]) -> None:
        self._sides = sides
        self._views = views
        self._known: dict[int | None, Writers | None] = {}

    async def find(self, entry: RowEntry) -> Writers | None:
        """Return them; None if the version is no known node's.

        Raises:
            NodeUnavailableError, PrivilegeMissingError: a node does not say it.
        """
        sides = self._sides
        brought = entry.local_subid if sides.others_write else None
        if brought not in self._known:
            self._known[brought] = (
                await self._third(brought)
                if brought is not None
                else Writers(
                    sides,
                    await other_ways(sides, self._views) if sides.others_write else (),
                )
            )
        return self._known[brought]

    @property
    def found(self) -> list[Sides]:
        """The pairs that were found, but that of the conflicts themselves."""
        return [
            one.sides
            for one in self._known.values()
            if one is not None and one.sides is not self._sides
        ]

    async def _third(self, brought: int) -> Writers | None:
        here, there, table = self._sides.here, self._sides.there, self._sides.here_table
        known = here.subscriptions.get(brought)
        view = self._views.get(known.publisher or "") if known else None
        if view is None or table is None or view in (here, there):
            return None
        # Without origin = none it may be a version that somebody else wrote.
        ways = [one for one in table.incoming if one.subid == brought]
        if not ways or any(one.of_others for one in ways):
            return None
        try:
            return await self._pair(view, brought)
        except AWAY:
            return None

    async def _pair(self, view: NodeView, brought: int) -> Writers | None:
        there, table = self._sides.there, self._sides.here_table
        if table is None:
            return None
        name = (table.schemaname, table.relname)
        for one in view.subscriptions.values():
            if one.publisher != there.name:
                continue
            sides = await read_sides(view, there, one, name)
            back = _incoming(sides, one.subid)
            if back is None or sides.sent_on or not back.ready:
                continue
            return Writers(
                sides,
                await other_ways(sides, self._views),
                brought,
                Way(
                    there.system_identifier,
                    view.system_identifier,
                    one.subid,
                    back.copied,
                ),
            )
        return None


def _incoming(sides: Sides, subid: int) -> Incoming | None:
    incoming = sides.here_table.incoming if sides.here_table is not None else ()
    return next((one for one in incoming if one.subid == subid), None)
