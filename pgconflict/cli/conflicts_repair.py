"""`pgconflict conflicts repair`: makes rows that differ equal, one row at a time."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

from pgconflict.cli import conflicts_stopped
from pgconflict.cli.parser import amount
from pgconflict.cli.repair_apply import ASK
from pgconflict.cli.repair_work import RepairWork
from pgconflict.cli.subscription_access import (
    FINDINGS,
    configured,
    conflict_log,
    say,
)
from pgconflict.core.repair import LATEST
from pgconflict.errors import ConfigError, UsageError

if TYPE_CHECKING:
    import argparse

    from pgconflict.config import Config


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
        metavar="latest|NODE|ask",
        help="whose version stays: the one committed last, a node's, or asked for each",
    )
    parser.add_argument(
        "--keep",
        choices=["ours", "theirs", "both", "skip"],
        help="of a conflict that stops apply: which row stays, of the node where apply"
        " stopped (ours) or the publisher's (theirs); without it each way is shown",
    )
    parser.add_argument(
        "--new-key",
        action="append",
        metavar="COLUMN=VALUE",
        help="with --keep both: what our row gets; default: of the column's default",
    )
    parser.add_argument(
        "--enable",
        action="store_true",
        help="with --keep: enable the subscription afterwards, if it is disabled",
    )
    parser.add_argument(
        "--apply", action="store_true", help="do it; without it nothing is changed"
    )
    parser.add_argument("--reason", metavar="TEXT", help="why; it is recorded")
    parser.add_argument(
        "--wait",
        type=amount,
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
    if arguments.winner == ASK and not sys.stdin.isatty():
        raise UsageError(
            "--winner ask needs a terminal to ask at",
            hint="--winner latest or --winner NODE",
        )
    if arguments.winner is None and (arguments.all_diverged or len(arguments.ids) > 1):
        raise UsageError(
            "--winner latest|NODE|ask is missing",
            hint="what stops apply is put right one by one, with --keep",
        )
    if arguments.winner is not None and arguments.keep is not None:
        raise UsageError(
            "either --winner, for rows that differ, or --keep, where apply has stopped"
        )
    config = configured(arguments)
    if arguments.winner is None:
        return conflicts_stopped.run(config, arguments)
    if arguments.winner not in (LATEST, ASK) and config.node(arguments.winner) is None:
        known = ", ".join(one.name for one in config.nodes)
        raise UsageError(
            f"no node {arguments.winner!r}", hint=f"latest, ask, or one of {known}"
        )
    try:
        return asyncio.run(_repair(config, arguments))
    except BrokenPipeError:
        if not arguments.apply:
            raise
        # Whoever read us has gone: 0 would say that all rows are put right.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        say("nobody reads what is said: stopped; the same command again goes on")
        return FINDINGS


async def _repair(config: Config, arguments: argparse.Namespace) -> int:
    with conflict_log(config, write=arguments.apply) as connection:
        if connection is None:
            raise ConfigError(
                "conflict_log.destination is log: there are no conflicts to name",
                hint="repair needs the conflict log's tables",
            )
        work = RepairWork(config, arguments, connection)
        return await work.run(work.wanted())
