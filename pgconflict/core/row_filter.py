"""Which rows of a table one node is sent: the row filters of several publications.

Source: ALTER PUBLICATION ... WHERE, and Row Filters, Combining Multiple Row Filters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OPERATIONS: Final = ("insert", "update", "delete")


class FilterColumn(msgspec.Struct, frozen=True):
    """A column that a filter reads; `collation` as SQL, None where there is none."""

    name: str
    type: str
    collation: str | None


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What one publication sends of a table; without condition: every row."""

    operations: frozenset[str]
    condition: str | None
    columns: tuple[FilterColumn, ...] = ()


_decode: Final = msgspec.json.Decoder(FilterColumn).decode


class RowFilter(msgspec.Struct, frozen=True, kw_only=True):
    """The rows whose every change is sent: those that meet all conditions.

    Attributes:
        conditions: SQL of the publisher, in its own columns.
        columns: That they read.
        complete: Whether inserts, updates and deletes are all published.
    """

    conditions: tuple[str, ...]
    columns: tuple[FilterColumn, ...]
    complete: bool

    @property
    def text(self) -> str:
        """The conditions as one, in brackets."""
        return " and ".join(self.conditions)

    def readable(self, columns: Sequence[str], *types: Mapping[str, str]) -> bool:
        """Whether values of these columns tell if a row of any of these tables passes.

        Args:
            columns: Those whose values are known.
            types: Of each table's columns.
        """
        return all(
            one.name in columns
            and all(each.get(one.name) == one.type for each in types)
            for one in self.columns
        )


def published(
    operations: Sequence[str], condition: str | None, columns: Sequence[str] | None
) -> Published:
    """Return what a publication sends; `columns` as JSON, of its condition."""
    return Published(
        operations=frozenset(operations),
        condition=condition,
        columns=tuple(_decode(one) for one in columns or ()),
    )


def row_filter(publications: Sequence[Published]) -> RowFilter | None:
    """Return the filter of all publications of a subscription; None if all is sent.

    Each operation passes if one of the publications that publish it lets it pass.

    >>> sent = {"operations": frozenset(OPERATIONS)}
    >>> one, two = (Published(**sent, condition=f"({c} > 0)") for c in "xy")
    >>> row_filter([one, two]).text
    '((x > 0) or (y > 0))'
    >>> row_filter([one, Published(**sent, condition=None)]) is None
    True
    """
    conditions: dict[str, None] = {}
    for operation in OPERATIONS:
        given = [one.condition for one in publications if operation in one.operations]
        known = dict.fromkeys(one for one in given if one is not None)
        if given and None not in given:
            joined = " or ".join(known)
            conditions[f"({joined})" if len(known) > 1 else joined] = None
    if not conditions:
        return None
    columns = {column.name: column for one in publications for column in one.columns}
    return RowFilter(
        conditions=tuple(conditions),
        columns=tuple(columns.values()),
        complete=all(
            any(operation in one.operations for one in publications)
            for operation in OPERATIONS
        ),
    )
