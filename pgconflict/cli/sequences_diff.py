"""`pgconflict sequences diff A B...`: every sequence on every node, side by side."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

from pgconflict.cli import output
from pgconflict.cli.output import Column
from pgconflict.cli.sequences_access import (
    DENIED,
    FINDINGS,
    add_choice,
    choice_of,
    configured,
    databases_of,
    nodes_of,
    opened,
    position_of,
    refuse_none,
    say,
)
from pgconflict.core.sequence_compare import NodeView, Row, State, compare
from pgconflict.server.sequence_columns import read_columns, values_ahead

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pgconflict.config import Config, Node
    from pgconflict.server.sequence_sync import Choice
    from pgconflict.server.sequences import SequenceNode

_COLUMNS = (
    Column("sequence"),
    Column("node"),
    Column("state"),
    Column("last value", "right"),
    Column("ahead", "right"),
    Column("increment", "right"),
    Column("min", "right"),
    Column("max", "right"),
    Column("cycle"),
    Column("cache", "right"),
    Column("type"),
    Column("column"),
    Column("detail"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take two nodes or more."""
    parser.add_argument(
        "nodes", nargs="+", metavar="NODE", help="the first is compared with the others"
    )
    add_choice(parser)
    parser.add_argument(
        "--state",
        action="append",
        choices=[*State],
        metavar="STATE",
        help=f"show only these: {', '.join(State)}; may be repeated",
    )
    parser.add_argument(
        "--findings", action="store_true", help="show only what somebody should mend"
    )
    parser.add_argument(
        "--active-active",
        action="store_true",
        help="all these nodes give out values: report what two of them will give out",
    )
    parser.add_argument(
        "--no-columns",
        action="store_true",
        help="do not look whether a column is ahead of its sequence",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the rows; 3 if one is a finding, 77 if one could not be read."""
    config = configured(arguments)
    nodes = nodes_of(config, arguments.nodes, least=2)
    code = 0
    for database in databases_of(arguments):
        code = max(code, asyncio.run(_diff(config, arguments, nodes, database)))
    return code


async def _diff(
    config: Config,
    arguments: argparse.Namespace,
    nodes: Sequence[Node],
    database: str | None,
) -> int:
    choice = choice_of(arguments)
    views, refused, name = await _views(config, arguments, nodes, database, choice)
    refuse_none(arguments, sum(len(view.states) for view in views), name)
    rows = list(compare(views, active=arguments.active_active))
    shown = [row for row in rows if _wanted(row, arguments)]
    if arguments.json:
        for row in shown:
            output.print_json_line(_object(row, name))
    else:
        output.print_table(_COLUMNS, map(_cells, shown))
    found = Counter(state for row in rows for state in row.states)
    names = {row.name for row in rows}
    states = ", ".join(f"{number} {state}" for state, number in sorted(found.items()))
    say(f"database {name}: {output.plural(len(names), 'sequence')}: {states or 'none'}")
    for text in refused:
        say(text)
    if found[State.UNREADABLE] or refused:
        unreadable = [
            f"{row.name} on node {row.node}"
            for row in rows
            if State.UNREADABLE in row.states
        ]
        if unreadable:
            say(f"may not be read: {', '.join(unreadable)}; GRANT pg_read_all_data")
        return DENIED
    return FINDINGS if any(state.finding for state in found) else 0


async def _views(
    config: Config,
    arguments: argparse.Namespace,
    nodes: Sequence[Node],
    database: str | None,
    choice: Choice,
) -> tuple[list[NodeView], list[str], str]:
    connected = await asyncio.gather(
        *(opened(node, config, arguments, database) for node in nodes)
    )
    try:
        found = await asyncio.gather(
            *(
                view(one, choice, ask_columns=not arguments.no_columns)
                for one in connected
            )
        )
        name = connected[0].database
    finally:
        for one in connected:
            await one.close()
    return (
        [one for one, _ in found],
        [text for _, texts in found for text in texts],
        name,
    )


async def view(
    node: SequenceNode, choice: Choice, *, ask_columns: bool
) -> tuple[NodeView, list[str]]:
    """Return what a node says, and which columns it would not tell."""
    states = await choice.read(node)
    columns = await read_columns(node, choice.schemas)
    if not ask_columns:
        return NodeView(node=node.name, states=states, columns=columns), []
    answers = await values_ahead(node, states, columns)
    refused = [
        f"node {node.name}: {name}: {reason}"
        for name, reason in sorted(answers.refused.items())
    ]
    seen = NodeView(
        node=node.name, states=states, columns=columns, column_values=answers.values
    )
    return seen, refused


def _wanted(row: Row, arguments: argparse.Namespace) -> bool:
    if arguments.findings and not any(state.finding for state in row.states):
        return False
    return not arguments.state or bool(set(arguments.state) & set(row.states))


def _cells(row: Row) -> Sequence[object]:
    state = row.state
    if state is None:
        return (str(row.name), row.node, row.states, *[None] * 9, row.detail)
    return (
        str(row.name),
        row.node,
        row.states,
        position_of(state),
        row.distance,
        state.increment,
        state.minimum,
        state.maximum,
        state.cycle,
        state.cache,
        state.data_type,
        row.columns,
        row.detail,
    )


def _object(row: Row, database: str) -> dict[str, Any]:
    state = row.state
    found: dict[str, Any] = {
        "database": database,
        "schemaname": row.name.schemaname,
        "sequencename": row.name.sequencename,
        "node": row.node,
        "states": list(row.states),
        "detail": row.detail,
        "ahead": row.distance,
        "columns": [str(column) for column in row.columns],
        "column_value": row.column_value,
    }
    fields = (
        "last_value",
        "is_called",
        "increment",
        "minimum",
        "maximum",
        "start",
        "cycle",
        "cache",
        "data_type",
        "unlogged",
        "owner",
    )
    return found | {name: getattr(state, name, None) for name in fields}
