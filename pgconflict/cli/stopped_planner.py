"""Makes the plan of a transaction that stopped apply: asks, and changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from pgconflict.cli.stopped_plan import Plan
from pgconflict.core.conflict import Kind
from pgconflict.core.stopped import NO_ROOM, Keep, Way, lost_with_ours
from pgconflict.core.stopped_ways import both, theirs
from pgconflict.errors import NodeNotReadyError
from pgconflict.server.stopped_look import (
    Referred,
    Subscriber,
    echoes,
    publishers_rows,
)
from pgconflict.server.stopped_replay import obstacle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.cli.skip_plan import Examined
    from pgconflict.config import Config
    from pgconflict.conflict_log.stored import StoredConflict
    from pgconflict.core.conflict import Values


class Planner:
    """Makes the plan of one conflict."""

    def __init__(
        self,
        config: Config,
        conflict: StoredConflict,
        examined: Examined,
        new_key: Values,
    ) -> None:
        self._config = config
        self._conflict = conflict
        self._examined = examined
        self._new_key = new_key

    async def plan(self) -> Plan:
        """Look, and decide; the plan's `subscriber` is to be closed.

        Raises:
            NodeUnavailableError, PrivilegeMissingError: a node does not say.
        """
        examined = self._examined
        skipped = Way(keep=Keep.SKIP)
        reason = self._unknown()
        plan = Plan(conflict=self._conflict, examined=examined)
        if reason is not None:
            return _with(plan, [*_refused(reason), skipped])
        plan = await self._looked(plan)
        try:
            reason = self._no_way(plan)
            if reason is not None:
                return _with(plan, [*_refused(reason), skipped])
            ways = [self._ours(plan), await self._theirs(plan), await self._both(plan)]
            plan = _with(plan, [*ways, skipped])
            return await self._referred(plan)
        except BaseException:
            if plan.subscriber is not None:
                plan.subscriber.close()
            raise

    def _unknown(self) -> str | None:
        """Why what the transaction does is not known well enough."""
        examined = self._examined
        transaction = examined.verdict.transaction
        facts = examined.facts
        if self._conflict.kind != Kind.CONFLICT:
            return "it is no conflict with a row: remove the cause"
        if examined.subscription.database != facts.server.database:
            return (
                f"the subscription is in database {examined.subscription.database},"
                f" and the dsn of node {facts.node.name} leads to"
                f" {facts.server.database}"
            )
        if transaction is None:
            return (
                "what else the transaction does is not known: the publisher's slot was"
                f" not looked into: {examined.not_peeked}"
            )
        if not transaction.complete:
            return (
                f"the transaction is too large: {len(transaction.changes)} of"
                f" {transaction.number} changes were kept"
            )
        return None

    async def _looked(self, plan: Plan) -> Plan:
        examined = self._examined
        names = list(
            dict.fromkeys((one.schemaname, one.relname) for one in plan.changes)
        )
        subscriber = await Subscriber.open(
            examined.facts.node, self._config, examined.subscription.subid, names
        )
        try:
            rows = await subscriber.in_the_way(plan.changes)
            referring = {
                number: await subscriber.referring(row.names, row.row.values)
                for number, row in enumerate(rows)
            }
            found = {
                each: await subscriber.effects(each)
                for each in dict.fromkeys(row.names for row in rows)
            }
        except BaseException:
            subscriber.close()
            raise
        return replace(
            plan,
            rows=rows,
            referring=referring,
            effects=found,
            subscriber=subscriber,
        )

    def _no_way(self, plan: Plan) -> str | None:
        assert plan.subscriber is not None  # noqa: S101 - it was opened
        if not plan.rows:
            return NO_ROOM
        for row in plan.rows:
            if None in row.key.values():
                return (
                    f"the row of {'.'.join(row.names)} in the way is found by"
                    f" ({', '.join(row.key)}) here and has no value of it: change or"
                    " delete it by hand"
                )
        tables = {names: one.table for names, one in plan.subscriber.nodes.items()}
        return obstacle(plan.changes, tables, plan.subscriber.copied)

    def _ours(self, plan: Plan) -> Way:
        assert plan.subscriber is not None  # noqa: S101 - it was opened
        transaction = self._examined.verdict.transaction
        if transaction is not None and transaction.prepared:
            return Way(
                keep=Keep.OURS,
                refusal="the transaction is prepared: its COMMIT PREPARED would find"
                " none here",
            )
        lost = lost_with_ours(plan.changes, plan.subscriber.tables, plan.rows)
        return Way(keep=Keep.OURS, lost=lost)

    async def _theirs(self, plan: Plan) -> Way:
        assert plan.subscriber is not None  # noqa: S101 - it was opened
        publisher = self._examined.publisher.facts
        assert publisher is not None  # noqa: S101 - its slot was looked into
        try:
            there = await publishers_rows(publisher.node, self._config, plan.rows)
        except NodeNotReadyError as error:
            return Way(keep=Keep.THEIRS, refusal=str(error))
        way = theirs(
            plan.changes,
            plan.subscriber.tables,
            plan.rows,
            there,
            publisher.node.name,
        )
        return await self._echo_free(way)

    async def _both(self, plan: Plan) -> Way:
        assert plan.subscriber is not None  # noqa: S101 - it was opened
        generated = {
            names: one.table.generated for names, one in plan.subscriber.nodes.items()
        }
        way = both(plan.subscriber.tables, generated, plan.rows, self._new_key)
        return await self._echo_free(way)

    async def _echo_free(self, way: Way) -> Way:
        node = self._examined.facts.node.name
        for names in dict.fromkeys(step.names for step in way.steps if step.quiet):
            reason = await echoes(self._config, node, names)
            if reason is not None:
                return msgspec.structs.replace(way, refusal=reason)
        return way

    async def _referred(self, plan: Plan) -> Plan:
        """With what other rows must not refer to in vain afterwards."""
        assert plan.subscriber is not None  # noqa: S101 - it was opened
        of_rows = [
            (number, Referred(row.names, row.row.values, foreign))
            for number, row in enumerate(plan.rows)
            for foreign in plan.referring[number]
        ]
        follows = {
            (step.of, one.name)
            for step in plan.ways[Keep.BOTH].steps
            for one in plan.follow(step)
        }
        lost: list[Referred] = []
        for place in sorted(plan.ways[Keep.OURS].lost):
            change = plan.changes[place]
            if change.operation != "INSERT" or change.row is None:
                continue
            names = (change.schemaname, change.relname)
            lost += [
                Referred(names, change.row, foreign)
                for foreign in await plan.subscriber.referring(names, change.row)
            ]
        return replace(
            plan,
            referred={
                Keep.OURS: lost,
                Keep.THEIRS: [one for _, one in of_rows],
                Keep.BOTH: [
                    one
                    for number, one in of_rows
                    if (number, one.foreign.name) not in follows
                ],
            },
        )


def _refused(reason: str) -> list[Way]:
    return [
        Way(keep=keep, refusal=reason) for keep in (Keep.OURS, Keep.THEIRS, Keep.BOTH)
    ]


def _with(plan: Plan, ways: Sequence[Way]) -> Plan:
    return replace(plan, ways={way.keep: way for way in ways})
