"""Two servers of different versions, one with a clock of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.nodes import Pair
from tests.fixtures.operated import Desk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.servers import Servers

AHEAD_S = 7


@pytest.fixture(params=[(15, 18), (16, 19)], ids=lambda two: f"pg{two[0]}-pg{two[1]}")
def unlike(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Pair]:
    """a: the older, with our clock; b: the newer, ahead of it."""
    older, newer = request.param
    a = servers.node(older, name="a")
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        if os.environ.get("CI"):
            pytest.fail("no libfaketime (Debian: apt install libfaketime)")
        pytest.skip("clocks NOT TESTED: no libfaketime (Debian: apt install it)")
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("FAKETIME", f"+{AHEAD_S}s")
    # Sleeping and time limits are to be as long as everywhere.
    monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    b = servers.node(newer, name="b")
    monkeypatch.undo()
    yield Pair(a, b)
    for node in (a, b):
        node.cluster.destroy()


def test_clock_and_versions_are_compared(
    unlike: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk(tmp_path, "host=127.0.0.1 port=1", capsys)
    desk.knows(a=unlike.a.dsn, b=unlike.b.dsn)
    with unlike.replicate() as one:
        unlike.a.execute(f"insert into {one.table} values (1, 'x')")
        one.catch_up()
        document = desk.run("check", "--node", "a", "--node", "b", "--json").document

    found: dict[str, list[dict[str, Any]]] = {}
    for finding in document["findings"]:
        found.setdefault(finding["check"], []).append(finding)
    majors = f"{unlike.a.major}, {unlike.b.major}"
    (clock,), (versions,) = found["clock"], found["versions_differ"]
    assert clock["node"] == "a"
    assert f"its clock is {AHEAD_S}.0 s behind that of node b" in clock["seen"]
    assert versions["node"] == "a"
    assert versions["seen"] == f"the nodes are PostgreSQL {majors}"
    assert "definitions_differ" not in found
