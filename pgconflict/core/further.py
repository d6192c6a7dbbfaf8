"""What is proved of two nodes' writes, where further nodes write to the row too.

B may have seen what A wrote in what C wrote on top of it (`pgconflict.core.passing`):
that two writes are concurrent takes that nobody passed one of them on. And B may have
had A's change, then C's over it: that A handed over takes that nothing came between.
B logs each change of a further node that meets A's, or what B made of it: so its log
tells that, if it is complete since A's change came.

What passes a version on comes to its writer, too: C's change on top of A's comes to A,
after B's, meets what B made of A's row, and A logs it. So two are concurrent if neither
node logged a further one's change to the row since they met, has applied all that the
others had written by then, and the row was only updated: what a row that came and went
meets is not always logged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from pgconflict.core.conflict import ConflictType
from pgconflict.core.evidence import (
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

    from pgconflict.core.progress import Positions


PASSED_ON: Final = "a third node may have passed one of the versions on"


class Further(msgspec.Struct, frozen=True, kw_only=True):
    """What further nodes may have to do with a version and the change that met it."""

    apart: bool = False
    """None has passed one of the two on to the writer of the other."""

    entries: tuple[Logged, ...] = ()
    """B's entries about changes that others than A made."""

    doubts: tuple[str, ...] = ()
    """Why one of these may be missing."""

    all_came: bool = False
    """What further nodes had written when the two met came to both, and is logged."""

    later: frozenset[int] = frozenset()
    """Entries about what they wrote after that."""


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
    *,
    own: Iterable[Logged] = (),
    mirrored: Iterable[Logged] = (),
) -> Decision:
    """Return what is proved of two nodes, if further ones do not change it.

    Args:
        entry: Of node A, about a change of node B.
        found: What is proved if there is no further node.
        proofs: Entries of B by which it is.
        came: When the version had certainly not come to B yet, by B's clock.
        further: None if there is none.
        own: A's further entries about the row.
        mirrored: B's entries about changes of A to it.
    """
    if further is None or found.cause is Cause.UNKNOWN:
        return found
    if found.cause is Cause.HAND_OVER:
        doubt = _doubt_of_hand_over(entry, came, further)
        return found if doubt is None else undecided(doubt)
    if further.apart or _nobody_passed_on(entry, [*own], mirrored, further):
        return found
    # The two are one event all the same: each node logged the other's write.
    return Decision(
        cause=Cause.UNKNOWN,
        reason=PASSED_ON,
        entries=proofs,
    )


def only_updated(
    entry: Logged, own: Iterable[Logged], mirrored: Iterable[Logged], further: Further
) -> bool:
    """Whether neither node logged anything but updates of the row."""
    return all(
        one.conflict_type == ConflictType.UPDATE_ORIGIN_DIFFERS
        and one.of_this_row
        and not one.moves_here
        for one in (entry, *own, *mirrored, *further.entries)
    )


def _nobody_passed_on(
    entry: Logged, own: Sequence[Logged], mirrored: Iterable[Logged], further: Further
) -> bool:
    """Whether what would have passed a version on would have been logged since."""
    written = entry.remote_at
    if not further.all_came or written is None or entry.attempts > 1:
        return False
    if not only_updated(entry, own, mirrored, further):
        return False
    here = [one for one in own if one.subid != entry.subid]
    return not any(
        other.last_logged_at + LOG_TIME_STEP >= since
        for others, since in ((here, entry.logged_at), (further.entries, written))
        for other in others
        if other.conflict_id not in further.later
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
