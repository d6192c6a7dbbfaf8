"""`pgconflict status`: nodes, subscriptions, conflicts, ledger, slots on one screen."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pgconflict.cli import output
from pgconflict.cli.conflict_access import moment
from pgconflict.cli.nodes import node_of
from pgconflict.cli.status_document import (
    Document,
    dropped_of,
    nodes_of,
    pairs_of,
    rows_of,
    slots_of,
)
from pgconflict.cli.status_judge import Problem, Severity, judge
from pgconflict.cli.status_read import look
from pgconflict.cli.status_screen import show, summary
from pgconflict.cli.subscription_access import FINDINGS, configured
from pgconflict.config.values import duration
from pgconflict.errors import PgConflictError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pgconflict.cli.status_document import Row
    from pgconflict.cli.status_read import Seen
    from pgconflict.config import Config

SINCE: Final = "24h"
EVERY: Final = "5s"

OK, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3
"""Exit codes with --nagios: those of the plugins of Nagios, Icinga, Naemon."""

_CLEAR: Final = "\x1b[H\x1b[2J\x1b[3J"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what is shown, and how often."""
    parser.add_argument(
        "--node",
        action="append",
        metavar="NAME",
        help="show what is on this node only; may be repeated",
    )
    parser.add_argument(
        "--since",
        metavar="TIME",
        default=SINCE,
        help="count conflicts, and say whether all are recorded, since: a duration"
        " before now (2h, 7d) or a time in ISO 8601, of UTC unless it has a zone;"
        f" default: {SINCE}",
    )
    parser.add_argument(
        "--watch",
        nargs="?",
        const=EVERY,
        metavar="TIME",
        help=f"show it again and again, every so often; default: {EVERY}",
    )
    parser.add_argument(
        "--nagios",
        action="store_true",
        help="one line first, and the exit codes of a Nagios plugin: 0 ok, 1 warning,"
        " 2 critical, 3 unknown",
    )
    parser.add_argument(
        "--no-sequences",
        action="store_true",
        help="do not compare the sequences of the configuration's pairs",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the screen; 3 if something is wrong, 69 or 77 if not all could be asked."""
    if not arguments.nagios:
        return _run(arguments)
    try:
        return _run(arguments)
    except UsageError:
        raise
    except PgConflictError as error:
        print(output.visible(f"PGCONFLICT UNKNOWN - {error}"))
        return UNKNOWN


def _run(arguments: argparse.Namespace) -> int:
    config = configured(arguments)
    for name in arguments.node or ():
        node_of(config, name)
    moment(arguments.since, datetime.now(UTC), "--since")
    if arguments.watch is None:
        return _once(config, arguments)
    if arguments.nagios or arguments.json:
        raise UsageError("--watch is for people: neither with --nagios nor with --json")
    try:
        seconds = duration(arguments.watch).total_seconds()
    except ValueError as error:
        raise UsageError(f"--watch {arguments.watch}: {error}") from None
    while True:
        _clear()
        _once(config, arguments)
        sys.stdout.flush()
        time.sleep(seconds)


def _clear() -> None:
    """Begin a new screen; where there is none to clear, a line between the two."""
    import os  # noqa: PLC0415 - only here

    if sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        sys.stdout.write(_CLEAR)
    else:
        print("-" * 72)


def _once(config: Config, arguments: argparse.Namespace) -> int:
    since = moment(arguments.since, datetime.now(UTC), "--since")
    seen = look(config, since, sequences=not arguments.no_sequences)
    document = document_of(config, seen, since, arguments.node or ())
    code = document.exit_code
    if arguments.nagios:
        code = _plugin_code(document)
        print(f"PGCONFLICT {summary(document)}")
    if arguments.json:
        output.print_json(document.builtins())
    elif not arguments.nagios:
        show(document)
    return code


def document_of(
    config: Config, seen: Seen, since: datetime, only: Sequence[str]
) -> Document:
    """Return what was seen, of these nodes only if any is named, and what is wrong."""

    def shown(node: str | None) -> bool:
        return not only or node is None or node in only

    nodes = [one for one in nodes_of(config, seen) if shown(one.name)]
    rows = [one for one in rows_of(seen) if shown(one.line.node)]
    slots = [one for one in slots_of(seen) if shown(one.node)]
    pairs = [
        one
        for one in pairs_of(seen.sequences)
        if not only or any(node in only for node in one.nodes)
    ]
    now = datetime.now(UTC)
    problems = judge(nodes, rows, slots, pairs, recorded=seen.recorded, now=now)
    refused = [
        error
        for error in (*seen.asked.silent, seen.recorded.error)
        if error is not None and _concerns(error, only)
    ]
    code = max((error.exit_code for error in refused), default=0)
    error = seen.recorded.error
    return Document(
        made_at=now,
        since=since,
        state=_state(problems),
        exit_code=code or (FINDINGS if problems else 0),
        conflict_log=_conflict_log(seen, error),
        nodes=nodes,
        subscriptions=rows,
        rows_differing=_differing(seen, rows),
        dropped=[one for one in dropped_of(seen) if shown(one.node)],
        slots=slots,
        sequences=pairs,
        problems=problems,
    )


def _differing(seen: Seen, rows: Sequence[Row]) -> int | None:
    if not seen.recorded.configured or seen.recorded.error is not None:
        return None
    return seen.recorded.differing_among(row.place for row in rows)


def _concerns(error: PgConflictError, only: Sequence[str]) -> bool:
    """Whether a node that is shown, or the conflict log, is what was not asked."""
    text = str(error)
    if not only or not text.startswith("node "):
        return True
    return any(text.startswith((f"node {name} ", f"node {name}:")) for name in only)


def _conflict_log(seen: Seen, error: PgConflictError | None) -> str | None:
    if not seen.recorded.configured:
        return "not read: conflict_log.destination is log"
    return None if error is None else f"NOT REACHED: {error}"


def _state(problems: Sequence[Problem]) -> str:
    found = {problem.severity for problem in problems}
    return next((str(one) for one in Severity if one in found), "ok")


def _plugin_code(document: Document) -> int:
    codes = {"ok": OK, "warning": WARNING, "critical": CRITICAL}
    return codes[document.state]
