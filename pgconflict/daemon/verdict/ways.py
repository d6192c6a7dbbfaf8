"""By which ways a table's changes come to two nodes, but from one to the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgconflict.core.passing import Way
from pgconflict.daemon.verdict.nodes import AWAY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgconflict.daemon.verdict.links import Sides
    from pgconflict.daemon.verdict.nodes import NodeView
    from pgconflict.server.row_reader import Incoming, RowTable


async def other_ways(
    sides: Sides, views: Mapping[str, NodeView]
) -> tuple[Way, ...] | None:
    """Return the subscriptions of the two, and of all nodes before them.

    None if one of these nodes does not answer or is not configured, or copies the
    table just now: then nobody knows what comes through it.
    """
    tables = {sides.here.name: sides.here_table, sides.there.name: sides.there_table}
    direct = {(sides.here.name, sides.subscription.subid)}
    if sides.back is not None:
        direct.add((sides.there.name, sides.back.subid))
    found: list[Way] = []
    to_ask, asked = [*tables], set(tables)
    for name in to_ask:  # grows
        view = views[name]
        table = tables[name] if name in tables else await _table(view, sides)
        if table is None:
            return None
        for one in table.incoming:
            known = view.subscriptions.get(one.subid)
            publisher = views.get(known.publisher or "") if known else None
            if publisher is None or not one.ready:
                return None
            if publisher.name not in asked:
                asked.add(publisher.name)
                to_ask.append(publisher.name)
            if (name, one.subid) not in direct:
                found.append(_way(publisher, view, one))
    return tuple(found)


def _way(publisher: NodeView, subscriber: NodeView, one: Incoming) -> Way:
    return Way(
        publisher.system_identifier,
        subscriber.system_identifier,
        one.subid,
        one.copied,
    )


async def _table(view: NodeView, sides: Sides) -> RowTable | None:
    """The table on a third node."""
    here = sides.here_table
    if here is None:
        return None
    try:
        return await view.reader.table(here.schemaname, here.relname)
    except AWAY:
        return None
