"""Does what was chosen for a conflict that stops apply: recorded, done, and watched."""

from __future__ import annotations

import argparse
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pgconflict.cli import output, subscriptions_skip
from pgconflict.cli.stopped_words import document, print_plan
from pgconflict.cli.subscription_access import FINDINGS, connect_to, policy
from pgconflict.conflict_log.actions import (
    Action,
    LostChange,
    MovedRow,
    begin,
    close_applied,
    end,
)
from pgconflict.core.stopped import Keep
from pgconflict.errors import ConflictLogUnavailableError, PgConflictError
from pgconflict.server.connect import translated
from pgconflict.server.repair import RefusedError
from pgconflict.server.statements import alter_subscription
from pgconflict.server.stopped_apply import FailedError, apply
from pgconflict.server.subscriptions.pass_watch import Passed, watch
from pgconflict.server.subscriptions.skip_watch import enable, look

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from pgconflict.cli.stopped_plan import Plan
    from pgconflict.config import Config
    from pgconflict.server.stopped_apply import Done

_GOOD: Final = ("planned", "applied", "disabled")
"""Outcomes that are what was asked for; the others exit with 3."""


class StoppedWork:
    """One conflict: its plan is shown, and if asked done."""

    def __init__(
        self,
        config: Config,
        arguments: argparse.Namespace,
        log: psycopg.Connection[Any],
        plan: Plan,
        keep: Keep | None,
    ) -> None:
        self._config = config
        self._arguments = arguments
        self._log = log
        self._plan = plan
        self._keep = keep

    async def run(self) -> int:
        """Show the plan, or do it; the exit code."""
        plan, keep = self._plan, self._keep
        if not self._arguments.json:
            print_plan(plan, keep)
        verdict = plan.examined.verdict
        xid = plan.conflict.remote_xid
        if verdict.refusal is not None:
            return self._end("refused", [verdict.because], None)
        if xid is not None and verdict.xid not in (None, xid):
            return self._end("refused", ["another transaction comes first"], None)
        if keep is not None and (reason := plan.ways[keep].refusal) is not None:
            return self._end("refused", [reason], None)
        if keep is Keep.SKIP and self._arguments.apply:
            return await self._skip()
        if keep is None or not self._arguments.apply:
            return self._end("planned", [], None)
        return await self._apply(keep)

    async def _skip(self) -> int:
        """What `subscriptions skip` does, with its plan made anew."""
        examined, given = self._plan.examined, self._arguments
        words = argparse.Namespace(
            **vars(given)
            | {
                "name": examined.subscription.name,
                "node": examined.facts.node.name,
                "database": examined.subscription.database,
                "publisher": None,
                "lsn": examined.verdict.lsn,
                "find_lsn": False,
            }
        )
        return await subscriptions_skip.go_on(self._config, words, self._log, examined)

    async def _apply(self, keep: Keep) -> int:
        plan = self._plan
        action = self._action(keep)
        with storing():
            number = begin(self._log, action, policy(self._config))
        try:
            done = apply(plan.stopped(keep), self._config.limits, self._arguments.wait)
        except (RefusedError, FailedError) as error:
            outcome = "refused" if isinstance(error, RefusedError) else "failed"
            said = [str(error)]
            with storing():
                end(self._log, number, outcome, [*said, *_given(error.hint)])
            return self._end(outcome, said, number, error.hint)
        except PgConflictError as error:
            with storing():
                end(self._log, number, "refused", [str(error)])
            raise
        said = self._done(done)
        with storing():
            # Before apply is watched: this is done, whatever comes of that.
            end(self._log, number, "done", said)
        try:
            passed = await self._watched()
        except BaseException as error:
            why = str(error) or "interrupted"
            said.append(f"done; whether apply runs again was not seen: {why}")
            self._end("done", said, number)
            raise
        outcome = "applied" if passed.runs else "not_passed"
        if not passed.enabled:
            outcome = "disabled"
        said += passed.seen
        with storing():
            end(self._log, number, outcome, said)
            if outcome == "applied":
                close_applied(self._log, action, datetime.now(UTC))
        return self._end(outcome, said, number)

    def _done(self, done: Done) -> list[str]:
        said = []
        if done.without:
            changes = output.plural(done.without, "change")
            said.append(f"{changes} found no row here, as in apply")
        for key in done.keys:
            values = ", ".join(f"{name}={value}" for name, value in key.items())
            said.append(
                f"node {self._plan.examined.facts.node.name}'s row has {values}"
            )
        return said

    async def _watched(self) -> Passed:
        examined, limits = self._plan.examined, self._config.limits
        transaction = examined.verdict.transaction
        assert transaction is not None  # noqa: S101 - it was done by it
        node = examined.facts.node
        connection = await connect_to(
            node, self._config, examined.subscription.database, read_only=False
        )
        try:
            hint = (
                "as the subscription's owner:"
                f" {alter_subscription(examined.subscription.name, 'ENABLE')}"
            )
            with translated(f"node {node.name}", privilege_hint=hint):
                now = await look(
                    connection, examined.facts, examined.subscription.subid
                )
                if self._arguments.enable and not now.subscription.enabled:
                    await enable(connection, examined.subscription)
                return await watch(
                    connection,
                    examined.facts,
                    now.subscription,
                    examined.publisher,
                    end_lsn=transaction.end_lsn,
                    limits=limits,
                    wait=self._arguments.wait,
                )
        finally:
            connection.pgconn.finish()

    def _action(self, keep: Keep) -> Action:
        plan, examined = self._plan, self._plan.examined
        lost = plan.ways[keep].lost
        transaction = examined.verdict.transaction
        return Action(
            action=f"keep_{keep}",
            node=examined.facts.node.name,
            system_identifier=examined.facts.server.system_identifier,
            database=examined.subscription.database,
            subid=examined.subscription.subid,
            subname=examined.subscription.name,
            slot_name=examined.subscription.slot_name,
            publisher=examined.publisher.node,
            statements=plan.statements(keep),
            role=examined.facts.server.role,
            reason=self._arguments.reason,
            lsn=examined.verdict.lsn,
            xid=examined.verdict.xid,
            changes=None if transaction is None else transaction.number,
            changes_known=True,
            lost=[
                LostChange(
                    schemaname=change.schemaname,
                    relname=change.relname,
                    operation=change.operation,
                    key=change.key,
                    row=change.row,
                )
                for place, change in enumerate(plan.changes)
                if place in lost
            ],
            moved=[
                MovedRow(
                    schemaname=row.names[0],
                    relname=row.names[1],
                    fate=plan.local_fate(keep, number),
                    key=row.key,
                    row=row.row.values,
                )
                for number, row in enumerate(plan.rows)
                if plan.ways[keep].steps
            ],
        )

    def _end(
        self,
        outcome: str,
        said: list[str],
        number: int | None,
        hint: str | None = None,
    ) -> int:
        plan = self._plan
        if self._arguments.json:
            every = [*said, *_given(hint)]
            output.print_json(document(plan, self._keep, outcome, every, number))
        else:
            print()
            for one in said:
                print(output.visible(f"{outcome}: {one}"))
            for one in _given(hint):
                print(output.visible(f"hint: {one}"))
            if outcome == "planned":
                print(
                    "nothing was changed; --keep ours|theirs|both|skip --apply"
                    " --reason TEXT does it"
                )
            elif not said:
                print(outcome)
            if number is not None:
                print(f"recorded: action {number}")
            self._print_after(outcome)
        return 0 if outcome in _GOOD else FINDINGS

    def _print_after(self, outcome: str) -> None:
        """What is left to do."""
        plan = self._plan
        name = plan.examined.subscription.name
        if outcome == "disabled":
            print(
                output.visible(
                    f"it is disabled; on node {self._plan.examined.facts.node.name}:"
                    f" {alter_subscription(name, 'ENABLE')}"
                )
            )
        elif outcome == "done":
            print("`pgconflict subscriptions list` shows whether apply runs")
        elif outcome == "not_passed":
            print(
                "apply was not seen to run: `pgconflict conflicts list --open` and"
                " `pgconflict subscriptions list` show what stops it now"
            )
        elif outcome == "applied" and self._keep is Keep.OURS:
            node = plan.examined.facts.node.name
            table = plan.conflict.table or "TABLE"
            print(
                output.visible(
                    f"if node {plan.examined.publisher.node} still has its own row,"
                    f" `pgconflict conflicts verify {table}` finds it, and `conflicts"
                    f" repair ID --winner {node}` makes it equal"
                )
            )


def _given(hint: str | None) -> list[str]:
    return [hint] if hint else []


@contextmanager
def storing() -> Iterator[None]:
    """Say of what goes wrong inside that it is the conflict log."""
    with translated("the conflict log", unavailable=ConflictLogUnavailableError):
        yield
