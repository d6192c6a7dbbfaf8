"""Sessions of commands on a real server: what they may cost, what errors mean."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest

from pgconflict.server.connect import connect_async, translated
from tests.fixtures.checked import (
    MONITOR,
)

if TYPE_CHECKING:
    from tests.fixtures.servers import Node


@pytest.mark.majors(18)
def test_our_sessions_cost_the_server_little(node: Node) -> None:
    """Every connection names itself, is bounded, reads only and trusts no path."""

    async def ask() -> dict[str, str]:
        dsn = node.cluster.dsn("app", options="-c work_mem=1234kB")
        async with await connect_async(dsn, job="check", who="it") as connection:
            values = {}
            for name in (
                "application_name",
                "statement_timeout",
                "lock_timeout",
                "idle_in_transaction_session_timeout",
                "default_transaction_read_only",
                "search_path",
                "work_mem",
            ):
                cursor = await connection.execute(f"show {name}".encode())
                row = await cursor.fetchone()
                assert row is not None
                values[name] = row[0]
            return values

    assert asyncio.run(ask()) == {
        "application_name": "pgconflict/check",
        "statement_timeout": "5s",
        "lock_timeout": "1s",
        "idle_in_transaction_session_timeout": "10s",
        "default_transaction_read_only": "on",
        "search_path": "",
        "work_mem": "1234kB",
    }


@pytest.mark.majors(18)
def test_the_servers_errors_have_a_meaning(node: Node) -> None:
    async def ask(statement: str) -> None:
        dsn = node.cluster.dsn("app", user=MONITOR)
        async with await connect_async(dsn, job="check", who="node a") as connection:
            with translated("node a"):
                await connection.execute(statement.encode())

    with pytest.raises(Exception, match=r"^node a: permission denied") as caught:
        asyncio.run(ask("select rolpassword from pg_catalog.pg_authid"))
    assert getattr(caught.value, "exit_code", None) == 77
    with pytest.raises(Exception, match=r"^node a: canceling statement") as caught:
        asyncio.run(ask("select pg_catalog.pg_sleep(60)"))
    assert getattr(caught.value, "exit_code", None) == 69
    with pytest.raises(psycopg.errors.SyntaxError):
        asyncio.run(ask("selec"))
