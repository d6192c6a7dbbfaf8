"""One row of `pgconflict conflicts repair`: planned, asked about, written, seen."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import msgspec

from pgconflict.cli.repair_rows import Planned
from pgconflict.cli.repair_wanted import Wanted
from pgconflict.cli.repair_words import print_plan
from pgconflict.conflict_log.repairs import RepairRecord
from pgconflict.core.repair import LATEST
from pgconflict.core.verdict import Verdict, effect_of
from pgconflict.errors import ConflictLogUnavailableError, PgConflictError
from pgconflict.server.connect import translated
from pgconflict.server.repair import BlockedError, PartialError, RefusedError, Repair

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from pgconflict.cli.repair_rows import RowPlanner
    from pgconflict.config import Limits
    from pgconflict.conflict_log.repairs import Repairs
    from pgconflict.server.table_nodes import TableNodes

ASK: Final = "ask"
REPAIRED: Final = "repaired"


class Told(msgspec.Struct, kw_only=True):
    """What came of one row."""

    row: Wanted
    outcome: str
    said: list[str]
    hint: str | None = None
    """What to do about it."""

    plan: Planned | None = None
    number: int | None = None
    blocked: bool = False
    """Another row is in the way."""

    then: BaseException | None = None
    """What keeps the other rows from being looked at, once this has been told."""

    @property
    def recorded(self) -> list[str]:
        """What is written down of it: what was said, and what to do about it."""
        return [*self.said, *([self.hint] if self.hint else [])]


class RowWork:
    """The rows of one table."""

    def __init__(
        self,
        nodes: TableNodes,
        planner: RowPlanner,
        limits: Limits,
        repairs: Repairs,
        arguments: argparse.Namespace,
    ) -> None:
        self._nodes = nodes
        self._planner = planner
        self._limits = limits
        self._repairs = repairs
        self._arguments = arguments

    async def row(self, row: Wanted) -> Told:
        """Plan the row, and write it where that is asked for.

        Raises:
            NodeUnavailableError, PrivilegeMissingError: a node does not say; nothing
                was written.
            ConflictLogUnavailableError: nothing was written.
        """
        if self._arguments.winner == ASK:
            plan = await self._asked_about(row)
            if isinstance(plan, Told):
                return plan
        else:
            plan = await self._planner.plan(row, self._arguments.winner)
        if not self._arguments.json:
            print_plan(plan)
        if plan.outcome == "equal" and self._arguments.apply:
            self._agreed(0, row)
        if plan.outcome != "planned" or not self._arguments.apply:
            return Told(row=row, outcome=plan.outcome, said=[*plan.said], plan=plan)
        return await self._apply(row, plan)

    async def _asked_about(self, row: Wanted) -> Planned | Told:
        """Plan what the operator says of the row that was shown, and of no other."""
        while True:
            shown = await self._planner.plan(row, LATEST)
            if shown.plan is None or shown.outcome == "equal":
                return shown
            print_plan(shown)
            winner = _asked(list(self._nodes.nodes))
            if winner is None:
                said = ["left as it is"]
                return Told(row=row, outcome="left", said=said, plan=shown)
            plan = await self._planner.plan(row, winner)
            if plan.versions == shown.versions:
                return plan
            print("the row was written meanwhile:")

    async def _apply(self, row: Wanted, plan: Planned) -> Told:
        assert plan.plan is not None  # noqa: S101 - what is planned has one
        with storing():
            number = self._repairs.begin(self._record(row, plan))
        told = Told(row=row, outcome=REPAIRED, said=[], plan=plan, number=number)
        written: list[str] = []

        def committed(node: str) -> None:
            written.append(node)
            try:
                with storing():
                    self._repairs.written(number, node)
            except ConflictLogUnavailableError as error:
                # The other nodes are written all the same.
                told.then = error

        nodes = self._nodes
        try:
            Repair(nodes, self._limits, plan.plan, nodes.columns).apply(committed)
        except RefusedError as error:
            told.outcome, told.said, told.hint = "refused", [str(error)], error.hint
            told.blocked = isinstance(error, BlockedError)
            self._interrupted(told, error)
        except PartialError as error:
            told.outcome = "partial" if written else "failed"
            told.said, told.hint = [str(error)], error.hint
            self._interrupted(told, error)
        except PgConflictError as error:
            told.outcome, told.said, told.hint = "refused", [str(error)], error.hint
            told.then = error
        if told.outcome != "refused":
            await self._look_again(row, told)
        self._end(row, told)
        return told

    @staticmethod
    def _interrupted(told: Told, error: BaseException) -> None:
        """Go on to the row's end, which is told and recorded, and then no further."""
        if isinstance(error.__cause__, KeyboardInterrupt):
            told.then = error.__cause__

    async def _look_again(self, row: Wanted, told: Told) -> None:
        """See whether the nodes agree now, whatever is known of the commits."""
        try:
            states = await self._planner.states(row)
        except (PgConflictError, asyncio.CancelledError, KeyboardInterrupt) as error:
            if told.outcome == REPAIRED:
                told.outcome = "written"
                why = str(error) or "interrupted"
                told.said = [f"written, and not looked at again: {why}"]
            told.then = told.then or error
            return
        if states == {"equal"}:
            lost = [] if told.outcome == REPAIRED else ["the commit's answer was lost"]
            told.outcome = REPAIRED
            told.said = [*lost, f"equal on {', '.join(self._nodes.nodes)}"]
            told.hint = None
        elif told.outcome == REPAIRED:
            told.outcome = "written"
            told.said = [
                "written, and different again: somebody writes it, or types differ"
            ]

    def _end(self, row: Wanted, told: Told) -> None:
        """Write down what came of it."""
        assert told.number is not None  # noqa: S101 - it was begun
        try:
            with storing():
                self._repairs.end(told.number, told.outcome, told.recorded)
            if told.outcome == REPAIRED:
                self._agreed(told.number, row)
        except ConflictLogUnavailableError as error:
            told.said.append(f"not recorded to its end: {error}")
            told.then = told.then or error

    def _record(self, row: Wanted, plan: Planned) -> RepairRecord:
        assert plan.plan is not None  # noqa: S101 - what is planned has one
        schemaname, relname = row.names or ("", "")
        first = plan.plan.rows[0]
        return RepairRecord(
            conflicts=[one.conflict_id for one in row.conflicts],
            schemaname=schemaname,
            relname=relname,
            key=plan.plan.keys[0],
            winner=plan.winner or "",
            nodes=list(plan.plan.writes),
            operations={
                node: [write.operation for write in writes]
                for node, writes in plan.plan.writes.items()
            },
            before={
                node: None if version.row is None else version.row.values
                for node, version in first.items()
            },
            reason=self._arguments.reason,
        )

    def _agreed(self, number: int, row: Wanted) -> None:
        effects: dict[int, str | None] = {}
        for conflict in row.conflicts:
            effect = effect_of(
                conflict_type=conflict.conflict_type,
                stalls=conflict.stalls,
                status=conflict.status,
                verdict=Verdict.CONVERGED,
                cause=conflict.cause_known,
            )
            effects[conflict.conflict_id] = effect
        with storing():
            self._repairs.agreed(number, effects)


def _asked(nodes: Sequence[str]) -> str | None:
    """Whose version stays, as the operator says; None to leave the row."""
    # The event loop's way takes an interrupt to its next step: the question stayed.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return _answer(nodes)
    finally:
        signal.signal(signal.SIGINT, before)


def _answer(nodes: Sequence[str]) -> str | None:
    while True:
        try:
            text = input(f"whose version stays ({', '.join(nodes)}; nothing: none)? ")
        except EOFError:
            return None
        if not text.strip():
            return None
        if text.strip() in nodes:
            return text.strip()


@contextmanager
def storing() -> Iterator[None]:
    """Give errors of the conflict log inside the block their meaning.

    Raises:
        ConflictLogUnavailableError: it can't be asked.
    """
    with translated("the conflict log", unavailable=ConflictLogUnavailableError):
        yield
