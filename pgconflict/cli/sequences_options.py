"""The options of `pgconflict sequences sync`, and what they ask for."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pgconflict.cli import output
from pgconflict.cli.sequences_access import add_choice, choice_of, count_or_time
from pgconflict.config.values import duration
from pgconflict.core.sequence import SequenceName
from pgconflict.core.sequence_policy import Policy
from pgconflict.errors import UsageError
from pgconflict.server.sequence_sync import Request

if TYPE_CHECKING:
    import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    """Take two nodes and what is asked for."""
    parser.add_argument("--from", dest="source", metavar="NODE", help="the source")
    parser.add_argument("--to", dest="target", metavar="NODE", help="the target")
    parser.add_argument(
        "--apply", action="store_true", help="do it; without it nothing is changed"
    )
    add_choice(parser)
    _add_policy(parser)
    _add_cutover(parser)
    group = parser.add_argument_group("proof")
    group.add_argument(
        "--no-store",
        action="store_true",
        help="print the proof only, do not keep it in the conflict log database",
    )
    group.add_argument(
        "--proof",
        nargs="?",
        const="last",
        metavar="ID",
        help="print what is kept of a run, or of the last one, and do nothing else",
    )


def _add_policy(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how far")
    group.add_argument(
        "--margin",
        type=option(count_or_time),
        default=0,
        metavar="COUNT|TIME",
        help="be so many of the source's values ahead, or what it gives out in such a"
        " time (60s): its rate is measured",
    )
    group.add_argument(
        "--sample",
        type=option(duration),
        default=timedelta(seconds=3),
        metavar="TIME",
        help="how long the rate is measured; default: 3s",
    )
    group.add_argument(
        "--check-columns",
        action="store_true",
        help="be beyond the values in the target's columns too",
    )
    group.add_argument(
        "--allow-backwards",
        action="append",
        default=[],
        metavar="SCHEMA.NAME",
        help="set this one to the source's value even if that is back; may be repeated",
    )
    group.add_argument(
        "--with-definition",
        action="store_true",
        help="give the target the source's definition where they differ",
    )
    group.add_argument(
        "--create-missing",
        action="store_true",
        help="create sequences that the target lacks",
    )
    group.add_argument(
        "--lock-timeout",
        type=option(duration),
        default=None,
        metavar="TIME",
        help="longest wait for one sequence's lock, behind which others wait;"
        " default: sequences.lock_timeout of the configuration",
    )
    group.add_argument(
        "--patience",
        type=option(duration),
        default=timedelta(seconds=30),
        metavar="TIME",
        help="how long sequences that stay locked are tried again; default: 30s",
    )


def _add_cutover(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("switchover and major upgrade")
    group.add_argument(
        "--cutover",
        action="store_true",
        help="first wait until the target has applied all of the source's WAL",
    )
    group.add_argument(
        "--require-read-only",
        action="store_true",
        help="with --cutover: refuse unless the source takes no more writes",
    )
    group.add_argument(
        "--timeout",
        type=option(duration),
        default=timedelta(seconds=60),
        metavar="TIME",
        help="with --cutover: how long to wait for the target; default: 60s",
    )


def option(parse: Any) -> Any:
    """Make a ValueError's words those of the usage error."""

    def parsed(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise UsageError(f"{output.visible(text)}: {error}") from None

    return parsed


def request_of(arguments: argparse.Namespace) -> Request:
    """What the options ask for."""
    margin = arguments.margin
    count = margin if isinstance(margin, int) else 0
    names = frozenset(map(_qualified, arguments.allow_backwards))
    return Request(
        choice=choice_of(arguments),
        policy=Policy(
            margin=count,
            allow_backwards=names,
            with_definition=arguments.with_definition,
            create_missing=arguments.create_missing,
        ),
        margin_s=margin.total_seconds() if isinstance(margin, timedelta) else None,
        sample_s=arguments.sample.total_seconds(),
        check_columns=arguments.check_columns,
    )


def _qualified(text: str) -> SequenceName:
    schema, dot, name = text.partition(".")
    if not dot or not name:
        raise UsageError(f"--allow-backwards {output.visible(text)}: not SCHEMA.NAME")
    return SequenceName(schema, name)
