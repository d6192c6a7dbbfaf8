"""Which of two concurrent writes of a row is gone, where both nodes agree on it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from pgconflict.core.conflict import ConflictType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pgconflict.core.conflict import Values

_DROPPED: Final = frozenset({ConflictType.UPDATE_MISSING, ConflictType.UPDATE_DELETED})


class Lost(StrEnum):
    """What became of the version that was there, and the one that came in."""

    LOCAL = "local"
    INCOMING = "incoming"
    EITHER = "either"
    """A later write is what the row is now, on top of one of the two."""

    NEITHER = "neither"
    """Both wrote the same values."""


def lost(
    conflict_type: str,
    *,
    row: Values | None,
    came: Values | None,
    met: Values | None,
    cut: Iterable[str],
) -> Lost:
    """Return which is in neither node, as far as values tell it.

    Args:
        conflict_type: Of the conflict.
        row: What both nodes have now, the columns that are compared; None: no row.
        came: The version that came in, as it was recorded.
        met: The version that it met.
        cut: Columns whose recorded values are not whole.

    >>> lost("update_origin_differs", row={"id": "1", "v": "a"},
    ...      came={"id": "1", "v": "a"}, met={"id": "1", "v": "b"}, cut=())
    <Lost.LOCAL: 'local'>
    """
    if conflict_type in _DROPPED:
        return Lost.INCOMING
    if conflict_type == ConflictType.DELETE_ORIGIN_DIFFERS:
        return Lost.LOCAL
    if row is None or came is None or met is None:
        return Lost.EITHER
    unread = set(cut)
    whole = [name for name in row if name not in unread]
    came_gone = any(name in came and came[name] != row[name] for name in whole)
    met_gone = any(name in met and met[name] != row[name] for name in whole)
    if came_gone == met_gone:
        known = not unread & row.keys() and row.keys() <= came.keys() & met.keys()
        # The same on all of three: what differed is not kept, or nothing did.
        return Lost.NEITHER if known and not came_gone else Lost.EITHER
    return Lost.INCOMING if came_gone else Lost.LOCAL
