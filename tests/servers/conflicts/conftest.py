"""A conflict log with one of each, and the command line that asks it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pgconflict.cli.main import main
from tests.fixtures.conflict_logs import config_for, new_conflict_log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.servers import ConflictLogServer


@pytest.fixture
def dsn(conflict_log_server: ConflictLogServer) -> str:
    """An empty conflict log."""
    return new_conflict_log(conflict_log_server)


@pytest.fixture
def run(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run `pgconflict conflicts ...`: exit code, what it printed, what it said.

    On the conflict log `dsn`, or that of the test's fixture of this name.
    """

    def words(*words: object, dsn: str | None = None) -> tuple[int, str, str]:
        there = dsn or request.getfixturevalue("dsn")
        given = ["--config", config_for(there, tmp_path), "conflicts"]
        code = main([*given, *map(str, words)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return words


@pytest.fixture
def ask(run: Callable[..., tuple[int, str, str]]) -> Callable[..., str]:
    """Run it, which must succeed; what it printed."""

    def words(*words: object, dsn: str | None = None) -> str:
        code, out, err = run(*words, dsn=dsn)
        assert code == 0, err
        return out

    return words


@pytest.fixture
def lines(ask: Callable[..., str]) -> Callable[..., list[dict[str, Any]]]:
    """The same with --json, for what prints an object a line."""

    def words(*words: object, dsn: str | None = None) -> list[dict[str, Any]]:
        out = ask(*words, "--json", dsn=dsn)
        return [json.loads(line) for line in out.splitlines()]

    return words


@pytest.fixture
def refused(run: Callable[..., tuple[int, str, str]]) -> Callable[..., tuple[int, str]]:
    """Run it, which must print nothing; the exit code and what was said."""

    def words(*words: object, dsn: str | None = None) -> tuple[int, str]:
        code, out, err = run(*words, dsn=dsn)
        assert out == ""
        return code, err

    return words
