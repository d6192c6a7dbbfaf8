"""`pgconflict sequences`: compared, moved, staggered, checked across nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgconflict.cli.parser import add_words
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
    add_words(parser, "action", ACTIONS, "sequences_")


def run(arguments: argparse.Namespace) -> int:
    """Never the chosen one: an action is required."""
    raise UsageError(f"{arguments.command}: no action")
