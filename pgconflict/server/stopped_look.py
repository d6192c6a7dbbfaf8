"""What stands in the way of a transaction: looked up, nothing locked or written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from psycopg import sql

from pgconflict.core.stopped import Asked, Index, Local, Table, asked, in_the_way
from pgconflict.errors import NodeNotReadyError, PgConflictError
from pgconflict.server.repair import JOB, echo, effects
from pgconflict.server.row_reader import RowReader
from pgconflict.server.session import NodeSession
from pgconflict.server.table_nodes import TableNode, TableNodes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.config import Config, Node
    from pgconflict.core.conflict import Values
    from pgconflict.core.pgoutput import Change
    from pgconflict.core.stopped import Names
    from pgconflict.core.verdict import Row
    from pgconflict.server.repair import Effects

MOST_COUNTED = 1000
"""Referring rows are counted up to this number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Referring:
    """A foreign key to a table, and how many rows refer to one of its rows."""

    name: str
    schemaname: str
    relname: str
    columns: Sequence[str]
    referred: Sequence[str]
    types: Sequence[str]
    operators: Sequence[str]
    rows: int


@dataclass(frozen=True, slots=True)
class Referred:
    """A row that may be gone afterwards, and one foreign key to its table."""

    names: Names
    values: Values
    foreign: Referring


class Subscriber:
    """The subscriber's tables of one transaction, over one session."""

    def __init__(self, node: Node, session: NodeSession, identifier: int) -> None:
        self._node = node
        self._session = session
        self._identifier = identifier
        self.nodes: dict[Names, TableNode] = {}
        self.tables: dict[Names, Table] = {}
        self.applied: set[Names] = set()
        """Those whose changes the subscription applies."""

        self.copied: set[Names] = set()
        """Those that it still copies."""

    @classmethod
    async def open(
        cls, node: Node, config: Config, subid: int, names: Sequence[Names]
    ) -> Self:
        """Connect and read about the tables; one that is not there is left out.

        Raises:
            NodeUnavailableError: the node did not answer.
            PrivilegeMissingError: our role may not see what is needed.
        """
        session = await NodeSession.open(node, config.limits, job=JOB)
        try:
            identity = await session.row("server_identity")
            one = cls(node, session, identity["system_identifier"])
            for each in names:
                await one._table(each, subid)
        except BaseException:
            session.terminate()
            raise
        return one

    def close(self) -> None:
        """End the session."""
        self._session.terminate()

    async def _table(self, names: Names, subid: int) -> None:
        reader = RowReader(self._session)
        table = await reader.table(*names)
        if table is None:
            return
        indexes = await self._session.rows("stopped_indexes", table.relid)
        columns = await self._session.rows("stopped_columns", table.relid)
        self.nodes[names] = TableNode(
            self._node, self._session, reader, table, self._identifier
        )
        self.tables[names] = Table(
            identity=table.keys[0] if table.keys else (),
            indexes=tuple(
                Index(row["name"], tuple(row["columns"] or ())) for row in indexes
            ),
            defaults={row["name"]: row["gives"] for row in columns},
        )
        for incoming in table.incoming:
            if incoming.subid == subid:
                (self.applied if incoming.ready else self.copied).add(names)

    async def in_the_way(self, changes: Sequence[Change]) -> list[Local]:
        """Return the local rows that the changes of a whole transaction meet.

        Raises:
            NodeUnavailableError, PrivilegeMissingError: the node does not say.
        """
        found: list[tuple[Asked, Row]] = []
        for (names, index), wanted in asked(changes, self.tables).items():
            if names not in self.applied:
                continue
            keys = [one.values for one in wanted]
            rows = await self._rows(names, index.columns, keys)
            found += [
                (one, row)
                for one, there in zip(wanted, rows, strict=True)
                for row in there
            ]
        return in_the_way(changes, self.tables, found)

    async def _rows(
        self, names: Names, key: tuple[str, ...], wanted: Sequence[Sequence[str]]
    ) -> list[list[Row]]:
        on = self.nodes[names]
        return await on.reader.rows(on.table, key, tuple(on.table.types), wanted)

    async def referring(self, names: Names, values: Values) -> list[Referring]:
        """Return the foreign keys by which other rows refer to a row, or could.

        Args:
            names: The row's table.
            values: The row; what it lacks is not looked for.

        Raises:
            NodeUnavailableError, PrivilegeMissingError: the node does not say.
        """
        on = self.nodes[names]
        found = []
        for key in await self._session.rows("repair_foreign_keys", on.table.relid):
            if key["outgoing"]:
                continue
            referred = [values.get(column) for column in key["referred"]]
            number = 0
            if None not in referred:
                statement = _counting(
                    (key["schemaname"], key["relname"]),
                    key["columns"],
                    key["types"],
                    key["operators"],
                )
                counted = await self._session.rows_of(statement, *referred)
                number = counted[0]["number"]
            found.append(
                Referring(
                    name=key["name"],
                    schemaname=key["schemaname"],
                    relname=key["relname"],
                    columns=key["columns"],
                    referred=key["referred"],
                    types=key["types"],
                    operators=key["operators"],
                    rows=number,
                )
            )
        return found

    async def effects(self, names: Names) -> Effects:
        """Return which triggers fire when a row of the table is written.

        Raises:
            NodeUnavailableError: the node did not answer.
        """
        return await effects(self.nodes[names])


def _counting(
    names: Names,
    columns: Sequence[str],
    types: Sequence[str],
    operators: Sequence[str],
) -> str:
    conditions = [
        sql.SQL(f"${place}::text::{{}} {{}} r.{{}}").format(
            sql.SQL(kind), sql.SQL(operator), sql.Identifier(column)
        )
        for place, (column, kind, operator) in enumerate(
            zip(columns, types, operators, strict=True), 1
        )
    ]
    return (
        sql.SQL(
            "select count(*) as number from (select 1 from {} r where {} limit {}) r"
        )
        .format(
            sql.Identifier(*names),
            sql.SQL(" and ").join(conditions),
            sql.Literal(MOST_COUNTED),
        )
        .as_string(None)
    )


async def publishers_rows(
    node: Node, config: Config, rows: Sequence[Local]
) -> dict[int, Row | None]:
    """Return what the publisher has under the key of each local row, by its number.

    Raises:
        NodeUnavailableError, PrivilegeMissingError: the node does not say.
        NodeNotReadyError: it has no such table, or no such key.
    """
    session = await NodeSession.open(node, config.limits, job=JOB)
    reader = RowReader(session)
    found: dict[int, Row | None] = {}
    try:
        for number, row in enumerate(rows):
            table = await reader.table(*row.names)
            key = tuple(row.key)
            if table is None or set(key) not in map(set, table.keys):
                raise NodeNotReadyError(
                    f"node {node.name} has no {'.'.join(row.names)} with a unique index"
                    f" of ({', '.join(key)}) to find the row by"
                )
            columns = tuple(
                name
                for name in table.types
                if name in row.row.values and name not in table.generated
            )
            values = tuple(value or "" for value in row.key.values())
            there = (await reader.rows(table, key, columns, [values]))[0]
            found[number] = there[0] if there else None
    finally:
        session.terminate()
    return found


async def echoes(config: Config, node: str, names: Names) -> str | None:
    """Return why what is written here would reach others; None if it would not.

    Raises:
        NodeUnavailableError, PrivilegeMissingError: a node does not say.
    """
    try:
        nodes = await TableNodes.open(
            config.nodes, config.limits, names, job=JOB, around=node
        )
    except PgConflictError as error:
        return f"whether it would reach other nodes is not known: {error}"
    try:
        reason = await echo(nodes, node)
    finally:
        nodes.close()
    if reason is None:
        return None
    return f"{reason}; --keep ours and skip do nothing that must be kept from it"
