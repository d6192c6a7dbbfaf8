"""Compares a table on two nodes by ranges of its key, hashed where the rows are.

A range's hash is one bounded statement on each node; rows come over the network only
where the hashes differ. Ranges grow and shrink so that a statement takes about
`STATEMENT_S`.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from psycopg import sql

from pgconflict.errors import NodeUnavailableError
from pgconflict.server.row_filters import try_filter
from pgconflict.server.row_hash import row_hash
from pgconflict.server.table_order import beyond

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Sequence

    from pgconflict.server.table_nodes import KeyValues, TableNode, TableNodes
    from pgconflict.server.table_order import Order

_One = TypeVar("_One")
_Two = TypeVar("_Two")

STATEMENT_S: Final = 0.4
"""How long the hash of a range should take."""

SUSPECTS: Final = 1000
"""So many in a range, and the next one is smaller."""

MOST: Final = 100_000

_SESSION: Final = (
    "select pg_catalog.set_config('jit', 'off', false),"
    " pg_catalog.set_config('max_parallel_workers_per_gather', '0', false),"
    # Bounds differ from range to range: so does what is cheapest.
    " pg_catalog.set_config('plan_cache_mode', 'force_custom_plan', false)"
)


@dataclass(frozen=True, slots=True)
class Range:
    """What was compared: rows on each node, keys that differ, and where it ended."""

    rows: tuple[int, int]
    suspects: tuple[KeyValues, ...]
    end: KeyValues | None
    """The last key; None: the end of the table."""

    estimate: int


@dataclass(frozen=True, slots=True)
class _Ahead:
    """The end of a range that is still to come: behind which key, of how many rows."""

    after: KeyValues
    rows: int
    end: KeyValues | None


class Comparison:
    """Two nodes, one table."""

    def __init__(self, nodes: TableNodes, order: Order, rows: int) -> None:
        self._one, self._two = nodes.nodes.values()
        self._order = order
        self._columns = nodes.columns
        self._filter = nodes.filter
        self._rows = rows
        self._ahead: _Ahead | None = None

    async def prepare(self) -> int:
        """Set both sessions up; about how many rows the table has.

        Raises:
            NodeUnavailableError: one did not answer.
            NodeNotReadyError: one's rows can't be asked whether they are sent.
        """
        estimates = []
        for one in (self._one, self._two):
            # As RowReader does it, for the same reason: texts must be equal.
            await one.reader.prepare()
            await one.session.rows_of(_SESSION)
            await try_filter(one, self._filter)
            estimates.append(await _estimate(one))
        return max(estimates)

    async def ranges(self, after: KeyValues | None) -> AsyncIterator[Range]:
        """Compare range after range, from behind a key or from the first.

        Raises:
            NodeUnavailableError: one did not answer, or a statement took too long.
            PrivilegeMissingError: the role may not read the table.
        """
        while True:
            found, took = await self._range(after)
            yield found
            if found.end is None:
                return
            after = found.end
            faster = STATEMENT_S / max(took, 0.001)
            if len(found.suspects) > SUSPECTS:
                # Whoever asked may have enough of them before the next range's end.
                faster = 0.25
            self._rows = int(
                min(max(self._rows * min(max(faster, 0.25), 2.0), 1), MOST)
            )

    async def _range(self, after: KeyValues | None) -> tuple[Range, float]:
        while True:
            try:
                return await self._compared(after)
            except NodeUnavailableError:
                # The statement's limit, on a node that has slowed down, or large rows.
                lost = self._one.session.closed or self._two.session.closed
                if lost or self._rows == 1:
                    raise
                self._rows = max(1, self._rows // 8)

    async def _compared(self, after: KeyValues | None) -> tuple[Range, float]:
        began = time.monotonic()
        end = await self._first_end(after)
        mine, (sooner, theirs) = await _both(
            self._first(after, end), self._second(after, end)
        )
        if sooner is not None and sooner != end:
            end = sooner
            mine = await self._hash(self._one, after, end)
        took = time.monotonic() - began
        suspects: tuple[KeyValues, ...] = ()
        if self._order.deferrable:
            several = await _both(
                self._several(self._one, after, end),
                self._several(self._two, after, end),
            )
            suspects = tuple(dict.fromkeys([*several[0], *several[1]]))
        if mine != theirs:
            one, two = await _both(
                self._hashes(self._one, after, end), self._hashes(self._two, after, end)
            )
            differing = [k for k in {**one, **two} if one.get(k) != two.get(k)]
            suspects = tuple(dict.fromkeys([*suspects, *differing]))
        return Range((mine[0], theirs[0]), suspects, end, self._rows), took

    async def _first_end(self, after: KeyValues | None) -> KeyValues | None:
        """The key that ends the next range on the first node; None: it is the last."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead.after == after and ahead.rows <= self._rows:
            return ahead.end
        return await self._nth(self._one, after, None, self._rows)

    async def _first(
        self, after: KeyValues | None, end: KeyValues | None
    ) -> tuple[int, object]:
        """The first node's hash; while the second is at work, the next range's end."""
        found = await self._hash(self._one, after, end)
        if end is not None:
            rows = self._rows
            self._ahead = _Ahead(end, rows, await self._nth(self._one, end, None, rows))
        return found

    async def _second(
        self, after: KeyValues | None, end: KeyValues | None
    ) -> tuple[KeyValues | None, tuple[int, object]]:
        """The second node's hash, and where it ended the range sooner, the key there.

        It does where it has far more rows before the end than the first, or the first
        has none left.
        """
        most = self._rows if end is None else 2 * self._rows
        sooner = await self._nth(self._two, after, end, most)
        return sooner, await self._hash(self._two, after, sooner or end)

    async def _nth(
        self, on: TableNode, after: KeyValues | None, end: KeyValues | None, number: int
    ) -> KeyValues | None:
        statement = self._statement(
            on,
            "select {texts} from {table} t where {condition}"
            " order by {order} offset {number} limit 1",
            after,
            end,
            number=sql.Literal(number - 1),
        )
        rows = await on.session.rows_of(statement, *(after or ()), *(end or ()))
        return tuple(rows[0]) if rows else None

    async def _hash(
        self, on: TableNode, after: KeyValues | None, end: KeyValues | None
    ) -> tuple[int, object]:
        statement = self._statement(
            on,
            "select count(*), sum({hash}) from {table} t where {condition}",
            after,
            end,
        )
        (row,) = await on.session.rows_of(statement, *(after or ()), *(end or ()))
        return row[0], row[1]

    async def _hashes(
        self, on: TableNode, after: KeyValues | None, end: KeyValues | None
    ) -> dict[KeyValues, int]:
        statement = self._statement(
            on, "select {hash}, {texts} from {table} t where {condition}", after, end
        )
        hashes: dict[KeyValues, int] = {}
        for found, *key in await on.session.rows_of(
            statement, *(after or ()), *(end or ())
        ):
            # Their sum, where a key is not unique: as `_hash` has it.
            hashes[tuple(key)] = hashes.get(tuple(key), 0) + found
        return hashes

    async def _several(
        self, on: TableNode, after: KeyValues | None, end: KeyValues | None
    ) -> list[KeyValues]:
        """Keys that several rows have, which need not differ between the nodes."""
        statement = self._statement(
            on,
            "select {texts} from {table} t where {condition}"
            " group by {columns} having count(*) > 1",
            after,
            end,
            columns=sql.SQL(", ").join(
                sql.SQL("t.{}").format(sql.Identifier(one)) for one in self._order.key
            ),
        )
        rows = await on.session.rows_of(statement, *(after or ()), *(end or ()))
        return [tuple(row) for row in rows]

    def _statement(
        self,
        on: TableNode,
        form: str,
        after: KeyValues | None,
        end: KeyValues | None,
        **more: sql.Composable,
    ) -> str:
        table, key = on.table, self._order.key
        compared = [
            self._collated(column, sql.SQL("t.{}").format(sql.Identifier(column)))
            for column in key
        ]
        conditions: list[sql.Composable] = [sql.SQL("true")]
        number = 0
        for values, sign in ((after, ">"), (end, "<=")):
            if values is None:
                continue
            bound = []
            for column in key:
                number += 1
                cast = sql.SQL(f"${number}::text::{table.types[column]}")
                bound.append(self._collated(column, cast))
            conditions.append(beyond(table, key, compared, bound, sign))
        if self._filter is not None:
            conditions.append(sql.SQL(f"({self._filter})"))
        return (
            sql.SQL(form)
            .format(
                texts=sql.SQL(", ").join(
                    sql.SQL("t.{}::text").format(sql.Identifier(column))
                    for column in key
                ),
                table=sql.Identifier(table.schemaname, table.relname),
                condition=sql.SQL(" and ").join(conditions),
                order=sql.SQL(", ").join(compared),
                hash=row_hash(self._columns, self._order.key),
                **more,
            )
            .as_string(None)
        )

    def _collated(self, column: str, value: sql.Composable) -> sql.Composable:
        if column not in self._order.by_bytes:
            return value
        return sql.SQL('{} collate "C"').format(value)


async def _both(one: Awaitable[_One], two: Awaitable[_Two]) -> tuple[_One, _Two]:
    """Both answers; neither session is at work any more, even where one has failed."""
    first, second = await asyncio.gather(one, two, return_exceptions=True)
    if isinstance(first, BaseException):
        raise first
    if isinstance(second, BaseException):
        raise second
    return first, second


async def _estimate(on: TableNode) -> int:
    rows = await on.session.rows_of(
        "select greatest(sum(c.reltuples), 0)::bigint from pg_catalog.pg_class c"
        " where c.oid = $1::oid or c.oid in"
        " (select relid from pg_catalog.pg_partition_tree($1::oid::regclass)"
        " where isleaf)",
        on.table.relid,
    )
    found: Sequence[int] = tuple(rows[0])
    return found[0]
