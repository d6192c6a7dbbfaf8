"""The tree of commands, without the commands: only the chosen one is imported.

A command is a module `pgconflict.cli.NAME` with `add_arguments(parser)` and
`run(arguments) -> int`. `--json` and `--config` may stand before or after any of
its words.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NoReturn, TypeAlias

from pgconflict import __version__
from pgconflict.errors import UsageError

Command: TypeAlias = Callable[[argparse.Namespace], int]

COMMANDS: Final = (
    ("demo", "show it at work: two servers, every conflict, one minute"),
    ("init", "create or upgrade the conflict log database; print GRANTs"),
    ("check", "can each node be read, and what can't be seen on it"),
    ("run", "the daemon: record conflicts, export metrics"),
    ("scan", "conflicts in server log files, offline"),
    ("conflicts", "list, show, sum up, export, acknowledge conflicts"),
    ("sequences", "compare, move, check sequences across nodes"),
    ("subscriptions", "list subscriptions; skip a transaction, drop one safely"),
    ("preflight", "the gate before a major upgrade or a switchover"),
    ("status", "nodes, subscriptions, open conflicts on one page"),
    ("completion", "print what makes a shell complete these commands"),
)
"""Name and help of each command, in the order of `--help`."""

_EPILOG: Final = """\
exit codes: 0 fine, 1 a defect in pgconflict, 2 usage, 3 findings, 69 a server
can't be reached, 77 a privilege is missing, 78 the configuration is wrong
"""


class Parser(argparse.ArgumentParser):
    """argparse with the common options at every level and errors as UsageError."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how, add_help=False, allow_abbrev=False)
        common = self.add_argument_group("common options")
        common.add_argument(
            "-h", "--help", action="help", help="show this and do nothing else"
        )
        # Without a default: a parser further down would overwrite what was said
        # before its command. `parse` has the defaults.
        common.add_argument(
            "--json",
            action="store_true",
            default=argparse.SUPPRESS,
            help="results as JSON: a document, or an object a line for lists",
        )
        common.add_argument(
            "--config",
            type=Path,
            metavar="FILE",
            default=argparse.SUPPRESS,
            help="configuration; default: $PGCONFLICT_CONFIG,"
            " /etc/pgconflict/pgconflict.yml, ./pgconflict.yml",
        )

    def error(self, message: str) -> NoReturn:
        """Raise what `main` prints."""
        raise UsageError(message, hint=f"{self.prog} --help")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        choices = [str(choice) for choice in action.choices]
        near = _nearest(str(value), choices)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            raise UsageError(
                f"{self.prog} has no command {value!r}",
                hint=f"did you mean `{self.prog} {near[0]}`?"
                if near
                else f"{self.prog} --help",
            )
        raise argparse.ArgumentError(
            action, f"{value!r} is none of {', '.join(choices)}"
        )

    def known_options(self) -> list[str]:
        """Every option of this parser and, once used, of those below it."""
        found = [option for action in self._actions for option in action.option_strings]
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
                for parser in action.choices.values():
                    found += parser.known_options()
        return found


def _nearest(word: str, known: Iterable[str]) -> list[str]:
    """The known word that was meant, if there is one."""
    import difflib  # noqa: PLC0415 - a mistake may take longer

    return difflib.get_close_matches(word, list(known), 1)


class _CommandParser(Parser):
    """The parser of one command: asks its module only when it is the chosen one."""

    def __init__(self, *, module: str = "", **how: Any) -> None:
        super().__init__(**how)
        self.module = module

    def load(self) -> None:
        """Take the command's own arguments."""
        if self.module:
            module = import_module(self.module)
            self.module = ""
            module.add_arguments(self)
            self.set_defaults(run=module.run)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, now that this command is the one."""
        self.load()
        return super().parse_known_args(args, namespace)


def parse(words: list[str]) -> tuple[Command, argparse.Namespace]:
    """Return what to run, and its arguments; `json` and `config` are always there.

    Raises:
        UsageError: the words are no command line of pgconflict.
        SystemExit: help or version was asked, and given.
    """
    parser = tree()
    arguments, unknown = parser.parse_known_args(
        words, argparse.Namespace(json=False, config=None)
    )
    if unknown:
        option = unknown[0].partition("=")[0]
        near = _nearest(option, parser.known_options())
        raise UsageError(
            f"unknown argument: {' '.join(unknown)}",
            hint=f"did you mean {near[0]}?" if near else f"{parser.prog} --help",
        )
    run: Command = arguments.run
    return run, arguments


def amount(text: str) -> float:
    """Return a number of seconds, days or percent: none below 0, none without end.

    >>> amount("2.5")
    2.5

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        message = f"{text!r} is not a number from 0 on"
        raise argparse.ArgumentTypeError(message)
    return found


def load(parser: argparse.ArgumentParser) -> None:
    """Have a command of the tree take its own arguments, if it has not yet."""
    if isinstance(parser, _CommandParser):
        parser.load()


def tree() -> Parser:
    """Return the parser of the whole command line; commands are still unloaded."""
    parser = Parser(
        prog="pgconflict",
        description="Records every logical replication conflict of PostgreSQL once,"
        " says what it did, keeps sequences in step.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"pgconflict {__version__}"
    )
    add_words(parser, "command", COMMANDS)
    return parser


def add_words(
    parser: argparse.ArgumentParser,
    what: str,
    words: Iterable[tuple[str, str]],
    prefix: str = "",
) -> None:
    """Have a parser take one of these words next; each is a module `prefix + word`.

    Args:
        parser: Of what stands before.
        what: What `--help`, and the namespace, call such a word.
        words: Each with its help.
        prefix: What modules of `pgconflict.cli` have before the word.
    """
    parsers = parser.add_subparsers(
        title=f"{what}s",
        metavar=what.upper(),
        required=True,
        dest=what,
        parser_class=_CommandParser,
    )
    for name, text in words:
        parsers.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            module=f"pgconflict.cli.{prefix}{name}",
        )
