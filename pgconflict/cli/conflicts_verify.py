"""`pgconflict conflicts verify TABLE`: whether two nodes hold the same rows."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pgconflict.cli import output
from pgconflict.cli.sequences_access import Counting
from pgconflict.cli.subscription_access import (
    FINDINGS,
    add_nodes,
    configured,
    conflict_log,
    policy,
    say,
    two_nodes,
)
from pgconflict.conflict_log.differences import (
    Differences,
    Differing,
    Progress,
    Subscribed,
)
from pgconflict.conflict_log.filters import split_table
from pgconflict.core.verdict import difference
from pgconflict.errors import ConflictLogUnavailableError, UsageError
from pgconflict.server.connect import translated
from pgconflict.server.table_hash import Comparison, Order, Range, shared_order
from pgconflict.server.table_nodes import TableNodes

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from pgconflict.config import Config
    from pgconflict.server.table_nodes import KeyValues, Settled

JOB: Final = "verify"
SHOWN: Final = 50
"""Findings that the text lists; --json and the conflict log have all."""

SAVE_S: Final = 2.0
"""Between two notes of how far it is."""

AT_ONCE: Final = 500
"""Suspects that are looked at together."""

BEHIND_S: Final = 1.0
"""How long is waited for what has not arrived, once apply was found behind."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take a table and two nodes."""
    parser.add_argument("table", metavar="[SCHEMA.]TABLE")
    add_nodes(parser)
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on where the last comparison of this table was cut short",
    )
    parser.add_argument(
        "--range",
        type=int,
        default=5000,
        metavar="ROWS",
        help="rows that the first statement hashes; later ones take 0.4 s each;"
        " default: %(default)s",
    )
    parser.add_argument(
        "--wait",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="how long changes on their way are waited for, before a row that differs"
        " is called unsettled; default: 60",
    )
    parser.add_argument(
        "--most",
        type=int,
        default=10_000,
        metavar="ROWS",
        help="stop behind the range in which so many rows differ or are not settled;"
        " --resume goes on from there; default: %(default)s",
    )
    parser.add_argument(
        "--no-store",
        action="store_true",
        help="record nothing in the conflict log; such a run can't be resumed",
    )


def run(arguments: argparse.Namespace) -> int:
    """Compare; 3 if rows differ or could not be settled."""
    config = configured(arguments)
    if arguments.range < 1:
        raise UsageError("--range: a number of rows")
    if arguments.most < 1:
        raise UsageError("--most: a number of rows")
    return asyncio.run(_verify(config, arguments))


async def _verify(config: Config, arguments: argparse.Namespace) -> int:
    schema, table = split_table(arguments.table)
    names = (schema or "public", table)
    store = nullcontext() if arguments.no_store else conflict_log(config, write=True)
    if arguments.resume and arguments.no_store:
        raise UsageError("--resume needs what --no-store does not keep")
    nodes = await TableNodes.open(
        two_nodes(config, arguments), config.limits, names, job=JOB
    )
    try:
        with store as connection:
            log = None
            if connection is not None:
                log = Differences(connection, policy(config))
            work = _Verification(nodes, names, arguments, log)
            return await work.run()
    finally:
        nodes.close()


@dataclass(slots=True)
class _Found:
    """What is told at the end."""

    rows: list[tuple[int | None, Differing]] = field(default_factory=list)
    unsettled: list[tuple[KeyValues, str]] = field(default_factory=list)
    types_differ: int = 0
    stopped: bool = False
    """So many rows differ that the rest was not looked at."""

    @property
    def number(self) -> int:
        """How many rows are kept to be told of."""
        return len(self.rows) + len(self.unsettled)


class _Verification:
    """One comparison, from its beginning or from where it was cut short."""

    def __init__(
        self,
        nodes: TableNodes,
        names: tuple[str, str],
        arguments: argparse.Namespace,
        log: Differences | None,
    ) -> None:
        self._nodes = nodes
        self._names = names
        self._arguments = arguments
        self._log = log
        self._found = _Found()
        self._suspects: list[KeyValues] = []
        self._wait_s: float = arguments.wait
        self._saved = self._began = time.monotonic()

    async def run(self) -> int:
        order = await shared_order(self._nodes)
        self._say_what_is_compared(order)
        compared = Comparison(self._nodes, order, self._arguments.range)
        total = await compared.prepare()
        progress = self._start(order)
        bar = Counting("rows", max(total, 1))
        bar.advance(max(progress.rows))
        after = None if progress.position is None else tuple(progress.position)
        async for part in compared.ranges(after):
            await self._note(part, order, progress)
            bar.advance(max(part.rows))
            if self._found.number >= self._arguments.most and part.end is not None:
                self._stop(progress)
                break
        else:
            bar.advance(bar.total)
        self._print(order, progress)
        return FINDINGS if progress.differing or progress.unsettled else 0

    def _stop(self, progress: Progress) -> None:
        """Leave the rest: a table that differs as a whole has findings without end."""
        self._found.stopped = True
        if self._log is not None:
            with _storing():
                self._log.advance(progress, done=False)

    def _start(self, order: Order) -> Progress:
        if self._log is None:
            return Progress(run_id=0)
        with _storing():
            progress = self._log.begin(
                self._names,
                {one.name: one.system_identifier for one in self._nodes.nodes.values()},
                order.key,
                resume=self._arguments.resume,
            )
        if progress is None:
            raise UsageError(
                "no comparison of this table was cut short", hint="leave --resume out"
            )
        if self._arguments.resume:
            say(f"going on behind {_key(order, progress.position or ())}")
        return progress

    def _say_what_is_compared(self, order: Order) -> None:
        nodes = self._nodes
        if not nodes.links:
            say("no subscription brings this table from one of them to the other")
        for link in nodes.links:
            if not link.enabled:
                say(f"subscription {link.subname} of {link.subscriber} is disabled")
        if nodes.filter is not None:
            say(f"only rows that are sent: {nodes.filter}")
        first = next(iter(nodes.nodes.values())).table
        if left := [name for name in first.types if name not in nodes.columns]:
            say(f"not compared, generated or not sent both ways: {', '.join(left)}")
        if order.by_bytes:
            say(
                f"{', '.join(sorted(order.by_bytes))} sorts differently on the two"
                ' nodes: read in order of bytes; without an index on it COLLATE "C"'
                " each range reads the whole table"
            )

    async def _note(self, part: Range, order: Order, progress: Progress) -> None:
        self._suspects += part.suspects
        late = time.monotonic() - self._saved >= SAVE_S
        waiting = self._found.number + len(self._suspects)
        many = len(self._suspects) >= AT_ONCE or waiting >= self._arguments.most
        if many or part.end is None or late:
            await self._settle(order, progress)
        progress.position = part.end
        progress.ranges += 1
        progress.rows = [
            had + more for had, more in zip(progress.rows, part.rows, strict=True)
        ]
        # What is suspected must be settled before its range counts as compared.
        if self._log is not None and not self._suspects and (late or part.end is None):
            self._saved = time.monotonic()
            with _storing():
                self._log.advance(progress, done=part.end is None)

    async def _settle(self, order: Order, progress: Progress) -> None:
        suspects, self._suspects = self._suspects, []
        for start in range(0, len(suspects), AT_ONCE):
            settled = await self._nodes.settle(
                order.key,
                self._nodes.columns,
                suspects[start : start + AT_ONCE],
                self._wait_s,
            )
            if any(one.state == "behind" for one in settled.values()):
                self._wait_s = min(self._wait_s, BEHIND_S)
            for key, one in settled.items():
                self._judge(order, progress, key, one)

    def _judge(
        self, order: Order, progress: Progress, key: KeyValues, one: Settled
    ) -> None:
        if one.state == "equal":
            return
        if one.state != "differs":
            progress.unsettled += 1
            self._found.unsettled.append((key, one.state))
            return
        first, second = one.rows.values()
        found = difference(self._nodes.columns, first, second)
        if found is None:
            return
        if found.columns and self._nodes.types_differ(found.columns):
            self._found.types_differ += 1
            return
        row = Differing(
            key=dict(zip(order.key, key, strict=True)),
            columns=found.columns,
            rows={
                name: None if version is None else version.values
                for name, version in one.rows.items()
            },
        )
        progress.differing += 1
        number = None
        if self._log is not None:
            with _storing():
                number = self._log.put(
                    progress.run_id,
                    progress.differing,
                    self._names,
                    self._subscribed(),
                    row,
                )
        self._found.rows.append((number, row))

    def _subscribed(self) -> Subscribed:
        """Whose conflict a difference is: the second node's, where it subscribes."""
        one, two = self._nodes.nodes.values()
        links = {link.subscriber: link for link in self._nodes.links}
        here, there = (two, one) if two.name in links or not links else (one, two)
        link = links.get(here.name)
        return Subscribed(
            node=here.name,
            system_identifier=here.system_identifier,
            database=None,
            subid=None if link is None else link.subid,
            subname=None if link is None else link.subname,
            publisher=there.name,
            relid=here.table.relid,
        )

    def _print(self, order: Order, progress: Progress) -> None:
        found, nodes = self._found, list(self._nodes.nodes)
        seconds = time.monotonic() - self._began
        if self._arguments.json:
            output.print_json(
                {
                    "table": ".".join(self._names),
                    "nodes": nodes,
                    "key": order.key,
                    "columns": self._nodes.columns,
                    "rows": dict(zip(nodes, progress.rows, strict=True)),
                    "ranges": progress.ranges,
                    "seconds": round(seconds, 3),
                    "differing": progress.differing,
                    "unsettled": progress.unsettled,
                    "types_differ": found.types_differ,
                    "stopped": found.stopped,
                    "run_id": progress.run_id or None,
                    "findings": [
                        {
                            "conflict_id": number,
                            "key": row.key,
                            "columns": row.columns,
                            "rows": row.rows,
                        }
                        for number, row in found.rows
                    ],
                    "unsettled_rows": [
                        {"key": dict(zip(order.key, key, strict=True)), "state": state}
                        for key, state in found.unsettled
                    ],
                }
            )
            return
        rows = " and ".join(
            f"{count} on {name}"
            for name, count in zip(nodes, progress.rows, strict=True)
        )
        if found.rows:
            output.print_table(
                [output.Column("conflict", "right"), "key", "differs"],
                [
                    (number, row.key_text, _differs(row))
                    for number, row in found.rows[:SHOWN]
                ],
            )
            if len(found.rows) > SHOWN:
                print(f"and {len(found.rows) - SHOWN} more")
            print()
        print(
            f"{'.'.join(self._names)}: {rows}, {progress.ranges} ranges,"
            f" {seconds:.1f} s: {_outcome(progress, found)}"
        )
        if found.stopped:
            goes_on = ": --resume goes on from there" if self._log is not None else ""
            say(f"stopped before the end, as so many rows differ{goes_on}")
        if progress.differing and self._log is not None:
            say("pgconflict conflicts repair ID ... --winner NODE puts them right")


def _differs(row: Differing) -> str:
    gone = [name for name, values in row.rows.items() if values is None]
    if gone:
        return f"missing on {', '.join(gone)}"
    return ", ".join(row.columns)


def _outcome(progress: Progress, found: _Found) -> str:
    said = []
    if progress.differing:
        said.append(f"{output.plural(progress.differing, 'row')} differ")
    if progress.unsettled:
        said.append(f"{progress.unsettled} written or waited for all the time")
    if found.types_differ:
        said.append(f"{found.types_differ} differ only in columns of different types")
    return "; ".join(said) or "equal"


def _key(order: Order, values: Sequence[str]) -> str:
    return f"({', '.join(order.key)})=({', '.join(values)})"


@contextmanager
def _storing() -> Iterator[None]:
    with translated("the conflict log", unavailable=ConflictLogUnavailableError):
        yield
