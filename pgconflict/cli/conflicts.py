"""`pgconflict conflicts`: questions to the conflict log, one module each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgconflict.cli.parser import add_words
from pgconflict.errors import UsageError

if TYPE_CHECKING:
    import argparse

QUESTIONS: Final = (
    ("list", "conflicts, newest first; --follow shows new ones as they come"),
    ("show", "everything about one: what happened, both rows, what to do next"),
    ("summary", "how many, by type, table, subscription and time"),
    ("export", "all of them, as CSV, JSON lines or Parquet"),
    ("verify", "compare a table on two nodes, whether or not a log told of a conflict"),
    ("repair", "make rows that differ equal: plan, and with --apply do it"),
    ("ack", "mark conflicts as seen, with who and why"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the question."""
    add_words(parser, "question", QUESTIONS, "conflicts_")


def run(arguments: argparse.Namespace) -> int:
    """Never the chosen one: a question is required."""
    raise UsageError(f"{arguments.command}: no question")
