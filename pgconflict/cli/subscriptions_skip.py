"""`pgconflict subscriptions skip`: one transaction, the one that blocks, and no other.

The plan is made twice: to be shown, and again just before it is done.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pgconflict.cli import output
from pgconflict.cli.skip_find_lsn import find_lsn
from pgconflict.cli.skip_plan import Examined, Request, examine
from pgconflict.cli.skip_report import document, print_plan
from pgconflict.cli.subscription_access import (
    FINDINGS,
    add_change,
    add_subscription,
    configured,
    conflict_log,
    connect_to,
    policy,
    say,
)
from pgconflict.conflict_log.actions import Action, begin, close_story, end
from pgconflict.core.lsn import parse_lsn
from pgconflict.core.skip import Refusal
from pgconflict.errors import (
    PgConflictError,
    PrivilegeMissingError,
    UsageError,
)
from pgconflict.server.connect import translated
from pgconflict.server.statements import alter_subscription
from pgconflict.server.subscriptions.skip import apply, plan, undo, witness
from pgconflict.server.subscriptions.skip_watch import Outcome, Result, look

if TYPE_CHECKING:
    import argparse

    import psycopg

    from pgconflict.config import Config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the subscription, and what makes it a change."""
    add_subscription(parser)
    parser.add_argument(
        "--lsn",
        type=_lsn,
        metavar="LSN",
        help="finish LSN of the transaction; default: of the conflict log's first open"
        " conflict of this subscription",
    )
    add_change(parser)
    parser.add_argument(
        "--enable",
        action="store_true",
        help="enable the subscription afterwards, if it is disabled",
    )
    parser.add_argument(
        "--find-lsn",
        action="store_true",
        help="skip nothing: make the server log the LSN that parallel apply leaves out,"
        " by streaming = off for as long as that takes",
    )


def _lsn(text: str) -> int:
    try:
        return parse_lsn(text)
    except ValueError as error:
        raise UsageError(f"--lsn {output.visible(text)}: not an LSN") from error


def run(arguments: argparse.Namespace) -> int:
    """Show the plan, or do it; 3 if it is refused or was not met."""
    if arguments.apply and not arguments.reason:
        raise UsageError(
            "--apply needs --reason",
            hint="a skipped transaction is lost: who looks later must find out why",
        )
    config = configured(arguments)
    return asyncio.run(_skip(config, arguments))


async def _skip(config: Config, arguments: argparse.Namespace) -> int:
    request = Request(
        name=arguments.name,
        node=arguments.node,
        database=arguments.database,
        publisher=arguments.publisher,
        lsn=arguments.lsn,
    )
    with conflict_log(config, write=arguments.apply) as log:
        examined = await examine(config, request, log)
        if arguments.find_lsn:
            return await find_lsn(config, arguments, log, examined)
        return await go_on(config, arguments, log, examined)


async def go_on(
    config: Config,
    arguments: argparse.Namespace,
    log: psycopg.Connection[Any] | None,
    examined: Examined,
) -> int:
    """Show the plan of what was examined, or do it; the exit code."""
    lsn = examined.verdict.lsn
    if not arguments.json:
        print_plan(examined)
    if lsn is None or examined.verdict.refusal is not None:
        if arguments.json:
            output.print_json(document(examined, (), None, None))
        else:
            _print_hint(examined)
        return FINDINGS
    statements = plan(examined.subscription, lsn, enable=arguments.enable)
    if not arguments.json:
        print("\nstatements, in database " + output.visible(_database(examined)) + ":")
        for statement in statements:
            print(f"  {output.visible(statement)}")
    done, number = None, None
    if arguments.apply:
        done, number = await _apply(config, arguments, log, examined, statements)
    if arguments.json:
        output.print_json(document(examined, statements, done, number))
    elif done is None:
        print("\nnothing was changed; --apply --reason TEXT does it")
    else:
        _print_result(examined, done, number)
    return 0 if done is None or done.outcome in _GOOD else FINDINGS


_HINT: Final = (
    "the owner may, or a superuser; with password_required = false only a superuser"
)
_GOOD = (Outcome.SKIPPED, Outcome.SET)
_MEANING: Final = {
    Outcome.APPLIED: "the transaction was applied, not skipped: nothing is lost",
    Outcome.CLEARED_UNMET: "the skip LSN was cleared; the transaction was not skipped",
    Outcome.MOVED_ON: "the subscription has moved on since the plan was made",
}


def _database(examined: Examined) -> str:
    return examined.subscription.database


async def _apply(
    config: Config,
    arguments: argparse.Namespace,
    log: psycopg.Connection[Any] | None,
    examined: Examined,
    statements: list[str],
) -> tuple[Result, int | None]:
    if examined.missing is not None:
        raise PrivilegeMissingError(examined.missing, hint=examined.remedy)
    action = _action(arguments, examined, statements)
    number = None
    if log is None:
        say("conflict_log.destination is log: who skipped what is recorded nowhere")
    else:
        number = begin(log, action, policy(config))
    try:
        done = await _execute(config, arguments, examined)
    except PgConflictError as error:
        if log is not None and number is not None:
            end(log, number, "failed", [str(error)])
        raise
    if log is not None and number is not None:
        end(log, number, done.outcome, done.seen)
        if done.outcome is Outcome.SKIPPED:
            close_story(log, action, datetime.now(UTC))
    return done, number


def _action(
    arguments: argparse.Namespace, examined: Examined, statements: list[str]
) -> Action:
    return Action(
        action="skip",
        node=examined.facts.node.name,
        system_identifier=examined.facts.server.system_identifier,
        database=_database(examined),
        subid=examined.subscription.subid,
        subname=examined.subscription.name,
        slot_name=examined.subscription.slot_name,
        publisher=examined.publisher.node,
        statements=statements,
        role=examined.facts.server.role,
        reason=arguments.reason,
        lsn=examined.verdict.lsn,
        xid=examined.verdict.xid,
        changes=examined.changes,
        changes_known=examined.all_known,
        lost=examined.lost,
    )


async def _execute(
    config: Config, arguments: argparse.Namespace, examined: Examined
) -> Result:
    facts, subscription = examined.facts, examined.subscription
    lsn = examined.verdict.lsn or 0
    connection = await connect_to(
        facts.node, config, _database(examined), read_only=False
    )
    try:
        with translated(f"node {facts.node.name}", privilege_hint=_HINT):
            now = await look(connection, facts, subscription.subid)
            if (now.origin_lsn or 0) > lsn or now.subscription.skip_lsn not in (0, lsn):
                return Result(Outcome.MOVED_ON, ("nothing was changed",))
            async with witness(facts.node, config.limits) as seen_by:
                return await apply(
                    connection,
                    facts,
                    now.subscription,
                    lsn,
                    enabling=arguments.enable,
                    seen_by=seen_by,
                    wait=arguments.wait,
                )
    finally:
        connection.pgconn.finish()


def _print_result(examined: Examined, done: Result, number: int | None) -> None:
    print()
    output.print_fields(
        [
            ("outcome", done.outcome),
            *(("seen", one) for one in done.seen),
            *([("recorded", f"action {number}")] if number is not None else []),
        ]
    )
    if done.outcome is Outcome.NOT_CLEARED:
        print(f"\nto take it back: {output.visible(undo(examined.subscription))}")
    if done.outcome in _MEANING:
        print(f"\n{_MEANING[done.outcome]}")


def _print_hint(examined: Examined) -> None:
    name = examined.subscription.name
    refusal = examined.verdict.refusal
    if refusal in (Refusal.NO_LSN, Refusal.NOT_COMMITTED):
        output.print_message(
            "hint: --find-lsn --apply makes the server log the LSN (streaming = off for"
            " a while)"
        )
    elif refusal is Refusal.UNPROVEN and not examined.subscription.enabled:
        output.print_message(
            "hint: enable it, so that it fails again and is recorded:"
            f" {output.visible(alter_subscription(name, 'ENABLE'))}"
        )
    elif refusal is Refusal.ANOTHER_SKIP:
        output.print_message(f"hint: {output.visible(undo(examined.subscription))}")
