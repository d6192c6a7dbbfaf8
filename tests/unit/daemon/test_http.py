"""The endpoint answers those who may ask, over TLS too, and minds no bad client."""

from __future__ import annotations

import socket
import ssl
import urllib.error
import urllib.request
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from pgconflict.config import Metrics as Settings
from pgconflict.config.values import ListenAddress
from pgconflict.daemon.health import Health
from pgconflict.daemon.http import Endpoint, serve
from pgconflict.daemon.metrics import Metrics
from pgconflict.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def settings(**more: Any) -> Settings:
    # The models check files when a file is read; here the values are given.
    listen = ListenAddress("127.0.0.1", 0)
    return Settings.model_construct(**{"listen": listen, **more})


def get(
    port: int,
    path: str,
    *,
    user: str | None = None,
    context: ssl.SSLContext | None = None,
) -> tuple[int, str]:
    scheme = "http" if context is None else "https"
    request = urllib.request.Request(f"{scheme}://127.0.0.1:{port}{path}")  # noqa: S310
    if user is not None:
        request.add_header(
            "Authorization", "Basic " + b64encode(user.encode()).decode()
        )
    try:
        with urllib.request.urlopen(request, timeout=5, context=context) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def endpoint(health: Health) -> Iterator[Endpoint]:
    metrics = Metrics()
    metrics.know_subscription("a", "sub", ["insert_exists"])
    endpoint = serve(settings(), metrics, health)
    assert endpoint is not None
    yield endpoint
    endpoint.close()


def test_metrics_exist_at_zero_before_the_first_conflict(endpoint: Endpoint) -> None:
    status, text = get(endpoint.port, "/metrics")

    assert status == 200
    for name, conflict_type in (
        ("conflicts", "update_deleted"),
        ("server_conflicts", "insert_exists"),
    ):
        labels = f'conflict_type="{conflict_type}",node="a",subscription="sub"'
        assert f"pgconflict_{name}_total{{{labels}}} 0.0" in text.splitlines()
    assert "pgconflict_write_failures_total 0.0" in text.splitlines()


def test_ready_only_while_every_job_passes(endpoint: Endpoint, health: Health) -> None:
    assert get(endpoint.port, "/readyz") == (200, "ready\n")
    health.expect("a/tail", 30)
    assert get(endpoint.port, "/readyz") == (503, "late: a/tail\n")
    health.passed("a/tail")
    assert get(endpoint.port, "/readyz") == (200, "ready\n")
    health.failed("a/tail")
    assert get(endpoint.port, "/readyz")[0] == 503
    assert get(endpoint.port, "/healthz") == (200, "ok\n")
    health.drop("a/tail")
    assert get(endpoint.port, "/readyz")[0] == 200
    assert get(endpoint.port, "/etc/passwd")[0] == 404


def test_a_silent_client_keeps_nobody_waiting(endpoint: Endpoint) -> None:
    with socket.create_connection(("127.0.0.1", endpoint.port)):
        assert get(endpoint.port, "/healthz")[0] == 200


def test_tls_and_basic_authentication(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    cert, key, users = tmp_path / "cert", tmp_path / "key", tmp_path / "users"
    certificate.private_key_pem.write_to_path(str(key))
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(str(cert), append=True)
    users.write_text("# comment\nprometheus:s3:cret\n")
    endpoint = serve(
        settings(tls_cert_file=cert, tls_key_file=key, basic_auth_file=users),
        Metrics(),
        Health(),
    )
    assert endpoint is not None
    context = ssl.create_default_context()
    authority.configure_trust(context)
    try:
        port = endpoint.port
        with socket.create_connection(("127.0.0.1", port)):  # speaks no TLS at all
            right = "prometheus:s3:cret"
            assert get(port, "/metrics", user=right, context=context)[0] == 200
            for user in (None, "prometheus:wrong", "other:s3:cret", "other:", ":"):
                assert get(port, "/metrics", user=user, context=context)[0] == 401
        with pytest.raises(OSError):  # noqa: PT011 - whichever way it breaks off
            get(port, "/metrics", user="prometheus:s3:cret")
    finally:
        endpoint.close()


def test_an_address_in_use_is_a_clear_error(endpoint: Endpoint) -> None:
    taken = settings(listen=ListenAddress("127.0.0.1", endpoint.port))

    with pytest.raises(ConfigError, match=r"can't listen on 127\.0\.0\.1:"):
        serve(taken, Metrics(), Health())


@pytest.mark.parametrize("text", ["nocolon\n", ":p\n", "u:\n", "\n"])
def test_a_wrong_file_of_users_lets_nobody_in(tmp_path: Path, text: str) -> None:
    users = tmp_path / "users"
    users.write_text(text)

    with pytest.raises(ConfigError, match="basic_auth_file"):
        serve(settings(basic_auth_file=users), Metrics(), Health())
