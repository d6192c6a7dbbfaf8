"""The plan of each row that is to be repaired."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import asyncpg
import msgspec

from pgconflict.cli.repair_wanted import Wanted
from pgconflict.core.repair import (
    LATEST,
    Chosen,
    Version,
    Write,
    choose,
    moved,
    writes,
)
from pgconflict.errors import NodeUnavailableError
from pgconflict.server.repair import Effects, RowPlan, echo, effects, statement
from pgconflict.server.row_filters import kept_back

if TYPE_CHECKING:
    from pgconflict.core.conflict import Values
    from pgconflict.core.verdict import Row
    from pgconflict.server.row_reader import Key
    from pgconflict.server.table_nodes import KeyValues, Settled, TableNodes

BEHIND_S: Final = 1.0
"""How long is waited for what has not arrived, once apply was found behind."""

_STATES = {
    "busy": "the row is written all the time: it can't be held still to compare",
    "behind": "apply has not brought everything yet: is a subscription stopped?",
    "several": "several rows of a node have this key, as apply does not enforce a"
    " deferrable constraint: delete what is too much by hand",
}


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """What would be done; outcome: planned, equal, or refused."""

    wanted: Wanted
    outcome: str
    said: Sequence[str]
    plan: RowPlan | None = None
    chosen: Chosen | None = None
    statements: dict[str, Sequence[str]] = {}
    effects: dict[str, Effects] = {}

    @property
    def winner(self) -> str | None:
        """The node whose version stays."""
        return None if self.chosen is None else self.chosen.winner

    @property
    def versions(self) -> Sequence[Mapping[str, str | None]]:
        """What each node has of the row, under each of its keys."""
        return [
            {
                name: None if one.row is None else one.row.version
                for name, one in versions.items()
            }
            for versions in (self.plan.rows if self.plan else ())
        ]


class RowPlanner:
    """Plans of rows of one table."""

    def __init__(self, nodes: TableNodes, wait_s: float) -> None:
        self._nodes = nodes
        self._wait_s = wait_s
        self._ahead: dict[tuple[Key, KeyValues], Settled] = {}

    async def look_ahead(self, rows: Sequence[Wanted]) -> None:
        """Look at several rows at once; their next plans are made of that.

        Raises:
            NodeUnavailableError, PrivilegeMissingError: a node does not say.
        """
        self._ahead.clear()
        if not self._nodes.links:
            return
        by_key: dict[Key, list[KeyValues]] = {}
        for row in rows:
            for key in self._by_index(row) or ():
                by_key.setdefault(tuple(key), []).append(_values(key))
        for columns, wanted in by_key.items():
            try:
                found = await self._nodes.settle(
                    columns, self._nodes.columns, wanted, self._wait_s
                )
            except asyncpg.DataError:
                continue  # each is looked at by itself, and this one refused
            except NodeUnavailableError:
                if any(one.session.closed for one in self._nodes.nodes.values()):
                    raise
                continue  # the statement's limit: together they are too large
            self._ahead |= {(columns, values): found[values] for values in wanted}

    async def plan(self, wanted: Wanted, winner: str) -> Planned:
        """Look at the row everywhere and decide what is written where.

        Raises:
            NodeUnavailableError, PrivilegeMissingError: a node does not say.
        """
        nodes = self._nodes

        def refused(reason: str, **more: object) -> Planned:
            return msgspec.structs.replace(
                Planned(wanted=wanted, outcome="refused", said=[reason]), **more
            )

        keys = self._by_index(wanted)
        obstacle = self._obstacle(winner)
        if keys is None:
            obstacle = (
                "every node must have one unique index whose columns are all recorded"
                f" of this row: {', '.join(wanted.keys[0])} are"
            )
        if keys is None or obstacle is not None:
            return refused(obstacle or "")
        try:
            settled = await self._settled(keys)
        except asyncpg.DataError as error:
            return refused(f"the recorded key is none of the table's: {error}")
        if any(one.state == "behind" for one in settled):
            self._wait_s = min(self._wait_s, BEHIND_S)
        unsettled = [one.state for one in settled if one.state in _STATES]
        if unsettled:
            return refused(_STATES[unsettled[0]])
        rows = await self._versions(settled)
        if all(one.state == "equal" for one in settled):
            plan = RowPlan(keys=keys, rows=rows, writes={})
            return Planned(
                wanted=wanted,
                outcome="equal",
                said=["the nodes agree on the row: nothing to do"],
                plan=plan,
            )
        chosen = choose(rows, nodes.columns, winner)
        if chosen.winner is None:
            plan = RowPlan(keys=keys, rows=rows, writes={})
            return refused(chosen.reason, plan=plan, chosen=chosen)
        return await self._write(wanted, keys, rows, chosen)

    def _obstacle(self, winner: str) -> str | None:
        nodes = self._nodes
        if not nodes.links:
            return (
                "no subscription between these nodes has the table: where partitions"
                " are published, verify and repair those; where their table is, that"
            )
        if nodes.foreign:
            from_where = ", ".join(nodes.foreign)
            return f"{from_where} brings the table from a node that is not configured"
        if winner != LATEST and winner not in nodes.nodes:
            return f"node {winner} does not take part in this table"
        return None

    async def states(self, wanted: Wanted) -> set[str]:
        """Return how the row stands now, under each of its keys.

        Raises:
            NodeUnavailableError, PrivilegeMissingError: a node does not say.
        """
        keys = self._by_index(wanted) or []
        return {one.state for one in await self._settled(keys)}

    def _by_index(self, wanted: Wanted) -> list[Values] | None:
        given = set(wanted.keys[0])
        first, *others = (one.table for one in self._nodes.nodes.values())
        for key in first.keys:
            everywhere = all(set(key) in map(set, other.keys) for other in others)
            if not everywhere or not given >= set(key):
                continue
            found = [
                {name: values[name] for name in key}
                for values in wanted.keys
                if values.keys() >= set(key)
            ]
            # By a key that it has lost, the row is not found any more.
            if not any(None in each.values() for each in found):
                return _distinct(found)
        return None

    async def _settled(self, keys: Sequence[Values]) -> list[Settled]:
        if not keys:
            return []
        columns = tuple(keys[0])
        wanted = [_values(key) for key in keys]
        ahead = [self._ahead.pop((columns, values), None) for values in wanted]
        if all(ahead):
            return [one for one in ahead if one is not None]
        found = await self._nodes.settle(
            columns, self._nodes.columns, wanted, self._wait_s
        )
        return [found[values] for values in wanted]

    async def _versions(self, settled: Sequence[Settled]) -> list[dict[str, Version]]:
        """Each row with its commit time."""
        times: dict[str, list[object]] = {}
        for name, one in self._nodes.nodes.items():
            xids = [_xid(each.rows.get(name)) for each in settled]
            found = await one.session.rows("row_commit_times", xids)
            times[name] = [row["committed"] for row in found]
        rows: list[dict[str, Version]] = []
        for place, each in enumerate(settled):
            versions = {}
            for name in self._nodes.nodes:
                row = each.rows.get(name)
                at = times[name][place]
                versions[name] = Version(row, None if row is None else at)  # type: ignore[arg-type]
            rows.append(versions)
        return rows

    async def _write(
        self,
        wanted: Wanted,
        keys: Sequence[Values],
        rows: Sequence[dict[str, Version]],
        chosen: Chosen,
    ) -> Planned:
        nodes, winner = self._nodes, chosen.winner or ""
        todo = {
            name: found
            for name in nodes.nodes
            if (found := self._writes(keys, rows, name, winner))
        }
        said: list[str] = []
        found_effects = {}
        for name in todo:
            reasons = [
                await kept_back(nodes, rows, name, winner),
                await echo(nodes, name),
            ]
            said += [reason for reason in reasons if reason is not None]
            found_effects[name] = await effects(nodes.nodes[name])
        return Planned(
            wanted=wanted,
            outcome="refused" if said else "planned",
            said=said,
            plan=RowPlan(
                keys=keys,
                rows=rows,
                writes=todo,
                types=nodes.nodes[winner].table.types,
            ),
            chosen=chosen,
            statements={
                name: [statement(nodes.nodes[name], write) for write in found]
                for name, found in todo.items()
            },
            effects=found_effects,
        )

    def _writes(
        self,
        keys: Sequence[Values],
        rows: Sequence[dict[str, Version]],
        name: str,
        winner: str,
    ) -> Sequence[Write]:
        nodes = self._nodes
        found = writes(keys, rows, nodes.columns, name, winner)
        table = nodes.nodes[name].table
        further = table.types.keys() - table.generated - {*nodes.columns}
        here = [versions[name].row for versions in rows]
        return moved(found, here) if further else found


def _distinct(keys: Iterable[Values]) -> list[Values]:
    found: list[Values] = []
    for key in keys:
        if key not in found:
            found.append(key)
    return found


def _values(key: Values) -> KeyValues:
    return tuple(value or "" for value in key.values())


def _xid(row: Row | None) -> str | None:
    """The transaction that made a version."""
    return None if row is None else row.version.rpartition("/")[2]
