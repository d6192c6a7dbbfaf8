"""The servers that everything else is tested with are what they should be."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from pgconflict.demo.cluster import Cluster, ClusterError, free_port
from tests.fixtures.postgres import found
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from tests.fixtures.proxy import Proxy
    from tests.fixtures.servers import Pair

NewCluster = Callable[..., Cluster]


def processes_in(directory: Path) -> list[str]:
    """Return the command lines of processes that work in or name the directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_bytes()
            # A server's child says only what it does; its folder is the data's.
            places = command + os.fsencode((process / "cwd").readlink())
            if os.fsencode(directory) in places:
                found.append(command.replace(b"\0", b" ").decode())
    return found


@pytest.fixture
def spaced_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pgconflict 'tests' ") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


def test_starts_logs_and_leaves_nothing(major: int, spaced_folder: Path) -> None:
    """A server lives in a folder with blanks and quotes, and goes without a trace."""
    bin_dir = found().installations[major].bin_dir
    cluster = Cluster(bin_dir, spaced_folder, name="a b")
    with cluster:
        with psycopg.connect(cluster.dsn()) as conn:
            assert conn.info.server_version // 10000 == major
        with psycopg.connect(cluster.dsn(host=str(cluster.socket_directory))) as conn:
            folder = conn.execute("show data_directory").fetchone()
        assert cluster.major == major
        assert folder == (str(cluster.data_directory),)
        assert list(cluster.log_directory.glob("*.json"))
        assert processes_in(spaced_folder)

    assert processes_in(spaced_folder) == []
    assert list(spaced_folder.iterdir()) == []
    assert not cluster.socket_directory.exists()


def test_data_survives_stop_and_kill(major: int, new_cluster: NewCluster) -> None:
    """Every way to stop a server keeps the data and the port; settings apply."""
    cluster = new_cluster(major)
    port = cluster.port
    with psycopg.connect(cluster.dsn()) as conn:
        conn.execute("create table kept as select 1 as one")
        conn.execute("checkpoint")
    cluster.restart()
    cluster.restart("immediate")
    cluster.kill()
    assert processes_in(cluster.directory) == []
    cluster.append_conf({"work_mem": "123kB", "search_path": 'it\'s, "$user", public'})
    cluster.start()

    with psycopg.connect(cluster.dsn()) as conn:
        assert conn.execute("select one from kept").fetchall() == [(1,)]
        assert conn.execute("show work_mem").fetchone() == ("123kB",)
    cluster.append_conf({"work_mem": "456kB"})
    cluster.reload()
    wait_until(lambda: shown(cluster, "work_mem") == "456kB", "the new setting")
    assert cluster.port == port


def shown(cluster: Cluster, setting: str) -> str:
    with psycopg.connect(cluster.dsn()) as conn:
        row = conn.execute("select current_setting(%s)", [setting]).fetchone()
    assert row
    return str(row[0])


@pytest.mark.majors(18)
def test_wrong_setting_is_told(major: int, new_cluster: NewCluster) -> None:
    """A server that does not start says why."""
    with pytest.raises(ClusterError, match=r"shared_buffers.*a lot"):
        new_cluster(major, settings={"shared_buffers": "a lot"})


def test_not_postgres_is_told(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="does not run"):
        Cluster(tmp_path, tmp_path)


@pytest.mark.majors(18)
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_server_ends_with_its_process(
    major: int, end: signal.Signals, spaced_folder: Path
) -> None:
    """However the process ends that started a server, the server ends too."""
    bin_dir = found().installations[major].bin_dir
    program = (
        "import sys, time; from pathlib import Path;"
        " from pgconflict.demo.cluster import Cluster;"
        " c = Cluster(Path(sys.argv[1]), Path(sys.argv[2])); c.start();"
        " print(c.socket_directory, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(bin_dir), str(spaced_folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        socket_directory = process.stdout.readline().strip()
        assert processes_in(spaced_folder / "node")
        process.send_signal(end)
    wait_until(lambda: not processes_in(spaced_folder / "node"), "no process is left")
    wait_until(lambda: not list(Path(socket_directory).iterdir()), "no socket is left")
    Path(socket_directory).rmdir()


def test_changes_go_both_ways(pair: Pair) -> None:
    """A row arrives on the other node; on 15 from a to b only."""
    with pair.replicate() as replicated:
        pair.a.execute(f"insert into {replicated.table} values (1, 'from a')")
        if replicated.to_a:
            pair.b.execute(f"insert into {replicated.table} values (2, 'from b')")
        replicated.catch_up()

        expected = [(1, "from a"), (2, "from b")]
        for node in pair.nodes:
            rows = node.execute(f"select * from {replicated.table} order by id")
            assert rows == expected[: len(replicated.subscriptions)]
        assert pair.two_way is (pair.major > 15)
        assert all(subscription.worker() for subscription in replicated.subscriptions)


@pytest.mark.majors(since=18)
def test_conflict_is_logged_in_every_format(pair: Pair) -> None:
    """A row that is missing on b is an update_missing in b's three logs."""
    with pair.replicate(schemaname='Weird "s', relname="it's. a") as replicated:
        pair.a.execute(f"insert into {replicated.table} values (1, 'x')")
        replicated.catch_up()
        with pair.b.connect() as conn, conn.transaction():
            # Written as if it came from elsewhere: it is not sent to a.
            conn.execute("select pg_replication_origin_create('elsewhere')")
            conn.execute("select pg_replication_origin_session_setup('elsewhere')")
            conn.execute(f"delete from {replicated.table}".encode())
            conn.execute("select pg_replication_origin_session_reset()")
        pair.b.execute("select pg_replication_origin_drop('elsewhere')")
        pair.a.execute(f"update {replicated.table} set v = 'z'")
        replicated.catch_up()

        pattern = r"""Weird "s\.it's\. a": conflict=update_missing"""
        (record,) = wait_until(lambda: pair.b.logged(pattern), "update_missing in b")
        assert record["error_severity"] == "LOG"
        assert replicated.to_b.origin in record["context"]
        for suffix in (".json", ".csv", ".log"):
            text = "".join(file.read_text() for file in pair.b.log_files(suffix))
            assert "conflict=update_missing" in text


@pytest.mark.majors(18)
def test_stalled_subscription_can_be_dropped(pair: Pair) -> None:
    """What a test leaves behind in the middle of an error is cleared away."""
    with pair.replicate() as replicated:
        pair.b.execute(f"alter table {replicated.table} add check (id > 1)")
        pair.a.execute(f"insert into {replicated.table} values (1, '')")
        wait_until(lambda: len(pair.b.logged("violates check")) > 1, "a retry")

    assert pair.b.value("select count(*) from pg_subscription") == 0
    assert pair.a.value("select count(*) from pg_replication_slots") == 0


def test_free_port_is_free() -> None:
    assert len({free_port() for _ in range(20)}) > 1


@pytest.mark.majors(18)
def test_proxy_fails_as_told(pair: Pair, proxy_to: Callable[[int], Proxy]) -> None:
    """Each kind of failure is seen by a client, and ends."""
    proxy = proxy_to(pair.a.port)
    dsn = proxy.dsn(pair.a.dsn) + " connect_timeout=2"
    conn = psycopg.connect(dsn)
    assert proxy.connections == 1

    proxy.reset()
    with pytest.raises(psycopg.OperationalError):
        conn.execute("select 1")
    conn.close()

    proxy.cut()
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(dsn)

    for fail in (proxy.deaf, proxy.stall):
        proxy.restore()
        psycopg.connect(dsn).close()
        fail()
        started = time.monotonic()
        with pytest.raises(psycopg.OperationalError, match="timeout"):
            psycopg.connect(dsn)
        assert time.monotonic() - started >= 1

    proxy.restore()
    psycopg.connect(dsn).close()
