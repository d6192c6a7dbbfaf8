"""PostgreSQL's own conflict tables, where a server has them.

Their layout is still moving (three are known from the development of 20), so names
and columns are looked up each time and nothing is taken for granted but the few
columns without which a row says nothing. They hold what did not stop apply, and
vanish with their subscription: that is why their rows are copied out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from psycopg import sql

from pgconflict.queries import query

if TYPE_CHECKING:
    from pgconflict.server.session import NodeSession

NativeRow = dict[str, str | list[str] | None]

NEEDED: Final = frozenset(
    {"schemaname", "relname", "conflict_type", "remote_xid", "remote_commit_lsn"}
)
KNOWN: Final = (
    *sorted(NEEDED),
    "relid",
    "remote_commit_ts",
    "remote_origin",
    "replica_identity_full",
    "replica_identity",
    "remote_tuple",
    "local_conflicts",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeTable:
    """One subscription's table, as it is on this server now."""

    subid: int
    subname: str
    database: str
    schemaname: str
    relname: str
    columns: tuple[str, ...]
    readable: bool

    @property
    def usable(self) -> bool:
        """Whether we may read it and it has what makes a conflict."""
        return self.readable and set(self.columns) >= NEEDED

    def select(self) -> str:
        """The statement for a page of it; `$1` is the LSN read up to."""
        columns = sql.SQL(", ").join(
            sql.SQL("{0}::text{1} as {0}").format(
                sql.Identifier(name),
                sql.SQL("[]" if name == "local_conflicts" else ""),
            )
            for name in KNOWN
            if name in self.columns
        )
        table = sql.Identifier(self.schemaname, self.relname)
        statement = sql.SQL(query("native_conflicts"))
        return statement.format(columns=columns, table=table).as_string(None)


async def native_tables(session: NodeSession) -> list[NativeTable]:
    """The conflict tables of the session's database; none on servers without them.

    Raises:
        NodeUnavailableError: the node can't be asked now.
    """
    named = (await session.row("native_catalog"))["named"]
    rows = await session.rows("native_tables_named" if named else "native_tables_found")
    return [
        NativeTable(**{**dict(row), "columns": tuple(row["columns"])}) for row in rows
    ]


async def native_rows(
    session: NodeSession, table: NativeTable, after_lsn: int
) -> list[NativeRow]:
    """A page of a table's rows after this finish LSN, in LSN order, values as text.

    Raises:
        NodeUnavailableError: the node can't be asked now.
        PrivilegeMissingError: the role may not read the table.
    """
    return [dict(row) for row in await session.rows_of(table.select(), after_lsn)]
