"""Servers to be checked: one a version, as it should be, again after each test."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from psycopg import sql

from pgconflict.server.grants import monitor_grants
from tests.fixtures.checked import (
    MONITOR,
    OWNER,
    reload,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fixtures.servers import Node, Servers


@pytest.fixture(scope="module")
def german() -> Iterator[None]:
    """A locale de_DE.utf8 for servers started now, whatever the machine has.

    It is C.utf8 under another name: what is tested is the name.
    """
    model = Path("/usr/lib/locale/C.utf8")
    folder = Path(tempfile.mkdtemp(prefix="pgconflict-locale-"))
    folder.chmod(0o755)
    if model.is_dir():
        shutil.copytree(model, folder / "de_DE.utf8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCPATH", str(folder))
        yield
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def healthy(servers: Servers, german: None) -> Callable[[int], Node]:  # noqa: ARG001
    """A server a version with a role that has what `init --grants` prints."""
    started: dict[int, Node] = {}

    def node(major: int) -> Node:
        if major not in started:
            fresh = servers.node(major)
            fresh.execute(f"create role {MONITOR} login")
            for statement in monitor_grants(MONITOR):
                fresh.execute(statement)
            fresh.execute(sql.SQL("create role {} login").format(sql.Identifier(OWNER)))
            started[major] = fresh
        return started[major]

    return node


@pytest.fixture
def node(healthy: Callable[[int], Node], major: int) -> Iterator[Node]:
    """The healthy server, as it was after the test."""
    server = healthy(major)
    yield server
    for (name,) in server.execute("select subname from pg_subscription"):
        server.execute(sql.SQL("drop subscription {}").format(sql.Identifier(name)))
    server.execute("alter system reset all", dbname="postgres")
    for (role,) in server.execute(
        "select rolname from pg_roles where rolname !~ '^pg_'"
    ):
        server.execute(sql.SQL("alter role {} reset all").format(sql.Identifier(role)))
    reload(server)
