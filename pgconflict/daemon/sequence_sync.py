"""The job `sequences/PAIR`: keeps the sequences of a pair within their bound.

Looks at all nodes of the pair at the same time, and takes a lock only where a sequence
is too far behind. On 19 PostgreSQL copies sequences itself, once, when it is told to:
while it does so, those are left alone.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pgconflict.core.sequence_compare import NodeView, State, compare
from pgconflict.core.sequence_level import far_behind, furthest, lag
from pgconflict.core.sequence_plan import Plan, plan
from pgconflict.core.sequence_policy import Policy
from pgconflict.core.sequence_rate import distances, rates
from pgconflict.errors import ConfigError
from pgconflict.server.connect import translated
from pgconflict.server.sequence_advance import Patience, apply
from pgconflict.server.sequence_columns import read_columns, values_ahead
from pgconflict.server.sequence_sync import Choice
from pgconflict.server.sequences import SequenceNode

if TYPE_CHECKING:
    from pgconflict.config import Config, Node, SequencePair
    from pgconflict.core.sequence import SequenceName
    from pgconflict.core.sequence_change import Result
    from pgconflict.core.sequence_rate import Rates
    from pgconflict.daemon.job import Job
    from pgconflict.server.sequence_columns import Columns
    from pgconflict.server.sequences import States

JOB: Final = "sequences"

STRIDE: Final = 2
"""A move goes so many bounds ahead, so that not every look makes one."""

RATES_KEPT: Final = 10
"""The fastest of so many looks counts: a quiet moment says little about the next."""

COLUMNS_KEPT_S: Final = 600.0
"""How long the list of columns behind sequences is used before it is read again."""

NAMED: Final = 10
"""So many sequences are named in a message; `pgconflict sequences diff` has all."""

BUSY_S: Final = 5.0
"""For sequences that stay locked; the next look tries again."""


class SequenceSync:
    """One pair."""

    def __init__(self, pair: SequencePair, config: Config, job: Job) -> None:
        self._pair = pair
        self._config = config
        self._job = job
        self._choice = Choice(pair.schemas)
        self._before: States = {}
        self._looked = 0.0
        self._rates: deque[Rates] = deque(maxlen=RATES_KEPT)
        self._said: dict[str, str] = {}
        self._columns: dict[str, tuple[float, Columns]] = {}

    async def run(self) -> None:
        """Look at the pair again and again.

        Raises:
            NodeUnavailableError: a node can't be reached.
            ConfigError: a connection string can't be used.
        """
        metrics = self._job.metrics.sequences
        async with AsyncExitStack() as stack:
            nodes = [
                await stack.enter_async_context(await self._open(node))
                for node in self._nodes()
            ]
            while True:
                if self._pair.nodes:
                    await self._level(nodes)
                else:
                    await self._follow(nodes[0], nodes[1])
                metrics.synced(self._pair.name, datetime.now(UTC))
                self._job.passed()
                await asyncio.sleep(self._config.sequences.interval.total_seconds())

    def _nodes(self) -> list[Node]:
        pair = self._pair
        names = pair.nodes or (pair.source or "", pair.target or "")
        found = [self._config.node(name) for name in names]
        nodes = [node for node in found if node is not None]
        if len(nodes) < len(names):
            raise ConfigError(f"sequences: pair {pair.name} names an unknown node")
        return nodes

    async def _open(self, node: Node) -> SequenceNode:
        name = f"{JOB}/{self._pair.name}"
        writes = bool(self._pair.nodes) or node.name == self._pair.target
        return await SequenceNode.open(
            node, job=name, limits=self._config.limits, read_only=not writes
        )

    async def _follow(self, source: SequenceNode, target: SequenceNode) -> None:
        """Keep the target ahead of the source."""
        sources, targets = await asyncio.gather(
            self._choice.read(source), self._choice.read(target)
        )
        policy = self._policy(sources)
        copied = await self._copied_natively(target)
        views = [await self._view(source, sources), await self._view(target, targets)]
        self._show(views, active=False)
        free = {
            name: state for name, state in targets.items() if state.oid not in copied
        }
        followed = {name: state for name, state in sources.items() if name in free}
        made = plan(followed, free, policy, views[1].column_values)
        await self._move(target, made)

    async def _level(self, nodes: list[SequenceNode]) -> None:
        """Keep every node level with the furthest."""
        states = await asyncio.gather(*(self._choice.read(node) for node in nodes))
        by_node = {node.name: one for node, one in zip(nodes, states, strict=True)}
        best = furthest(by_node)
        tolerance = self._policy(best)
        views = [
            await self._view(node, one) for node, one in zip(nodes, states, strict=True)
        ]
        self._show(views, active=True)
        for node, view in zip(nodes, views, strict=True):
            copied = await self._copied_natively(node)
            free = {n: s for n, s in view.states.items() if s.oid not in copied}
            wanted = far_behind(best, free, tolerance)
            columns = view.column_values or {}
            # One that is below its column moves beyond that, wherever the others are.
            wanted |= {name: free[name] for name in columns if name in free}
            made = plan(wanted, free, Policy(), columns)
            await self._move(node, made)

    def _policy(self, sources: States) -> Policy:
        """Return the bound: a count, or what the source gives out in a time."""
        now = time.monotonic()
        if self._before:
            self._rates.append(rates(self._before, sources, now - self._looked))
        self._before, self._looked = sources, now
        ahead = self._pair.ahead
        if not isinstance(ahead, timedelta):
            return Policy(margin=ahead, stride=STRIDE)
        fastest: dict[SequenceName, float] = {}
        for measured in self._rates:
            for name, rate in measured.items():
                fastest[name] = max(rate, fastest.get(name, 0.0))
        own = distances(fastest, sources, ahead.total_seconds())
        return Policy(distances=own, stride=STRIDE)

    async def _copied_natively(self, node: SequenceNode) -> set[int]:
        with translated(node.who):
            rows = await node.fetch("sequences_in_native_sync")
        text = f"{len(rows)} sequences are being copied by PostgreSQL: left alone"
        self._say(f"native/{node.name}", text if rows else "")
        return {row[0] for row in rows}

    async def _view(self, node: SequenceNode, states: States) -> NodeView:
        columns = await self._columns_of(node)
        if not self._pair.check_columns:
            return NodeView(node=node.name, states=states, columns=columns)
        answers = await values_ahead(node, states, columns)
        refused = [f"{name}: {text}" for name, text in answers.refused.items()]
        self._say(f"columns/{node.name}", _few("columns not asked", sorted(refused)))
        return NodeView(
            node=node.name, states=states, columns=columns, column_values=answers.values
        )

    async def _columns_of(self, node: SequenceNode) -> Columns:
        """Return the node's columns as they were not long ago: they seldom change."""
        read_at, columns = self._columns.get(node.name, (-COLUMNS_KEPT_S, {}))
        if time.monotonic() - read_at >= COLUMNS_KEPT_S:
            columns = await read_columns(node, self._pair.schemas)
            self._columns[node.name] = time.monotonic(), columns
        return columns

    def _show(self, views: list[NodeView], *, active: bool) -> None:
        """Show how the nodes stand before anything is moved."""
        found: Counter[State] = Counter()
        unreadable = []
        for row in compare(views, active=active):
            if row.node == views[0].node and not active:
                continue
            # Each in one state only, the worst, so that they add up.
            found[row.states[0]] += 1
            if row.states[0] is State.UNREADABLE:
                unreadable.append(f"{row.name} on node {row.node}")
        behind = 0
        best = furthest({view.node: view.states for view in views})
        first = views[0].states
        for view in views if active else views[1:]:
            for name, state in view.states.items():
                ahead = best.get(name) if active else first.get(name)
                if ahead is not None and ahead.last_value is not None:
                    behind = max(behind, lag(state, ahead))
        counts = {str(state): found[state] for state in State}
        self._job.metrics.sequences.show(self._pair.name, counts, behind)
        self._say("unreadable", _few("may not be read", unreadable))

    async def _move(self, node: SequenceNode, made: Plan) -> None:
        blocked = [f"{one.name}: {one.obstacle}" for one in made.blocked]
        self._say(f"blocked/{node.name}", _few("left alone", blocked))
        if not made.advances:
            return
        patience = Patience(
            lock=self._config.sequences.lock_timeout, total=timedelta(seconds=BUSY_S)
        )
        done = await apply(node, [one.change for one in made.advances], patience)
        moved = sum(result.outcome.done for result in done.results)
        self._job.log.info(
            "moved %d sequences of node %s; none locked for more than %.0f ms",
            moved,
            node.name,
            done.longest_lock_s * 1000,
        )
        failed = [_text(one) for one in done.results if not one.outcome.done]
        self._say(f"failed/{node.name}", _few("not moved", sorted(failed)))

    def _say(self, about: str, text: str) -> None:
        """Warn when it is new; not at each look."""
        if text and text != self._said.get(about):
            self._job.log.warning(text)
        self._said[about] = text


def _text(result: Result) -> str:
    return f"{result.change.name}: {result.outcome}: {result.detail or ''}".rstrip(": ")


def _few(what: str, names: list[str]) -> str:
    """Return a line that stays one, however many there are; nothing if none."""
    if not names:
        return ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{what}: {'; '.join(names[:NAMED])}{more}"
