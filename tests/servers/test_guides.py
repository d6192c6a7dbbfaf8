"""The guides, block by block, on real servers: the start, and a switchover."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import psycopg
import pytest
import yaml

from pgconflict.demo.cluster import free_port
from tests.contracts.tree import ROOT
from tests.fixtures.daemon import Daemon
from tests.fixtures.nodes import DATABASE, Node, Subscription
from tests.fixtures.postgres import found
from tests.fixtures.snippets import Block, blocks
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pgconflict.demo.cluster import Cluster

DOCS = ROOT / "docs"
# What these print are findings, of which a guide may have some.
MAY_FIND = ("check", "preflight", "diff")


class Guide:
    """Somebody who types what a page says, with servers of the page's names."""

    def __init__(self, folder: Path, clusters: Mapping[str, Cluster]) -> None:
        self.clusters = clusters
        self.folder = folder
        self.config_file = folder / "pgconflict.yml"
        self.port = free_port()
        self.daemon: Daemon | None = None
        bin_dir = found().installations[18].bin_dir
        program = folder / "pgconflict"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m pgconflict "$@"\n')
        program.chmod(0o755)
        self.environment = os.environ | {
            "PATH": f"{folder}:{bin_dir}:{os.environ['PATH']}",
            "PGCONFLICT_CONFIG": str(self.config_file),
            "PYTHONPATH": str(ROOT),
        }

    def known(self, text: str) -> str:
        """Return the text with connection strings and a port that are there."""

        def dsn(match: re.Match[str]) -> str:
            cluster = self.clusters[match[1]]
            return cluster.dsn(match[2], **({"user": match[3]} if match[3] else {}))

        text = re.sub(r"host=(\w+) dbname=(\w+)(?: user=(\w+))?", dsn, text)
        return text.replace("127.0.0.1:9745", f"127.0.0.1:{self.port}")

    def follow(self, block: Block) -> str:
        """Do what a block says; return what it printed."""
        if block.language == "yaml":
            self.config_file.write_text(self.known(block.text))
        elif block.language == "sql":
            self.execute(block)
        elif block.language == "sh":
            return "".join(self.type(line) for line in block.typed)
        else:
            assert block.language == "console", block.where
        return ""

    def execute(self, block: Block) -> None:
        names = [name for name in self.clusters if name != "log"]
        for name in names if block.place == "both" else [block.place]:
            dsn = self.clusters[name].dsn(DATABASE)
            with psycopg.connect(dsn, autocommit=True) as connection:
                for statement in block.statements:
                    connection.execute(self.known(statement).encode())

    def type(self, line: str) -> str:
        words = shlex.split(line)
        if words == ["pgconflict", "run"]:
            self.run()
            return ""
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", self.known(line)],
            capture_output=True,
            check=False,
            text=True,
            timeout=120,
            env=self.environment,
        )
        codes = {0, 3} if set(MAY_FIND) & set(words) else {0}
        assert done.returncode in codes, (line, done.stdout, done.stderr)
        return done.stdout

    def run(self) -> None:
        self.daemon = Daemon(self.folder, "", {})
        self.daemon.config = yaml.safe_load(self.config_file.read_text())
        self.daemon.conflict_log = self.daemon.config["conflict_log"]["dsn"]
        self.daemon.port = self.port
        self.daemon.start()


@pytest.fixture
def new_guide(
    tmp_path: Path, new_cluster: Callable[..., Cluster]
) -> Iterator[Callable[..., Guide]]:
    """Start servers by name and major version: `new_guide(a=18, b=18)`."""
    made: list[Guide] = []

    def start(**majors: int) -> Guide:
        clusters = {name: new_cluster(major) for name, major in majors.items()}
        for name, cluster in clusters.items():
            if name != "log":
                node = Node(name, cluster)
                node.execute(f"create database {DATABASE}", dbname="postgres")
        made.append(Guide(tmp_path, clusters))
        return made[0]

    yield start
    for guide in made:
        if guide.daemon:
            guide.daemon.kill()


def test_start(new_guide: Callable[..., Guide]) -> None:
    guide = new_guide(a=18, b=18, log=18)
    for block in blocks(DOCS / "conflicts" / "index.md"):
        guide.execute(block)
    a, b = (Node(name, guide.clusters[name]) for name in "ab")
    ways = [
        Subscription("from_peer", "app", a, b),
        Subscription("from_peer", "app", b, a),
    ]
    for way in ways:
        wait_until(way.streaming, "the subscription streams")

    printed = ""
    for block in blocks(DOCS / "start.md"):
        if "conflicts list" in block.text:
            assert guide.daemon
            guide.daemon.wait_count(1)
            wait_until(
                lambda: (
                    guide.daemon and guide.daemon.metric("server_conflicts_total") == 1
                ),
                "the server's counter has arrived",
            )
        printed += guide.follow(block)
        for way in ways:
            way.catch_up()

    # In the list, and as metrics: what the server counted, and what is recorded.
    assert len(re.findall(r"\bupdate_origin_differs\b", printed)) >= 4
    assert "pgconflict_server_conflicts_total{" in printed
    assert "pgconflict_conflicts_total{" in printed


def test_switchover(new_guide: Callable[..., Guide]) -> None:
    guide = new_guide(old=16, new=18, log=18)
    log = guide.clusters["log"].dsn()
    with psycopg.connect(log, autocommit=True) as connection:
        connection.execute("create database pgconflict")
    old, new = (Node(name, guide.clusters[name]) for name in ("old", "new"))

    for block in blocks(DOCS / "upgrade.md"):
        said = guide.follow(block)
        if "CREATE SUBSCRIPTION" in block.text:
            wait_until(
                lambda: new.value("select count(*) from orders") == 100,
                "the rows are copied",
            )
        if "sequences diff" in block.text:
            assert ("behind" in said) == ("--cutover" not in block.text)

    assert new.value("select id from orders where what = 'milk'") > 100
    assert new.value("select count(*) from pg_subscription") == 0
    assert old.value("select count(*) from pg_replication_slots") == 0


def test_sequences(new_guide: Callable[..., Guide]) -> None:
    guide = new_guide(a=17, b=18, c=19, log=18)
    with psycopg.connect(guide.clusters["log"].dsn(), autocommit=True) as connection:
        connection.execute("create database pgconflict")
    a, b, c = (Node(name, guide.clusters[name]) for name in "abc")

    for block in blocks(DOCS / "sequences.md"):
        said = guide.follow(block)
        if "--margin 60s" in block.text:
            for name in ("invoices", "tickets", "returns", "orders_id_seq"):
                nextval = f"select nextval('{name}')"
                assert b.value(nextval) > a.value(nextval)
        if "stagger" in block.text:
            # The last line is a check, which finds no node in another's way.
            assert not re.search("overlapping|drift|unreadable", said)

    drawn = Counter(
        node.value("select nextval('returns')") for node in (a, b, c) for _ in range(50)
    )
    assert set(drawn.values()) == {1}
