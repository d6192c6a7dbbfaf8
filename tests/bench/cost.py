"""What the daemon costs a server that it watches, while nothing happens there.

Processor time of the server's own processes, from /proc: of those that serve the
daemon, which stay, and of all of them together, those that came and went included.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.harness import Line, Workshop, at_most, measurement, say, without_aim
from tests.bench.live import Site, site_of
from tests.bench.looks import look_ms

if TYPE_CHECKING:
    from pgconflict.demo.program import Daemon
    from tests.fixtures.nodes import Node

SUBSCRIPTIONS = (1, 10, 100)
WATCHED_S = 62.0
"""Without the look at settings and tables, every 180 s: it is measured by itself."""

AIM = 0.1  # per cent of one core
NS = 1e9


@measurement
def cost_on_a_quiet_server(workshop: Workshop) -> list[Line]:
    """Processor time of a watched server, and how much of its log is read."""
    site = site_of(workshop, rows=1)
    before = _server_s(site.b)
    time.sleep(WATCHED_S / 4)
    alone = (_server_s(site.b) - before) / (WATCHED_S / 4)
    lines: list[Line] = []
    for number in SUBSCRIPTIONS:
        say(f"  {number} subscriptions")
        _subscriptions(site, number)
        lines += _quiet(site, number, alone)
    return [*lines, *_reading(site)]


def _subscriptions(site: Site, number: int) -> None:
    """Have so many subscriptions; but one they are disabled, as those of a standby."""
    there = int(site.b.value("select count(*) from pg_subscription"))
    for place in range(there, number):
        site.b.execute(
            f"create subscription more_{place} connection 'host=127.0.0.1 port=1'"
            " publication p with (connect = false)"
        )


@dataclass(frozen=True)
class _Seen:
    """Seconds of processor time."""

    at: float
    backends: float
    """Of the connections that stay."""

    server: float
    """Of every process of the server, ended ones included."""

    daemon: float


def _quiet(site: Site, number: int, alone: float) -> list[Line]:
    with site.daemon() as daemon:
        time.sleep(5)
        first = _look(site.b, daemon)
        time.sleep(WATCHED_S)
        last = _look(site.b, daemon)
    seconds = last.at - first.at
    backends = last.backends - first.backends
    share = 100 * backends / seconds
    whole = 100 * ((last.server - first.server) / seconds - alone)
    # The counters are read once a second; all else is counted with them.
    per_poll = 1000 * backends / seconds
    own = 1000 * (last.daemon - first.daemon) / seconds
    name = f"{number} subscriptions"
    return [
        without_aim(f"watched server, {name}: processor, a poll", [per_poll], "ms"),
        Line(
            f"watched server, {name}: of one core",
            f"{share:.3f} %",
            f"{whole:.3f} % with connections that come and go",
            f"< {AIM} %",
            max(share, whole) < AIM,
        ),
        without_aim(f"the daemon itself, {name}: processor, a second", [own], "ms"),
        without_aim(f"a look at settings and tables, {name}", look_ms(site.b), "ms"),
    ]


def _look(node: Node, daemon: Daemon) -> _Seen:
    pids = [
        row[0]
        for row in node.execute(
            "select pid from pg_stat_activity"
            " where application_name like 'pgconflict/%'"
        )
    ]
    return _Seen(
        at=time.monotonic(),
        backends=sum(map(_run_s, pids)),
        server=_server_s(node),
        daemon=_run_s(daemon.pid),
    )


def _run_s(pid: int) -> float:
    """Seconds that a process ran, all its threads."""
    total = 0.0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0]) / NS
    return total


def _server_s(node: Node) -> float:
    postmaster = node.cluster.pid
    assert postmaster is not None
    ended = Path(f"/proc/{postmaster}/stat").read_text().rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    total = _run_s(postmaster) + (int(ended[13]) + int(ended[14])) / ticks
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text()
    for pid in children.split():
        try:
            total += _run_s(int(pid))
        except OSError:
            continue
    return total


def _reading(site: Site) -> list[Line]:
    """Bytes read for each byte of log, of a log that grows by other things."""
    with site.daemon() as daemon:
        time.sleep(2)
        read, size = _read_bytes(daemon), _log_size(site.b)
        site.b.execute(
            "do $$ begin for i in 1..50000 loop raise log 'line %', i; end loop; end $$"
        )
        time.sleep(3)
        ratio = (_read_bytes(daemon) - read) / (_log_size(site.b) - size)
    return [at_most("bytes read for each byte of log", [ratio], "", 1.1)]


def _read_bytes(daemon: Daemon) -> int:
    """Bytes that the process has read from files."""
    for line in Path(f"/proc/{daemon.pid}/io").read_text().splitlines():
        if line.startswith("rchar:"):
            return int(line.split()[1])
    raise AssertionError("no rchar")


def _log_size(node: Node) -> int:
    return sum(file.stat().st_size for file in node.log_files())
