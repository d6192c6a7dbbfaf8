"""Everything that `status` shows, asked at one moment; what can't be asked is said."""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg

from pgconflict.cli.sequences_access import opened
from pgconflict.cli.subscription_access import Asked, ask_with_rates, conflict_log
from pgconflict.conflict_log.actions import open_stalls
from pgconflict.conflict_log.ledger_report import Completeness, completeness
from pgconflict.core.sequence_compare import NodeView, compare
from pgconflict.errors import ConfigError, PgConflictError
from pgconflict.queries import query
from pgconflict.server.connect import translated
from pgconflict.server.sequence_columns import read_columns
from pgconflict.server.sequence_sync import Choice

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from pgconflict.cli.subscription_lines import Stalls
    from pgconflict.config import Config, Node, SequencePair
    from pgconflict.server.sequences import SequenceNode


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What the conflict log knows; `error`: why it was not asked, or not all of it."""

    configured: bool = True
    stalls: Stalls = field(default_factory=dict)
    ledger: Mapping[int, Sequence[Completeness]] = field(default_factory=dict)
    """By system identifier."""

    conflicts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By node and subscription."""

    differing: Mapping[frozenset[tuple[str, str]], int] = field(default_factory=dict)
    """Rows that differ now, by the nodes and subscriptions that logged them."""

    error: PgConflictError | None = None

    def differing_among(self, subscriptions: Iterable[tuple[str, str]]) -> int:
        """Return how many rows differ that any of these logged, each row once."""
        wanted = frozenset(subscriptions)
        return sum(n for places, n in self.differing.items() if places & wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequences:
    """One pair of the configuration."""

    pair: str
    nodes: Sequence[str]
    states: Mapping[str, int] = field(default_factory=dict)
    """How many sequences of the nodes are in each state."""

    error: PgConflictError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All of it."""

    asked: Asked
    rates: Mapping[str, float]
    recorded: Recorded
    sequences: Sequence[Sequences]


def look(config: Config, since: datetime, *, sequences: bool) -> Seen:
    """Ask every node, the conflict log, and the sequences of every pair."""
    asked, rates, pairs = asyncio.run(_nodes(config, sequences=sequences))
    systems = {facts.server.system_identifier for facts in asked.known}
    return Seen(
        asked=asked,
        rates=rates,
        recorded=_recorded(config, systems, since),
        sequences=pairs,
    )


async def _nodes(
    config: Config, *, sequences: bool
) -> tuple[Asked, Mapping[str, float], Sequence[Sequences]]:
    pairs = config.sequences.pairs if sequences else ()
    (asked, rates), found = await asyncio.gather(
        ask_with_rates(config),
        asyncio.gather(*(_pair(config, pair) for pair in pairs)),
    )
    return asked, rates, found


async def _pair(config: Config, pair: SequencePair) -> Sequences:
    names = pair.nodes or (pair.source or "", pair.target or "")
    try:
        nodes = [_node(config, pair, name) for name in names]
        views = await asyncio.gather(*(_view(config, pair, node) for node in nodes))
    except PgConflictError as error:
        return Sequences(pair=pair.name, nodes=names, error=error)
    rows = compare(list(views), active=bool(pair.nodes))
    states = Counter(str(state) for row in rows for state in row.states)
    return Sequences(pair=pair.name, nodes=names, states=states)


def _node(config: Config, pair: SequencePair, name: str) -> Node:
    node = config.node(name)
    if node is None:
        raise ConfigError(f"sequences: pair {pair.name} names an unknown node")
    return node


async def _view(config: Config, pair: SequencePair, node: Node) -> NodeView:
    one: SequenceNode = await opened(
        node, config, argparse.Namespace(connections=1), None
    )
    try:
        with translated(f"node {node.name}"):
            states = await Choice(pair.schemas).read(one)
            columns = await read_columns(one, pair.schemas)
    finally:
        await one.close()
    return NodeView(node=node.name, states=states, columns=columns)


def _recorded(config: Config, systems: set[int], since: datetime) -> Recorded:
    stalls: Stalls = {}
    ledger: dict[int, Sequence[Completeness]] = {}
    try:
        with conflict_log(config, write=False) as connection:
            if connection is None:
                return Recorded(configured=False)
            for system in systems:
                for subid, stall in open_stalls(connection, system).items():
                    stalls[system, subid] = stall
                ledger[system] = completeness(connection, system, since)
            hour = since.replace(minute=0, second=0, microsecond=0)
            return Recorded(
                stalls=stalls,
                ledger=ledger,
                conflicts=_numbers(connection, "status_recorded", hour),
                differing=_differing(connection),
            )
    except PgConflictError as error:
        return Recorded(error=error)


def _numbers(
    connection: psycopg.Connection[Any], name: str, *values: object
) -> dict[tuple[str, str], int]:
    """Node and subscription to the third column of a statement."""
    with psycopg.RawCursor(connection) as cursor:
        cursor.execute(query(name).encode(), values or None)
        return {(row[0], row[1]): int(row[2]) for row in cursor.fetchall()}


def _differing(
    connection: psycopg.Connection[Any],
) -> dict[frozenset[tuple[str, str]], int]:
    with psycopg.RawCursor(connection) as cursor:
        cursor.execute(query("status_differing").encode())
        return {
            frozenset(zip(nodes, subnames, strict=True)): number
            for nodes, subnames, number in cursor.fetchall()
        }
