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
def ask(
    dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Run `pgconflict conflicts ...`, which must succeed; what it printed."""

    def run(*words: object, dsn: str = dsn) -> str:
        given = ["--config", config_for(dsn, tmp_path), "conflicts", *map(str, words)]
        code = main(given)
        printed = capsys.readouterr()
        assert code == 0, printed.err
        return printed.out

    return run


@pytest.fixture
def lines(ask: Callable[..., str]) -> Callable[..., list[dict[str, Any]]]:
    """The same with --json, for what prints an object a line."""

    def run(*words: object) -> list[dict[str, Any]]:
        return [json.loads(line) for line in ask(*words, "--json").splitlines()]

    return run


@pytest.fixture
def refused(
    dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Run it and get the exit code and what was said."""

    def run(*words: object, dsn: str = dsn) -> tuple[int, str]:
        given = ["--config", config_for(dsn, tmp_path), "conflicts", *map(str, words)]
        code = main(given)
        printed = capsys.readouterr()
        assert printed.out == ""
        return code, printed.err

    return run
