"""Statements of the reader, put together from sql/queries and the column list."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from psycopg import sql

from pgconflict.conflict_log.stored import plain_columns, selected
from pgconflict.queries import query

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

# The only places of a statement where `$1` stands: no text of ours has a dollar.
_PARAMETER: Final = re.compile(r"\$(\d+)")

# For what is looked up by an index over blocks: in order, or by a whole day, it would
# be found too, after reading all that is in between.
BLOCK_PLANS: Final = (
    "set local enable_seqscan = off",
    "set local enable_indexscan = off",
    "set local enable_indexonlyscan = off",
)


# For few rows of many days: each is looked up in its own day.
ROW_PLANS: Final = (
    "set local enable_hashjoin = off",
    "set local enable_mergejoin = off",
    "set local enable_seqscan = off",
)

# As the index that has what may have done harm says it.
_LOOKED_AT: Final = {
    None: "",
    True: "\n   and c.verdict is not null and c.effect is distinct from 'none'",
    False: "\n   and c.verdict is null",
}


def page(
    *, newest_first: bool, as_csv: bool = False, looked_at: bool | None = None
) -> str:
    """The statement for conflicts in order; see sql/queries/conflicts.sql."""
    return (
        sql.SQL(query("conflicts"))
        .format(
            columns=plain_columns() if as_csv else selected(),
            filters=sql.SQL(query("conflict_filters") + _LOOKED_AT[looked_at]),
            beyond=sql.SQL("<" if newest_first else ">"),
            direction=sql.SQL("desc" if newest_first else "asc"),
        )
        .as_string(None)
    )


def arrived() -> str:
    """The statement for conflicts by number; see sql/queries/conflicts_arrived.sql."""
    return (
        sql.SQL(query("conflicts_arrived"))
        .format(columns=selected(), filters=sql.SQL(query("conflict_filters")))
        .as_string(None)
    )


def members() -> str:
    """The statement for conflicts of events; see conflict_members.sql."""
    return (
        sql.SQL(query("conflict_members"))
        .format(columns=selected(), filters=sql.SQL(query("conflict_filters")))
        .as_string(None)
    )


def filtered(name: str) -> str:
    """A statement that takes nothing but filters."""
    return (
        sql.SQL(query(name))
        .format(filters=sql.SQL(query("conflict_filters")))
        .as_string(None)
    )


def by_id() -> str:
    """The statement for conflicts of these numbers."""
    return sql.SQL(query("conflict_by_id")).format(columns=selected()).as_string(None)


def written_out(
    statement: str, values: Sequence[object], connection: psycopg.Connection[Any]
) -> str:
    """The statement with its values in it: COPY takes no parameters."""
    return _PARAMETER.sub(
        lambda found: sql.Literal(values[int(found[1]) - 1]).as_string(connection),
        statement,
    )
