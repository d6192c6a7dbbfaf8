"""`pgconflict subscriptions`: what there is, and the two risky operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgconflict.cli.parser import add_words
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
    add_words(parser, "action", ACTIONS, "subscriptions_")


def run(arguments: argparse.Namespace) -> int:
    """Never the chosen one: an action is required."""
    raise UsageError(f"{arguments.command}: no action")
