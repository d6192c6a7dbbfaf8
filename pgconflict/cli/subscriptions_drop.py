"""`pgconflict subscriptions drop`: a subscription and its slots, with proof."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pgconflict.cli import output
from pgconflict.cli.drop_plan import DropPlan, plan_drop
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
from pgconflict.conflict_log.actions import Action, begin, end
from pgconflict.errors import PgConflictError
from pgconflict.server.connect import translated
from pgconflict.server.subscriptions import drop
from pgconflict.server.subscriptions.facts import read

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    import psycopg

    from pgconflict.config import Config

DROPPED: Final = "dropped"
SLOT_LEFT: Final = "slot_left"
REMAINS: Final = "remains"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the subscription, and what makes it a change."""
    add_subscription(parser)
    add_change(parser)
    parser.add_argument(
        "--leave-slot",
        action="store_true",
        help="drop the subscription only: the publisher is gone, or its slot is kept on"
        " purpose",
    )


def run(arguments: argparse.Namespace) -> int:
    """Show the plan, or do it; 3 if something is in the way or left, 77 for a GRANT."""
    config = configured(arguments)
    return asyncio.run(_drop(config, arguments))


@dataclass(slots=True)
class _Done:
    """What came of it."""

    outcome: str = ""
    seen: list[str] = field(default_factory=list)
    left: list[drop.Remains] = field(default_factory=list)


async def _drop(config: Config, arguments: argparse.Namespace) -> int:
    plan = await plan_drop(
        config,
        name=arguments.name,
        node=arguments.node,
        database=arguments.database,
        publisher=arguments.publisher,
        leave_slot=arguments.leave_slot,
    )
    if not arguments.json:
        _print_plan(plan)
    if plan.obstacles or not arguments.apply:
        if arguments.json:
            output.print_json(_document(plan, None, None))
        elif not plan.obstacles:
            print("\nnothing was changed; --apply does it")
        return plan.refused if plan.obstacles else 0
    with conflict_log(config, write=True) as log:
        done, number = await _recorded(config, arguments, log, plan)
    if arguments.json:
        output.print_json(_document(plan, done, number))
    else:
        _print_done(done, number)
    return 0 if done.outcome == DROPPED else FINDINGS


async def _recorded(
    config: Config,
    arguments: argparse.Namespace,
    log: psycopg.Connection[Any] | None,
    plan: DropPlan,
) -> tuple[_Done, int | None]:
    done, number = _Done(), None
    if log is not None:
        number = begin(log, _action(arguments, plan), policy(config))
    try:
        await _execute(config, arguments.wait, plan, done)
    except PgConflictError as error:
        if log is not None and number is not None:
            end(log, number, "failed", [*done.seen, str(error)])
        raise
    if log is not None and number is not None:
        end(log, number, done.outcome, done.seen)
    return done, number


def _action(arguments: argparse.Namespace, plan: DropPlan) -> Action:
    return Action(
        action="drop",
        node=plan.facts.node.name,
        system_identifier=plan.facts.server.system_identifier,
        database=plan.subscription.database,
        subid=plan.subscription.subid,
        subname=plan.subscription.name,
        slot_name=plan.subscription.slot_name,
        publisher=plan.publisher.node,
        statements=plan.statements,
        role=plan.facts.server.role,
        reason=arguments.reason,
    )


async def _execute(config: Config, wait: float, plan: DropPlan, done: _Done) -> None:
    """Do the steps; `done` says at every moment what was reached."""
    subscription, node = plan.subscription, plan.facts.node

    def reached(text: str) -> None:
        done.seen.append(text)
        say(text)

    connection = await connect_to(node, config, subscription.database, read_only=False)
    try:
        with translated(f"node {node.name}"):
            await drop.disable(connection, plan.facts, subscription, wait, reached)
            reached("disabled, no worker is left")
            await drop.drop(connection, subscription, reached)
            reached("subscription dropped")
            done.left = await drop.remains(connection, subscription.subid)
    finally:
        connection.pgconn.finish()
    slots_left = await _drop_slots(config, wait, plan, reached) if plan.slots else []
    done.left += [drop.Remains("slot on the publisher", name) for name in slots_left]
    for left in done.left:
        reached(f"left: {left.kind} {left.name}")
    if not done.left:
        reached(_proof(plan))
    done.outcome = REMAINS if done.left else DROPPED
    if plan.leave_slot and subscription.slot_name is not None:
        reached(
            f"slot {subscription.slot_name} was left as asked; on the publisher:"
            f" {drop.drop_slot_statement(subscription.slot_name)}"
        )
        done.outcome = REMAINS if done.left else SLOT_LEFT


def _proof(plan: DropPlan) -> str:
    proof = (
        f"node {plan.facts.node.name} has no subscription, table state, replication"
        f" origin or worker of subscription {plan.subscription.subid} any more"
    )
    if not plan.slots:
        return proof
    return f"{proof}; node {plan.publisher.node} has none of its slots"


async def _drop_slots(
    config: Config, wait: float, plan: DropPlan, reached: drop.Said
) -> list[str]:
    """Drop them; the names of those that are there afterwards."""
    publisher = plan.publisher.facts
    assert publisher is not None  # noqa: S101 - its slots are in the plan
    node = publisher.node
    # Any database will do for dropping; nothing of it is asked.
    connection = await connect_to(
        node, config, publisher.server.database, read_only=False
    )
    try:
        with translated(f"node {node.name}"):
            for slot in plan.slots:
                held = plan.held(slot)
                there = await drop.drop_slot(connection, slot.name, wait)
                size = "" if held is None else f"; it held {output.size(held)} of WAL"
                reached(
                    f"slot {slot.name} on node {node.name}"
                    f" {'dropped' if there else 'was gone already'}{size}"
                )
            now = await read(connection, node)
    finally:
        connection.pgconn.finish()
    # By name once more: copies may have begun after the plan was made.
    return [
        slot.name for slot in drop.slots_of(plan.subscription, plan.facts, now.slots)
    ]


def _print_plan(plan: DropPlan) -> None:
    subscription, publisher = plan.subscription, plan.publisher
    place = f"node {plan.facts.node.name} (database {subscription.database})"
    state = "enabled" if subscription.enabled else "disabled"
    fields: list[tuple[str, object]] = [
        ("subscription", f"{subscription.name} on {place}, {state}"),
        (
            "publisher",
            f"node {publisher.node} ({publisher.certainty})"
            + (", the same server" if plan.same_server else "")
            if publisher.node
            else f"not known: {publisher.why_not}",
        ),
    ]
    if plan.unfinished:
        fields.append(("unfinished", f"{output.plural(plan.unfinished, 'table')}"))
    for slot in plan.slots:
        held = plan.held(slot)
        size = "" if held is None else f", holds {output.size(held)} of WAL"
        fields.append(("slot", f"{slot.name} on node {publisher.node}{size}"))
    fields += [("in the way", one.what) for one in plan.obstacles]
    output.print_fields(fields)
    if plan.obstacles:
        for one in plan.obstacles:
            output.print_message(f"hint: {output.visible(one.hint)}")
        return
    # Those for the publisher are the last.
    there = len(plan.statements) - len(plan.slots)
    _print_statements(place, plan.statements[:there])
    _print_statements(f"node {publisher.node}", plan.statements[there:])


def _print_statements(place: str, statements: Sequence[str]) -> None:
    if statements:
        print(f"\nstatements on {output.visible(place)}:")
    for statement in statements:
        print(f"  {output.visible(statement)}")


def _print_done(done: _Done, number: int | None) -> None:
    output.print_fields(
        [
            ("outcome", done.outcome),
            *(("seen", one) for one in done.seen),
            *([("recorded", f"action {number}")] if number is not None else []),
        ]
    )


def _document(plan: DropPlan, done: _Done | None, number: int | None) -> object:
    certainty = plan.publisher.certainty
    return {
        "node": plan.facts.node.name,
        "database": plan.subscription.database,
        "subscription": plan.subscription.name,
        "subid": plan.subscription.subid,
        "publisher": plan.publisher.node,
        "publisher_known_by": certainty and certainty.name.lower(),
        "same_server": plan.same_server,
        "unfinished_tables": plan.unfinished,
        "slots": [
            {
                "name": slot.name,
                "retained_bytes": plan.held(slot),
                "wal_status": slot.wal_status,
            }
            for slot in plan.slots
        ],
        "obstacles": [one.what for one in plan.obstacles],
        "hints": [one.hint for one in plan.obstacles],
        "statements": plan.statements,
        "applied": done is not None,
        "outcome": done and done.outcome,
        "seen": done and done.seen,
        "action_id": number,
    }
