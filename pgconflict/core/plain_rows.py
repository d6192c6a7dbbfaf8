"""The rows and keys of every day, taken apart at once: one pattern a table.

The pattern fits less than `row_text` takes apart: ASCII without a comma in a value,
nothing that may be cut. What it fits can be cut in one way only, and `row_text` gives
the same for it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pgconflict.core.type_shapes import can_be_text_null, plain_pattern, shape_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pgconflict.core.conflict import Values
    from pgconflict.core.row_text import Column
    from pgconflict.core.type_shapes import Shape

_MOST_COLUMNS: Final = 100
"""A longer pattern takes more time to make than it saves."""


class PlainRows:
    """Takes plain rows and keys of one table apart; None for all others."""

    def __init__(self, columns: Sequence[Column]) -> None:
        """`columns`: all of the table, in their order, without dropped ones."""
        self._names = [column.name for column in columns]
        self._fits = _row_pattern(columns)
        self._never_text = [
            column.name for column in columns if not can_be_text_null(column.type)
        ]
        # Names that need no quotes in a key, and can't be an expression.
        self._keys: dict[str, tuple[Shape, bool]] = {
            column.name: (shape_of(column.type), can_be_text_null(column.type))
            for column in columns
            if column.name.isidentifier()
        }

    def row(self, text: str) -> Values | None:
        """Return the columns of a row as DETAIL shows it."""
        if self._fits is None or (match := self._fits(text)) is None:
            return None
        if "..." in text or ") = (" in text:
            return None
        pieces = match.groups()
        values: Values = dict(zip(self._names, pieces, strict=True))
        if "null" in pieces:
            for name in self._never_text:
                if values[name] == "null":
                    values[name] = None
        return values

    def key(self, text: str) -> Values | None:
        """Return the only column of a key as DETAIL shows it."""
        name, _, value = text[1:-1].partition(")=(")
        known = self._keys.get(name)
        if known is None or text[0] != "(" or text[-1] != ")":
            return None
        shape, may_be_text_null = known
        if value == "null":
            return {name: "null" if may_be_text_null else None}
        return {name: value} if shape(value, False) else None


def _row_pattern(
    columns: Sequence[Column],
) -> Callable[[str], re.Match[str] | None] | None:
    """A pattern with a group a column, if each column's type has one."""
    patterns = [plain_pattern(column.type) for column in columns]
    if not patterns or None in patterns or len(patterns) > _MOST_COLUMNS:
        return None
    groups = ", ".join(f"(null|{pattern})" for pattern in patterns)
    return re.compile(rf"\({groups}\)", re.ASCII).fullmatch
