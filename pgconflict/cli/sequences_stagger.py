"""`pgconflict sequences stagger A B...`: values of its own for each node."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pgconflict.cli import output
from pgconflict.cli.sequences_access import (
    DENIED,
    FINDINGS,
    add_choice,
    choice_of,
    configured,
    conflict_log,
    count_or_time,
    databases_of,
    interruptible,
    nodes_of,
    opened,
    refuse_none,
    say,
    storing,
    watch,
)
from pgconflict.cli.sequences_options import option
from pgconflict.cli.sequences_stagger_words import (
    done_document,
    ending_of,
    plan_document,
    print_done,
    print_steps,
    stored_values,
)
from pgconflict.config.values import duration
from pgconflict.conflict_log import sequence_syncs
from pgconflict.conflict_log.sequence_syncs import Ending, Run
from pgconflict.core.sequence_stagger import Method, Scheme
from pgconflict.errors import PgConflictError
from pgconflict.server.sequence_advance import Patience
from pgconflict.server.sequence_staggering import (
    NodesLook,
    look_at_all,
    stagger_all,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    import psycopg

    from pgconflict.config import Config, Node
    from pgconflict.server.sequences import SequenceNode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take two nodes or more."""
    parser.add_argument("nodes", nargs="+", metavar="NODE")
    parser.add_argument(
        "--apply",
        action="store_true",
        help="do it, one node after the other; without it nothing is changed",
    )
    parser.add_argument(
        "--method",
        choices=[*Method],
        default=Method.RESIDUE,
        help="residue: INCREMENT BY n, each with its own start (the default); range:"
        " MINVALUE and MAXVALUE",
    )
    parser.add_argument(
        "--slots",
        type=int,
        metavar="N",
        help="leave room for so many nodes; default: as many as there are",
    )
    parser.add_argument(
        "--margin",
        type=option(count_or_time),
        default=1000,
        metavar="COUNT|TIME",
        help="what a sequence may give out until its node's turn comes: so many values,"
        " or (60s) as much as now in such a time; default: 1000",
    )
    parser.add_argument(
        "--sample",
        type=option(duration),
        default=timedelta(seconds=3),
        metavar="TIME",
        help="how long the rate is measured; default: 3s",
    )
    parser.add_argument(
        "--patience",
        type=option(duration),
        default=timedelta(seconds=30),
        metavar="TIME",
        help="how long sequences that stay locked are tried again; default: 30s",
    )
    parser.add_argument(
        "--no-store",
        action="store_true",
        help="do not keep what was given in the conflict log database: `check` can't"
        " tell later whether somebody changed it",
    )
    add_choice(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the statements, or make them and print the proof."""
    config = configured(arguments)
    nodes = nodes_of(config, arguments.nodes, least=2)
    with interruptible(changes=arguments.apply):
        return max(
            asyncio.run(_stagger(config, arguments, nodes, database))
            for database in databases_of(arguments)
        )


async def _stagger(
    config: Config,
    arguments: argparse.Namespace,
    nodes: Sequence[Node],
    database: str | None,
) -> int:
    connected = await asyncio.gather(
        *(
            opened(node, config, arguments, database, read_only=not arguments.apply)
            for node in nodes
        )
    )
    try:
        seen = await _look(arguments, connected)
        if not arguments.apply:
            return _show(arguments, seen, connected[0].database)
        if not arguments.json:
            print_steps(seen)
        if arguments.no_store:
            return await _apply(config, arguments, connected, seen, None)
        with conflict_log(config) as connection:
            return await _apply(config, arguments, connected, seen, connection)
    finally:
        for one in connected:
            await one.close()


async def _look(
    arguments: argparse.Namespace, nodes: Sequence[SequenceNode]
) -> NodesLook:
    margin = arguments.margin
    count = margin if isinstance(margin, int) else 0
    seen = await look_at_all(
        nodes,
        choice_of(arguments),
        Scheme(method=Method(arguments.method), slots=arguments.slots, margin=count),
        margin_s=margin.total_seconds() if isinstance(margin, timedelta) else None,
        sample_s=arguments.sample.total_seconds(),
    )
    refuse_none(arguments, len(seen.plans), nodes[0].database)
    steps = sum(len(plan.steps) for plan in seen.plans)
    refused = [plan for plan in seen.plans if plan.refusal is not None]
    apart = sum(not plan.steps and plan.refusal is None for plan in seen.plans)
    say(
        f"{output.plural(len(seen.plans), 'sequence')}: {apart} have values of their"
        f" own on each node, {output.plural(steps, 'change')}, {len(refused)} refused"
    )
    for text in seen.refused:
        say(text)
    return seen


def _show(arguments: argparse.Namespace, seen: NodesLook, database: str) -> int:
    if arguments.json:
        output.print_json(plan_document(seen, database))
    else:
        print_steps(seen)
    say("nothing was changed: --apply does it")
    return _code(seen, blocked=False)


def _code(seen: NodesLook, *, blocked: bool) -> int:
    refusals = [plan.refusal for plan in seen.plans if plan.refusal is not None]
    if any(text.startswith("unreadable") for text in refusals) or seen.refused:
        return DENIED
    return FINDINGS if refusals or blocked else 0


async def _apply(
    config: Config,
    arguments: argparse.Namespace,
    nodes: Sequence[SequenceNode],
    seen: NodesLook,
    connection: psycopg.Connection[Any] | None,
) -> int:
    store = storing if connection is not None else nullcontext
    sync_id = None
    if connection is not None:
        with store():
            sync_id = sequence_syncs.begin(connection, _run(arguments, nodes))
    patience = Patience(lock=config.sequences.lock_timeout, total=arguments.patience)
    try:
        done = await stagger_all(
            nodes, choice_of(arguments), seen, patience, watch=watch, say=say
        )
    except PgConflictError:
        if connection is not None and sync_id is not None:
            with store():
                sequence_syncs.end(connection, sync_id, Ending(outcome="failed"))
        raise
    ending = ending_of(done)
    if connection is not None and sync_id is not None:
        with store():
            sequence_syncs.end(connection, sync_id, ending, stored_values(done))
    if arguments.json:
        document = plan_document(seen, nodes[0].database)
        output.print_json(document | done_document(ending, sync_id))
    else:
        print_done(done, ending, sync_id)
    return _code(seen, blocked=ending.outcome != "proved")


def _run(arguments: argparse.Namespace, nodes: Sequence[SequenceNode]) -> Run:
    margin = arguments.margin
    return Run(
        kind="stagger",
        source_node=None,
        target_nodes=[node.name for node in nodes],
        database=nodes[0].database,
        options={
            "schema": arguments.schema,
            "name": arguments.name,
            "method": str(arguments.method),
            "slots": arguments.slots,
            "margin": margin if isinstance(margin, int) else str(margin),
        },
        node_role=nodes[0].first.info.user,
    )
