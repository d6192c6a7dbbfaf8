"""What verdicts cost while nothing happens, and while conflicts come steadily.

The same is measured with verdicts and without: what the nodes are asked, the processor
time of their sessions for the daemon, the daemon's own, and how soon a conflict is
recorded.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.asked import Asked, counted, sessions
from tests.bench.harness import (
    Line,
    Workshop,
    measurement,
    percentile,
    say,
    without_aim,
)
from tests.bench.live import _cpu, _memory
from tests.bench.verdict import CONFIGURED, OPEN, Site, site_of
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pgconflict.demo.program import Daemon

A_SECOND = 10
CONFLICTS = 200
WARM_S, WATCHED_S, COUNTED_S = 5.0, 20.0, 10.0

# The row itself is written again when it has its verdict.
ARRIVALS = """
create table public.arrival (conflict_id bigint, logged_at timestamptz);
create function public.note_arrival() returns trigger language plpgsql as $$
begin
    insert into public.arrival values (new.conflict_id, new.first_logged_at);
    return null;
end $$;
create trigger note_arrival after insert on pgconflict.conflict_log
    for each row execute function public.note_arrival()
"""
DELAYS = """
select extract(epoch from pg_xact_commit_timestamp(xmin) - logged_at) * 1000.0
  from public.arrival
"""
JUDGED = """
select extract(epoch from verdict_at - first_logged_at)
  from pgconflict.conflict_log where conflict_id in (select conflict_id from arrival)
"""


@measurement
def verdict_stream(workshop: Workshop) -> list[Line]:
    """Statements and processor time: idle, and with ten conflicts a second."""
    site = site_of(workshop)
    site.log.execute(ARRIVALS)
    with site.daemon(None):
        pass  # the position from which it goes on
    rows = iter(range(1, 20_000))
    return [
        *_measure(site, "without verdicts", None, rows),
        *_measure(site, "with verdicts", CONFIGURED, rows),
    ]


@dataclass(frozen=True)
class _Ran:
    """Milliseconds that sessions and the daemon have run; buffers."""

    nodes: float
    log: float
    daemon: float
    buffers: float

    def __sub__(self, before: _Ran) -> _Ran:
        return _Ran(
            self.nodes - before.nodes,
            self.log - before.log,
            self.daemon - before.daemon,
            self.buffers - before.buffers,
        )


def _ran(site: Site, daemon: Daemon) -> _Ran:
    time.sleep(1)  # the servers' counters are that late
    nodes = [one for node in site.nodes for one in sessions(node, "%")]
    return _Ran(
        nodes=sum(one[0] for one in nodes),
        log=sum(one[0] for one in sessions(site.log, "%")),
        daemon=_cpu(daemon.pid),
        buffers=sum(one[1] + one[2] for one in nodes),
    )


def _measure(
    site: Site, what: str, rate: int | None, rows: Iterator[int]
) -> list[Line]:
    say(f"verdict_stream: {what}")
    with site.daemon(rate) as daemon:
        time.sleep(WARM_S)
        before, began = _ran(site, daemon), time.monotonic()
        time.sleep(WATCHED_S)
        idle, seconds = _ran(site, daemon) - before, time.monotonic() - began
        with counted(site.nodes) as asked_idle:
            time.sleep(COUNTED_S)
        site.log.execute("truncate public.arrival")
        before, began = _ran(site, daemon), time.monotonic()
        _stream(site, rows, rate)
        busy, took = _ran(site, daemon) - before, time.monotonic() - began
        delays = [float(row[0]) for row in site.log.execute(DELAYS)]
        with counted(site.nodes) as asked:
            _stream(site, rows, rate)
        memory = _memory(daemon.pid, "VmRSS")
    lines = [
        Line(
            f"{what}, idle: statements, both nodes",
            f"{asked_idle.of() / asked_idle.seconds:.3g} /s",
        ),
        *_purposes(f"{what}, idle", asked_idle, asked_idle.seconds, "/s"),
        without_aim("  processor of both nodes", [idle.nodes / seconds], "ms/s"),
        without_aim("  of the conflict log", [idle.log / seconds], "ms/s"),
        without_aim("  of the daemon", [idle.daemon / seconds], "ms/s"),
        without_aim("  buffers of both nodes", [idle.buffers / seconds], "/s"),
        without_aim(
            f"{what}, {A_SECOND} conflicts/s: statements",
            [asked.of() / CONFLICTS],
            "each",
        ),
        *_purposes(what, asked, CONFLICTS, "each"),
        without_aim("  processor of both nodes", [busy.nodes / CONFLICTS], "ms each"),
        without_aim("  of the conflict log", [busy.log / CONFLICTS], "ms each"),
        without_aim("  of the daemon", [busy.daemon / CONFLICTS], "ms each"),
        without_aim("  buffers of both nodes", [busy.buffers / CONFLICTS], "each"),
        without_aim("  took", [took], "s"),
        without_aim("  log line to row, p50", [percentile(delays, 50)], "ms"),
        without_aim("  log line to row, p99", [percentile(delays, 99)], "ms"),
        without_aim("  daemon's memory", [memory], "MiB"),
    ]
    if rate is None:
        return lines
    judged = [float(row[0]) for row in site.log.execute(JUDGED)]
    return [*lines, without_aim("  conflict to verdict, median", judged, "s")]


def _purposes(what: str, asked: Asked, by: float, unit: str) -> list[Line]:
    """What the job `verdict` asked, and all the others together."""
    others = asked.of() - asked.of("verdict")
    found = [*asked.purposes("verdict"), ("(other jobs)", others)]
    return [
        Line(f"  {what}: {purpose}", f"{number / by:.3g} {unit}")
        for purpose, number in found
    ]


def _stream(site: Site, rows: Iterator[int], rate: int | None) -> None:
    """Have conflicts, each a hand-over; returns when all are recorded and decided."""
    table = site.replicated.table
    update = f"update {table} set n = n + 1, v = %s where id = %s".encode()
    arrived = f"select v = 'a' from {table} where id = %s".encode()
    before = site.number("true")
    a, b = site.nodes
    with a.connect() as one, b.connect() as two:
        due = time.monotonic()
        for _ in range(CONFLICTS):
            row = next(rows)
            one.execute(update, ("a", row))
            while two.execute(arrived, (row,)).fetchone() != (True,):
                time.sleep(0.005)
            two.execute(update, ("b", row))
            due += 1 / A_SECOND
            time.sleep(max(0.0, due - time.monotonic()))
    wait_until(lambda: site.number("true") >= before + CONFLICTS, "all is recorded")
    if rate is not None:
        wait_until(lambda: site.number(OPEN) == 0, "all is decided", timeout=60)
