"""Every line of the documents that calls pgconflict is typed, and does what it says."""

from __future__ import annotations

import re
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import yaml

from pgconflict.cli.main import main
from tests.contracts.tree import ROOT
from tests.fixtures.conflict_logs import new_conflict_log
from tests.fixtures.daemon import Daemon
from tests.fixtures.nodes import Subscription
from tests.fixtures.snippets import blocks, commands
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.nodes import Pair
    from tests.fixtures.servers import ConflictLogServer, Servers

# Lines that end when somebody ends them, or need what no test shares; who runs them.
ELSEWHERE = {
    r" run$": "tests/servers/test_daemon.py",
    r" demo": "tests/servers/test_demo.py",
    r"--follow|--watch": "tests/servers/conflicts/test_follow.py",
    r"--new-dsn|--to-version": "tests/servers/preflight/test_upgrade.py",
    r" (old|new|from_peer|upgrade)( |$)": "tests/servers/test_guides.py",
    r"subscriptions drop .*--apply": "tests/servers/subscriptions/test_drop.py",
}
# A plan, or what is wrong: not an error of the command line or of pgconflict.
FINE = {0, 3}
NAGIOS = {0, 1, 2}


def elsewhere(line: str) -> str | None:
    """Return the test that runs a line, if it is not this one."""
    return next(
        (test for pattern, test in ELSEWHERE.items() if re.search(pattern, line)), None
    )


class World:
    """The nodes a and b of the documents: a shop, with a conflict on each."""

    def __init__(self, pair: Pair, conflict_log: str, folder: Path) -> None:
        self.pair = pair
        self.daemon = Daemon(
            folder,
            conflict_log,
            {node.name: node.dsn for node in pair.nodes},
            sequences={"pairs": [{"name": "shop", "nodes": ["a", "b"]}]},
            verdict={"enabled": True},
        )
        self.ways = [
            Subscription("sub", "shop", pair.a, pair.b),
            Subscription("from_b", "shop", pair.b, pair.a),
        ]

    def set_up(self) -> None:
        self.pair.both(
            "create schema shop;"
            "create table shop.orders (id serial primary key, v text);"
            "create publication shop for table shop.orders;"
            "create sequence invoices; create sequence tickets"
        )
        self.pair.a.execute("create sequence returns")
        for way in self.ways:
            way.create({"copy_data": False, "origin": "none"})
        for way in self.ways:
            wait_until(way.streaming, "the subscription streams")
        self.daemon.start()
        for way in self.ways:
            way.alter("disable")
        wait_until(lambda: not any(way.worker() for way in self.ways), "none applies")
        self.pair.both("insert into shop.orders (v) values (current_setting('port'))")
        for way in self.ways:
            way.alter("enable")
        self.daemon.wait_count(2, "stalls and status = 'open'")

    def config_with_a_third_node(self) -> Path:
        """Write a configuration that has a node c too, an empty database."""
        self.pair.a.execute("create database c", dbname="postgres")
        config = yaml.safe_load(self.daemon.config_file.read_text())
        config["nodes"].append({"name": "c", "dsn": self.pair.a.cluster.dsn("c")})
        file = self.daemon.config_file.with_name("three.yml")
        file.write_text(yaml.safe_dump(config))
        return file

    @property
    def conflict(self) -> int:
        rows = self.daemon.query(
            "select conflict_id from pgconflict.conflict_log"
            " where node = 'b' and stalls order by 1"
        )
        return int(rows[0][0])

    def words(self, line: str) -> list[str]:
        """Return what the line stands for here, without what a shell does with it."""
        line = re.sub(r" [|>] .*$", "", line)
        line = re.sub(r" \[(?!SCHEMA).*\]", "", line)
        line = line.replace("--from NODE", "--from a")
        line = re.sub(r"/\S*postgresql/\S+", str(self.pair.b.log_files()[0]), line)
        line = re.sub(r"\b(show|ack|repair) \d+\b", rf"\1 {self.conflict}", line)
        for word, value in {
            "NODE": "b",
            "ROLE": "pgconflict",
            "NAME": "sub",
            "ID": str(self.conflict),
            "FILE": str(self.pair.b.log_files()[0]),
            "[SCHEMA.]TABLE": "shop.orders",
        }.items():
            line = re.sub(rf"(?<= ){re.escape(word)}(?= |$)", value, line)
        words = shlex.split(line, comments=True)[1:]
        if "--config" in words:
            place = words.index("--config")
            del words[place : place + 2]
        if "verify" in words:
            # What is stopped will not arrive, however long one waits.
            words += ["--wait", "1"]
        return words


@pytest.fixture
def world(servers: Servers, conflict_log_server: ConflictLogServer) -> Iterator[World]:
    pair = servers.new_pair(18)
    with tempfile.TemporaryDirectory() as folder:
        made = World(pair, new_conflict_log(conflict_log_server), Path(folder))
        try:
            made.set_up()
            yield made
        finally:
            made.daemon.kill()
            for node in pair.nodes:
                node.cluster.destroy()


def test_all(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line for line in commands() if elsewhere(line) is None]
    # What changes a node comes when nobody needs it as it was.
    lines.sort(key=lambda line: ("--apply" in line) + 2 * ("--proof" in line))
    config = world.config_with_a_third_node()
    wrong = []
    for line in lines:
        words = world.words(line)
        code = main(["--config", str(config), *words])
        said = capsys.readouterr()
        fine = NAGIOS if "--nagios" in words else FINE
        if code not in fine:
            wrong.append((commands()[line], line, code, said.err))

    assert len(lines) > 30
    assert wrong == []


def test_questions_to_the_conflict_log(
    conflict_log_server: ConflictLogServer,
) -> None:
    """Of the page on subscriptions; those of other pages have tests of their own."""
    asked = 0
    with psycopg.connect(
        new_conflict_log(conflict_log_server), autocommit=True
    ) as connection:
        for block in blocks(ROOT / "docs" / "subscriptions.md"):
            if block.language == "sql":
                assert block.place == "the conflict log"
                connection.execute(block.text.encode())
                asked += 1

    assert asked > 0
