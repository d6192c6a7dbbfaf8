"""What a node's catalogs say about the names in its log.

A log names an origin and a table, raw and without a database. The subscription is in
a catalog that all databases share; the table in that of the subscription's database,
which needs a connection there: opened when asked for, closed when idle.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pgconflict.core.encodings import UTF_8, codec_of
from pgconflict.core.row_text import Column
from pgconflict.core.type_shapes import VIRTUAL
from pgconflict.errors import NodeNotReadyError, PrivilegeMissingError
from pgconflict.server.session import NodeSession

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from asyncpg import Record

    from pgconflict.config import Limits, Node

MAX_NAME_BYTES: Final = 63

# A table's columns are asked for again when the answer is older: DDL may come at any
# moment, and a row cut by the wrong columns would be a wrong row.
_FRESH_S: Final = 0.25
_TABLES_KEPT: Final = 10_000

_VIRTUAL: Final = "v"  # pg_attribute.attgenerated

_UNKNOWN_S: Final = 1.0  # between two looks for the same unknown subscription
_IDLE_S: Final = 60.0
_REFUSED_S: Final = 60.0

TableKey = tuple[int, str]
"""Subscription oid, and the relation as logged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One subscription of the node, in whichever database."""

    subid: int
    name: str
    database: str
    enabled: bool
    slot_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table as the catalog has it now."""

    relid: int
    schemaname: str
    relname: str
    columns: tuple[Column, ...]
    may_be_unsent: frozenset[str]
    """Columns of which an UPDATE's `null` may mean that nothing was sent: generated
    ones, those that TOAST may store apart, and those that can't be null, which the
    publisher must lack then."""
    since: datetime | None
    """When its columns last changed, where the server knows."""
    codec: str | None = UTF_8
    """Of the database; None where bytes have no one meaning."""
    made: datetime | None
    """When its oldest column was made, where the server knows."""


@dataclass(slots=True)
class _Database:
    session: NodeSession | None = None
    used_at: float = field(default_factory=time.monotonic)
    refused_at: float = float("-inf")


class Catalog:
    """The catalogs of a node, for one job.

    Args:
        node: Of the configuration.
        limits: Of the configuration.
        session: The job's; it is not closed here.
        database: The one that `session` is connected to.
    """

    def __init__(
        self, node: Node, limits: Limits, session: NodeSession, database: str
    ) -> None:
        self._node = node
        self._limits = limits
        self._session = session
        self._database = database
        self._others: dict[str, _Database] = {}
        self._subscriptions: dict[int, Subscription] = {}
        self._unknown: dict[int, float] = {}
        self._tables: dict[TableKey, tuple[Table | None, float]] = {}

    async def look(self) -> None:
        """Ask for the subscriptions; those that are gone stay known by their name."""
        for row in await self._session.rows("subscriptions"):
            self._subscriptions[row["subid"]] = Subscription(**row)

    async def know(self, subids: Iterable[int]) -> None:
        """Ask for the subscriptions if one of these is not known."""
        now = time.monotonic()
        unknown = [
            subid
            for subid in subids
            if subid not in self._subscriptions
            and now - self._unknown.get(subid, float("-inf")) >= _UNKNOWN_S
        ]
        if unknown:
            await self.look()
            # One that was dropped stays unknown: not asked for with each batch.
            self._unknown = dict.fromkeys(unknown, now)

    def subscription(
        self, subid: int | None, name: str | None = None
    ) -> Subscription | None:
        """Return the subscription of this oid, else the only one of this name."""
        if subid is not None:
            return self._subscriptions.get(subid)
        named = [one for one in self._subscriptions.values() if one.name == name]
        return named[0] if len(named) == 1 else None

    async def tables(self, wanted: Iterable[TableKey]) -> dict[TableKey, Table | None]:
        """Return the table that each key means; None where none or several do.

        Raises:
            NodeUnavailableError: the node did not answer.
        """
        now = time.monotonic()
        found: dict[TableKey, Table | None] = {}
        missing: dict[str, list[TableKey]] = {}
        for key in wanted:
            known = self._tables.get(key)
            if known is not None and now - known[1] < _FRESH_S:
                found[key] = known[0]
            elif subscription := self._subscriptions.get(key[0]):
                missing.setdefault(subscription.database, []).append(key)
            else:
                found[key] = None
        for database, keys in missing.items():
            found |= await self._ask(database, keys)
        await self._close_idle(now)
        return found

    async def close(self) -> None:
        """Close the connections to other databases."""
        for name in list(self._others):
            await self._close(name)

    async def _ask(
        self, database: str, keys: list[TableKey]
    ) -> dict[TableKey, Table | None]:
        found: dict[TableKey, Table | None] = dict.fromkeys(keys)
        session = await self._session_to(database)
        if session is None:
            return found
        questions, schemas, names, subids = [], [], [], []
        for number, (subid, relation) in enumerate(keys):
            for schema, name in _candidates(relation):
                questions.append(number)
                schemas.append(schema)
                names.append(name)
                subids.append(subid)
        answers: dict[int, list[Table]] = {}
        for row in await session.rows("relations", questions, schemas, names, subids):
            columns, may_be_unsent = _columns(row)
            table = Table(
                relid=row["relid"],
                schemaname=row["schemaname"],
                relname=row["relname"],
                columns=columns,
                may_be_unsent=may_be_unsent,
                since=row["since"],
                made=row["made"],
                codec=codec_of(row["encoding"]),
            )
            answers.setdefault(row["question"], []).append(table)
        if len(self._tables) > _TABLES_KEPT:
            self._tables.clear()
        now = time.monotonic()
        for number, key in enumerate(keys):
            tables = answers.get(number, [])
            found[key] = tables[0] if len(tables) == 1 else None
            self._tables[key] = (self._same(key, found[key]), now)
        return {key: self._tables[key][0] for key in keys}

    def _same(self, key: TableKey, table: Table | None) -> Table | None:
        """The object of before when nothing has changed: others remember by it."""
        before = self._tables.get(key, (None, 0.0))[0]
        return before if before == table else table

    async def _session_to(self, database: str) -> NodeSession | None:
        """Return a connection there; None where the role is not let in."""
        if database == self._database:
            return self._session
        other = self._others.setdefault(database, _Database())
        other.used_at = time.monotonic()
        if other.session is not None and not other.session.closed:
            return other.session
        if other.used_at - other.refused_at < _REFUSED_S:
            return None
        try:
            other.session = await NodeSession.open(
                self._node, self._limits, job="tail", database=database
            )
        except (NodeNotReadyError, PrivilegeMissingError):
            # The conflict is recorded without what this database would say.
            other.refused_at = time.monotonic()
            return None
        return other.session

    async def _close_idle(self, now: float) -> None:
        for name, other in list(self._others.items()):
            if other.session is not None and now - other.used_at > _IDLE_S:
                await self._close(name)

    async def _close(self, name: str) -> None:
        session = self._others.pop(name).session
        if session is not None:
            await session.close()


def _columns(row: Record) -> tuple[tuple[Column, ...], frozenset[str]]:
    """The columns, and which of them an UPDATE may leave out."""
    names = row["names"] or ()
    virtual = [generated == _VIRTUAL for generated in row["generated"] or ()]
    types = [
        VIRTUAL if is_virtual else type_
        for is_virtual, type_ in zip(virtual, row["types"] or (), strict=True)
    ]
    unsent = [
        name
        for name, generated, is_unsent in zip(
            names, row["generated"] or (), row["unsent"] or (), strict=True
        )
        if generated or is_unsent
    ]
    return tuple(map(Column, names, types)), frozenset(unsent)


def _candidates(relation: str) -> list[tuple[str | None, str]]:
    """The schema and the table that an unquoted `schema.table` may mean.

    >>> _candidates("a.b.c")
    [('a', 'b.c'), ('a.b', 'c')]
    >>> _candidates("t")
    [(None, 't')]
    """
    places = [at for at, letter in enumerate(relation) if letter == "."]
    pairs = [(relation[:at] or None, relation[at + 1 :]) for at in places]
    # A bare name can hold dots too.
    found = [pair for pair in pairs if pair[0] and pair[1]] or [(None, relation)]
    return [
        (schema, name)
        for schema, name in found
        if len((schema or "").encode()) <= MAX_NAME_BYTES
        and len(name.encode()) <= MAX_NAME_BYTES
    ]
