"""`pgconflict conflicts repair`: makes rows that differ equal, one row at a time."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from pgconflict.cli import output
from pgconflict.cli.repair_rows import RowPlanner, Wanted, wanted_rows
from pgconflict.cli.repair_words import document, print_plan, summary
from pgconflict.cli.subscription_access import (
    FINDINGS,
    configured,
    conflict_log,
    policy,
    say,
)
from pgconflict.conflict_log.reader import ConflictLogReader
from pgconflict.conflict_log.repairs import RepairRecord, Repairs
from pgconflict.core.repair import LATEST
from pgconflict.core.verdict import Verdict, effect_of
from pgconflict.errors import (
    ConfigError,
    ConflictLogUnavailableError,
    NodeNotReadyError,
    PgConflictError,
    UsageError,
)
from pgconflict.server.connect import translated
from pgconflict.server.repair import JOB, PartialError, RefusedError, Repair
from pgconflict.server.table_nodes import TableNodes

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    import psycopg

    from pgconflict.cli.repair_rows import Planned
    from pgconflict.config import Config

ASK: Final = "ask"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take conflicts, whose version stays, and what makes it a change."""
    parser.add_argument("ids", nargs="*", type=int, metavar="ID", help="conflicts")
    parser.add_argument(
        "--all-diverged",
        action="store_true",
        help="every conflict whose row differed when it was last looked at",
    )
    parser.add_argument(
        "--winner",
        required=True,
        metavar="latest|NODE|ask",
        help="whose version stays: the one committed last, a node's, or asked for each",
    )
    parser.add_argument(
        "--apply", action="store_true", help="do it; without it nothing is changed"
    )
    parser.add_argument("--reason", metavar="TEXT", help="why; it is recorded")
    parser.add_argument(
        "--wait",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="how long changes on their way are waited for; default: 30",
    )


def run(arguments: argparse.Namespace) -> int:
    """Show what would be written where, or write it; 3 if a row is not put right."""
    if bool(arguments.ids) == arguments.all_diverged:
        raise UsageError("either ID ... or --all-diverged")
    if arguments.winner == ASK and arguments.json:
        raise UsageError("--winner ask has nobody to ask with --json")
    config = configured(arguments)
    if arguments.winner not in (LATEST, ASK) and config.node(arguments.winner) is None:
        known = ", ".join(one.name for one in config.nodes)
        raise UsageError(
            f"no node {arguments.winner!r}", hint=f"latest, ask, or one of {known}"
        )
    return asyncio.run(_repair(config, arguments))


async def _repair(config: Config, arguments: argparse.Namespace) -> int:
    with conflict_log(config, write=arguments.apply) as connection:
        if connection is None:
            raise ConfigError(
                "conflict_log.destination is log: there are no conflicts to name",
                hint="repair needs the conflict log's tables",
            )
        work = _Work(config, arguments, connection)
        with _storing():
            rows = work.wanted()
        return await work.run(rows)


class _Work:
    """All rows, table by table."""

    def __init__(
        self,
        config: Config,
        arguments: argparse.Namespace,
        connection: psycopg.Connection[Any],
    ) -> None:
        self._config = config
        self._arguments = arguments
        self._reader = ConflictLogReader(connection)
        self._repairs = Repairs(connection, policy(config))
        self._told: list[dict[str, object]] = []
        self._outcomes: list[str] = []

    def wanted(self) -> list[Wanted]:
        ids = self._arguments.ids or self._repairs.diverged()
        ids = list(dict.fromkeys(ids))
        known = self._reader.by_id(ids)
        if missing := [str(one) for one in ids if one not in known]:
            raise UsageError(
                f"no conflict {', '.join(missing)}",
                hint="`pgconflict conflicts list` shows their numbers",
            )
        return wanted_rows([known[one] for one in ids])

    async def run(self, rows: Sequence[Wanted]) -> int:
        tables = dict.fromkeys((row.node, row.names) for row in rows if row.names)
        for row in rows:
            if not row.names:
                self._note(row, None, "refused", [row.obstacle or ""], None)
        for node, names in tables:
            here = [row for row in rows if (row.node, row.names) == (node, names)]
            try:
                nodes = await TableNodes.open(
                    self._config.nodes,
                    self._config.limits,
                    names,
                    job=JOB,
                    around=node,
                )
            except NodeNotReadyError as error:
                for row in here:
                    self._note(row, None, "refused", [str(error)], None)
                continue
            try:
                self._say_unfinished(names)
                for row in here:
                    await self._row(nodes, row)
            finally:
                nodes.close()
        self._print()
        good = {"repaired", "equal", "planned", "left"}
        return 0 if set(self._outcomes) <= good else FINDINGS

    def _say_unfinished(self, names: tuple[str, str]) -> None:
        with _storing():
            unfinished = self._repairs.unfinished(*names)
        for one in unfinished:
            written = ", ".join(one.written) or "no node"
            say(
                f"repair {one.repair_id} of {'.'.join(names)} {one.key or ''} was cut"
                f" short ({written} known to be written): this looks at it anew"
            )

    async def _row(self, nodes: TableNodes, row: Wanted) -> None:
        planner = RowPlanner(nodes, self._arguments.wait)
        winner = self._arguments.winner
        if winner == ASK:
            plan = await planner.plan(row, LATEST)
            if plan.plan is not None and plan.outcome == "planned":
                print_plan(plan)
                winner = _asked(list(nodes.nodes))
                if winner is None:
                    self._note(row, plan, "left", ["left as it is"], None)
                    return
        plan = await planner.plan(row, winner)
        if not self._arguments.json:
            print_plan(plan)
        if plan.outcome == "equal" and self._arguments.apply:
            self._agreed(0, row)
        if plan.outcome != "planned" or not self._arguments.apply:
            self._note(row, plan, plan.outcome, plan.said, None)
            return
        await self._apply(nodes, row, plan)

    async def _apply(self, nodes: TableNodes, row: Wanted, plan: Planned) -> None:
        assert plan.plan is not None  # noqa: S101 - what is planned has one
        with _storing():
            number = self._repairs.begin(self._record(row, plan))
        outcome, seen = "repaired", []
        written: list[str] = []

        def committed(node: str) -> None:
            written.append(node)
            with _storing():
                self._repairs.written(number, node)

        try:
            Repair(nodes, self._config.limits, plan.plan, nodes.columns).apply(
                committed
            )
        except RefusedError as error:
            outcome, seen = "refused", _said(error)
        except PartialError as error:
            outcome, seen = ("partial" if written else "failed"), _said(error)
        except PgConflictError as error:
            with _storing():
                self._repairs.end(number, "refused", _said(error))
            raise
        if outcome == "repaired":
            after = await RowPlanner(nodes, self._arguments.wait).states(row)
            if after == {"equal"}:
                seen = [f"equal on {', '.join(nodes.nodes)}"]
            else:
                outcome = "written"
                seen = [
                    "written, and different again: somebody writes the row; look again"
                ]
        with _storing():
            self._repairs.end(number, outcome, seen)
        if outcome == "repaired":
            self._agreed(number, row)
        self._note(row, plan, outcome, seen, number)

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
        with _storing():
            self._repairs.agreed(number, effects)

    def _note(
        self,
        row: Wanted,
        plan: Planned | None,
        outcome: str,
        said: Sequence[str],
        number: int | None,
    ) -> None:
        self._outcomes.append(outcome)
        if self._arguments.json:
            self._told.append(document(row, plan, outcome, said, number))
            return
        if plan is None:
            print(f"conflict {row.conflicts[0].conflict_id}")
        for one in said:
            print(f"  {output.visible(f'{outcome}: {one}')}")
        if number is not None:
            print(f"  recorded: repair {number}")
        print()

    def _print(self) -> None:
        if self._arguments.json:
            for one in self._told:
                output.print_json_line(one)
            return
        print(summary(self._outcomes))
        if "planned" in self._outcomes:
            print("nothing was changed; --apply does it")


def _said(error: PgConflictError) -> list[str]:
    return [str(error), *([error.hint] if error.hint else [])]


def _asked(nodes: Sequence[str]) -> str | None:
    """Whose version stays, as the operator says; None to leave the row."""
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
def _storing() -> Iterator[None]:
    with translated("the conflict log", unavailable=ConflictLogUnavailableError):
        yield
