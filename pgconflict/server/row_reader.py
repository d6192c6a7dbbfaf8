"""Reads single rows of a node by their keys: over an index, without waiting for locks.

A statement is one index lookup a key and bounded by statement_timeout. A sequential
scan is switched off for the session, and without a unique index nothing is asked.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import asyncpg
from psycopg import sql

from pgconflict.core.row_filter import OPERATIONS, RowFilter, published, row_filter
from pgconflict.core.verdict import Row
from pgconflict.server.row_statements import rows_by_key, rows_passing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pgconflict.core.conflict import Values
    from pgconflict.server.session import NodeSession

Key = tuple[str, ...]

ANY_SIZE: Final = frozenset({"integer", "text"})
"""What a column `prints` that has the same values in a type of another size."""

# Two nodes print equal values equally with these.
SETTINGS: Final = {
    "enable_seqscan": "off",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "lc_monetary": "C",
    "xmloption": "content",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A subscription that writes to a table; `since` when as far as that is known."""

    subid: int
    publications: tuple[str, ...]
    ready: bool
    since: datetime | None
    copied: int = 0
    """Where the publisher's WAL was when its rows had been copied; 0: they were not."""

    of_others: bool = False
    """It is also sent what its publisher itself has applied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """What a node publishes of a table to one subscription."""

    columns: frozenset[str]
    filter: RowFilter | None
    """None: every row."""

    operations: frozenset[str]
    """What any of its publications publishes."""

    complete: bool
    """Whether one of them publishes inserts, updates and deletes."""

    since: datetime | None

    @property
    def filtered(self) -> bool:
        """Whether rows may be left out."""
        return self.filter is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowTable:
    """A table as far as reading its rows by key depends on it."""

    relid: int
    schemaname: str
    relname: str
    subscribed_as: tuple[str, str]
    """Schema and table by which changes come: for a partition perhaps its table's."""

    types: dict[str, str]
    prints: dict[str, str]
    """How each column's values print: see `pgconflict.daemon.verdict.keys`."""

    generated: frozenset[str]
    readable: frozenset[str]
    hides_rows: bool
    keys: tuple[Key, ...]
    """Columns of each unique index, the replica identity's first."""

    deferrable: frozenset[Key]
    """Those of `keys` that several rows may have: apply does not enforce them."""

    operators: dict[str, str]
    """Columns of keys that are compared outside pg_catalog; the schema of that."""

    change: str
    """Names the last change of its definition, or the last TRUNCATE."""

    changed_at: datetime | None
    changed_by_apply: bool
    """Then `changed_at` is by the other node's clock."""

    vacuumed_at: datetime | None
    vacuums: int | None
    """How many have ended; None for a partitioned table: its partitions have them."""

    vacuuming_ms: float | None
    """How long they all took together; None until 17."""

    incoming: tuple[Incoming, ...]

    def kind(self, column: str) -> str:
        """Return its type: of integers, and of text, one word whatever their size.

        Of `pg_lsn` how the server prints it, which two versions do differently.
        """
        prints = self.prints[column]
        if prints in ANY_SIZE or prints.startswith("lsn "):
            return prints
        return self.types[column]

    def key_within(self, columns: Sequence[str]) -> Key | None:
        """Return the key that these columns hold, if they hold one."""
        there = set(columns)
        return next((key for key in self.keys if there.issuperset(key)), None)

    def operator(self, column: str, sign: str) -> sql.Composable:
        """Return the operator of the column's index: search_path finds no other's."""
        schema = self.operators.get(column)
        if schema is None:
            return sql.SQL(sign)
        return sql.SQL("OPERATOR({}.{})").format(sql.Identifier(schema), sql.SQL(sign))


class RowReader:
    """Reads rows over one session, which nobody else uses."""

    def __init__(self, session: NodeSession) -> None:
        self._session = session
        self._ready = False

    async def table(self, schemaname: str, relname: str) -> RowTable | None:
        """Return the table of this name; None if there is none.

        Raises:
            NodeUnavailableError: the node did not answer.
        """
        rows = await self._session.rows("row_table", schemaname, relname)
        if not rows:
            return None
        row = rows[0]
        names: list[str] = row["names"] or []
        indexes = [json.loads(one) for one in row["keys"] or ()]
        incoming = [
            Incoming(
                subid=one["subid"],
                publications=tuple(one["publications"]),
                ready=one["state"] == "r",
                since=one["since"],
                copied=one["copied"],
                of_others=one["of_others"],
            )
            for one in await self._session.rows("row_subscriptions", row["relid"])
        ]
        return RowTable(
            relid=row["relid"],
            schemaname=schemaname,
            relname=relname,
            subscribed_as=tuple(row["subscribed_as"] or (schemaname, relname)),
            types=dict(zip(names, row["types"] or (), strict=True)),
            prints=dict(zip(names, row["prints"] or (), strict=True)),
            generated=_where(names, row["generated"]),
            readable=_where(names, row["readable"]),
            hides_rows=row["hides_rows"],
            keys=tuple(tuple(one["columns"]) for one in indexes),
            deferrable=frozenset(
                tuple(one["columns"]) for one in indexes if one["deferrable"]
            ),
            operators={
                column: schema
                for one in indexes
                for column, schema in zip(one["columns"], one["schemas"], strict=True)
                if schema != "pg_catalog"
            },
            change=row["change"],
            changed_at=row["changed_at"],
            changed_by_apply=row["changed_by_apply"],
            vacuumed_at=row["vacuumed_at"],
            vacuums=row["vacuums"],
            vacuuming_ms=row["vacuuming"],
            incoming=tuple(incoming),
        )

    async def subscribed(self, schemaname: str, relname: str) -> RowTable | None:
        """Return the table by which changes of this one come, itself or the whole.

        Conflicts name a partition, which the other node need not have, or not for the
        same rows, where the whole is published.

        Raises:
            NodeUnavailableError: the node did not answer.
        """
        table = await self.table(schemaname, relname)
        if table is None or table.subscribed_as == (schemaname, relname):
            return table
        return await self.table(*table.subscribed_as)

    async def published(self, table: RowTable, to: Incoming) -> Outgoing | None:
        """Return what this node publishes of the table to a subscription of another.

        Raises:
            NodeUnavailableError: the node did not answer.
        """
        rows = await self._session.rows(
            "row_publications", table.schemaname, table.relname, list(to.publications)
        )
        if not rows:
            return None
        return Outgoing(
            # Different lists for one subscription are an error since 15.
            columns=frozenset(rows[0]["columns"]),
            filter=row_filter(
                [
                    published(row["operations"], row["filter"], row["filter_columns"])
                    for row in rows
                ]
            ),
            operations=frozenset(one for row in rows for one in row["operations"]),
            complete=any(len(row["operations"]) == len(OPERATIONS) for row in rows),
            since=max((row["since"] for row in rows if row["since"]), default=None),
        )

    async def passing(
        self, rows_filter: RowFilter, rows: Sequence[Values]
    ) -> list[bool | None]:
        """Return whether this node's filter lets rows pass, its own or another's.

        None where it can't be computed of these values; no table is read.

        Raises:
            NodeUnavailableError: the node did not answer in time.
        """
        if not rows:
            return []
        await self.prepare()
        given = [[values[one.name] for values in rows] for one in rows_filter.columns]
        places = [str(place) for place in range(len(rows))]
        try:
            found = await self._session.rows_of(
                rows_passing(rows_filter), places, *given
            )
        except asyncpg.DataError:
            # As a division by zero: one row is no reason not to know of the others.
            if len(rows) == 1:
                return [None]
            return [(await self.passing(rows_filter, [one]))[0] for one in rows]
        passes = {row["place"]: row["passes"] for row in found}
        return [passes[place] for place in places]

    async def rows(
        self,
        table: RowTable,
        key: Key,
        columns: Sequence[str],
        wanted: Sequence[Sequence[str]],
    ) -> list[list[Row]]:
        """Return the rows of each key, two where it does not tell one row.

        Args:
            table: As it is on this node.
            key: Columns of one of the table's unique indexes.
            columns: Those to be read.
            wanted: Values of the key's columns, as text.

        Raises:
            NodeUnavailableError: the node did not answer in time.
            PrivilegeMissingError: the role may not read it.
            asyncpg.DataError: a value is none of the column's type.
        """
        await self.prepare()
        statement = rows_by_key(table, key, columns)
        given = [list(values) for values in zip(*wanted, strict=True)]
        found: list[list[Row]] = [[] for _ in wanted]
        for row in await self._session.rows_of(statement, *given):
            place: int = row["place"]
            values: list[Any] = list(row.values())[2:]
            found[place - 1].append(
                Row(dict(zip(columns, values, strict=True)), row["version"])
            )
        return found

    async def prepare(self) -> None:
        """Make values print as on every other node."""
        if self._ready:
            return
        calls = ", ".join(
            f"pg_catalog.set_config('{name}', '{value}', false)"
            for name, value in SETTINGS.items()
        )
        await self._session.rows_of(f"select {calls}")
        self._ready = True


def _where(names: Sequence[str], flags: Sequence[bool] | None) -> frozenset[str]:
    return frozenset(
        name for name, flag in zip(names, flags or (), strict=True) if flag
    )
