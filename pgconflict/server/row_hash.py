"""The hash of a row's values as text, as an SQL expression that two nodes agree on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

TOGETHER: Final = 100
"""Columns in one expression: the server's parser does not go down without end."""


def row_hash(columns: Sequence[str], not_null: Collection[str]) -> sql.Composable:
    """Return a bigint for the row `t`; other values have another, but for one in 2⁶⁴.

    Args:
        columns: Whose values count, in this order.
        not_null: Columns that are never null on either node.
    """
    parts = [
        _chained(columns[start : start + TOGETHER], not_null)
        for start in range(0, len(columns), TOGETHER)
    ]
    if len(parts) == 1:
        return parts[0]
    return sql.SQL(
        "pg_catalog.hashtextextended(pg_catalog.concat_ws(' ', {}), 0)"
    ).format(sql.SQL(", ").join(parts))


def _chained(columns: Sequence[str], not_null: Collection[str]) -> sql.Composable:
    """Each value's hash has that of the values before it as its seed.

    Half the time of row(...)::text, which looks at every character for what must be
    quoted.  Unlike a sum of hashes of values, it tells where rows exchanged them.
    """
    found: sql.Composable = sql.SQL("0::bigint")
    for column in columns:
        # COLLATE: a collation that is not deterministic has hashes of its own.
        form = 'pg_catalog.hashtextextended({value}::text collate "C", {before})'
        if column not in not_null:
            form = (
                "pg_catalog.hashtextextended(coalesce({value}::text, '') collate \"C\","
                " {before} # ({value} is not distinct from null)::int::bigint)"
            )
        value = sql.SQL("t.{}").format(sql.Identifier(column))
        found = sql.SQL(form).format(value=value, before=found)
    return found
