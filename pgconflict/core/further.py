"""What is proved of two nodes' writes, where further nodes write to the row too.

B may have seen what A wrote in what C wrote on top of it (`pgconflict.core.passing`):
that two writes are concurrent takes that nobody passed one of them on. And B may have
had A's change, then C's over it: that A handed over takes that nothing came between.
B logs each change of a further node that meets A's, or what B made of it: so its log
tells that, if it is complete since A's change came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pgconflict.core.evidence import (
    LOG_TIME_STEP,
    MISSING,
    Cause,
    Decision,
    Logged,
    undecided,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from pgconflict.core.progress import Positions


class Further(msgspec.Struct, frozen=True, kw_only=True):
    """What further nodes may have to do with a version and the change that met it."""

    apart: bool = False
    """None has passed one of the two on to the writer of the other."""

    entries: tuple[Logged, ...] = ()
    """B's entries about changes that others than A made."""

    doubts: tuple[str, ...] = ()
    """Why one of these may be missing."""


def arrival(entry: Logged, mirrored: Iterable[Logged]) -> Logged | None:
    """Return B's entry about the very version that B's change met on A, if B had one.

    It was applied then, at that time.
    """
    return next(
        (
            other
            for other in mirrored
            if other.remote_at is not None
            and other.remote_at == entry.local_at
            and other.attempts == 1
            and other.of_this_row
            and not (other.moves_here or other.stalls)
            and other.conflict_type not in MISSING
        ),
        None,
    )


def came_after(
    entry: Logged, mirrored: Iterable[Logged], positions: Positions
) -> datetime | None:
    """Return when the version had certainly not come to B yet, by B's clock."""
    came = arrival(entry, mirrored)
    known = [positions.came_after, None if came is None else came.logged_at]
    return max((moment for moment in known if moment is not None), default=None)


def among_others(
    entry: Logged,
    found: Decision,
    proofs: tuple[int, ...],
    came: datetime | None,
    further: Further | None,
) -> Decision:
    """Return what is proved of two nodes, if further ones do not change it.

    Args:
        entry: Of node A, about a change of node B.
        found: What is proved if there is no further node.
        proofs: Entries of B by which it is.
        came: When the version had certainly not come to B yet, by B's clock.
        further: None if there is none.
    """
    if further is None or found.cause is Cause.UNKNOWN:
        return found
    if found.cause is Cause.HAND_OVER:
        doubt = _doubt_of_hand_over(entry, came, further)
        return found if doubt is None else undecided(doubt)
    if further.apart:
        return found
    # The two are one event all the same: each node logged the other's write.
    return Decision(
        cause=Cause.UNKNOWN,
        reason="a third node may have passed one of the versions on",
        entries=proofs,
    )


def _doubt_of_hand_over(
    entry: Logged, came: datetime | None, further: Further
) -> str | None:
    written = entry.remote_at
    if came is None:
        return "when the other node applied the local version is not known"
    if further.doubts:
        return further.doubts[0]
    between = any(
        other.last_logged_at + LOG_TIME_STEP > came
        and (written is None or other.logged_at <= written)
        for other in further.entries
    )
    return "a third node may have written in between" if between else None
