"""A log that grows faster than it is read: memory stays, and nothing is lost."""

from __future__ import annotations

import re
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fixtures.daemon import Daemon
    from tests.fixtures.nodes import Node, Pair, Replicated

FORMATS = {15: ("stderr", ".log"), 19: ("jsonlog", ".json")}
MEBIBYTE = 1 << 20
BEHIND_BYTES = 48 * MEBIBYTE
"""So much lies unread before the daemon may catch up."""
ROOM_BYTES = 32 * MEBIBYTE
"""By which the daemon's memory may grow meanwhile."""

# Half of the lines hold what a worker's entries are searched by.
CHATTER = """
do $$ begin
    for number in 1..200 loop
        raise log 'logical replication worker: %', repeat('x', 9000);
        raise log '%', repeat('ERROR:  ', 1000 + number);
    end loop;
end $$
"""


class Chatter(threading.Thread):
    """A session that logs long lines until it is told to stop."""

    def __init__(self, node: Node) -> None:
        super().__init__(daemon=True)
        self._node = node
        self.stop = threading.Event()
        self.failure: psycopg.Error | None = None

    def run(self) -> None:
        try:
            with self._node.connect() as connection:
                while not self.stop.is_set():
                    connection.execute(CHATTER.encode())
        except psycopg.Error as error:
            self.failure = error


@contextmanager
def chatter(node: Node) -> Iterator[None]:
    sessions = [Chatter(node) for _ in range(3)]
    for session in sessions:
        session.start()
    try:
        yield
    finally:
        for session in sessions:
            session.stop.set()
        for session in sessions:
            session.join(20)
    assert [session.failure for session in sessions] == [None] * len(sessions)


@contextmanager
def slowed(daemon: Daemon) -> Iterator[None]:
    """Let the daemon run for a fraction of the time, as a busy machine does."""
    process, stop = daemon.process, threading.Event()
    assert process is not None

    def hold() -> None:
        while not stop.is_set():
            process.send_signal(signal.SIGSTOP)
            stop.wait(0.4)
            process.send_signal(signal.SIGCONT)
            time.sleep(0.04)

    holding = threading.Thread(target=hold, daemon=True)
    holding.start()
    try:
        yield
    finally:
        stop.set()
        holding.join(10)


def memory(daemon: Daemon) -> int:
    """The most that the process ever had in memory: bytes."""
    assert daemon.process is not None
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def unread(node: Node, daemon: Daemon, suffix: str) -> float:
    written = sum(file.stat().st_size for file in node.log_files(suffix))
    return written - daemon.metric("log_read_bytes_total")


def collide(made: Replicated, number: int) -> int:
    """Stop apply until the server has counted errors, and let it go on; the xid."""
    node = made.to_b.subscriber
    before = errors(node)
    node.execute(f"insert into {made.table} values ({number}, 'mine')")
    with made.to_b.publisher.connect() as on, on.transaction():
        row = on.execute("select pg_current_xact_id()::text::int8").fetchone()
        on.execute(f"insert into {made.table} values ({number}, 'theirs')".encode())
    assert row is not None
    wait_until(lambda: errors(node) > before + 2, "apply has failed again and again")
    node.execute(f"delete from {made.table} where id = {number}")
    made.catch_up()
    return int(row[0])


def errors(node: Node) -> int:
    return int(node.value("select apply_error_count from pg_stat_subscription_stats"))


@pytest.mark.majors(*FORMATS)
def test_a_log_that_grows_faster_than_it_is_read(
    new_pair: Callable[..., Pair], major: int, new_daemon: Callable[..., Daemon]
) -> None:
    destination, suffix = FORMATS[major]
    settings = {"log_destination": destination, "wal_retrieve_retry_interval": "100ms"}
    pair = new_pair(major, settings=settings)
    daemon = new_daemon({"b": pair.b.dsn})
    daemon.start()
    made = pair.replicate(both=False, subscription={"streaming": False})
    true = [collide(made, 0)]
    daemon.wait_count(1, "remote_xid = %s", true[0])
    before = memory(daemon)

    with chatter(pair.b), slowed(daemon):
        while unread(pair.b, daemon, suffix) < BEHIND_BYTES or len(true) < 4:
            true.append(collide(made, len(true)))
    daemon.wait_count(1, "remote_xid = %s", true[-1], timeout=60)
    wait_until(lambda: unread(pair.b, daemon, suffix) <= 0, "all of it is read")

    recorded = daemon.query(
        "select remote_xid, conflict_type from pgconflict.conflict_log"
        " where remote_xid is not null order by remote_xid"
    )
    assert recorded == [(xid, "insert_exists") for xid in true]
    wait_until(
        lambda: (
            daemon.query(
                "select sum(attempts)::int8 from pgconflict.conflict_log"
                " where remote_xid is not null"
            )
            == [(errors(pair.b),)]
        ),
        "each attempt is counted once, as the server counts",
    )
    assert memory(daemon) < before + ROOM_BYTES
    assert daemon.metric("log_gaps_total") == 0
