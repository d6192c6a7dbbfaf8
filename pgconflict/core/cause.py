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

from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from pgconflict.core.conflict import ConflictType
from pgconflict.core.evidence import (
    FROZEN,
    HANDED_OVER,
    LOG_TIME_STEP,
    MISSING,
    Cause,
    Decision,
    Logged,
)
from pgconflict.core.further import among_others, arrival, came_after
from pgconflict.core.progress import Placed, Positions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from pgconflict.core.further import Further

_ROW_CAME_OR_WENT: Final = frozenset(
    {
        ConflictType.DELETE_ORIGIN_DIFFERS,
        ConflictType.DELETE_MISSING,
        ConflictType.INSERT_EXISTS,
        ConflictType.UPDATE_EXISTS,
        ConflictType.MULTIPLE_UNIQUE_CONFLICTS,
        ConflictType.UPDATE_MISSING,
        ConflictType.UPDATE_DELETED,
    }
)
"""Types after which one node may have the row and the other not."""

_NO_POSITIONS: Final = Positions()


_LOG_TELLS: Final = "the other node's log tells that it had applied the local version"


class _Order(StrEnum):
    BEFORE = "before"
    AFTER = "after"
    UNSURE = "unsure"


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
    bound = _bound(entry)
    if entry.remote_at is None or bound is None:
        return _unknown(
            "commit time of the remote transaction not known"
            if entry.remote_at is None
            else "the local version is no session's of this node"
        )
    # Another subscription's publisher has another WAL and another clock.
    of_b = [entry, *(other for other in own if other.subid == entry.subid)]
    if _clock_was_set_back(mirrored) or _clock_was_set_back(of_b):
        return _unknown("commit times and LSNs disagree: a clock was set back")
    exact = _met_a_version(entry)
    orders = {
        other.conflict_id: _unseen(
            other,
            bound,
            _applied_by_positions(other, positions) or _applied(other, entry.remote_at),
            exact=exact,
        )
        for other in mirrored
    }
    later = {n for n, order in orders.items() if order is _Order.AFTER}
    sure = {other.conflict_id for other in mirrored if other.of_this_row}
    proofs = tuple(sorted(later & sure))
    found = _proved(entry, mirrored, positions.placed, proofs)
    came = arrival(entry, mirrored)
    if found is None and further is not None and came is not None:
        found = _told(entry, mirrored, orders[came.conflict_id])
    if found is not None:
        moment = came_after(entry, mirrored, positions)
        return among_others(entry, found, proofs, moment, further)
    unsure = _Order.UNSURE in orders.values()
    if unsure or later - sure:
        doubt = "can't be placed in time" if unsure else "may be about another row"
        return _unknown(f"an entry of the other node {doubt}")
    return _by_absence(entry, mirrored, own, doubts)


def _proved(
    entry: Logged,
    mirrored: Sequence[Logged],
    placed: Placed | None,
    proofs: tuple[int, ...],
) -> Decision | None:
    """What is proved by positions or an entry; None if nothing is."""
    # What changed nothing on B does not move its position.
    if placed is Placed.UNSEEN and not _missed_there(entry, mirrored):
        return Decision(
            cause=Cause.CONCURRENT,
            reason="the other node had not applied the local version when it wrote",
            entries=proofs,
        )
    if placed is Placed.SEEN and proofs:
        return _unknown("positions and the other node's entries disagree")
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


def _told(entry: Logged, mirrored: Iterable[Logged], order: _Order) -> Decision | None:
    """What B's own entry about the version tells, without a complete log."""
    if order is not _Order.BEFORE or not _seen_for_certain(entry, mirrored):
        return None
    return Decision(cause=Cause.HAND_OVER, reason=_LOG_TELLS)


def _seen_for_certain(entry: Logged, mirrored: Iterable[Logged]) -> bool:
    """Whether a change of A that B had passed was applied, and met by b."""
    if entry.conflict_type not in HANDED_OVER or entry.attempts > 1:
        return False
    return not _missed_there(entry, mirrored)


def _missed_there(entry: Logged, mirrored: Iterable[Logged]) -> bool:
    """Whether the version that b met was no change of the row on B."""
    return any(
        other.remote_at in {None, entry.local_at}
        and (other.stalls or other.conflict_type in MISSING)
        for other in mirrored
    )


def _by_absence(
    entry: Logged,
    mirrored: Sequence[Logged],
    own: Sequence[Logged],
    doubts: Sequence[str],
) -> Decision:
    why = _of_attempts(entry)
    told = _applied_before(entry, mirrored)
    if told:
        why += [doubt for doubt in doubts if doubt != FROZEN]
    else:
        why += [*_of_entries(entry, mirrored, own), *doubts]
    if why:
        return _unknown(why[0])
    if told:
        reason = _LOG_TELLS
    else:
        reason = "the other node had applied the local version: it logged nothing"
    return Decision(cause=Cause.HAND_OVER, reason=reason)


def _of_attempts(entry: Logged) -> list[str]:
    """Why nothing proves that this entry's change met what had been handed over."""
    found = []
    if entry.conflict_type not in HANDED_OVER:
        found.append(f"{entry.conflict_type} without an entry of the other node")
    if entry.attempts > 1:
        found.append("a later attempt may have met another version")
    return found


def _of_entries(
    entry: Logged, mirrored: Sequence[Logged], own: Sequence[Logged]
) -> list[str]:
    """Why a missing entry proves nothing, from those that there are."""
    found = []
    mirrored, own = _since_hand_over(entry, mirrored, own)
    if any(other.stalls for other in _not_later(entry, mirrored, own)):
        # It is applied later, perhaps on a row that is gone by then: unlogged.
        found.append("apply stopped on this row")
    if any(other.moves_here for other in (*mirrored, *own)):
        found.append("a change of the key may have been applied unlogged")
    if _may_be_inserted(entry, mirrored, own):
        found.append("the row may have been gone on the other node")
    return found


def _not_later(
    entry: Logged, mirrored: Iterable[Logged], own: Iterable[Logged]
) -> list[Logged]:
    """Those about changes of each node up to the two that met."""
    met, written = entry.local_at, entry.remote_at
    return [
        other
        for others, bound in ((mirrored, met), (own, written))
        for other in others
        if bound is None
        or other.remote_at is None
        or other.remote_at <= bound
        or (others is own and other.subid != entry.subid)
    ]


def _applied_before(entry: Logged, mirrored: Sequence[Logged]) -> bool:
    """Whether B tells that it had applied the local version when it wrote.

    It logged that, and not later: that would be a proof. Or a later change of A met
    what B had written: still there, though the local version would have replaced it,
    or stopped apply on it.
    """
    if _missed_there(entry, mirrored):
        return False
    return any(
        other.attempts == 1
        if other.remote_at == entry.local_at
        else other.local_kind == "local" and other.local_at == entry.remote_at
        for other in mirrored
        if other.of_this_row and not other.moves_here
    )


def _may_be_inserted(
    entry: Logged, mirrored: Iterable[Logged], own: Iterable[Logged]
) -> bool:
    """Whether A may have inserted the row while B had it.

    B logs nothing if it deletes its row before that INSERT arrives. It takes an
    earlier conflict of a row that came or went, on either node.
    """
    before = [
        *(one for one in own if one.logged_at <= entry.logged_at),
        *(
            one
            for one in mirrored
            if one.remote_at is None
            or entry.local_at is None
            or one.remote_at <= entry.local_at
        ),
    ]
    return any(
        one.conflict_type in _ROW_CAME_OR_WENT and not one.handed_over for one in before
    )


def _since_hand_over(
    entry: Logged, mirrored: Sequence[Logged], own: Sequence[Logged]
) -> tuple[list[Logged], list[Logged]]:
    """B's and A's entries that were logged after the last hand-over before this one.

    At a hand-over both nodes had the row, and nothing about it was on its way: the
    version that was met had been applied on the other node, and was still there.
    """
    here, there = [], []
    for other in own:
        if other.subid != entry.subid:
            continue
        if other.handed_over and other.remote_at and other.logged_at < entry.logged_at:
            here.append(other.logged_at)
            there.append(other.remote_at)
    written = entry.remote_at
    for other in mirrored:
        ended = other.logged_at + LOG_TIME_STEP
        if other.handed_over and other.remote_at and written and ended <= written:
            here.append(other.remote_at)
            there.append(other.logged_at)
    return _later(mirrored, max(there, default=None)), _later(
        own, max(here, default=None)
    )


def _later(entries: Iterable[Logged], moment: datetime | None) -> list[Logged]:
    return [
        entry
        for entry in entries
        if moment is None or entry.last_logged_at + LOG_TIME_STEP > moment
    ]


def _bound(entry: Logged) -> datetime | None:
    """Until when A's own changes count, by A's clock; None if that can't be said."""
    if _met_a_version(entry):
        return entry.local_at if entry.local_kind == "local" else None
    # No row: whatever took it away was committed before this was logged.
    return entry.logged_at if entry.conflict_type in MISSING else None


def _met_a_version(entry: Logged) -> bool:
    return entry.local_at is not None


def _unseen(other: Logged, bound: datetime, applied: _Order, *, exact: bool) -> _Order:
    """Whether B applied a change of A, not later than `bound`, after it had written.

    Args:
        other: B's entry about a change of A.
        bound: By A's clock.
        applied: Whether that was before or after B committed its own.
        exact: `bound` is a commit time; else the time of a log entry.
    """
    if applied is _Order.BEFORE:
        return _Order.BEFORE
    if other.remote_at is None:
        return _Order.UNSURE
    if other.remote_at <= bound:
        return applied
    if not exact and other.remote_at < bound + LOG_TIME_STEP:
        return _Order.UNSURE
    return _Order.BEFORE  # a later change of A, which this entry is not about


def _applied_by_positions(other: Logged, positions: Positions) -> _Order | None:
    """Whether the change was applied after B had written, if positions tell it."""
    if other.remote_lsn is None:
        return None
    if positions.low is not None and other.remote_lsn < positions.low:
        return _Order.BEFORE
    if positions.high is None or other.conflict_type in MISSING:
        return None  # what changed nothing does not move the position
    return _Order.AFTER if other.remote_lsn >= positions.high else None


def _applied(other: Logged, written: datetime) -> _Order:
    """Whether the change of `other` was applied after B committed at `written`."""
    if other.stalls:
        # Not applied when it was logged, and nobody knows when it was.
        last = _compared(other.last_logged_at, written)
        return _Order.AFTER if last is _Order.AFTER else _Order.UNSURE
    if other.local_kind == "local" and other.local_at is not None:
        if other.local_at >= written:
            return _Order.AFTER
        first = _Order.BEFORE
    else:
        first = _compared(other.logged_at, written)
    if other.attempts == 1 or first is not _Order.BEFORE:
        return first
    # Tried again: the version that the last attempt met is not recorded; and what
    # changed nothing may have been sent again long after it was applied.
    last = _compared(other.last_logged_at, written)
    return _Order.BEFORE if last is _Order.BEFORE else _Order.UNSURE


def _compared(logged: datetime, written: datetime) -> _Order:
    if logged > written:
        return _Order.AFTER
    if logged + LOG_TIME_STEP <= written:
        return _Order.BEFORE
    return _Order.UNSURE


def _clock_was_set_back(entries: Iterable[Logged]) -> bool:
    """Whether transactions of one node on one row have times against their LSNs."""
    placed = sorted(
        (entry.remote_lsn, entry.remote_at)
        for entry in entries
        if entry.remote_lsn is not None and entry.remote_at is not None
    )
    return any(one[1] > two[1] for one, two in pairwise(placed))


def _unknown(reason: str) -> Decision:
    return Decision(cause=Cause.UNKNOWN, reason=reason)
