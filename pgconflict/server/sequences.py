"""One database of one node, with the connections that read its sequences."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from psycopg import conninfo

from pgconflict.core.sequence import SequenceName, SequenceState
from pgconflict.server.connect import (
    DEFAULT_LIMITS,
    connect_async,
    major_version,
    translated,
)
from pgconflict.server.sequence_reader import SequenceReader, array, fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pgconflict.config import Limits, Node
    from pgconflict.server.sequence_reader import Connection, Progress

States = dict[SequenceName, SequenceState]
Item = TypeVar("Item")

# Every part looks through the whole catalog.
BATCH: Final = 50_000
# Below it one connection is faster than connecting again.
WORTH_MORE_CONNECTIONS: Final = 4000
# Spreads any regular distance between oids evenly: what is made with tables has one.
_SPREAD: Final = 40503


@dataclass(slots=True)
class SequenceNode:
    """One database of one node, with the connections that read it.

    A context manager; `open` makes it.
    """

    name: str
    dsn: str
    limits: Limits
    job: str
    read_only: bool
    most_connections: int
    connections: list[Connection] = field(default_factory=list)
    _parts: int = 1

    @classmethod
    async def open(
        cls,
        node: Node,
        *,
        job: str,
        limits: Limits = DEFAULT_LIMITS,
        database: str | None = None,
        read_only: bool = True,
        connections: int = 2,
    ) -> Self:
        """Connect to the node's database, or to another one of the same server.

        Raises:
            NodeUnavailableError: it can't be reached.
            ConfigError: libpq refuses the connection string.
        """
        dsn = node.dsn
        if database is not None:
            dsn = conninfo.make_conninfo(dsn, dbname=database)
        opened = cls(node.name, dsn, limits, job, read_only, connections)
        await opened._connect(1)
        return opened

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connections; a server that hangs is not waited for."""
        for connection in self.connections:
            connection.pgconn.finish()
        self.connections.clear()

    @property
    def who(self) -> str:
        """What messages call it."""
        return f"node {self.name}"

    @property
    def first(self) -> Connection:
        """The connection for single statements."""
        return self.connections[0]

    @property
    def major(self) -> int:
        """The server's major version."""
        return major_version(self.first)

    @property
    def database(self) -> str:
        """The database's name."""
        return self.first.info.dbname

    async def _connect(self, count: int) -> None:
        missing = range(min(count, self.most_connections) - len(self.connections))
        self.connections += await asyncio.gather(
            *(
                connect_async(
                    self.dsn,
                    job=self.job,
                    who=self.who,
                    limits=self.limits,
                    read_only=self.read_only,
                )
                for _ in missing
            )
        )

    async def widen(self, sequences: int) -> None:
        """Open further connections if that many sequences are worth it."""
        if sequences >= WORTH_MORE_CONNECTIONS:
            await self._connect(self.most_connections)

    def shares(
        self, items: Iterable[Item], oid: Callable[[Item], int]
    ) -> list[tuple[Connection, list[Item]]]:
        """Split what is about sequences among the connections that have read them.

        A connection that has opened a sequence once opens it again in a third of
        the time.
        """
        shares: list[list[Item]] = [[] for _ in self.connections]
        for item in items:
            part = part_of(oid(item), self._parts)
            shares[part % len(shares)].append(item)
        return list(zip(self.connections, shares, strict=True))

    async def fetch(self, name: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of the statement sql/queries/NAME of this version."""
        return await fetch(self.first, name, *values)

    async def states(
        self,
        *,
        schemas: Sequence[str] | None = None,
        wanted: Callable[[SequenceName], bool] | None = None,
        progress: Progress | None = None,
    ) -> States:
        """Return the chosen sequences by name, in the order of their names.

        Args:
            schemas: Only these; None for all.
            wanted: Says of a name whether it is chosen; None for all.
            progress: Is called with the number of sequences just read.

        Raises:
            NodeUnavailableError: the connection was lost, or a statement took too long.
        """
        with translated(self.who):
            ((count,),) = await self.fetch("sequence_count")
            await self.widen(count)
            self._parts = parts = max(-(-count // BATCH), len(self.connections))
            chosen = array(schemas) if schemas else None
            readers = [
                SequenceReader(connection, chosen, wanted, progress)
                for connection in self.connections
            ]
            found = await asyncio.gather(
                *(
                    # The same part by the same connection, each time.
                    reader.read(parts, range(place, parts, len(readers)))
                    for place, reader in enumerate(readers)
                )
            )
        states = [state for part in found for state in part]
        states.sort(key=attrgetter("name"))
        return {state.name: state for state in states}


def part_of(oid: int, parts: int) -> int:
    """Return which part of a node's sequences one belongs to, as the statements do."""
    return (oid * _SPREAD >> 16) % parts
