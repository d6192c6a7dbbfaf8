"""`pgconflict conflicts verify TABLE`: whether two nodes hold the same rows."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Final

from pgconflict.cli import output
from pgconflict.cli.parser import amount
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
from pgconflict.cli.verify_report import Found, Report
from pgconflict.cli.verify_rows import (
    AT_ONCE,
    Looks,
    Place,
    key_text,
    keys_shown,
    size_of,
    subscribed,
)
from pgconflict.conflict_log.differences import (
    Differences,
    Differing,
    Progress,
)
from pgconflict.conflict_log.filters import split_table
from pgconflict.core.verdict import difference
from pgconflict.errors import ConflictLogUnavailableError, UsageError
from pgconflict.server.connect import translated
from pgconflict.server.table_hash import Comparison, Range
from pgconflict.server.table_leaves import Leaves
from pgconflict.server.table_nodes import TableNodes
from pgconflict.server.table_order import Order, shared_order

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from pgconflict.config import Config
    from pgconflict.server.table_leaves import Names
    from pgconflict.server.table_nodes import KeyValues, Settled

JOB: Final = "verify"
MOST_ROWS: Final = 2**31
SAVE_S: Final = 2.0
"""Between two notes of how far it is."""

MOST_KEPT: Final = 256_000_000
"""Characters of rows that differ, for --json; with more it stops, as with --most."""

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
        type=amount,
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
    if not 1 <= arguments.range <= MOST_ROWS:
        raise UsageError(f"--range: a number of rows, up to {MOST_ROWS}")
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
            leaves = None
            if not nodes.links:
                leaves = await Leaves.of(nodes, config.limits, job=JOB)
            work = _Verification(nodes, leaves, names, arguments, log)
            return await work.run()
    finally:
        nodes.close()


class _Verification:
    """One comparison, from its beginning or from where it was cut short."""

    def __init__(
        self,
        nodes: TableNodes,
        leaves: Leaves | None,
        names: tuple[str, str],
        arguments: argparse.Namespace,
        log: Differences | None,
    ) -> None:
        self._nodes = nodes
        self._leaves = leaves
        self._names = names
        self._arguments = arguments
        self._log = log
        self._found = Found()
        self._suspects: list[KeyValues] = []
        self._looks = Looks(arguments.wait)
        self._saved = self._began = time.monotonic()
        self._noted = arguments.resume
        """Whether it is written down how far it came."""

    async def run(self) -> int:
        order = await shared_order(self._nodes)
        self._say_what_is_compared(order)
        compared = Comparison(self._nodes, order, self._arguments.range)
        total = await compared.prepare()
        progress = self._start(order)
        bar = Counting("rows", max(total, 1))
        bar.advance(max(progress.rows))
        after = None if progress.position is None else tuple(progress.position)
        try:
            async for part in compared.ranges(after):
                await self._note(part, order, progress)
                bar.advance(max(part.rows))
                found = self._found
                enough = found.number >= self._arguments.most or found.kept > MOST_KEPT
                if enough and part.end is not None:
                    self._stop(progress)
                    break
        except BaseException:
            bar.advance(bar.total)
            self._say_cut_short()
            raise
        bar.advance(bar.total)
        seconds = time.monotonic() - self._began
        report = Report(self._nodes, self._names, order, progress, self._found, seconds)
        if self._arguments.json:
            output.print_json(report.document())
        else:
            report.print(stored=self._log is not None)
        return FINDINGS if progress.differing or progress.unsettled else 0

    def _say_cut_short(self) -> None:
        """What an error or an interrupt leaves: the error itself is said after it."""
        if self._log is None:
            return
        rows = output.plural(len(self._found.rows), "difference")
        goes_on = "; --resume goes on from there" if self._noted else ""
        say(f"cut short: {rows} recorded so far{goes_on}")

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
            say(f"going on behind {key_text(order, progress.position or ())}")
        return progress

    def _say_what_is_compared(self, order: Order) -> None:
        nodes = self._nodes
        if self._leaves is not None:
            say("its partitions are replicated, each by itself: findings are theirs")
        elif not nodes.links:
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
            self._noted = True

    async def _settle(self, order: Order, progress: Progress) -> None:
        suspects, self._suspects = self._suspects, []
        told: set[tuple[str | None, ...]] = set()
        for start in range(0, len(suspects), AT_ONCE):
            part = suspects[start : start + AT_ONCE]
            places: dict[Names | None, list[KeyValues]] = {None: part}
            if self._leaves is not None:
                places = await self._leaves.of_rows(order.key, part)
            for names, keys in places.items():
                await self._settle_in(names, keys, order, progress, told)

    async def _settle_in(
        self,
        names: Names | None,
        keys: Sequence[KeyValues],
        order: Order,
        progress: Progress,
        told: set[tuple[str | None, ...]],
    ) -> None:
        """Look at rows of one partition; of none, of the table as a whole."""
        leaf = None
        if self._leaves is not None and names is not None:
            leaf = await self._leaves.open(names)
        place = Place(self._nodes, self._names)
        if leaf is not None and names is not None:
            place = Place(leaf, names)
        looks = self._looks
        try:
            async for settled in looks.settled(place.nodes, order, keys):
                if any(one.state == "behind" for one in settled.values()):
                    looks.wait_s = min(looks.wait_s, BEHIND_S)
                for key, one in settled.items():
                    # 1.0 and 1.00 are one key, and one row.
                    shown = keys_shown(order, one)
                    if one.state != "differs" or shown not in told:
                        self._judge(place, order, progress, key, one)
                    told.add(shown)
        finally:
            if leaf is not None:
                leaf.close()

    def _judge(
        self,
        place: Place,
        order: Order,
        progress: Progress,
        key: KeyValues,
        one: Settled,
    ) -> None:
        if one.state == "equal":
            return
        if one.state not in ("differs", "several"):
            progress.unsettled += 1
            self._found.unsettled.append((key, one.state))
            return
        first, second = one.rows.values()
        found = difference(place.nodes.columns, first, second)
        columns = () if found is None or one.several else found.columns
        if columns and place.nodes.types_differ(columns):
            self._found.types_differ += 1
            return
        row = Differing(
            key=dict(zip(order.key, key, strict=True)),
            columns=columns,
            rows={
                name: None if version is None else version.values
                for name, version in one.rows.items()
            },
            several=one.several,
        )
        progress.differing += 1
        number = None
        if self._log is not None:
            with _storing():
                number = self._log.put(
                    progress.run_id,
                    progress.differing,
                    place.names,
                    subscribed(place.nodes),
                    row,
                )
        if self._arguments.json:
            self._found.kept += size_of(one.rows.values())
        else:
            # The text says only which columns differ.
            row = row.without_values()
        self._found.rows.append((number, row))


@contextmanager
def _storing() -> Iterator[None]:
    with translated("the conflict log", unavailable=ConflictLogUnavailableError):
        yield
