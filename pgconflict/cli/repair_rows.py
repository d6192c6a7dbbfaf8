"""Which rows are to be repaired, and the plan of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from pgconflict.core.cause import Cause
from pgconflict.core.conflict import Kind, Values
from pgconflict.core.repair import LATEST, Chosen, Version, choose, writes
from pgconflict.server.repair import Effects, RowPlan, echo, effects, statement

if TYPE_CHECKING:
    from pgconflict.conflict_log.stored import StoredConflict
    from pgconflict.core.verdict import Row
    from pgconflict.server.row_reader import Key
    from pgconflict.server.table_nodes import KeyValues, Settled, TableNodes

_STATES = {
    "busy": "the row is written all the time: it can't be held still to compare",
    "behind": "apply has not brought everything yet: is a subscription stopped?",
    "several": "several rows of a node have this key, as apply does not enforce a"
    " deferrable constraint: delete what is too much by hand",
}


class About(msgspec.Struct, frozen=True, kw_only=True):
    """A conflict of a row, as far as its effect depends on it."""

    conflict_id: int
    conflict_type: str | None
    stalls: bool
    status: str
    cause_known: Cause | None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """One row, by the keys that it has or had, and the conflicts about it."""

    node: str
    names: tuple[str, str] | None
    keys: Sequence[Values]
    conflicts: Sequence[About]
    obstacle: str | None = None


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


def wanted_rows(conflicts: Sequence[StoredConflict]) -> list[Wanted]:
    """Return the rows that these conflicts are about, each once."""
    rows: dict[object, Wanted] = {}
    for conflict in conflicts:
        row = _wanted(conflict)
        keys = tuple(tuple(key.items()) for key in row.keys)
        place = (row.names, keys) if row.names else conflict.conflict_id
        known = rows.get(place)
        if known is not None:
            row = msgspec.structs.replace(
                known, conflicts=[*known.conflicts, *row.conflicts]
            )
        rows[place] = row
    return list(rows.values())


def _wanted(conflict: StoredConflict) -> Wanted:
    about = About(
        conflict_id=conflict.conflict_id,
        conflict_type=conflict.conflict_type,
        stalls=conflict.stalls,
        status=conflict.status,
        cause_known=Cause(conflict.cause) if conflict.cause else None,
    )
    names = (conflict.schemaname, conflict.relname)
    obstacle = None
    keys: list[Values] = []
    if conflict.kind not in (Kind.CONFLICT, Kind.DIFFERENCE) or None in names:
        obstacle = "the row is not known: no table or no conflict about a row"
    elif conflict.stalls and conflict.status in ("open", "disabled"):
        obstacle = (
            f"apply has stopped on it: `pgconflict conflicts repair"
            f" {conflict.conflict_id}`, without --winner, shows the ways out"
        )
    else:
        keys = _keys(conflict)
        if not keys:
            obstacle = "the row's key is not recorded in full"
    return Wanted(
        node=conflict.node,
        names=None if obstacle else (names[0] or "", names[1] or ""),
        keys=keys,
        conflicts=[about],
        obstacle=obstacle,
    )


def _keys(conflict: StoredConflict) -> list[Values]:
    """The key by which the change came, and the one that it leaves the row with."""
    known = conflict.replica_identity
    if known is None:
        keys = [local.key for local in conflict.local_conflicts if local.key]
        known = keys[0] if len(keys) == 1 else None
    if not known or None in known.values():
        return []
    cut = set(conflict.truncated_columns)
    new = conflict.remote_tuple or {}
    if set(known) & cut or not set(known) <= new.keys():
        return [dict(known)]
    moved = {name: new[name] for name in known}
    same = moved == known or None in moved.values()
    return [dict(known)] if same else [dict(known), moved]


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
            found = await self._nodes.settle(
                columns, self._nodes.columns, wanted, self._wait_s
            )
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
            obstacle = "no unique index of these columns is on every node"
        if keys is None or obstacle is not None:
            return refused(obstacle or "")
        settled = await self._settled(keys)
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
                "no subscription between these nodes has the table; of a partitioned"
                " one that publishes its partitions, verify and repair those"
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
        for one in self._nodes.nodes.values():
            if not any(given >= set(key) for key in one.table.keys):
                return None
        key = next(
            (
                key
                for key in next(iter(self._nodes.nodes.values())).table.keys
                if given >= set(key)
                and all(
                    set(key) in map(set, one.table.keys)
                    for one in self._nodes.nodes.values()
                )
            ),
            None,
        )
        if key is None:
            return None
        return [{name: values[name] for name in key} for values in wanted.keys]

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
            if (found := writes(keys, rows, nodes.columns, name, winner))
        }
        said = []
        found_effects = {}
        for name in todo:
            reason = await echo(nodes, name)
            if reason is not None:
                said.append(reason)
            found_effects[name] = await effects(nodes.nodes[name])
        return Planned(
            wanted=wanted,
            outcome="refused" if said else "planned",
            said=said,
            plan=RowPlan(keys=keys, rows=rows, writes=todo),
            chosen=chosen,
            statements={
                name: [statement(nodes.nodes[name], write) for write in found]
                for name, found in todo.items()
            },
            effects=found_effects,
        )


def _values(key: Values) -> KeyValues:
    return tuple(value or "" for value in key.values())


def _xid(row: Row | None) -> str | None:
    """The transaction that made a version."""
    return None if row is None else row.version.rpartition("/")[2]
