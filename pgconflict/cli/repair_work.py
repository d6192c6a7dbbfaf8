"""All rows of one `pgconflict conflicts repair`, table by table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pgconflict.cli import output
from pgconflict.cli.repair_apply import ASK, REPAIRED, RowWork, Told, storing
from pgconflict.cli.repair_rows import RowPlanner
from pgconflict.cli.repair_wanted import wanted_rows
from pgconflict.cli.repair_words import document, summary
from pgconflict.cli.subscription_access import FINDINGS, policy, say
from pgconflict.conflict_log.reader import ConflictLogReader
from pgconflict.conflict_log.repairs import Repairs
from pgconflict.errors import NodeNotReadyError, UsageError
from pgconflict.server.repair import JOB
from pgconflict.server.table_nodes import TableNodes

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    import psycopg

    from pgconflict.cli.repair_wanted import Wanted
    from pgconflict.config import Config

GOOD: Final = {REPAIRED, "equal", "planned", "left"}

AT_ONCE: Final = 20
"""Rows that are looked at together; a row that is written before its turn is seen."""


class RepairWork:
    """What is wanted, done and told."""

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
        self._outcomes: list[str] = []

    def wanted(self) -> list[Wanted]:
        """Return the rows that the named conflicts are about.

        Raises:
            UsageError: there is no such conflict.
        """
        with storing():
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
        """Go through the rows; 3 if one is not put right.

        Raises:
            ServerUnavailableError, PrivilegeMissingError: the rows from there on were
                not looked at; those before have been told.
        """
        ended = False
        try:
            left = list(rows)
            while left:
                before = self._outcomes.count(REPAIRED)
                blocked = await self._tables(left)
                left = [one.row for one in blocked]
                if self._outcomes.count(REPAIRED) == before:
                    for one in blocked:
                        self._note(one)
                    break
                # What was in their way may have been put right.
            ended = True
        finally:
            if not self._arguments.json:
                self._print(0 if ended else len(rows) - len(self._outcomes))
        return 0 if set(self._outcomes) <= GOOD else FINDINGS

    async def _tables(self, rows: Sequence[Wanted]) -> list[Told]:
        """Go through rows once; those that another row is in the way of."""
        tables: dict[tuple[str, tuple[str, str]], list[Wanted]] = {}
        for row in rows:
            if row.names:
                tables.setdefault((row.node, row.names), []).append(row)
            else:
                self._refuse([row], row.obstacle or "")
        blocked: list[Told] = []
        for (node, names), here in tables.items():
            try:
                nodes = await TableNodes.open(
                    self._config.nodes,
                    self._config.limits,
                    names,
                    job=JOB,
                    around=node,
                )
            except NodeNotReadyError as error:
                self._refuse(here, str(error), error.hint)
                continue
            try:
                self._say_unfinished(names)
                blocked += await self._table(nodes, here)
            finally:
                nodes.close()
        return blocked

    async def _table(self, nodes: TableNodes, rows: Sequence[Wanted]) -> list[Told]:
        planner = RowPlanner(nodes, self._arguments.wait)
        work = RowWork(
            nodes, planner, self._config.limits, self._repairs, self._arguments
        )
        blocked = []
        for start in range(0, len(rows), AT_ONCE):
            part = rows[start : start + AT_ONCE]
            if self._arguments.winner != ASK:
                await planner.look_ahead(part)
            for row in part:
                told = await work.row(row)
                if told.blocked and told.then is None:
                    blocked.append(told)
                else:
                    self._note(told)
                if told.then is not None:
                    raise told.then
        return blocked

    def _say_unfinished(self, names: tuple[str, str]) -> None:
        with storing():
            unfinished = self._repairs.unfinished(*names)
        for one in unfinished:
            written = ", ".join(one.written) or "no node"
            say(
                f"repair {one.repair_id} of {'.'.join(names)} {one.key or ''} was cut"
                f" short ({written} known to be written): this looks at it anew"
            )

    def _refuse(
        self, rows: Sequence[Wanted], why: str, hint: str | None = None
    ) -> None:
        for row in rows:
            self._note(Told(row=row, outcome="refused", said=[why], hint=hint))

    def _note(self, told: Told) -> None:
        """Say at once what came of a row: what comes next may fail."""
        self._outcomes.append(told.outcome)
        if self._arguments.json:
            output.print_json_line(document(told))
            return
        if told.plan is None or told.blocked:
            print(f"conflict {told.row.conflicts[0].conflict_id}")
        for one in told.said:
            print(f"  {output.visible(f'{told.outcome}: {one}')}")
        # What ends the command is said with its hint when it has ended.
        if told.hint and getattr(told.then, "hint", None) != told.hint:
            print(f"  {output.visible(f'hint: {told.hint}')}")
        if told.number is not None:
            print(f"  recorded: repair {told.number}")
        print()

    def _print(self, left: int) -> None:
        """Say what came of all; `left`: rows that it has not come to."""
        if self._outcomes or not left:
            print(summary(self._outcomes))
        if left:
            print(f"not looked at, or not to the end: {output.plural(left, 'row')}")
        if "planned" in self._outcomes:
            print("nothing was changed; --apply does it")
