"""Conflicts with a third node's version: the same two writes as that node met them.

B writes on top of C's version. When B's change comes, A has that version too, and so
has C: both log it. Whether B had seen it C can tell, and for A it is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgconflict.core.evidence import Cause, Decision

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pgconflict.core.row_entry import RowEntry
    from pgconflict.daemon.verdict.links import Sides
    from pgconflict.daemon.verdict.nodes import NodeView


@dataclass(frozen=True, slots=True)
class Writer:
    """The node that wrote a version, and by which subscriptions it has B's changes."""

    view: NodeView
    subids: frozenset[int]


def writer_of(
    entry: RowEntry, sides: Sides, views: Mapping[str, NodeView]
) -> Writer | None:
    """Return who wrote the version that a change met; None if no third node did."""
    subid, table = entry.local_subid, sides.here_table
    known = sides.here.subscriptions.get(subid) if subid is not None else None
    view = views.get(known.publisher or "") if known is not None else None
    if view is None or table is None or view is sides.there:
        return None
    ways = [one for one in table.incoming if one.subid == subid]
    if not ways or any(one.of_others for one in ways):
        # Without origin = none that node may have had it from somebody else.
        return None
    return Writer(
        view,
        frozenset(
            one.subid
            for one in view.subscriptions.values()
            if one.publisher == sides.there.name
        ),
    )


def same_writes(
    entry: RowEntry, writer: Writer, others: Iterable[RowEntry]
) -> RowEntry | None:
    """Return what the version's writer logged of the same two writes."""
    for other in others:
        met = other.local_xid is not None and other.local_at == entry.local_at
        came = other.remote_xid is not None and other.remote_xid == entry.remote_xid
        if (
            met
            and came
            and other.system_identifier == writer.view.system_identifier
            and other.subid in writer.subids
        ):
            return other
    return None


def decision_of(found: RowEntry, cause: Cause) -> Decision:
    """Return the decision that the writer's own entry has."""
    return Decision(
        cause=cause,
        reason="the node that wrote the local version says so of the same two writes",
        entries=(found.conflict_id,) if cause is Cause.CONCURRENT else (),
    )
