"""What the commands about sequences have in common: nodes, choice, conflict log."""

from __future__ import annotations

import gc
import re
import shutil
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TextIO

from pgconflict.cli import output
from pgconflict.cli.nodes import node_of
from pgconflict.config import load
from pgconflict.config.values import duration
from pgconflict.conflict_log import schema
from pgconflict.conflict_log.reader import refuse_other_schema
from pgconflict.errors import (
    ConflictLogUnavailableError,
    PrivilegeMissingError,
    UsageError,
)
from pgconflict.server.connect import connect, translated
from pgconflict.server.sequence_sync import Choice
from pgconflict.server.sequences import SequenceNode

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    import psycopg

    from pgconflict.config import Config, Node
    from pgconflict.core.sequence import SequenceState

FINDINGS: Final = 3
DENIED: Final = 77
JOB: Final = "sequences"

STATEMENT_LIMIT: Final = timedelta(minutes=1)
"""For reading many sequences with one statement, which locks nothing."""

_LOG: Final = "the conflict log"


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Take which sequences are meant."""
    group = parser.add_argument_group("which sequences")
    group.add_argument(
        "--schema", action="append", default=[], metavar="NAME", help="may be repeated"
    )
    group.add_argument(
        "--name",
        action="append",
        default=[],
        metavar="PATTERN",
        help="of sequences, as in a shell: 'order_*', 'app.*_id_seq'; may be repeated",
    )
    group.add_argument(
        "--database",
        action="append",
        metavar="NAME",
        help="on every node, instead of those of their dsn; may be repeated",
    )
    group.add_argument(
        "--connections",
        type=int,
        default=2,
        metavar="N",
        help="to each node, where there are thousands of sequences; default: 2",
    )


def choice_of(arguments: argparse.Namespace) -> Choice:
    """Which sequences are meant."""
    return Choice(tuple(arguments.schema), tuple(arguments.name))


def refuse_none(arguments: argparse.Namespace, count: int, database: str) -> None:
    """Raise UsageError when what was chosen by name is nothing.

    A misspelt name must not look like a success.
    """
    if count or not (arguments.schema or arguments.name):
        return
    words = [f"--schema {name}" for name in arguments.schema]
    words += [f"--name {pattern}" for pattern in arguments.name]
    chosen = output.visible(" ".join(words))
    raise UsageError(
        f"database {database} has no sequence of {chosen}",
        hint="`pgconflict sequences diff` lists all; names are case-sensitive",
    )


def say_how_to_permit() -> None:
    """Tell which privileges are missing where something was unreadable."""
    say(
        "to read: GRANT pg_read_all_data, or USAGE on the schema and SELECT on the"
        " sequences; to move: the role that owns them"
    )


def databases_of(arguments: argparse.Namespace) -> Sequence[str | None]:
    """The databases that are meant; None is that of each node's dsn."""
    return arguments.database or [None]


def configured(arguments: argparse.Namespace) -> Config:
    """The configuration; and from here on no garbage collection.

    Hundreds of thousands of objects, none of them in a circle, would be looked
    through again and again: a third of the time of a run.
    """
    gc.disable()
    return load(arguments.config)


def nodes_of(config: Config, names: Sequence[str], least: int = 1) -> list[Node]:
    """The nodes of these names, each once."""
    nodes = [node_of(config, name) for name in dict.fromkeys(names)]
    if len(nodes) < least:
        raise UsageError(f"names of {least} nodes are needed")
    return nodes


async def opened(
    node: Node,
    config: Config,
    arguments: argparse.Namespace,
    database: str | None,
    *,
    read_only: bool = True,
) -> SequenceNode:
    """Connect to a node."""
    patience = max(STATEMENT_LIMIT, config.limits.statement_timeout)
    return await SequenceNode.open(
        node,
        job=JOB,
        limits=config.limits.model_copy(update={"statement_timeout": patience}),
        database=database,
        read_only=read_only,
        connections=max(1, arguments.connections),
    )


@contextmanager
def conflict_log(config: Config) -> Iterator[psycopg.Connection[Any]]:
    """The conflict log, of the schema known here, to write to.

    Raises:
        ConflictLogUnavailableError: it can't be reached.
        PrivilegeMissingError: with the statements that grant what is missing.
        ConfigError: the schema is another one.
    """
    role = ""
    patience = max(STATEMENT_LIMIT, config.limits.statement_timeout)
    limits = config.limits.model_copy(update={"statement_timeout": patience})
    unavailable = ConflictLogUnavailableError
    try:
        with connect(
            config.conflict_log.dsn,
            job=JOB,
            who=_LOG,
            limits=limits,
            read_only=False,
            unavailable=unavailable,
        ) as connection:
            role = connection.info.user
            with translated(_LOG, unavailable=unavailable):
                connection.execute("set timezone = 'UTC'")
                refuse_other_schema(connection)
            yield connection
    except PrivilegeMissingError as error:
        # Of a node, it has its own hint already.
        if not role or not str(error).startswith(_LOG):
            raise
        hint = " ".join(schema.grants(None, role))
        raise PrivilegeMissingError(str(error), hint=hint) from error
    except ConflictLogUnavailableError as error:
        hint = "--no-store does it without keeping the proof"
        raise ConflictLogUnavailableError(
            str(error), hint=f"{error.hint}; {hint}" if error.hint else hint
        ) from error


@contextmanager
def storing() -> Iterator[None]:
    """Give errors of the conflict log their meaning."""
    with translated(_LOG, unavailable=ConflictLogUnavailableError):
        yield


def count_or_time(text: str) -> int | timedelta:
    """A margin: a count of values, or a time.

    >>> count_or_time("1000"), count_or_time("60s")
    (1000, datetime.timedelta(seconds=60))
    """
    if re.fullmatch("[0-9]{1,18}", text):
        return int(text)
    return duration(text)


def position_of(state: SequenceState | None) -> str | None:
    """Where a sequence stands, as one line."""
    if state is None or state.last_value is None:
        return None
    return str(state.last_value) + ("" if state.is_called else " (not called)")


@dataclass(slots=True)
class Counting:
    """A line on standard error that says how far a long task is; silent elsewhere."""

    label: str
    total: int
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    _done: int = 0
    _shown: float = 0.0

    def advance(self, count: int) -> None:
        """Count as done; the line is written at most ten times a second."""
        self._done += count
        now = time.monotonic()
        if not self.stream.isatty():
            return
        if self._done >= self.total:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
        elif now - self._shown >= 0.1:  # noqa: PLR2004
            self._shown = now
            self._write()

    def _write(self) -> None:
        width = shutil.get_terminal_size().columns - 1
        part = self._done / max(1, self.total)
        text = f"{self.label} {self._done} of {self.total} {part:4.0%} "
        room = min(40, width - len(text) - 2)
        if room > 0:
            filled = round(room * part)
            text += f"[{'#' * filled}{'.' * (room - filled)}]"
        self.stream.write("\r" + output.cut(text, width) + "\x1b[K")
        self.stream.flush()


def watch(label: str, total: int) -> Callable[[int], None]:
    """Show the progress of a step."""
    return Counting(label, total).advance


@contextmanager
def interruptible(*, changes: bool) -> Iterator[None]:
    """Say on Ctrl-C what it means, where something may have been changed."""
    try:
        yield
    except KeyboardInterrupt:
        if sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")  # over the progress
        if changes:
            say("interrupted: what was changed stays so; run it again for the rest")
        raise


def say(text: str) -> None:
    """Tell what is being done, while it is being done."""
    output.print_message(output.visible(text))
