"""Connections of the daemon: whatever string libpq takes, and what failures mean."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from pgconflict import libpq
from pgconflict.config import Limits, Node
from pgconflict.errors import (
    ConfigError,
    NodeNotReadyError,
    NodeUnavailableError,
    PrivilegeMissingError,
)
from pgconflict.server.session import NodeSession

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pgconflict.demo.cluster import Cluster
    from tests.fixtures.nodes import Pair
    from tests.fixtures.proxy import Proxy

LIMITS = Limits(
    connect_timeout=timedelta(seconds=1), statement_timeout=timedelta(seconds=1)
)
SETTINGS = "select current_setting($1)"


async def open_session(dsn: str, **more: Any) -> NodeSession:
    node = Node(name="a", dsn=dsn)
    return await NodeSession.open(node, LIMITS, job="test", **more)


async def setting(session: NodeSession, name: str) -> str:
    ((value,),) = await session.rows_of(SETTINGS, name)
    return str(value)


async def test_every_connection_bounds_what_it_can_cost(pair: Pair) -> None:
    session = await open_session(pair.b.dsn)

    found = {
        name: await setting(session, name)
        for name in (
            "application_name",
            "search_path",
            "statement_timeout",
            "lock_timeout",
            "idle_in_transaction_session_timeout",
            "default_transaction_read_only",
        )
    }
    await session.close()

    assert found == {
        "application_name": "pgconflict/test",
        "search_path": "",
        "statement_timeout": "1s",
        "lock_timeout": "1s",
        "idle_in_transaction_session_timeout": "1s",
        "default_transaction_read_only": "on",
    }
    assert session.major == pair.major


@pytest.mark.majors(18)
async def test_a_service_file_and_a_unix_socket(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pair.b.cluster.socket_directory
    services = tmp_path / "services.conf"
    services.write_text(
        f"# ours\n[other]\nport=1\n\n[b]\nhost={folder}\nport={pair.b.port}\n"
        "user=postgres\ndbname=postgres\noptions=-c work_mem=77MB\n"
    )
    monkeypatch.setenv("PGSERVICEFILE", str(services))

    session = await open_session("service=b dbname=app")
    database = await session.rows_of("select current_database()")
    work_mem = await setting(session, "work_mem")
    await session.close()

    assert (database[0][0], work_mem) == ("app", "77MB")


async def test_an_unknown_service_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = tmp_path / "services.conf"
    services.write_text("[b]\nport=1\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))

    with pytest.raises(ConfigError, match='definition of service "nix" not found'):
        await open_session("service=nix")


@pytest.mark.majors(18)
async def test_the_first_host_may_be_down_or_deaf(
    pair: Pair, proxy_to: Callable[[int], Proxy]
) -> None:
    deaf = proxy_to(pair.b.port)
    deaf.deaf()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = taken.getsockname()[1]
        hosts = "127.0.0.1,127.0.0.1,127.0.0.1"

        session = await open_session(
            f"host={hosts} port={closed},{deaf.port},{pair.b.port}"
            " user=postgres dbname=app"
        )
        await session.close()


@pytest.mark.majors(18)
async def test_a_primary_is_chosen_where_one_is_wanted(pair: Pair) -> None:
    base = f"host=127.0.0.1 port={pair.b.port} user=postgres dbname=app"

    session = await open_session(f"{base} target_session_attrs=read-write")
    await session.close()

    with pytest.raises(NodeUnavailableError):
        await open_session(f"{base} target_session_attrs=standby")
    fallback = await open_session(f"{base} target_session_attrs=prefer-standby")
    await fallback.close()


@pytest.mark.majors(15)
async def test_passwords_from_a_passfile_over_tls(
    new_cluster: Callable[..., Cluster],
    major: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = new_cluster(major)
    certificate = self_signed(tmp_path)
    for name in ("server.crt", "server.key"):
        target = cluster.data_directory / name
        target.write_bytes((tmp_path / name).read_bytes())
        target.chmod(0o600)
        if cluster.account is not None:
            os.chown(target, cluster.account.uid, cluster.account.gid)
    hba = cluster.data_directory / "pg_hba.conf"
    hba.write_text(
        "hostssl all watcher 127.0.0.1/32 scram-sha-256\n"
        "hostnossl all watcher 127.0.0.1/32 reject\n" + hba.read_text()
    )
    cluster.append_conf({"ssl": True})
    cluster.restart()
    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
        connection.execute("create role watcher login password 'a b:c'")
    passfile = tmp_path / "pass"
    passfile.write_text("127.0.0.1:*:*:watcher:a b\\:c\n")
    passfile.chmod(0o600)
    dsn = f"{cluster.dsn(user='watcher')} passfile={passfile}"

    for mode in ("prefer", "require", f"verify-ca sslrootcert={certificate}"):
        session = await open_session(f"{dsn} sslmode={mode}")
        tls = await session.rows_of(
            "select ssl from pg_catalog.pg_stat_ssl where pid = pg_backend_pid()"
        )
        await session.close()
        assert tls[0][0] is True, mode
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))
    with pytest.raises(NodeNotReadyError, match="password"):
        await open_session(cluster.dsn(user="watcher"))
    with pytest.raises(NodeNotReadyError):
        await open_session(f"{dsn} sslmode=disable")


def self_signed(folder: Path) -> Path:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes"),
            *("-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-keyout", str(folder / "server.key")),
            *("-out", str(folder / "server.crt")),
        ],
        check=True,
        capture_output=True,
    )
    return folder / "server.crt"


@pytest.mark.parametrize(
    "demand", ["gssencmode=require", "channel_binding=require", "hostaddr=127.0.0.1"]
)
def test_what_can_t_be_met_is_refused_not_left_out(demand: str) -> None:
    with pytest.raises(ConfigError, match=demand.partition("=")[0]):
        libpq.parameters(f"host=a {demand}")


def test_a_refusal_repeats_nothing_of_the_string() -> None:
    with pytest.raises(ConfigError) as refused:
        libpq.parameters("host=a password=geheim oops")

    assert "geheim" not in str(refused.value)
    assert "geheim" not in repr(libpq.parameters("host=a password=geheim"))


@pytest.mark.majors(18)
async def test_failures_mean_what_an_operator_can_act_on(pair: Pair) -> None:
    dsn = pair.b.cluster.dsn
    pair.b.execute(
        "do $$ begin create role nobody_special login;"
        " exception when duplicate_object then null; end $$"
    )

    with pytest.raises(NodeUnavailableError):
        await open_session(dsn(port=1))
    with pytest.raises(NodeNotReadyError, match="does not exist"):
        await open_session(dsn("no such database"))
    with pytest.raises(NodeNotReadyError, match="does not exist"):
        await open_session(dsn(user="no such role"))
    session = await open_session(dsn(user="nobody_special"))
    with pytest.raises(PrivilegeMissingError, match="pg_read_binary_file"):
        await session.rows("log_read", "log/x", 0, 1, 1)
    assert await setting(session, "server_version_num")  # it can still be used
    with pytest.raises(NodeUnavailableError, match="statement timeout"):
        await session.rows_of("select pg_sleep(10)")
    await session.close()


@pytest.mark.majors(18)
async def test_a_server_that_falls_silent_is_left_in_time(
    pair: Pair, proxy_to: Callable[[int], Proxy]
) -> None:
    proxy = proxy_to(pair.b.port)
    session = await open_session(proxy.dsn(pair.b.dsn))
    proxy.stall()
    began = time.monotonic()

    with pytest.raises(NodeUnavailableError):
        await setting(session, "work_mem")
    await session.close()

    assert session.closed
    assert time.monotonic() - began < 5
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.sleep(0.1)
    assert not {task for task in others if not task.done()}
