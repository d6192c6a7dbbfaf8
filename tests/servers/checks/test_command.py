"""`pgconflict check` as a whole: every node, the conflict log, the exit code."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from pgconflict.cli.main import main
from pgconflict.conflict_log import schema
from tests.fixtures.checked import (
    MONITOR,
)
from tests.fixtures.proxy import Proxy
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from tests.fixtures.servers import ConflictLogServer, Node


def command(tmp_path: Path, log_dsn: str, *nodes: str) -> list[str]:
    file = tmp_path / "pgconflict.yml"
    listed = "".join(f"  - {one}\n" for one in nodes)
    file.write_text(f"conflict_log:\n  dsn: {log_dsn}\nnodes:\n{listed}")
    return ["--config", str(file), "check"]


@pytest.mark.majors(18)
def test_the_command_reports_each_node_and_the_conflict_log(
    node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    node.execute("drop database if exists log", dbname="postgres")
    node.execute("create database log", dbname="postgres")
    dsn = node.cluster.dsn("app", user=MONITOR)
    words = command(
        tmp_path,
        node.cluster.dsn("log"),
        f"{{name: a, dsn: {dsn}, server_log: {{read: sql}}}}",
    )

    assert main(words) == 3
    assert "its schema is at step 0" in capsys.readouterr().out
    assert main([*words[:2], "init"]) == 0
    capsys.readouterr()
    assert main(words) == 0
    out = capsys.readouterr().out
    assert out.startswith("node a (PostgreSQL 18")
    assert "conflict log (PostgreSQL 18" in out
    assert main([*words, "--node", "a", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["node"] for one in document["servers"]] == ["a"]
    checked = {one["check"] for one in document["findings"]}
    assert checked == {"no_subscription", "unseen_types"}
    assert set(document["findings"][0]) == {
        "node", "check", "severity", "seen", "why", "remedy", "database", "doc",
    }  # fmt: skip
    assert main([*words, "--node", "x"]) == 2
    assert "the nodes are a" in capsys.readouterr().err
    node.execute("drop database log", dbname="postgres")


def test_what_keeps_the_conflict_log_from_being_written(
    conflict_log_server: ConflictLogServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each remedy is run until nothing is found; nodes are left out of it here."""
    dsn = conflict_log_server.new_database()
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("drop role if exists log_daemon; create role log_daemon login")
        conn.execute("create publication p for all tables")
        as_daemon = make_conninfo(dsn, user="log_daemon")
        words = command(tmp_path, as_daemon, "{name: a, dsn: host=127.0.0.1 port=1}")

        def finding() -> dict[str, Any] | None:
            assert main([*words, "--json"]) == 69
            document = json.loads(capsys.readouterr().out)
            found = [one for one in document["findings"] if one["node"] is None]
            return found[0] if found else None

        published = finding()
        assert published is not None
        assert "p (FOR ALL TABLES)" in published["seen"]
        conn.execute("drop publication p")
        missing = finding()
        assert missing is not None
        assert missing["remedy"] == ["pgconflict init"]
        schema.install(conn)
        closed = finding()
        assert closed is not None
        assert "permission denied" in closed["seen"]
        for statement in schema.grants("log_daemon", None):
            conn.execute(statement.encode())
        unwritable = finding()
        assert unwritable is not None
        assert unwritable["seen"] == "role log_daemon may not write it"
        for statement in unwritable["remedy"]:
            conn.execute(statement.encode())
        assert finding() is None


def test_a_node_that_is_away_does_not_hide_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One refuses, one accepts and says nothing: both are reported, the code is 69."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        port = deaf.getsockname()[1]
        words = command(
            tmp_path,
            "host=127.0.0.1 port=1",
            "{name: a, dsn: host=127.0.0.1 port=1}",
            f"{{name: b, dsn: host=127.0.0.1 port={port}}}",
        )
        with Path(words[1]).open("a") as file:
            file.write("limits: {connect_timeout: 2s}\n")

        code = main([*words, "--json"])

    assert code == 69
    findings: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["findings"]
    assert [(one["node"], one["check"]) for one in findings] == [
        ("a", "connection"),
        ("b", "connection"),
        (None, "conflict_log"),
    ]
    assert "refused" in findings[0]["seen"]
    assert "timeout" in findings[1]["seen"]


@pytest.mark.majors(18)
def test_a_question_that_waits_for_a_lock_is_given_up(
    node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command(tmp_path, "host=x", f"{{name: a, dsn: {node.dsn}}}")
    with node.connect() as blocker:
        blocker.execute("begin; lock table pg_subscription in access exclusive mode")

        code = main([*words, "--node", "a"])

    assert code == 69
    assert "lock timeout" in capsys.readouterr().out


@pytest.mark.majors(18)
def test_a_server_that_hangs_after_it_let_us_in_is_given_up(
    node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A question waits for a lock; before it is answered the network goes silent."""
    with Proxy(node.port) as proxy, node.connect() as blocker:
        words = command(tmp_path, "host=x", f"{{name: a, dsn: {proxy.dsn(node.dsn)}}}")
        with Path(words[1]).open("a") as file:
            file.write("limits: {statement_timeout: 300ms}\n")
        blocker.execute("begin; lock table pg_subscription in access exclusive mode")

        def go_silent() -> None:
            wait_until(lambda: proxy.connections, "it is connected")
            time.sleep(0.15)
            proxy.stall()

        silencer = threading.Thread(target=go_silent)
        silencer.start()
        began = time.monotonic()
        code = main([*words, "--node", "a"])
        silencer.join()

    assert code == 69
    assert "did not answer within 1.2 s" in capsys.readouterr().out
    assert time.monotonic() - began < 5
