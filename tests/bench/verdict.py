"""How fast conflicts get their verdict, and what looking costs the watched nodes.

The daemon meets conflicts that are recorded already: rows that were handed over, and
rows that both nodes wrote at once and that differ.  Beside it stands what a DBA would
do by hand: read each row on both nodes, one after the other.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from pgconflict.conflict_log.schema import install
from pgconflict.demo.cluster import free_port
from pgconflict.demo.program import Daemon, Program
from pgconflict.demo.signals import Signals
from tests.bench.asked import ROWS, counted, sessions
from tests.bench.harness import Line, Workshop, measurement, say, without_aim
from tests.bench.live import NODE, SAFE
from tests.fixtures.nodes import Node
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.nodes import Replicated

CONFLICTS = 20_000
CONFIGURED, LIFTED = 50, 10_000  # rows a second: the default, and the most there is
WATCHED_S = 15.0
BY_HAND = 5_000
OPEN = "verdict is null or verdict = 'pending' or effect is null"


@dataclass
class Site:
    """A pair that replicates both ways, and a conflict log for both nodes."""

    replicated: Replicated
    log: Node
    directory: Path

    @property
    def nodes(self) -> tuple[Node, Node]:
        return self.replicated.pair.nodes

    def number(self, condition: str) -> int:
        """How many conflicts there are of this kind."""
        statement = f"select count(*) from pgconflict.conflict_log where {condition}"
        return int(self.log.value(statement))

    @contextlib.contextmanager
    def daemon(self, rate: int | None) -> Iterator[Daemon]:
        """Run it; `rate` None: without verdicts."""
        config = self.directory / "verdict.yml"
        listen = f"127.0.0.1:{free_port()}"
        nodes = "".join(f'  - {{name: {n.name}, dsn: "{n.dsn}"}}\n' for n in self.nodes)
        enabled = "false" if rate is None else f"true, rate: {rate}"
        verdict = f"verdict: {{enabled: {enabled}}}\n"
        config.write_text(
            f'conflict_log: {{dsn: "{self.log.dsn}"}}\n'
            f'metrics: {{listen: "{listen}"}}\n{verdict}nodes:\n{nodes}'
        )
        daemon = Daemon(
            Program(config), listen=listen, output=self.directory / "daemon.log"
        )
        try:
            daemon.wait_until_ready(Signals())
            yield daemon
        finally:
            daemon.stop()


@dataclass(frozen=True)
class Load:
    """What both nodes together did for the daemon's verdicts."""

    cpu_ms: float
    hit: float
    read: float


@measurement
def verdicts(workshop: Workshop) -> list[Line]:
    """Verdicts a second; processor and buffers of the nodes for each."""
    site = site_of(workshop)
    with site.daemon(None):
        pass  # the position from which it goes on
    lines = _measure(site, "handed over", apart=False)
    return [*lines, *_measure(site, "differs", apart=True)]


def site_of(workshop: Workshop) -> Site:
    cluster = workshop.servers.cluster(18, settings=SAFE)
    log = Node("log", cluster, "postgres")
    with psycopg.connect(log.dsn, autocommit=True) as connection:
        install(connection)
    pair = workshop.servers.new_pair(18, settings={**NODE, "autovacuum": "off"})
    replicated = pair.replicate("create table {t} (id int primary key, n int, v text)")
    pair.a.execute(
        f"insert into {replicated.table} select i, 0, md5(i::text)"
        f" from generate_series(1, {CONFLICTS}) i"
    )
    replicated.catch_up(timeout=120)
    return Site(replicated, log, workshop.directory)


def _measure(site: Site, what: str, *, apart: bool) -> list[Line]:
    say(f"verdicts: {what}")
    with site.daemon(None):
        _conflicts(site, apart=apart)
        wait_until(
            lambda: site.number(OPEN) >= CONFLICTS * (1 + apart),
            "all is recorded",
            timeout=120,
        )
    waiting = site.number(OPEN)
    with site.daemon(CONFIGURED):
        time.sleep(WATCHED_S)
        configured = (waiting - site.number(OPEN)) / WATCHED_S
    waiting = site.number(OPEN)
    with counted(site.nodes) as asked:
        began = time.monotonic()
        with site.daemon(LIFTED):
            wait_until(
                lambda: site.number(OPEN) == 0, "every conflict is decided", timeout=300
            )
            took = time.monotonic() - began
            load = _load(site)
    hand_s, hand_ms = _by_hand(site)
    return [
        without_aim(f"verdicts, {what}, rate {LIFTED}", [waiting / took], "/s"),
        without_aim(f"verdicts, {what}, rate {CONFIGURED}", [configured], "/s"),
        Line(
            "  statements, both nodes",
            f"{asked.of('verdict') / waiting:.3g} each",
            f"{asked.of('verdict', ROWS) / waiting:.3g} of them read rows",
        ),
        without_aim("  processor of both", [load.cpu_ms / waiting], "ms each"),
        Line(
            "  buffers of both",
            f"{load.hit / waiting:.3g} hit, {load.read / waiting:.3g} read, each",
        ),
        without_aim("  processor", [load.cpu_ms / waiting / hand_ms], "x by hand"),
        without_aim("  time", [took / waiting / hand_s], "x by hand"),
    ]


def _conflicts(site: Site, *, apart: bool) -> None:
    """Write every row on both nodes: at once, or on b when a's has arrived."""
    update = f"update {site.replicated.table} set n = n + 1, v = "
    a, b = site.nodes
    for one in site.replicated.subscriptions if apart else ():
        one.alter("disable")
    a.execute(f"{update} 'a'")
    if not apart:
        site.replicated.catch_up(timeout=120)
    b.execute(f"{update} 'b'")
    for one in site.replicated.subscriptions if apart else ():
        one.alter("enable")
        wait_until(one.streaming, "it streams")
    site.replicated.catch_up(timeout=120)


def _load(site: Site) -> Load:
    """What was done since the daemon's start."""
    time.sleep(1)  # the servers' counters are that late
    backends = [one for node in site.nodes for one in sessions(node, "verdict")]
    return Load(*(sum(each) for each in zip(*backends, strict=True)))


def _by_hand(site: Site) -> tuple[float, float]:
    """Seconds, and milliseconds of the nodes' processors, to read a row on both."""
    select = f"select t::text from {site.replicated.table} t where id = %s".encode()
    with contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(node.connect()) for node in site.nodes]
        began = time.monotonic()
        for number in range(1, BY_HAND + 1):
            for session in sessions:
                session.execute(select, (number,)).fetchone()
        seconds = time.monotonic() - began
        ran = [
            Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]
            for pid in (session.info.backend_pid for session in sessions)
        ]
    return seconds / BY_HAND, sum(map(int, ran)) / 1e6 / BY_HAND
