"""What could come next on a command line, found in the tree that parses it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from pgconflict.cli.parser import Parser, load, tree
from pgconflict.errors import PgConflictError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_NODES: Final = frozenset({"node", "nodes", "from", "to", "publisher"})
"""Options, without their dashes, whose value is a configured node."""


class Candidate(NamedTuple):
    """A word, and what it means."""

    word: str
    help: str


def candidates(words: Sequence[str]) -> list[Candidate]:
    """Return what the last of these words could become, `pgconflict` left out.

    Nothing where the value is the operator's own, as a file or a number: shells offer
    files then.

    >>> [one.word for one in candidates(["subscriptions", "s"])]
    ['skip']
    >>> [one.word for one in candidates(["subscriptions", "skip", "s", "--fi"])]
    ['--find-lsn']
    """
    # bash splits at = ; the others don't.
    known = [word for word in words if word != "="]
    current = known.pop() if known and words[-1] != "=" else ""
    option, assigned, value = current.partition("=")
    prefix = ""
    if assigned and option.startswith("--"):
        known, current, prefix = [*known, option], value, f"{option}="
    found = _Line(known).next(current)
    return [
        Candidate(prefix + one.word, one.help)
        for one in found
        if one.word.startswith(current)
    ]


class _Line:
    """How far the words before the current one lead into the tree of commands."""

    def __init__(self, words: Iterable[str]) -> None:
        self.parser: argparse.ArgumentParser = tree()
        self.pending: argparse.Action | None = None
        self.positionals = 0
        self.config: str | None = None
        for word in words:
            self._take(word)

    def next(self, current: str) -> Iterator[Candidate]:
        """Yield every word that may follow, whatever `current` begins with."""
        if self.pending is not None and not current.startswith("-"):
            yield from self._values(self.pending)
            if self.pending.nargs is None:
                return
        if current.startswith("-"):
            yield from _options(self.parser)
            return
        commands = _commands(self.parser)
        if commands is not None:
            yield from _choices(commands)
        else:
            positionals = _positionals(self.parser)[self.positionals :]
            for action in positionals[:1]:
                yield from self._values(action)

    def _take(self, word: str) -> None:
        if self.pending is not None and not word.startswith("-"):
            if self.pending.dest == "config":
                self.config = word
            if self.pending.nargs is None:
                self.pending = None
            return
        self.pending = None
        name, assigned, _ = word.partition("=")
        if word.startswith("-"):
            action = _option(self.parser, name)
            takes = action is not None and action.nargs != 0 and not assigned
            self.pending = action if takes else None
            return
        commands = _commands(self.parser)
        if commands is None:
            self.positionals += 1
        elif word in commands.choices:
            self.parser = commands.choices[word]
            load(self.parser)

    def _values(self, action: argparse.Action) -> Iterator[Candidate]:
        if action.choices is not None:
            for choice in action.choices:
                yield Candidate(str(choice), "")
        elif {name.lstrip("-") for name in action.option_strings} & _NODES or (
            action.metavar == "NODE"
        ):
            yield from _nodes(self.config)


def _nodes(config: str | None) -> Iterator[Candidate]:
    # Only here: it takes longer than all the rest.
    from pgconflict.config import load as load_config  # noqa: PLC0415

    try:
        found = load_config(None if config is None else Path(config).expanduser())
    except (PgConflictError, OSError, RuntimeError):
        return
    for node in found.nodes:
        yield Candidate(node.name, "")


def _commands(
    parser: argparse.ArgumentParser,
) -> argparse._SubParsersAction[Parser] | None:
    for action in parser._actions:  # noqa: SLF001 - argparse shows its tree to nobody
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            return action
    return None


def _choices(
    commands: argparse._SubParsersAction[Parser],
) -> Iterator[Candidate]:
    for one in commands._choices_actions:  # noqa: SLF001
        yield Candidate(one.dest, _first_line(one.help))


def _options(parser: argparse.ArgumentParser) -> Iterator[Candidate]:
    for action in parser._actions:  # noqa: SLF001
        if action.help != argparse.SUPPRESS:
            for option in action.option_strings:
                yield Candidate(option, _first_line(action.help))


def _option(parser: argparse.ArgumentParser, name: str) -> argparse.Action | None:
    return parser._option_string_actions.get(name)  # noqa: SLF001


def _positionals(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [one for one in parser._actions if not one.option_strings]  # noqa: SLF001


def _first_line(text: str | None) -> str:
    return " ".join((text or "").replace("%%", "%").split())
