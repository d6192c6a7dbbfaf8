"""Connections that don't come about, and what is said of them; no server is needed."""

from __future__ import annotations

import asyncio
import socket
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from psycopg import conninfo

from pgconflict.config import Limits
from pgconflict.errors import (
    ConfigError,
    ConflictLogUnavailableError,
    NodeUnavailableError,
    PgConflictError,
)
from pgconflict.server.connect import connect, connect_async

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHORT = Limits(connect_timeout=timedelta(seconds=2))


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port that accepts connections and never says a word."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        yield deaf.getsockname()[1]


def refusal(dsn: str, **how: type[PgConflictError]) -> PgConflictError:
    """Return what both ways of connecting raise; they agree."""

    async def wait() -> None:
        await connect_async(dsn, job="test", who="node a", limits=SHORT, **how)  # type: ignore[arg-type]

    with pytest.raises(PgConflictError) as later:
        asyncio.run(wait())
    with pytest.raises(PgConflictError) as now:
        connect(dsn, job="test", who="node a", limits=SHORT, **how)  # type: ignore[arg-type]
    assert type(now.value) is type(later.value)
    assert str(now.value) == str(later.value)
    return now.value


def test_a_port_where_nobody_listens() -> None:
    error = refusal("host=127.0.0.1 port=1")

    assert isinstance(error, NodeUnavailableError)
    assert "node a can't be reached" in str(error)
    assert "\n" not in str(error)


def test_the_kind_of_server_is_the_callers() -> None:
    error = refusal("host=127.0.0.1 port=1", unavailable=ConflictLogUnavailableError)

    assert isinstance(error, ConflictLogUnavailableError)


def test_a_deaf_server_is_given_up_in_time(deaf_port: int) -> None:
    began = time.monotonic()

    error = refusal(f"host=127.0.0.1 port={deaf_port}")

    assert isinstance(error, NodeUnavailableError)
    assert time.monotonic() - began < 2 * 2 + 1.5


def test_a_service_that_is_not_defined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "none"))

    error = refusal("service=nope")

    assert isinstance(error, ConfigError)
    assert error.hint is not None
    assert "PGSERVICEFILE" in error.hint


@pytest.mark.parametrize(
    "dsn", ["host=a password=x hunter2", "postgresql://u:hun%ter2@h/", "hunter2"]
)
def test_what_libpq_cannot_parse_is_never_repeated(dsn: str) -> None:
    error = refusal(dsn)

    assert isinstance(error, ConfigError)
    assert error.__cause__ is None
    assert error.__suppress_context__
    assert "hun" not in str(error) + str(error.hint)


def test_the_callers_options_and_keepalives_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ours come after, so that no connection string lifts a limit."""
    seen: list[str] = []

    def record(dsn: str, **_: object) -> None:
        seen.append(dsn)
        raise NodeUnavailableError("enough")

    monkeypatch.setattr("psycopg.connect", record)
    with pytest.raises(NodeUnavailableError):
        connect(
            "host=h keepalives_idle=77 options='-c work_mem=1MB -c statement_timeout=0'"
            " application_name=x",
            job="test",
            who="it",
        )

    given = conninfo.conninfo_to_dict(seen[0])
    assert given["keepalives_idle"] == "77"
    assert given["application_name"] == "pgconflict/test"
    options = str(given["options"])
    assert options.startswith("-c work_mem=1MB -c statement_timeout=0 ")
    assert options.rindex("statement_timeout=5000") > options.index("timeout=0")
