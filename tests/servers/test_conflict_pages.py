"""The scripts of docs/conflicts make their conflict and mend it, on real servers."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.contracts.tree import ROOT
from tests.fixtures.daemon import Daemon
from tests.fixtures.nodes import Node, Subscription
from tests.fixtures.snippets import SHELL, Block, blocks
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.servers import Servers

FOLDER = ROOT / "docs" / "conflicts"
INDEX = FOLDER / "index.md"
PAGES = sorted(path.stem for path in FOLDER.glob("*.md") if path != INDEX)
DATABASE = "handbook"
NEWEST_ONLY = "update_deleted"


def table(text: str) -> dict[str, str]:
    """First column to second, of the lines of tables."""
    return dict(re.findall(r"^\| (\S[^|]*?) \| ([^|]*?) \|", text, re.MULTILINE))


STOPS = {
    re.sub(r"\[(\w+)\].*", r"\1", name): how == "stops"
    for name, how in table(INDEX.read_text()).items()
    if name.startswith("[")
}


@dataclass
class World:
    """Two nodes with a database of the pages' own, watched by a daemon."""

    nodes: dict[str, Node]
    daemon: Daemon

    @property
    def ways(self) -> list[Subscription]:
        a, b = self.nodes["a"], self.nodes["b"]
        return [
            Subscription("from_peer", "app", a, b),
            Subscription("from_peer", "app", b, a),
        ]

    def type(self, block: Block) -> None:
        """Do what a block says, where it says it."""
        for node in (
            self.nodes.values() if block.place == "both" else [self.nodes[block.place]]
        ):
            with node.connect() as connection:
                for statement in block.statements:
                    connection.execute(self.known(statement).encode())

    def known(self, statement: str) -> str:
        for name, node in self.nodes.items():
            statement = statement.replace(f"host={name} dbname=app", node.dsn)
        return statement

    def run(self, line: str) -> str:
        words = shlex.split(line)
        assert words[0] == "pgconflict"
        config = ["--config", str(self.daemon.config_file)]
        done = subprocess.run(
            [sys.executable, "-m", "pgconflict", *config, *words[1:]],
            capture_output=True,
            check=False,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        return done.stdout

    def rows(self) -> list[list[tuple[object, ...]]]:
        statement = "select * from customer order by id"
        return [node.execute(statement) for node in self.nodes.values()]

    def catch_up(self) -> None:
        for way in self.ways:
            way.catch_up()

    def no_worker(self) -> bool:
        return all(way.worker() is None for way in self.ways)

    def clear(self) -> None:
        for way in self.ways:
            way.drop()
        for node in self.nodes.values():
            node.execute("drop publication if exists app")
            node.execute("drop table if exists customer")
            node.execute(
                "select pg_replication_origin_drop(roname) from pg_replication_origin"
                " where roname = 'repair'"
            )


def world_of(
    servers: Servers, major: int, conflict_log: str, folder: pytest.TempPathFactory
) -> World:
    nodes = {}
    for node in servers.pair(major).nodes:
        nodes[node.name] = Node(node.name, node.cluster)
        nodes[node.name].dbname = DATABASE
        node.execute(f"create database {DATABASE}", dbname="postgres")
    dsns = {name: node.dsn for name, node in nodes.items()}
    return World(nodes, Daemon(folder.mktemp("daemon"), conflict_log, dsns))


@pytest.fixture
def world(
    servers: Servers,
    conflict_log: str,
    tmp_path_factory: pytest.TempPathFactory,
    page: str,
) -> Iterator[World]:
    """The nodes as docs/conflicts/index.md sets them up."""
    major = 19 if page == NEWEST_ONLY else 18
    made = world_of(servers, major, conflict_log, tmp_path_factory)
    try:
        made.daemon.start()
        for block in blocks(INDEX):
            made.type(block)
        yield made
        made.daemon.stop()
    finally:
        made.daemon.kill()
        made.clear()
        for node in made.nodes.values():
            node.execute(f"drop database {DATABASE} with (force)", dbname="postgres")


def test_every_type_has_a_page() -> None:
    assert set(PAGES) == set(STOPS)


@pytest.mark.parametrize("page", PAGES)
def test_page(world: World, page: str) -> None:
    said = table((FOLDER / f"{page}.md").read_text())
    recorded = f"conflict_type = '{page}'"
    for block in blocks(FOLDER / f"{page}.md"):
        if block.language in SHELL:
            for line in block.typed:
                printed = world.run(line)
                assert page in printed or " list " not in line
            continue
        if "DISABLE" in block.text:
            world.catch_up()
        world.type(block)
        if "DISABLE" in block.text:
            wait_until(world.no_worker, "the apply workers have ended")
        if "ENABLE" in block.text:
            world.daemon.wait_count(2 if STOPS[page] else 1, recorded)
            if not STOPS[page]:
                world.catch_up()
            # Both rows, one of each, or the other's on both: as the page has it.
            differ = STOPS[page] or page == "update_origin_differs"
            a, b = world.rows()
            assert (a != b) == differ

    world.catch_up()
    a, b = world.rows()
    assert a == b
    rows = world.daemon.query(
        "select stalls, severity, sqlstate from pgconflict.conflict_log"
        f" where {recorded}"
    )
    for stalls, severity, sqlstate in rows:
        assert stalls == STOPS[page] == said["apply"].startswith("stops")
        assert said["logged as"].startswith(f"{severity}, SQLSTATE {sqlstate}")
    counter = re.sub(r"`(\w+)`.*", r"\1", said["counter"])
    wait_until(
        lambda: any(
            node.value(
                f"select {counter} > 0 from pg_stat_subscription_stats"
                " where subname = 'from_peer'"
            )
            for node in world.nodes.values()
        ),
        f"{counter} has counted",
    )
