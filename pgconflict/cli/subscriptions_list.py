"""`pgconflict subscriptions list`: one line for each subscription of each node."""

from __future__ import annotations

import asyncio
from datetime import UTC
from typing import TYPE_CHECKING, Final

from pgconflict.cli import output
from pgconflict.cli.nodes import node_of
from pgconflict.cli.subscription_access import (
    ask_with_rates,
    configured,
    conflict_log,
)
from pgconflict.cli.subscription_lines import line_of
from pgconflict.conflict_log.actions import open_stalls
from pgconflict.errors import PgConflictError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from datetime import datetime

    from pgconflict.cli.subscription_lines import Line, Stalls
    from pgconflict.config import Config
    from pgconflict.conflict_log.actions import OpenStall
    from pgconflict.server.subscriptions.facts import NodeFacts

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86400


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the names of nodes."""
    parser.add_argument(
        "--node",
        action="append",
        metavar="NAME",
        help="subscriptions of this node only; may be repeated",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print them; 69 if a node, or the conflict log, can't be asked."""
    config = configured(arguments)
    for name in arguments.node or ():
        node_of(config, name)
    asked, rates = asyncio.run(ask_with_rates(config))
    stalls, problem = _stalls(config, asked.known)
    lines = [
        line_of(facts, subscription, asked.known, rates, stalls)
        for facts in asked.known
        if not arguments.node or facts.node.name in arguments.node
        for subscription in facts.subscriptions
    ]
    if arguments.json:
        for line in lines:
            output.print_json_line(line)
    else:
        _print(lines, with_stalls=problem is None)
    silent = [*asked.silent, *([problem] if problem else [])]
    for error in silent:
        output.print_message(f"pgconflict: {output.visible(str(error))}")
    return max((error.exit_code for error in silent), default=0)


def _stalls(
    config: Config, known: Sequence[NodeFacts]
) -> tuple[Stalls, PgConflictError | None]:
    found: Stalls = {}
    try:
        with conflict_log(config, write=False) as connection:
            if connection is None:
                return found, None
            for system in {facts.server.system_identifier for facts in known}:
                for subid, stall in open_stalls(connection, system).items():
                    found[system, subid] = stall
    except PgConflictError as error:
        return {}, error
    return found, None


def _print(lines: Sequence[Line], *, with_stalls: bool) -> None:
    right = output.Column
    output.print_table(
        [
            "node",
            "database",
            "subscription",
            "publisher",
            "state",
            right("worker", "right"),
            right("lag", "right"),
            right("lag s", "right"),
            "last message (UTC)",
            right("errors", "right"),
            "slot",
            right("holds", "right"),
            right("lost in", "right"),
            "blocked by",
        ],
        [
            [
                line.node,
                line.database,
                line.subscription,
                line.publisher,
                line.state,
                line.worker_pid,
                line.lag_bytes
                if line.lag_bytes is None
                else output.size(line.lag_bytes),
                line.lag_seconds,
                _utc(line.last_message),
                (line.apply_errors or 0) + (line.sync_errors or 0),
                _slot(line),
                None
                if line.slot_retained_bytes is None
                else output.size(line.slot_retained_bytes),
                _duration(line.slot_seconds_to_loss),
                _blocked(line.blocked_by) if with_stalls else "?",
            ]
            for line in lines
        ],
    )


def _utc(time_: datetime | None) -> str | None:
    return None if time_ is None else f"{time_.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _slot(line: Line) -> str | None:
    if line.slot is None:
        return None
    if line.slot_invalidated:
        return f"{line.slot} (LOST: {line.slot_invalidated})"
    return line.slot if line.publisher else f"{line.slot} (not found)"


def _blocked(stall: OpenStall | None) -> str | None:
    if stall is None:
        return None
    where = f" on {stall.table}" if stall.table else ""
    at = f", finished at {stall.lsn}" if stall.lsn else ""
    return f"conflict {stall.conflict_id}: {stall.type}{where}{at}"


def _duration(seconds: float | None) -> str | None:
    """A time as people say it, cut down to its largest unit.

    >>> _duration(90), _duration(7200), _duration(200000), _duration(5)
    ('1 min', '2 h', '2 d', '5 s')
    """
    if seconds is None:
        return None
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"
