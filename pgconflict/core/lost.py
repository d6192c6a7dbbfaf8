"""Which of two concurrent writes of a row is gone, where both nodes agree on it."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from pgconflict.core.conflict import ConflictType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pgconflict.core.conflict import Values

_PRINTED: Final = {
    "date": re.compile(r"\d{4,}-\d\d-\d\d"),
    "zone": re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?[+-]\d\d(:\d\d)*"),
    "bytes": re.compile(r"\\x"),
}
"""How a value is logged that can be compared with one that was read."""

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
    prints: Mapping[str, str] | None = None,
) -> Lost:
    """Return which is in neither node, as far as values tell it.

    Args:
        conflict_type: Of the conflict.
        row: What both nodes have now, the columns that are compared; None: no row.
        came: The version that came in, as it was recorded.
        met: The version that it met.
        cut: Columns whose recorded values are not whole.
        prints: How columns print, as `RowTable.prints`; left out: alike everywhere.
            The row is printed under settings of its own, the two as by one worker.

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
    kinds = prints or {}
    whole = [name for name in row if name not in unread]
    skipped = {n for n in whole if not _comparable(kinds.get(n), n, (came, met))}
    told = [name for name in whole if name not in skipped]

    def gone(values: Values) -> bool:
        return any(
            name in values and _moment(kinds, name, values) != _moment(kinds, name, row)
            for name in told
        )

    came_gone, met_gone = gone(came), gone(met)
    if came_gone == met_gone:
        known = not unread & row.keys() and row.keys() <= came.keys() & met.keys()
        same = known and all(came[name] == met[name] for name in skipped)
        # The same on all of three: what differed is not kept, or nothing did.
        return Lost.NEITHER if same and not came_gone else Lost.EITHER
    return Lost.INCOMING if came_gone else Lost.LOCAL


def _comparable(kind: str | None, name: str, versions: Iterable[Values]) -> bool:
    """Whether what was logged of a column can be compared with what was read."""
    logged = [one[name] for one in versions if name in one]
    if kind == "lossy":
        return len(set(logged)) > 1
    shape = _PRINTED.get(kind or "")
    return shape is None or all(one is None or shape.match(one) for one in logged)


def _moment(
    kinds: Mapping[str, str], name: str, values: Values
) -> datetime | str | None:
    """A value, of a time zone's printing the time itself."""
    value = values[name]
    zone = _PRINTED["zone"]
    if kinds.get(name) == "zone" and value is not None and zone.fullmatch(value):
        return datetime.fromisoformat(value)
    return value
