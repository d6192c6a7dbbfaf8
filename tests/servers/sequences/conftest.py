"""Pairs of new databases for tests of sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from pgconflict.conflict_log.schema import install
from tests.fixtures.sequence_nodes import Pair, fresh_pair

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.servers import ConflictLogServer, Servers


@pytest.fixture(scope="session")
def sequence_log(conflict_log_server: ConflictLogServer) -> str:
    """A conflict log database for all tests of sequences."""
    dsn = conflict_log_server.new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        install(connection)
    return dsn


@pytest.fixture
def two(
    servers: Servers,
    tmp_path: Path,
    sequence_log: str,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Pair]:
    """Make a pair: `two(15)`, `two(15, 19)`."""

    def make(major: int, other: int | None = None) -> Pair:
        a = servers.pair(major).a
        b = servers.pair(other or major).b
        return fresh_pair(a, b, tmp_path, sequence_log, capsys)

    return make


@pytest.fixture
def same(two: Callable[..., Pair], major: int) -> Pair:
    """A pair of the test's version."""
    return two(major)
