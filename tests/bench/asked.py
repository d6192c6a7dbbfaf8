"""Counts the statements that the daemon asks of nodes, by what they are for.

Counted are lines of the nodes' own logs (`log_statement = all`): one for each
execution, of every version, with no extension to be installed.  While it counts, each
statement costs the node a log line more: processor time is measured without.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgconflict.queries import query, sql_directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.fixtures.nodes import Node

SETTLE_S = 1.0
"""Until sessions have taken the setting, and the last lines are in the file."""

PURPOSES: Mapping[str, str] = {
    "write_position": "positions",
    "node_positions": "positions",
    "slots": "confirmed by subscribers",
    "row_table": "table facts",
    "row_subscriptions": "table facts",
    "row_publications": "table facts",
    "subscriptions": "subscriptions, settings",
    "subscriber_slots": "subscriptions, settings",
    "commit_timestamps_since": "subscriptions, settings",
    "verdict_settings": "subscriptions, settings",
    "may_see_origins": "subscriptions, settings",
    "log_settings": "subscriptions, settings",
    "commit_times": "commit times",
    "row_commit_times": "commit times",
}
ROWS = "rows"

_EXECUTED = re.compile(r"(?:execute [^:]*|statement): (.*)", re.DOTALL)


@dataclass
class Asked:
    """What was asked while it was counted."""

    statements: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Job and purpose to how many, of all nodes together."""

    seconds: float = 0.0

    def of(self, job: str | None = None, purpose: str | None = None) -> int:
        """How many there were of a job, for a purpose; None: of all."""
        return sum(
            number
            for (one, what), number in self.statements.items()
            if job in (None, one) and purpose in (None, what)
        )

    def purposes(self, job: str) -> list[tuple[str, int]]:
        """The purposes of a job's statements, the most frequent first."""
        found = Counter(
            {what: n for (one, what), n in self.statements.items() if one == job}
        )
        return found.most_common()


@contextlib.contextmanager
def counted(nodes: Sequence[Node]) -> Iterator[Asked]:
    """Count what the daemon asks of these nodes meanwhile."""
    asked = Asked()
    for node in nodes:
        _log_statements(node, on=True)
    time.sleep(SETTLE_S)
    before = [_end(node) for node in nodes]
    began = time.monotonic()
    try:
        yield asked
    finally:
        asked.seconds = time.monotonic() - began
        after = [_end(node) for node in nodes]
        for node in nodes:
            _log_statements(node, on=False)
    for node, first, last in zip(nodes, before, after, strict=True):
        for record in node.log_records()[first:last]:
            job = str(record.get("application_name", ""))
            told = _EXECUTED.fullmatch(record.get("message", ""))
            if told and job.startswith("pgconflict/"):
                what = _purpose(told[1], node.major)
                asked.statements[job.removeprefix("pgconflict/"), what] += 1


def _log_statements(node: Node, *, on: bool) -> None:
    with node.connect() as connection:
        connection.execute(
            f"alter system set log_statement = '{'all' if on else 'none'}'".encode()
        )
        connection.execute("alter system set log_parameter_max_length = 0")
        connection.execute("select pg_reload_conf()")


def _end(node: Node) -> int:
    """How many records the log has, when what was logged by now is written."""
    time.sleep(SETTLE_S / 2)
    return len(node.log_records())


def _purpose(statement: str, major: int) -> str:
    if statement.startswith("select w.place, r.*"):
        return ROWS
    name = _names(major).get(_plain(statement), "other")
    return PURPOSES.get(name, name)


@cache
def _names(major: int) -> dict[str, str]:
    """Statements of `sql/queries` to their names."""
    folder = sql_directory() / "queries"
    names: dict[str, str] = {}
    for name in {path.name.split(".")[0] for path in folder.glob("*.sql")}:
        with contextlib.suppress(LookupError):
            names[_plain(query(name, major))] = name
    return names


def _plain(statement: str) -> str:
    return " ".join(statement.split())


def sessions(node: Node, job: str) -> list[tuple[float, int, int]]:
    """Milliseconds run, buffers hit and read, of each session of these jobs (LIKE)."""
    found: list[tuple[float, int, int]] = []
    rows: list[tuple[Any, ...]] = node.execute(
        "select pid, (select sum(hits) from pg_stat_get_backend_io(pid)),"
        " (select sum(reads) from pg_stat_get_backend_io(pid))"
        " from pg_stat_activity where application_name like %s",
        [f"pgconflict/{job}"],
    )
    for pid, hits, reads in rows:
        ran = Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]
        found.append((int(ran) / 1e6, int(hits or 0), int(reads or 0)))
    return found
