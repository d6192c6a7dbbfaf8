"""Whether two writes of a row were concurrent, from what two nodes logged about it.

Node A logs that an incoming change *b* of node B met A's own version *a* of a row.
If B had applied *a* before it wrote *b*, the row was handed over; if not, neither had
seen the other. In the second case the first change of A to that row which reaches B
after *b* (not later than *a*) meets B's version (*b* or later) or no row, and B logs
that. So such an entry of B proves that the two were concurrent, and its absence, in a
complete log that was read far enough, proves the hand-over: unless that change is an
INSERT and B has deleted the row by then. Positions of both nodes that were seen before
and after tell it without any log (`pgconflict.core.progress`). Where further nodes
write to the table, B may have seen *a* in what one of them wrote on top of it
(`pgconflict.core.passing`). Where that holds, and where not: docs/verdict.md.

Times are commit times of one node's own clock and are only compared with times of
the same clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgconflict.core.absence import by_absence, missed_there
from pgconflict.core.entry_order import (
    Order,
    bound_of,
    clock_was_set_back,
    met_a_version,
    unseen,
)
from pgconflict.core.evidence import (
    HANDED_OVER,
    LOG_TELLS,
    MORE_NODES,
    Cause,
    Decision,
    Logged,
    undecided,
)
from pgconflict.core.further import (
    among_others,
    arrival,
    came_after,
    only_updated,
)
from pgconflict.core.progress import Placed, Positions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pgconflict.core.further import Further

_NO_POSITIONS: Final = Positions()


def decide(
    entry: Logged,
    mirrored: Sequence[Logged],
    own: Sequence[Logged],
    doubts: Sequence[str],
    positions: Positions = _NO_POSITIONS,
    *,
    further: Further | None = None,
) -> Decision:
    """Return the cause of one entry.

    Args:
        entry: Of node A, about a change of node B.
        mirrored: B's entries about changes of A to the same row.
        own: A's further entries about changes of any node to the same row.
        doubts: Why a missing entry of B would prove nothing; empty only when B has
            applied all that A had committed when `entry` was logged, B's log is
            recorded up to then without a gap from before B wrote, and nothing else
            could keep B from logging.
        positions: What the nodes' positions tell.
        further: What is known of further nodes that write to the table, if any does.
    """
    if entry.met_repair:
        # While it was written, every node held the row and had the same version.
        return Decision(
            cause=Cause.HAND_OVER, reason="the version that it met is a repair's"
        )
    bound = bound_of(entry)
    if entry.remote_at is None or bound is None:
        return undecided(
            "commit time of the remote transaction not known"
            if entry.remote_at is None
            else "the local version is no session's of this node"
        )
    # Another subscription's publisher has another WAL and another clock.
    of_b = [entry, *(other for other in own if other.subid == entry.subid)]
    if clock_was_set_back(mirrored) or clock_was_set_back(of_b):
        return undecided("commit times and LSNs disagree: a clock was set back")
    exact = met_a_version(entry)
    orders = {
        other.conflict_id: unseen(other, bound, entry.remote_at, positions, exact=exact)
        for other in mirrored
    }
    later = {n for n, order in orders.items() if order is Order.AFTER}
    sure = {other.conflict_id for other in mirrored if other.of_this_row}
    proofs = tuple(sorted(later & sure))
    found = _proved(entry, mirrored, positions.placed, proofs)
    came = arrival(entry, mirrored)
    if found is None and further is not None and came is not None:
        found = _told(entry, mirrored, orders[came.conflict_id])
    if found is not None:
        moment = came_after(entry, mirrored, positions)
        return among_others(
            entry, found, proofs, moment, further, own=own, mirrored=mirrored
        )
    unsure = Order.UNSURE in orders.values()
    if unsure or later - sure:
        doubt = "can't be placed in time" if unsure else "may be about another row"
        return undecided(f"an entry of the other node {doubt}")
    if further is not None and only_updated(entry, own, mirrored, further):
        doubts = [doubt for doubt in doubts if doubt != MORE_NODES]
    found = by_absence(entry, mirrored, own, doubts)
    moment = came_after(entry, mirrored, positions)
    return among_others(entry, found, (), moment, further)


def _proved(
    entry: Logged,
    mirrored: Sequence[Logged],
    placed: Placed | None,
    proofs: tuple[int, ...],
) -> Decision | None:
    """What is proved by positions or an entry; None if nothing is."""
    # What changed nothing on B does not move its position.
    if placed is Placed.UNSEEN and not missed_there(entry, mirrored):
        return Decision(
            cause=Cause.CONCURRENT,
            reason="the other node had not applied the local version when it wrote",
            entries=proofs,
        )
    if placed is Placed.SEEN and proofs:
        return undecided("positions and the other node's entries disagree")
    if proofs:
        return Decision(
            cause=Cause.CONCURRENT,
            reason="the other node logged the opposite direction",
            entries=proofs,
        )
    if placed is Placed.SEEN and _seen_for_certain(entry, mirrored):
        return Decision(
            cause=Cause.HAND_OVER,
            reason="the other node had applied the local version when it wrote",
        )
    return None


def _told(entry: Logged, mirrored: Iterable[Logged], order: Order) -> Decision | None:
    """What B's own entry about the version tells, without a complete log."""
    if order is not Order.BEFORE or not _seen_for_certain(entry, mirrored):
        return None
    return Decision(cause=Cause.HAND_OVER, reason=LOG_TELLS)


def _seen_for_certain(entry: Logged, mirrored: Iterable[Logged]) -> bool:
    """Whether a change of A that B had passed was applied, and met by b."""
    if entry.conflict_type not in HANDED_OVER or entry.attempts > 1:
        return False
    return not missed_there(entry, mirrored)
