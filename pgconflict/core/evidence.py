"""What decides the cause of a conflict: what nodes logged, and the decision."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

from pgconflict.core.conflict import ConflictType, OriginKind

LOG_TIME_STEP: Final = timedelta(milliseconds=1)
"""Server logs cut the time of an entry to milliseconds."""

HANDED_OVER: Final = frozenset(
    {ConflictType.UPDATE_ORIGIN_DIFFERS, ConflictType.DELETE_ORIGIN_DIFFERS}
)
"""Types that a writer who has seen the other's version causes too."""

FROZEN: Final = "vacuum may have frozen the version that the change met"
"""A doubt about what the other node did not log, not about what it did."""

LOG_TELLS: Final = "the other node's log tells that it had applied the local version"

MORE_NODES: Final = "more than two nodes, or subscriptions, write to the table"
"""A doubt that is none where a row was only updated."""

MISSING: Final = frozenset(
    {
        ConflictType.UPDATE_MISSING,
        ConflictType.DELETE_MISSING,
        ConflictType.UPDATE_DELETED,
    }
)


class Cause(StrEnum):
    """How the two writes of a conflict stand to each other."""

    HAND_OVER = "hand_over"
    CONCURRENT = "concurrent"
    UNKNOWN = "unknown"


class Logged(msgspec.Struct, frozen=True, kw_only=True):
    """One entry about the row, of either node.

    `remote_*` is the incoming transaction, its time by its publisher's clock;
    `local_*` the version that it met; `logged_at` is by the clock of the node that
    logged it, cut to milliseconds.
    """

    conflict_id: int
    subid: int | None = None
    """The subscription that brought the change, of the node that logged it."""

    conflict_type: str
    stalls: bool
    logged_at: datetime
    last_logged_at: datetime
    attempts: int
    remote_at: datetime | None
    remote_lsn: int | None
    local_at: datetime | None
    local_kind: OriginKind | None
    moves_here: bool = False
    """The change gives the row this key, or may do so, and was sent by another key."""
    of_this_row: bool = True
    """False: its key can't be read, old or new, so that it may be about another row."""
    handed_over: bool = False
    """It was decided that it is a hand-over."""
    met_repair: bool = False
    """The version that it met was written by a repair."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The cause, why, and the other node's entries that prove it."""

    cause: Cause
    reason: str
    entries: tuple[int, ...] = ()


def undecided(reason: str) -> Decision:
    """Return that nothing can be said, and why."""
    return Decision(cause=Cause.UNKNOWN, reason=reason)
