"""Whether B applied a change of A before or after it wrote, from what B logged of it.

Times are of one node's clock and are only compared with times of the same clock;
`pgconflict.core.cause` says who A and B are.
"""

from __future__ import annotations

from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING

from pgconflict.core.evidence import LOG_TIME_STEP, MISSING, Logged

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from pgconflict.core.progress import Positions


class Order(StrEnum):
    """Of two moments of one node."""

    BEFORE = "before"
    AFTER = "after"
    UNSURE = "unsure"


def bound_of(entry: Logged) -> datetime | None:
    """Return until when A's own changes count, by A's clock; None if nobody can say."""
    if met_a_version(entry):
        return entry.local_at if entry.local_kind == "local" else None
    # No row: whatever took it away was committed before this was logged.
    return entry.logged_at if entry.conflict_type in MISSING else None


def met_a_version(entry: Logged) -> bool:
    """Whether there was a row, with its commit time."""
    return entry.local_at is not None


def unseen(
    other: Logged,
    bound: datetime,
    written: datetime,
    positions: Positions,
    *,
    exact: bool,
) -> Order:
    """Return whether B applied a change of A, not later than `bound`, after it wrote.

    Args:
        other: B's entry about a change of A.
        bound: By A's clock.
        written: When B committed, by its clock.
        positions: What the nodes' positions tell.
        exact: `bound` is a commit time; else the time of a log entry.
    """
    applied = _applied_by_positions(other, positions) or _applied(other, written)
    if applied is Order.BEFORE:
        return Order.BEFORE
    if other.remote_at is None:
        return Order.UNSURE
    if other.remote_at <= bound:
        return applied
    if not exact and other.remote_at < bound + LOG_TIME_STEP:
        return Order.UNSURE
    return Order.BEFORE  # a later change of A, which this entry is not about


def _applied_by_positions(other: Logged, positions: Positions) -> Order | None:
    """Whether the change was applied after B had written, if positions tell it."""
    if other.remote_lsn is None:
        return None
    if positions.low is not None and other.remote_lsn < positions.low:
        return Order.BEFORE
    if positions.high is None or other.conflict_type in MISSING:
        return None  # what changed nothing does not move the position
    return Order.AFTER if other.remote_lsn >= positions.high else None


def _applied(other: Logged, written: datetime) -> Order:
    """Whether the change of `other` was applied after B committed at `written`."""
    if other.stalls:
        # Not applied when it was logged, and nobody knows when it was.
        last = _compared(other.last_logged_at, written)
        return Order.AFTER if last is Order.AFTER else Order.UNSURE
    if other.local_kind == "local" and other.local_at is not None:
        if other.local_at >= written:
            return Order.AFTER
        first = Order.BEFORE
    else:
        first = _compared(other.logged_at, written)
    if other.attempts == 1 or first is not Order.BEFORE:
        return first
    # Tried again: the version that the last attempt met is not recorded; and what
    # changed nothing may have been sent again long after it was applied.
    last = _compared(other.last_logged_at, written)
    return Order.BEFORE if last is Order.BEFORE else Order.UNSURE


def _compared(logged: datetime, written: datetime) -> Order:
    if logged > written:
        return Order.AFTER
    if logged + LOG_TIME_STEP <= written:
        return Order.BEFORE
    return Order.UNSURE


def clock_was_set_back(entries: Iterable[Logged]) -> bool:
    """Whether transactions of one node on one row have times against their LSNs."""
    placed = sorted(
        (entry.remote_lsn, entry.remote_at)
        for entry in entries
        if entry.remote_lsn is not None and entry.remote_at is not None
    )
    return any(one[1] > two[1] for one, two in pairwise(placed))
