"""What a missing entry of B proves: that it had applied A's version when it wrote.

`pgconflict.core.cause` says who A and B are, and what proves the opposite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgconflict.core.conflict import ConflictType
from pgconflict.core.evidence import (
    FROZEN,
    HANDED_OVER,
    LOG_TELLS,
    LOG_TIME_STEP,
    MISSING,
    Cause,
    Decision,
    Logged,
    undecided,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

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


def by_absence(
    entry: Logged,
    mirrored: Sequence[Logged],
    own: Sequence[Logged],
    doubts: Sequence[str],
) -> Decision:
    """Return the cause where no entry of B proves one.

    The arguments are those of `pgconflict.core.cause.decide`.
    """
    why = _of_attempts(entry)
    told = _applied_before(entry, mirrored)
    if told:
        why += [doubt for doubt in doubts if doubt != FROZEN]
    else:
        why += [*_of_entries(entry, mirrored, own), *doubts]
    if why:
        return undecided(why[0])
    if told:
        reason = LOG_TELLS
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
    if missed_there(entry, mirrored):
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


def missed_there(entry: Logged, mirrored: Iterable[Logged]) -> bool:
    """Whether the version that b met was no change of the row on B."""
    return any(
        other.remote_at in {None, entry.local_at}
        and (other.stalls or other.conflict_type in MISSING)
        for other in mirrored
    )
