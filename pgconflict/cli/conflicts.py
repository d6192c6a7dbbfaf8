"""`pgconflict conflicts`: questions to the conflict log, one module each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

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
    # Any: argparse's types do not know that the class of the parser takes a module,
    # which it loads when its word is met.
    questions: Any = parser.add_subparsers(
        title="questions", metavar="QUESTION", required=True, dest="question"
    )
    for name, text in QUESTIONS:
        questions.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            module=f"pgconflict.cli.conflicts_{name}",
        )


def run(arguments: argparse.Namespace) -> int:
    """Never the chosen one: a question is required."""
    raise UsageError(f"{arguments.command}: no question")
