"""The unit under a real systemd: start, reload, watchdog, crash, stop, credentials.

Only with PGCONFLICT_SYSTEMD_ROOT, which tests/systemd/run.sh sets.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import yaml
from psycopg import sql

from pgconflict.server.grants import monitor_grants
from tests.fixtures.conflict_logs import new_conflict_log
from tests.fixtures.snippets import blocks, documents
from tests.fixtures.waiting import wait_until
from tests.systemd.container import NAME, UNIT, Container

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.nodes import Pair, Replicated
    from tests.fixtures.servers import ConflictLogServer, Servers

ROOT = os.environ.get("PGCONFLICT_SYSTEMD_ROOT")
PASSWORD = "correct horse battery staple"  # noqa: S105 - of a server that is thrown away
ROLE = "pgconflict"
CONFIG = "/etc/pgconflict/pgconflict.yml"
SERVICES = "/etc/pgconflict/pg_service.conf"
METRICS = "127.0.0.1:19745"

pytestmark = pytest.mark.skipif(not ROOT, reason="tests/systemd/run.sh runs this")


class Site:
    """Two nodes and a conflict log on this machine, the service in the container."""

    def __init__(self, container: Container, made: Replicated, log: str) -> None:
        self.container = container
        self.made = made
        self.log = log
        self._key = 0

    def configuration(self, **metrics: object) -> str:
        return yaml.safe_dump(
            {
                "conflict_log": {"dsn": "service=log"},
                "metrics": {"listen": METRICS, **metrics},
                "nodes": [
                    {"name": node.name, "dsn": f"service={node.name}"}
                    for node in self.made.pair.nodes
                ],
            }
        )

    def services(self) -> str:
        """The file of connection strings, passwords included."""
        nodes = {node.name: node.cluster for node in self.made.pair.nodes}
        sections = [
            f"[{name}]\nhost=127.0.0.1\nport={cluster.port}\ndbname=app\n"
            for name, cluster in nodes.items()
        ]
        parts = psycopg.conninfo.conninfo_to_dict(self.log)
        sections.append(
            f"[log]\nhost=127.0.0.1\nport={parts['port']}\ndbname={parts['dbname']}\n"
        )
        return "".join(f"{one}user={ROLE}\npassword={PASSWORD}\n" for one in sections)

    def conflict(self) -> int:
        """Update a row that is missing on b; the number of such conflicts until now."""
        self._key += 1
        a, b = self.made.pair.nodes
        table = self.made.table
        a.execute(f"insert into {table} values ({self._key}, 'a')")
        self.made.to_b.catch_up()
        b.execute(f"delete from {table} where id = {self._key}")
        a.execute(f"update {table} set v = 'b' where id = {self._key}")
        return self._key

    def recorded(self) -> int:
        with psycopg.connect(self.log) as connection:
            row = connection.execute(
                "select count(*) from pgconflict.conflict_log"
                " where conflict_type = 'update_missing'"
            ).fetchone()
        assert row is not None
        return int(row[0])

    def wait_recorded(self) -> None:
        try:
            wait_until(lambda: self.recorded() == self._key, "each conflict, once")
        except AssertionError as error:
            said = f"{self.recorded()} of {self._key}; {self.container.journal()}"
            raise AssertionError(said) from error

    def start(self) -> None:
        self.container.run("systemctl", "start", NAME)


def _demand_passwords(pair: Pair, log: ConflictLogServer) -> None:
    """Let the role in with a password only, on all three servers."""
    for cluster in [*(node.cluster for node in pair.nodes), log.cluster]:
        with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
            connection.execute(
                sql.SQL("create role {} login password {}").format(
                    sql.Identifier(ROLE), sql.Literal(PASSWORD)
                )
            )
            hba = cluster.data_directory / "pg_hba.conf"
            line = f"host all {ROLE} 127.0.0.1/32 scram-sha-256\n"
            hba.write_text(line + hba.read_text())
            connection.execute("select pg_reload_conf()")


@pytest.fixture(scope="module")
def site(servers: Servers, conflict_log_server: ConflictLogServer) -> Iterator[Site]:
    assert ROOT is not None
    pair = servers.new_pair(18)
    log = new_conflict_log(conflict_log_server)
    _demand_passwords(pair, conflict_log_server)
    for node in pair.nodes:
        for statement in monitor_grants(ROLE):
            node.execute(statement)
    with psycopg.connect(log, autocommit=True) as connection:
        # Of a database of its own, so the simplest grant will do.
        connection.execute(f"alter role {ROLE} superuser")
    with Container(Path(ROOT)) as container, pair.replicate(both=False) as made:
        site = Site(container, made, log)
        container.write(f"/etc/systemd/system/{NAME}", UNIT.read_text())
        container.write(CONFIG, site.configuration())
        container.write(SERVICES, site.services(), "0600")
        container.write(
            f"/etc/systemd/system/{NAME}.d/local.conf",
            "[Service]\n"
            f"LoadCredential=pg_service.conf:{SERVICES}\n"
            "Environment=PGSERVICEFILE=%d/pg_service.conf\n"
            "WatchdogSec=6s\n"
            "RestartSec=1s\n",
        )
        container.run("systemctl", "daemon-reload")
        yield site


@pytest.fixture(autouse=True)
def _well(site: Site) -> None:
    """Each test begins with a service that runs."""
    site.container.run("systemctl", "reset-failed", NAME, check=False)
    site.start()


def test_it_is_active_when_every_node_was_read(site: Site) -> None:
    shown = site.container.show("ActiveState", "SubState", "StatusText", "User")

    assert shown["ActiveState"] == "active"
    assert shown["SubState"] == "running"
    assert "2 nodes" in shown["StatusText"]
    site.conflict()
    site.wait_recorded()


def test_its_passwords_are_known_to_nobody_else(site: Site) -> None:
    """In a credential: not in its environment, nor on disk for others, nor said."""
    container = site.container
    pid = container.value("MainPID")
    environment = container.run("cat", f"/proc/{pid}/environ").replace("\0", "\n")

    assert PASSWORD not in environment
    assert "PGSERVICEFILE=/run/credentials/" in environment
    assert PASSWORD not in container.run("systemctl", "show", NAME)
    assert PASSWORD not in container.journal()
    assert PASSWORD not in container.run("cat", f"/proc/{pid}/cmdline")
    for path in (SERVICES, f"/run/credentials/{NAME}/pg_service.conf"):
        looked = container.run(
            "setpriv", "--reuid=nobody", "--clear-groups", "cat", path, check=False
        )
        assert looked == ""
    # It could not use a passfile there if that were open to the group (systemd 254+).
    mode = container.run("stat", "-c", "%a", f"/run/credentials/{NAME}/pg_service.conf")
    assert mode.strip() in {"400", "440"}


def test_it_can_do_little_else(site: Site) -> None:
    pid = site.container.value("MainPID")
    status = site.container.run("cat", f"/proc/{pid}/status")

    for kind in ("CapEff", "CapPrm", "CapBnd", "CapAmb"):
        assert re.search(rf"^{kind}:\t0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
    assert re.search(r"^Seccomp:\t2$", status, re.MULTILINE)
    uids = re.search(r"^Uid:\t(\d+)", status, re.MULTILINE)
    assert uids is not None
    assert uids[1] != "0"
    mounts = site.container.run("cat", f"/proc/{pid}/mounts")
    assert re.search(r"^\S+ / \S+ ro[,\s]", mounts, re.MULTILINE)


def test_reload_reads_the_configuration_again_and_loses_no_line(site: Site) -> None:
    container = site.container
    pid = container.value("MainPID")
    site.container.write(CONFIG, site.configuration(top_tables=7))
    for _ in range(5):
        site.conflict()
    container.run("systemctl", "reload", NAME)
    for _ in range(5):
        site.conflict()

    container.wait_said("read the configuration again")
    site.wait_recorded()
    wait_until(lambda: container.value("ActiveState") == "active", "it is ready")
    assert container.value("MainPID") == pid
    assert container.value("NRestarts") == "0"


def test_a_wrong_configuration_is_no_reason_to_end(site: Site) -> None:
    container = site.container
    pid = container.value("MainPID")
    container.write(CONFIG, site.configuration() + "colour: blue\n")

    container.run("systemctl", "reload", NAME)

    container.wait_said("the configuration stays as it was")
    container.write(CONFIG, site.configuration())
    site.conflict()
    site.wait_recorded()
    assert container.value("MainPID") == pid


def test_a_wrong_configuration_at_the_start_is_not_tried_again(site: Site) -> None:
    container = site.container
    container.run("systemctl", "stop", NAME)
    container.write(CONFIG, site.configuration() + "colour: blue\n")
    before = container.value("NRestarts")
    try:
        container.run("systemctl", "start", NAME, check=False)
        wait_until(lambda: container.value("ActiveState") == "failed", "it failed")
        time.sleep(3)
        shown = container.show("ActiveState", "ExecMainStatus", "NRestarts")
    finally:
        container.write(CONFIG, site.configuration())

    assert shown["ActiveState"] == "failed"
    assert shown["ExecMainStatus"] == "78"
    assert shown["NRestarts"] in {"0", before}
    assert "colour" in container.journal()


def test_it_is_started_again_after_a_crash_and_goes_on(site: Site) -> None:
    container = site.container
    pid = container.value("MainPID")

    container.run("sh", "-c", f"kill -KILL {pid}")
    site.conflict()

    wait_until(lambda: container.value("MainPID") not in {pid, "0"}, "another one runs")
    site.conflict()
    site.wait_recorded()


def test_a_hung_daemon_is_ended_by_the_watchdog(site: Site) -> None:
    container = site.container
    pid = container.value("MainPID")

    container.run("sh", "-c", f"kill -STOP {pid}")
    site.conflict()

    wait_until(lambda: container.value("MainPID") not in {pid, "0"}, "another one runs")
    site.wait_recorded()
    assert "Watchdog timeout" in container.run(
        "journalctl", f"_SYSTEMD_UNIT={NAME}", "+", f"UNIT={NAME}", "--no-pager"
    )


def test_it_lives_on_while_a_node_is_away(site: Site) -> None:
    """The watchdog is for a daemon that hangs, not for a server that is down."""
    container = site.container
    pid = container.value("MainPID")
    node = site.made.pair.b

    node.cluster.stop()
    time.sleep(10)  # longer than the watchdog waits
    assert container.value("MainPID") == pid
    node.cluster.start()

    wait_until(site.made.to_b.streaming, "replication goes on")
    site.conflict()
    site.wait_recorded()
    assert container.value("MainPID") == pid


def typed() -> list[str]:
    """What the runbooks have typed on the daemon's host."""
    wanted = re.compile(r"journalctl |timedatectl|chronyc |systemctl status ")
    lines = [line for path in documents() for one in blocks(path) for line in one.typed]
    return sorted({line for line in lines if wanted.match(line)})


@pytest.mark.parametrize("line", typed())
def test_what_runbooks_have_typed_shows_what_they_say(site: Site, line: str) -> None:
    """After a node was away, which the journal knows then."""
    if line.startswith("chronyc "):
        site.container.run("sh", "-c", "pgrep chronyd || chronyd -x")
    site.made.pair.b.cluster.stop()
    try:
        wait_until(
            lambda: site.container.run("sh", "-c", line, check=False).strip(),
            f"{line} shows something",
        )
    finally:
        site.made.pair.b.cluster.start()
    wait_until(site.made.to_b.streaming, "replication goes on")


def test_it_ends_soon_and_in_peace(site: Site) -> None:
    container = site.container
    began = time.monotonic()

    container.run("systemctl", "stop", NAME)

    assert time.monotonic() - began < 6
    shown = container.show("Result", "ExecMainStatus", "ActiveState")
    assert shown == {
        "Result": "success",
        "ExecMainStatus": "0",
        "ActiveState": "inactive",
    }
    site.conflict()
    site.start()
    site.wait_recorded()
