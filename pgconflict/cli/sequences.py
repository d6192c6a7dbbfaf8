"""`pgconflict sequences`: compared, moved, staggered, checked across nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pgconflict.errors import UsageError

if TYPE_CHECKING:
    import argparse

ACTIONS: Final = (
    ("diff", "every sequence on every node: who is behind, what differs"),
    ("sync", "move one node's sequences beyond another's, and prove it"),
    ("check", "what will go wrong: columns ahead, overlaps, drift, exhaustion"),
    ("stagger", "give each node values of its own, for active-active"),
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
            module=f"pgconflict.cli.sequences_{name}",
        )


def run(arguments: argparse.Namespace) -> int:
    """Never the chosen one: an action is required."""
    raise UsageError(f"{arguments.command}: no action")
