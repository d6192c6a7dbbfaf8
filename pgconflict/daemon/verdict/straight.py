"""How further nodes' changes come to each of two nodes without a detour.

Only where every further node sends both all that it writes does their log tell of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from pgconflict.core.evidence import LOG_TIME_STEP
from pgconflict.daemon.verdict.nodes import AWAY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from pgconflict.core.passing import Way
    from pgconflict.core.row_entry import RowEntry
    from pgconflict.daemon.verdict.links import AllSkipped, Sides
    from pgconflict.daemon.verdict.nodes import NodeView
    from pgconflict.daemon.verdict.watch import Mark
    from pgconflict.server.row_reader import Incoming, RowTable


@dataclass(frozen=True, slots=True)
class Straight:
    """The subscriptions of two nodes to all further ones."""

    ways: Mapping[tuple[int, int], tuple[NodeView, str]]
    """By system and subscription: publisher and slot."""

    age: timedelta
    """For how long they have been there, and all has been published to them."""

    def passes(self, mark: Mark | None) -> bool:
        """Whether both have applied what every publisher had written by the mark."""
        if mark is None:
            return False
        return all(
            publisher.name in mark.everywhere
            and publisher.slots.get(slot, -1) >= mark.everywhere[publisher.name]
            for publisher, slot in self.ways.values()
        )

    def skipped_since(
        self, view: NodeView, since: datetime, skipped: AllSkipped
    ) -> bool:
        """Whether one of the two did not apply, or log, all that came since."""
        return any(
            one.applied or one.skipped_at + LOG_TIME_STEP > since
            for way, found in skipped.items()
            if way in self.ways and way[0] == view.system_identifier
            for one in found
        )

    def is_later(self, entry: RowEntry, mark: Mark | None) -> bool:
        """Whether the change was committed after the mark."""
        way = self.ways.get((entry.system_identifier, entry.subid or 0))
        if way is None or mark is None or entry.remote_lsn is None:
            return False
        reached = mark.everywhere.get(way[0].name)
        return reached is not None and entry.remote_lsn >= reached


async def straight_ways(
    sides: Sides, views: Mapping[str, NodeView], ways: Iterable[Way]
) -> Straight | None:
    """Return these; None if one of the two is not sent all that a further node writes.

    Args:
        sides: The two.
        views: All nodes.
        ways: By which the table's changes come to any of them.
    """
    here, there = sides.here_table, sides.there_table
    if here is None or there is None:
        return None
    # By a second one the same change comes twice, the second time as if it were new.
    if not (
        _way(sides.there, sides.here, here) and _way(sides.here, sides.there, there)
    ):
        return None
    named = {way.publisher for way in ways} | {way.subscriber for way in ways}
    further = [
        view
        for view in views.values()
        if view.system_identifier in named
        and view.name not in {sides.here.name, sides.there.name}
    ]
    found = {}
    ages = [timedelta.max]
    for publisher in further:
        try:
            table = await publisher.reader.table(here.schemaname, here.relname)
            for view, its in ((sides.here, here), (sides.there, there)):
                one = _way(publisher, view, its)
                sent = None
                if table is not None and one is not None:
                    sent = await publisher.reader.published(table, one)
                slot = None if one is None else view.subscriptions[one.subid].slot_name
                if one is None or sent is None or slot is None:
                    return None
                if sent.filtered or not sent.complete:
                    return None
                found[view.system_identifier, one.subid] = (publisher, slot)
                ages += [publisher.clock - sent.since] if sent.since else []
                ages += [view.clock - one.since] if one.since else []
        except AWAY:
            return None
    return Straight(found, min(ages))


def _way(publisher: NodeView, view: NodeView, table: RowTable) -> Incoming | None:
    """The one subscription that brings the publisher's own changes, and no others."""
    found = [
        one
        for one in table.incoming
        if one.subid in view.subscriptions
        and view.subscriptions[one.subid].publisher == publisher.name
    ]
    if len(found) != 1 or found[0].of_others or not found[0].ready:
        return None
    return found[0]
