"""The parts of docker-compose.yml that need no container, run: set-up and conflicts."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import yaml

from tests.contracts.tree import ROOT
from tests.fixtures.conflict_logs import new_conflict_log
from tests.fixtures.daemon import Daemon
from tests.fixtures.postgres import found

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.servers import ConflictLogServer, Node, Servers

MAJOR = 18
ARGUMENTS = {
    name: value
    for name, _, value in (
        word.removeprefix("-c").partition("=")
        for word in yaml.safe_load((ROOT / "docker-compose.yml").read_text())["x-node"][
            "command"
        ][1:]
    )
}


@pytest.fixture
def nodes(servers: Servers) -> Iterator[list[Node]]:
    """Nodes with the settings of the compose file."""
    started = [servers.node(MAJOR, name=name, settings=ARGUMENTS) for name in "ab"]
    for node in started:
        node.dbname = "shop"
        node.execute("create database shop", dbname="postgres")
    yield started
    for node in started:
        node.cluster.destroy()


def run(script: str, environment: dict[str, str], bin_dir: Path) -> str:
    path = f"{bin_dir}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-x", str(ROOT / "docker" / script)],
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
        env=os.environ | environment | {"PATH": path},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_set_up_conflict_and_be_recorded(
    nodes: list[Node], conflict_log_server: ConflictLogServer
) -> None:
    bin_dir = found().installations[MAJOR].bin_dir
    if not (bin_dir / "psql").exists():
        pytest.skip("this PostgreSQL has no psql")
    a, b = nodes
    log = new_conflict_log(conflict_log_server)
    environment = {
        "A": a.dsn,
        "B": b.dsn,
        "LOG": log,
        "A_FOR_PEER": a.cluster.dsn("shop", user="replicator"),
        "B_FOR_PEER": b.cluster.dsn("shop", user="replicator"),
        "PGPASSWORD": "conflict",
        "ROUNDS": "7",
        "PAUSE": "0",
        "STOPPED": "2",
        "RETRIED": "2",
    }
    given = yaml.safe_load((ROOT / "docker" / "pgconflict.yml").read_text())
    with tempfile.TemporaryDirectory() as folder:
        assert "replicate" in run("setup.sh", environment, bin_dir)
        assert "already" in run("setup.sh", environment, bin_dir)
        daemon = Daemon(
            Path(folder),
            log,
            {node.name: node.cluster.dsn("shop", user="pgconflict") for node in nodes},
            sequences=given["sequences"],
        )
        for node, ours in zip(given["nodes"], daemon.config["nodes"], strict=True):
            assert node["name"] == ours["name"]
            ours["server_log"] = node["server_log"]
        try:
            daemon.start()
            run("conflicts.sh", environment, bin_dir)
            for conflict_type in (
                "update_origin_differs",
                "insert_exists",
                "delete_origin_differs",
                "update_missing",
            ):
                daemon.wait_count(1, f"conflict_type = '{conflict_type}'")
            daemon.wait_count(2, "stalls and status = 'applied'")
            daemon.stop()
        finally:
            daemon.kill()

    # Two staggered sequences never gave the same number.
    orders = a.value("select count(*) from orders")
    assert orders == 14
    # The role is of the whole server, which other tests use too.
    with psycopg.connect(log, autocommit=True) as connection:
        connection.execute("drop owned by grafana; drop role grafana")
