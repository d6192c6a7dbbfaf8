"""`pgconflict sequences check [NODE...]`: what will go wrong, and what mends it."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from pgconflict.cli import output
from pgconflict.cli.parser import amount
from pgconflict.cli.sequences_access import (
    DENIED,
    FINDINGS,
    add_choice,
    choice_of,
    configured,
    conflict_log,
    databases_of,
    nodes_of,
    opened,
    refuse_none,
    say,
    storing,
)
from pgconflict.cli.sequences_options import option
from pgconflict.config.values import duration
from pgconflict.conflict_log import sequence_syncs
from pgconflict.core.sequence_check import (
    DAYS_LEFT,
    Finding,
    Given,
    Risk,
    Severity,
    check,
    check_together,
)
from pgconflict.core.sequence_compare import NEARLY_EXHAUSTED, NodeView
from pgconflict.errors import PgConflictError
from pgconflict.server.sequence_columns import Answers, read_columns, values_ahead
from pgconflict.server.sequence_sync import measure

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from pgconflict.config import Config, Node
    from pgconflict.core.sequence import SequenceName
    from pgconflict.core.sequence_rate import Rates
    from pgconflict.server.sequences import SequenceNode

_COLUMNS = ("severity", "risk", "node", "sequence", "seen", "remedy")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take nodes."""
    parser.add_argument(
        "nodes",
        nargs="*",
        metavar="NODE",
        help="several: all of them give out values, and none may give out another's;"
        " none: every node, and together those of each of the configuration's pairs",
    )
    add_choice(parser)
    parser.add_argument(
        "--sample",
        type=option(duration),
        default=timedelta(seconds=2),
        metavar="TIME",
        help="how long the rate is measured, for the days that are left; 0: not at all;"
        " default: 2s",
    )
    parser.add_argument(
        "--used",
        type=amount,
        default=100 * NEARLY_EXHAUSTED,
        metavar="PERCENT",
        help="report sequences of which so much is used; default: 90",
    )
    parser.add_argument(
        "--days",
        type=amount,
        default=DAYS_LEFT,
        metavar="N",
        help="report sequences that end sooner at the present rate; default: 90",
    )
    parser.add_argument(
        "--no-history",
        action="store_true",
        help="do not ask the conflict log database what `stagger` gave each node",
    )


@dataclass(slots=True)
class _Seen:
    """What one node says."""

    view: NodeView
    answers: Answers
    rates: Rates


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; 3 if one is more than a notice, 77 if one is unreadable."""
    config = configured(arguments)
    names = arguments.nodes or [node.name for node in config.nodes]
    nodes = nodes_of(config, names)
    return max(
        asyncio.run(_check(config, arguments, nodes, database))
        for database in databases_of(arguments)
    )


async def _check(
    config: Config,
    arguments: argparse.Namespace,
    nodes: Sequence[Node],
    database: str | None,
) -> int:
    connected = await asyncio.gather(
        *(opened(node, config, arguments, database) for node in nodes)
    )
    try:
        seen = await asyncio.gather(*(_ask(one, arguments) for one in connected))
        name = connected[0].database
    finally:
        for one in connected:
            await one.close()
    refuse_none(arguments, sum(len(node.view.states) for node in seen), name)
    given = _history(config, arguments, [one.name for one in nodes], name)
    findings: list[Finding] = []
    for node in seen:
        findings += check(
            node.view,
            rates=node.rates,
            given=given.get(node.view.node),
            refused=node.answers.refused,
            exhausted_at=arguments.used / 100,
            days_left=arguments.days,
        )
    for views in _groups(config, arguments, [node.view for node in seen]):
        findings += check_together(views)
    _print(arguments, findings, name)
    if any(finding.risk is Risk.UNREADABLE for finding in findings):
        return DENIED
    bad = any(finding.severity is not Severity.NOTICE for finding in findings)
    return FINDINGS if bad else 0


async def _ask(node: SequenceNode, arguments: argparse.Namespace) -> _Seen:
    choice = choice_of(arguments)
    rates: Rates = {}
    seconds = arguments.sample.total_seconds()
    if seconds:
        rates, states = await measure(node, choice, seconds)
    else:
        states = await choice.read(node)
    columns = await read_columns(node, choice.schemas)
    answers = await values_ahead(node, states, columns)
    view = NodeView(
        node=node.name, states=states, columns=columns, column_values=answers.values
    )
    return _Seen(view, answers, rates)


def _history(
    config: Config,
    arguments: argparse.Namespace,
    nodes: Iterable[str],
    database: str,
) -> dict[str, dict[SequenceName, Given]]:
    """Return what `stagger` gave; what can't be asked is said, and no reason to end."""
    if arguments.no_history:
        return {}
    try:
        with conflict_log(config) as connection, storing():
            return {
                node: sequence_syncs.given(connection, node, database) for node in nodes
            }
    except PgConflictError as error:
        say(f"not looked for drift: {error}")
        return {}


def _groups(
    config: Config, arguments: argparse.Namespace, views: Sequence[NodeView]
) -> list[list[NodeView]]:
    """Return the nodes that must not give out each other's values."""
    if arguments.nodes:
        return [list(views)]
    groups = {frozenset(pair.nodes) for pair in config.sequences.pairs if pair.nodes}
    return [[view for view in views if view.node in group] for group in groups]


def _print(
    arguments: argparse.Namespace, findings: Sequence[Finding], database: str
) -> None:
    order = list(Severity)
    ranked = sorted(findings, key=lambda one: (order.index(one.severity), one.name))
    if arguments.json:
        for finding in ranked:
            output.print_json_line(_object(finding, database))
    elif ranked:
        output.print_table(
            _COLUMNS,
            [
                (one.severity, one.risk, one.node, str(one.name), one.seen, one.remedy)
                for one in ranked
            ],
        )
    counts = Counter(one.severity for one in findings)
    said = [output.plural(counts[one], one.value) for one in Severity if counts[one]]
    say(f"database {database}: {', '.join(said) or 'nothing found'}")


def _object(finding: Finding, database: str) -> dict[str, Any]:
    found = msgspec.structs.asdict(finding)
    name = found.pop("name")
    return {
        "database": database,
        "schemaname": name.schemaname,
        "sequencename": name.sequencename,
        **found,
        "doc": f"docs/sequences.md#{finding.risk}",
    }
