"""What is proved of two nodes' writes, where further nodes write to the row too.

B may have seen what A wrote in what C wrote on top of it (`pgconflict.core.passing`):
that two writes are concurrent takes that nobody passed one of them on. And B may have
had A's change, then C's over it: that A handed over takes that nothing came between.
B logs each change of a further node that meets A's, or what B made of it: so its log
tells that, if it is complete since A's change came.

The version that B's change met on A may have come from C. The same is asked of B and C
then, and of C's log whether anything was written over that version there: else B may
have built on a later version of C's, in which it is no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pgconflict.core.evidence import LOG_TIME_STEP, Cause, Decision, Logged

if TYPE_CHECKING:
    from datetime import datetime


class Further(msgspec.Struct, frozen=True, kw_only=True):
    """What further nodes may have to do with a version and the change that met it."""

    apart: bool = False
    """None has passed one of the two on to the writer of the other."""

    entries: tuple[Logged, ...] = ()
    """B's entries about changes that others than the version's writer made."""

    of_writer: tuple[Logged, ...] = ()
    """The entries of the version's writer; empty where A is that itself."""

    subid: int | None = None
    """By which B's changes come to the version's writer; None where that is A."""

    doubts: tuple[str, ...] = ()
    """Why one of these may be missing."""


def among_others(
    entry: Logged,
    found: Decision,
    proofs: tuple[int, ...],
    came_after: datetime | None,
    further: Further | None,
) -> Decision:
    """Return what is proved of two nodes, if further ones do not change it.

    Args:
        entry: Of node A, about a change of node B.
        found: What is proved if there is no further node.
        proofs: Entries of B by which it is.
        came_after: When the version had certainly not come to B yet, by its clock.
        further: None if there is none.
    """
    if further is None or found.cause is Cause.UNKNOWN:
        return found
    if found.cause is Cause.HAND_OVER:
        doubt = _doubt_of_hand_over(entry, came_after, further)
        return found if doubt is None else _unknown(doubt)
    if further.apart:
        return found
    # A's own version is one event with the change all the same: each node logged the
    # other's write. A third node's may only have come late.
    return Decision(
        cause=Cause.UNKNOWN,
        reason="a third node may have passed one of the versions on",
        entries=proofs if further.subid is None else (),
    )


def _doubt_of_hand_over(
    entry: Logged, came_after: datetime | None, further: Further
) -> str | None:
    if came_after is None:
        return "when the other node applied the local version is not known"
    if further.doubts:
        return further.doubts[0]
    written = entry.remote_at
    between = any(
        other.last_logged_at + LOG_TIME_STEP > came_after
        and (written is None or other.logged_at <= written)
        for other in further.entries
    )
    if between or _written_over(entry, further):
        return "a third node may have written in between"
    return None


def _written_over(entry: Logged, further: Further) -> bool:
    """Whether the version may have been replaced on its own node by what B had not."""
    met, written = entry.local_at, entry.remote_at
    changes = [one for one in further.of_writer if one.subid == further.subid]
    # What came there after B's change itself came after all that B had seen.
    came = [one.last_logged_at for one in changes if one.remote_at == written]
    until = min(came, default=None)
    return any(
        met is None or other.last_logged_at + LOG_TIME_STEP > met
        for other in further.of_writer
        if (until is None or other.logged_at <= until)
        and not (other in changes and _not_before(other.remote_at, written))
    )


def _not_before(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and other is not None and one >= other


def _unknown(reason: str) -> Decision:
    return Decision(cause=Cause.UNKNOWN, reason=reason)
