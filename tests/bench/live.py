"""The daemon beside a PostgreSQL that logs conflicts in a burst, or now and then.

Times are the server's own: of the log line, and of the commit of the row
(`track_commit_timestamp` of the conflict log's server).  Log lines show whole
milliseconds, cut off: up to 1 ms of each delay is that.
"""

from __future__ import annotations

import contextlib
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from pgconflict.conflict_log.schema import install
from pgconflict.demo.cluster import free_port
from pgconflict.demo.program import Daemon, Program
from pgconflict.demo.signals import Signals
from tests.bench.harness import (
    Line,
    Workshop,
    at_least,
    at_most,
    measurement,
    percentile,
    say,
    without_aim,
)
from tests.fixtures.servers import ConflictLogServer
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from pgconflict.demo.settings import SettingValue
    from tests.fixtures.nodes import Node, Replicated

BURST = 200_000
SINGLE = 150  # conflicts, one by one
QUIET_S = 20.0

# As PostgreSQL ships: what is committed is on the disk.
SAFE: Mapping[str, SettingValue] = {
    "fsync": True,
    "full_page_writes": True,
    "max_wal_size": "4GB",
}
NODE: Mapping[str, SettingValue] = {
    **SAFE,
    "log_destination": "jsonlog",
    "shared_buffers": "128MB",
}


@dataclass
class Site:
    """Two nodes, rows of which node b has none, and a conflict log for node b."""

    replicated: Replicated
    log_dsn: str
    directory: Path

    @property
    def b(self) -> Node:
        return self.replicated.pair.b

    def ask(self, statement: str) -> tuple[Any, ...]:
        """Return the only row of the conflict log's answer."""
        with psycopg.connect(self.log_dsn) as connection:
            row = connection.execute(statement.encode()).fetchone()
        assert row is not None
        return row

    def recorded(self) -> int:
        return int(self.ask("select count(*) from pgconflict.conflict_log")[0])

    def update_all(self) -> None:
        """Commit one transaction that changes every row; returns when it is applied."""
        table = self.replicated.table
        self.replicated.pair.a.execute(f"update {table} set n = n + 1")
        self.replicated.to_b.catch_up(timeout=120)

    @contextlib.contextmanager
    def daemon(self) -> Iterator[Daemon]:
        config = self.directory / "pgconflict.yml"
        listen = f"127.0.0.1:{free_port()}"
        config.write_text(
            f'conflict_log: {{dsn: "{self.log_dsn}"}}\n'
            f'metrics: {{listen: "{listen}"}}\n'
            f'nodes: [{{name: b, dsn: "{self.b.dsn}"}}]\n'
        )
        daemon = Daemon(
            Program(config), listen=listen, output=self.directory / "daemon.log"
        )
        try:
            daemon.wait_until_ready(Signals())
            yield daemon
        finally:
            daemon.stop()


def site_of(workshop: Workshop, *, rows: int) -> Site:
    """Start servers and fill node a's table."""
    server = ConflictLogServer(workshop.servers.cluster(18, settings=SAFE))
    dsn = server.new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        install(connection)
    pair = workshop.servers.new_pair(18, settings=NODE)
    replicated = pair.replicate(
        "create table {t} (id int primary key, n bigint, who text, what text, at"
        " timestamptz default now())",
        both=False,
        subscription={"streaming": "off"},
    )
    replicated.to_b.alter("disable")
    pair.a.execute(
        f"insert into {replicated.table} select i, i, 'somebody', 'something that fills"
        f" a row', now() from generate_series(1, {rows}) i"
    )
    replicated.to_b.alter("enable")
    replicated.to_b.catch_up(timeout=120)
    pair.b.execute(f"truncate {replicated.table}")
    return Site(replicated, dsn, workshop.directory)


_SPAN = """
select count(*),
       min(first_logged_at), max(first_logged_at),
       min(pg_xact_commit_timestamp(xmin)), max(pg_xact_commit_timestamp(xmin))
  from pgconflict.conflict_log
 where conflict_id > {after}
"""


@measurement
def burst(workshop: Workshop) -> list[Line]:
    """200,000 conflicts of one transaction: stored later, and stored while logged."""
    site = site_of(workshop, rows=BURST)
    offline, lags, emitted, stored, peaks = [], [], [], [], []
    with site.daemon():
        pass  # the position from which it goes on
    for number in range(workshop.rounds):
        say(f"  round {number + 1} of {workshop.rounds}")
        rate, speed, _ = _burst(site, live=False)
        emitted.append(rate)
        stored.append(speed)
        offline.append(speed / rate)
        rate, _, (lag, peak) = _burst(site, live=True)
        emitted.append(rate)
        lags.append(lag)
        peaks.append(peak)
    return [
        without_aim("one apply worker of 18 logs", emitted, "conflicts/s"),
        without_aim("parse and store, offline", stored, "conflicts/s"),
        at_least("parse and store, offline", offline, "x what it logs", 2),
        at_most("last row after the last log line, live", lags, "s", 0.5),
        at_most("daemon's memory, most", peaks, "MiB", 60),
    ]


def _burst(site: Site, *, live: bool) -> tuple[float, float, tuple[float, float]]:
    """Return conflicts a second logged and stored, the lag (s) and the memory (MiB)."""
    before = site.recorded()
    (last_id,) = site.ask(
        "select coalesce(max(conflict_id), 0) from pgconflict.conflict_log"
    )
    with contextlib.ExitStack() as stack:
        if live:
            daemon = stack.enter_context(site.daemon())
            site.update_all()
        else:
            site.update_all()
            daemon = stack.enter_context(site.daemon())
        wait_until(
            lambda: site.recorded() == before + BURST, "all is stored", timeout=120
        )
        peak = _memory(daemon.pid, "VmHWM")
    count, logged_first, logged_last, stored_first, stored_last = site.ask(
        _SPAN.format(after=last_id)
    )
    lag = (stored_last - logged_last).total_seconds()
    return (
        count / _between(logged_first, logged_last),
        count / _between(stored_first, stored_last),
        (lag, peak),
    )


@measurement
def one_by_one(workshop: Workshop) -> list[Line]:
    """From the log line to the committed row, one conflict now and then; and idle."""
    site = site_of(workshop, rows=SINGLE)
    table = site.replicated.table
    dice = random.Random(18)
    with site.daemon() as daemon:
        with site.replicated.pair.a.connect() as connection:
            for number in range(1, SINGLE + 1):
                connection.execute(f"update {table} set n = 0 where id = {number}")
                time.sleep(dice.uniform(0.05, 0.35))
        wait_until(lambda: site.recorded() == SINGLE, "all is stored")
        memory = _memory(daemon.pid, "VmRSS")
        begin, began = _cpu(daemon.pid), time.monotonic()
        time.sleep(QUIET_S)
        idle = (_cpu(daemon.pid) - begin) / (time.monotonic() - began)
    with psycopg.connect(site.log_dsn) as log:
        delays = [
            float(delay) * 1000
            for (delay,) in log.execute(
                "select extract(epoch from pg_xact_commit_timestamp(xmin)"
                " - first_logged_at) from pgconflict.conflict_log"
            )
        ]
    spread = f"{min(delays):.3g} .. {max(delays):.3g}"
    p50, p99 = percentile(delays, 50), percentile(delays, 99)
    return [
        Line("log line to row, p50", f"{p50:.3g} ms", spread, "≤ 3", p50 <= 3),
        Line("log line to row, p99", f"{p99:.3g} ms", spread, "≤ 15", p99 <= 15),
        at_most("daemon, one idle node", [idle], "ms CPU a second", 1),
        at_most("daemon's memory, one idle node", [memory], "MiB", 60),
    ]


def _between(first: datetime, last: datetime) -> float:
    return float((last - first).total_seconds())


def _memory(pid: int, what: str) -> float:
    """Return a line of /proc/PID/status in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == what:
            return int(value.split()[0]) / 1024
    raise LookupError(what)


def _cpu(pid: int) -> float:
    """Return the milliseconds that all threads of a process have run."""
    return sum(
        int((task / "schedstat").read_text().split()[0]) / 1e6
        for task in Path(f"/proc/{pid}/task").iterdir()
    )
