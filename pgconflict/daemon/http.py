"""The HTTP endpoint: /metrics, /healthz, /readyz; TLS and basic authentication.

Served by threads of its own, so that a slow client never delays the reading of logs
and a scrape is answered while the event loop is busy.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hmac
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from pgconflict.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path
    from wsgiref.types import StartResponse, WSGIEnvironment

    from pgconflict.config import Metrics as Settings
    from pgconflict.daemon.health import Health
    from pgconflict.daemon.metrics import Metrics

App = Callable[["WSGIEnvironment", "StartResponse"], Iterable[bytes]]

CLIENT_TIMEOUT_S = 10  # for a request to arrive; a silent client is dropped


class Endpoint:
    """The server and its thread; `close` ends both."""

    def __init__(self, server: WSGIServer) -> None:
        self._server = server
        self._closing = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        # Not serve_forever, which wakes up again and again to see whether it may end.
        while not self._closing:
            self._server.handle_request()

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        return int(self._server.server_port)

    def close(self) -> None:
        """Stops answering."""
        self._closing = True
        # Wakes the thread that waits for a client.
        with contextlib.suppress(OSError):
            self._server.socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=2)
        self._server.server_close()


def serve(settings: Settings, metrics: Metrics, health: Health) -> Endpoint | None:
    """Starts the endpoint that the configuration asks for; None if it asks for none.

    Raises:
        ConfigError: the address is taken or not ours, or a file is wrong.
    """
    if settings.listen is None:
        return None
    users = _users(settings.basic_auth_file)
    app = _guarded(_routes(metrics, health), users)
    host, port = settings.listen.host, settings.listen.port
    server_class: Any = _server_class(":" in host, _tls(settings))
    try:
        server = make_server(host, port, app, server_class, _QuietHandler)
    except OSError as error:
        raise ConfigError(
            f"metrics.listen: can't listen on {host}:{port}: {error.strerror}",
            hint="choose a free address of this machine, or `off`",
        ) from error
    return Endpoint(server)


def _server_class(
    ipv6: bool,  # noqa: FBT001 - private, one call
    context: ssl.SSLContext | None,
) -> type[WSGIServer]:
    class Server(ThreadingWSGIServer):
        daemon_threads = True
        address_family = socket.AF_INET6 if ipv6 else socket.AF_INET

        def get_request(self) -> tuple[socket.socket, Any]:
            client, address = super().get_request()
            client.settimeout(CLIENT_TIMEOUT_S)
            if context is not None:
                # The handshake is left to the client's own thread: done here, a
                # client that never answers would keep all others waiting.
                client = context.wrap_socket(
                    client, server_side=True, do_handshake_on_connect=False
                )
            return client, address

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that broke off is no event."""

    return Server


class _QuietHandler(WSGIRequestHandler):
    timeout = CLIENT_TIMEOUT_S

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """A scrape is no event."""


def _routes(metrics: Metrics, health: Health) -> App:
    exposition: App = make_wsgi_app(metrics.registry)

    def app(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            return exposition(environ, start)
        if path == "/healthz":
            return _plain(start, HTTPStatus.OK, "ok\n")
        if path == "/readyz":
            late = health.late()
            if late:
                text = "".join(f"late: {job}\n" for job in late)
                return _plain(start, HTTPStatus.SERVICE_UNAVAILABLE, text)
            return _plain(start, HTTPStatus.OK, "ready\n")
        return _plain(start, HTTPStatus.NOT_FOUND, "/metrics /healthz /readyz\n")

    return app


def _guarded(app: App, users: dict[str, str]) -> App:
    if not users:
        return app

    def guarded(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        user, password = _credentials(environ.get("HTTP_AUTHORIZATION", ""))
        # Compared also for an unknown user, so that names can't be timed.
        expected = users.get(user, "")
        same = hmac.compare_digest(password.encode(), expected.encode())
        if same and user in users:
            return app(environ, start)
        return _plain(
            start,
            HTTPStatus.UNAUTHORIZED,
            "user and password wanted\n",
            ("WWW-Authenticate", 'Basic realm="pgconflict"'),
        )

    return guarded


def _credentials(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    user, _, password = text.partition(":")
    return user, password


def _plain(
    start: StartResponse, status: HTTPStatus, text: str, *headers: tuple[str, str]
) -> list[bytes]:
    body = text.encode()
    start(
        f"{status.value} {status.phrase}",
        [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(body))),
            *headers,
        ],
    )
    return [body]


def _users(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    users = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        user, colon, password = line.partition(":")
        if not colon or not user or not password:
            raise ConfigError(
                f"metrics.basic_auth_file: {path}, line {number} is not user:password"
            )
        users[user] = password
    if not users:
        raise ConfigError(f"metrics.basic_auth_file: {path} names no user")
    return users


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(settings.tls_cert_file, settings.tls_key_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"metrics.tls_cert_file, tls_key_file: {error}",
            hint="both are PEM files, and the key is the certificate's",
        ) from error
    return context
