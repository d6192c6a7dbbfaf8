"""One table on several nodes: who replicates it to whom, and rows read when settled.

What two readings of both nodes show, with everything that was written before the
first having arrived between them, is no change on its way.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from pgconflict.core.verdict import Row, difference
from pgconflict.errors import NodeNotReadyError, PgConflictError, PrivilegeMissingError
from pgconflict.server.row_reader import RowReader
from pgconflict.server.session import NodeSession
from pgconflict.server.statements import identifier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pgconflict.config import Limits, Node
    from pgconflict.server.row_reader import Incoming, Key, Outgoing, RowTable

KeyValues = tuple[str, ...]

PAUSE_S: Final = 0.2
"""Between two looks at what has arrived, at most: the first come sooner."""

FIRST_PAUSE_S: Final = 0.01
FLUSH_S: Final = 0.3
"""What has not arrived by then may be waiting for its own node to flush it."""

MOST_READS: Final = 20
"""A row that was touched between so many readings is busy."""


@dataclass(slots=True)
class TableNode:
    """One node, its sessions, and the table as it has it."""

    node: Node
    session: NodeSession
    reader: RowReader
    table: RowTable
    system_identifier: int

    @property
    def name(self) -> str:
        """The node's name in the configuration."""
        return self.node.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A subscription that brings the table from one of the nodes to another."""

    publisher: str
    subscriber: str
    subid: int
    subname: str
    slot_name: str
    origin: str
    enabled: bool
    sent: Outgoing


@dataclass(frozen=True, slots=True)
class Settled:
    """How one row stands: equal, differs, several, busy or behind.

    Attributes:
        state: busy: written all the time; several: the key names more than one row.
        rows: Node to its row, or to one of several.
        several: The nodes that have several.
    """

    state: str
    rows: Mapping[str, Row | None] = field(default_factory=dict)
    several: tuple[str, ...] = ()


class TableNodes:
    """The nodes that have the table, with the links between them."""

    def __init__(
        self, nodes: Sequence[TableNode], links: Sequence[Link], foreign: Sequence[str]
    ) -> None:
        self.nodes = {one.name: one for one in nodes}
        self.links = tuple(links)
        self.foreign = tuple(foreign)
        """Subscriptions that write to the table from a node that is not among them."""

    @classmethod
    async def open(
        cls,
        nodes: Sequence[Node],
        limits: Limits,
        names: tuple[str, str],
        *,
        job: str,
        around: str | None = None,
    ) -> Self:
        """Connect to the nodes and ask for the table.

        Args:
            nodes: Each of them has it.
            limits: Of statements.
            names: Schema and table; of a partition, with `around`, the table by which
                changes of it come is asked for.
            job: Shown in application_name.
            around: Keep this node and those that it exchanges the table with, directly
                or not; others need not have it.

        Raises:
            NodeUnavailableError: one can't be reached.
            NodeNotReadyError: one has no such table, or hides rows of it.
            PrivilegeMissingError: our role may not read it.
        """
        sessions: list[NodeSession] = []
        opened = []
        try:
            for node in nodes:
                sessions.append(await NodeSession.open(node, limits, job=job))
                if node.name == around:
                    names = await _subscribed(sessions[-1], names)
            for node, session in zip(nodes, sessions, strict=True):
                one = await _table_node(
                    node, session, names, must=around in (None, node.name)
                )
                if one is not None:
                    opened.append(one)
            links, foreign = await _links(opened)
            if around is not None:
                kept = _connected(around, links)
                opened = [one for one in opened if one.name in kept]
                links = [link for link in links if link.publisher in kept]
            known = {one.session for one in opened}
            for session in sessions:
                if session not in known:
                    session.terminate()
        except PgConflictError:
            for session in sessions:
                session.terminate()
            raise
        return cls(opened, links, foreign)

    def close(self) -> None:
        """End the sessions."""
        for one in self.nodes.values():
            one.session.terminate()

    @property
    def key(self) -> Key | None:
        """Columns of a unique index that all have, the replica identity's first."""
        first, *others = self.nodes.values()
        for key in first.table.keys:
            if all(set(key) in map(set, other.table.keys) for other in others):
                return key
        return None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are equal where replication works, in the first's order."""
        tables = [one.table for one in self.nodes.values()]
        sent = [link.sent.columns for link in self.links]
        return tuple(
            name
            for name in tables[0].types
            if all(name in t.types and name not in t.generated for t in tables)
            and all(name in columns for columns in sent)
        )

    @property
    def filter(self) -> str | None:
        """Which rows all of them have, as an SQL expression; None: all."""
        filters = [link.sent.filter for link in self.links]
        given = dict.fromkeys(
            condition
            for one in filters
            if one is not None
            for condition in one.conditions
        )
        return " and ".join(given) or None

    def types_differ(self, columns: Sequence[str]) -> bool:
        """Whether none of these columns has one type everywhere."""
        tables = [one.table for one in self.nodes.values()]
        return bool(columns) and all(
            len({table.kind(column) for table in tables}) > 1 for column in columns
        )

    async def read(
        self, key: Key, columns: Sequence[str], wanted: Sequence[KeyValues]
    ) -> list[dict[str, list[Row]]]:
        """Return the rows of each key on each node, two if there are more than one.

        Raises:
            NodeUnavailableError, PrivilegeMissingError: a node does not say.
        """
        found = await asyncio.gather(
            *(
                one.reader.rows(one.table, key, columns, wanted)
                for one in self.nodes.values()
            )
        )
        return [
            dict(zip(self.nodes, of_key, strict=True))
            for of_key in zip(*found, strict=True)
        ]

    async def positions(self) -> dict[str, int]:
        """Return how far each node has written."""
        found = {}
        for one in self.nodes.values():
            found[one.name] = (await one.session.row("write_position"))["position"]
        return found

    async def behind(self, marks: Mapping[str, int]) -> list[Link]:
        """Return the links that have not brought all that was written by then."""
        late: list[Link] = []
        confirmed: dict[tuple[str, str], int] = {}
        for name in {link.publisher for link in self.links}:
            for slot in await self.nodes[name].session.rows("slots"):
                confirmed[name, slot["name"]] = slot["confirmed_lsn"] or -1
        for link in self.links:
            at = confirmed.get((link.publisher, link.slot_name), -1)
            if at < marks[link.publisher]:
                late.append(link)
        return late

    async def settle(
        self,
        key: Key,
        columns: Sequence[str],
        wanted: Sequence[KeyValues],
        wait_s: float,
    ) -> dict[KeyValues, Settled]:
        """Look at rows until each is equal, or differs with nothing on its way.

        Raises:
            NodeUnavailableError, PrivilegeMissingError: a node does not say.
        """
        done: dict[KeyValues, Settled] = {}
        before: dict[KeyValues, dict[str, Row | None]] = {}
        left = list(dict.fromkeys(wanted))
        deadline = time.monotonic() + wait_s
        for _ in range(MOST_READS):
            now: dict[KeyValues, dict[str, Row | None]] = {}
            read = await self.read(key, columns, left)
            for values, rows in zip(left, read, strict=True):
                found = {name: one[0] if one else None for name, one in rows.items()}
                now[values] = found
                several = tuple(name for name, one in rows.items() if len(one) > 1)
                if several:
                    done[values] = Settled("several", found, several)
                elif agree(columns, found):
                    done[values] = Settled("equal", found)
                elif values in before and versions(before[values]) == versions(found):
                    done[values] = Settled("differs", found)
            left = [values for values in left if values not in done]
            if not left:
                return done
            before = {values: now[values] for values in left}
            if not await self._arrived(deadline):
                return done | {v: Settled("behind", before[v]) for v in left}
        return done | {values: Settled("busy", before[values]) for values in left}

    async def _arrived(self, deadline: float) -> bool:
        """Wait until all that is written now is applied everywhere."""
        marks = await self.positions()
        pause_s = FIRST_PAUSE_S
        flush_at = time.monotonic() + FLUSH_S
        while late := await self.behind(marks):
            now = time.monotonic()
            if now > deadline:
                return False
            if now > flush_at:
                flush_at = math.inf
                for name in {link.publisher for link in late}:
                    await self.nodes[name].session.rows("flush_soon")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_S)
        return True


def agree(columns: Sequence[str], rows: Mapping[str, Row | None]) -> bool:
    """Whether all nodes have the same row, or none."""
    first, *others = rows.values()
    return all(difference(columns, first, other) is None for other in others)


def versions(rows: Mapping[str, Row | None]) -> dict[str, str | None]:
    """The version of the row on each node."""
    return {name: None if row is None else row.version for name, row in rows.items()}


async def _table_node(
    node: Node, session: NodeSession, names: tuple[str, str], *, must: bool
) -> TableNode | None:
    reader = RowReader(session)
    table = await reader.table(*names)
    shown = ".".join(names)
    if table is None and not must:
        return None
    if table is None:
        raise NodeNotReadyError(f"node {node.name} has no table {shown}")
    if table.hides_rows:
        raise NodeNotReadyError(
            f"node {node.name}: row security hides rows of {shown}",
            hint="a role with BYPASSRLS sees all of them",
        )
    missing = set(table.types) - table.readable
    if missing:
        role = (await session.rows_of("select current_user::text"))[0][0]
        raise PrivilegeMissingError(
            f"node {node.name}: columns of {shown} can't be read:"
            f" {', '.join(sorted(missing))}",
            hint=f"GRANT SELECT ON {identifier(*names)} TO {identifier(role)};",
        )
    identity = await session.row("server_identity")
    return TableNode(node, session, reader, table, identity["system_identifier"])


async def _subscribed(session: NodeSession, names: tuple[str, str]) -> tuple[str, str]:
    table = await RowReader(session).table(*names)
    return names if table is None else table.subscribed_as


def _connected(node: str, links: Sequence[Link]) -> set[str]:
    """The node, and those that a way of links leads to."""
    found, size = {node}, 0
    while len(found) > size:
        size = len(found)
        for link in links:
            if found & {link.publisher, link.subscriber}:
                found |= {link.publisher, link.subscriber}
    return found


async def _links(nodes: Sequence[TableNode]) -> tuple[list[Link], list[str]]:
    slots: dict[str, set[str]] = {}
    for one in nodes:
        slots[one.name] = {row["name"] for row in await one.session.rows("slots")}
    links, foreign = [], []
    for here in nodes:
        known = {one.subid: one for one in here.table.incoming}
        for row in await here.session.rows("table_links", here.table.relid):
            incoming = known.get(row["subid"])
            if incoming is None:
                continue
            there = await _publisher(nodes, here, incoming, row["slot_name"], slots)
            if there is None:
                foreign.append(f"{row['name']} of node {here.name}")
                continue
            publisher, sent = there
            links.append(
                Link(
                    publisher=publisher.name,
                    subscriber=here.name,
                    subid=row["subid"],
                    subname=row["name"],
                    slot_name=row["slot_name"],
                    origin=row["origin"],
                    enabled=row["enabled"],
                    sent=sent,
                )
            )
    return links, foreign


async def _publisher(
    nodes: Sequence[TableNode],
    here: TableNode,
    incoming: Incoming,
    slot_name: str | None,
    slots: Mapping[str, set[str]],
) -> tuple[TableNode, Outgoing] | None:
    """The node with the slot and the publications; None if it is not one of these."""
    found = []
    for one in nodes:
        if one is here or slot_name not in slots[one.name]:
            continue
        sent = await one.reader.published(one.table, incoming)
        if sent is not None:
            found.append((one, sent))
    return found[0] if len(found) == 1 else None
