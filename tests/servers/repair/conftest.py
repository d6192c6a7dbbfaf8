"""A conflict log for each test, and an operator who knows both nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fixtures.conflict_logs import new_conflict_log
from tests.fixtures.operated import Desk

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.servers import ConflictLogServer, Pair


@pytest.fixture
def log_dsn(conflict_log_server: ConflictLogServer) -> str:
    return new_conflict_log(conflict_log_server)


@pytest.fixture
def desk(
    pair: Pair, log_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Desk:
    """An operator who knows both nodes of the pair."""
    made = Desk(tmp_path, log_dsn, capsys)
    made.knows(a=pair.a.dsn, b=pair.b.dsn)
    return made
