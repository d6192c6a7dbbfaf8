"""`pgconflict subscriptions`: what there is, and the two risky operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pgconflict.errors import UsageError

if TYPE_CHECKING:
    import argparse

ACTIONS: Final = (
    ("list", "all subscriptions of all nodes: state, lag, slot, what blocks them"),
    ("skip", "skip the transaction that keeps a subscription from applying"),
    ("drop", "drop a subscription and its slots, without waiting for ever"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what to do."""
    # Any: argparse's types do not know that the class of the parser takes a module,
    # which it loads when its word is met.
    actions: Any = parser.add_subparsers(
        title="actions", metavar="ACTION", required=True, dest="action"
    )
    for name, text in ACTIONS:
        actions.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            module=f"pgconflict.cli.subscriptions_{name}",
        )


def run(arguments: argparse.Namespace) -> int:
    """Never the chosen one: an action is required."""
    raise UsageError(f"{arguments.command}: no action")
