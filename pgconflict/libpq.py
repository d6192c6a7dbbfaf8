"""Any connection string of libpq, for asyncpg.

libpq itself reads the string, the service file and the environment, so that the
daemon connects where psql and the commands do. asyncpg then speaks the protocol.
What asyncpg can't do is refused, never left out silently.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import asyncpg
import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgconflict.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Connection = asyncpg.Connection[asyncpg.Record]

DEFAULT_PORT: Final = 5432

_NO_FILE: Final = f"{os.devnull}/none"

_USUAL_SOCKET_FOLDERS: Final = ("/var/run/postgresql", "/run/postgresql", "/tmp")  # noqa: S108

# A field of a passfile: a backslash takes the next character as it is.
_FIELD: Final = re.compile(r"(?:^|(?<=:))((?:[^:\\]|\\.)*)(?::|$)")

# asyncpg takes these from a URI or the environment only.
_TLS_FILES: Final = (
    "sslcert",
    "sslkey",
    "sslpassword",
    "sslrootcert",
    "sslcrl",
    "sslnegotiation",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
)

# Demands on the connection's safety that asyncpg can't meet, with the values that
# demand nothing.
_UNMET: Final[Mapping[str, frozenset[str]]] = {
    "gssencmode": frozenset({"prefer", "disable"}),
    "channel_binding": frozenset({"prefer", "disable"}),
    "require_auth": frozenset({""}),
    "requirepeer": frozenset({""}),
    "sslcertmode": frozenset({"allow", "disable"}),
    "sslcrldir": frozenset({""}),
    "replication": frozenset({"", "0", "false", "off", "no"}),
    "hostaddr": frozenset({""}),
    "oauth_issuer": frozenset({""}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Where to connect and how. Never printed: it may hold a password."""

    addresses: tuple[tuple[str | None, int], ...]
    target_session_attrs: str
    shuffled: bool
    arguments: dict[str, Any] = field(repr=False)
    server_settings: dict[str, str]
    keepalives: dict[int, int]
    """Socket options of IPPROTO_TCP to values; empty when keepalives are off."""
    passfile: Path | None

    def password_for(
        self, host: str | None, port: int, database: str | None
    ) -> dict[str, str]:
        """Return asyncpg's arguments for the password of one server.

        asyncpg's own reading of passfiles knows no escapes (0.32).
        """
        if "password" in self.arguments or self.passfile is None:
            return {}
        wanted = (
            _name_in_passfile(host),
            str(port),
            database or self.arguments.get("database", ""),
            self.arguments.get("user", ""),
        )
        for fields in _lines_of(self.passfile):
            if all(
                field in {"*", value}
                for field, value in zip(fields[:4], wanted, strict=True)
            ):
                return {"password": fields[4]}
        return {}


def parameters(dsn: str) -> Parameters:
    """What libpq makes of a connection string, with its defaults and service file.

    Raises:
        ConfigError: libpq refuses the string, or it demands what asyncpg can't do.
    """
    options = _expanded(dsn)
    for keyword, harmless in _UNMET.items():
        if options.get(keyword, "") not in harmless | {""}:
            raise ConfigError(
                f"the connection string demands {keyword}={options[keyword]},"
                " which the daemon can't do",
                hint=f"leave {keyword} out of the connection string, service file"
                " and environment, or of the daemon's own",
            )
    tls = {key: options[key] for key in _TLS_FILES if options.get(key)}
    arguments: dict[str, Any] = {
        "user": options.get("user"),
        "database": options.get("dbname"),
        "password": options.get("password"),
        # None would be the default one, read by other rules than libpq's.
        "passfile": _NO_FILE,
        "ssl": options.get("sslmode"),
        "krbsrvname": options.get("krbsrvname"),
    }
    if tls.get("sslrootcert") == "system":
        tls.pop("sslrootcert")
        arguments["ssl"] = _system_roots()
    arguments["dsn"] = "postgresql://?" + urlencode(tls) if tls else None
    startup = {"options": options["options"]} if options.get("options") else {}
    return Parameters(
        addresses=tuple(_addresses(options)),
        target_session_attrs=options.get("target_session_attrs", "any"),
        shuffled=options.get("load_balance_hosts") == "random",
        arguments={key: value for key, value in arguments.items() if value},
        server_settings=startup,
        keepalives=_keepalives(options),
        passfile=Path(options["passfile"]) if options.get("passfile") else None,
    )


async def connect(
    dsn: str,
    *,
    seconds: float,
    answer_s: float | None = None,
    database: str | None = None,
    **settings: str,
) -> Connection:
    """Return a connection to the first server that suits, as libpq chooses it.

    Args:
        dsn: Connection string of libpq.
        seconds: Longest wait for one server, the name's resolution included.
        answer_s: Longest wait for each answer later; `seconds` if left out.
        database: Instead of the connection string's.
        settings: Settings of the session, from its first moment on.

    Raises:
        ConfigError: see `parameters`.
        OSError: no server could be reached; TimeoutError is one.
        asyncpg.PostgresError: a server refused.
        asyncpg.InterfaceError: a server did not speak as one does.
    """
    found = parameters(dsn)
    arguments = found.arguments | {
        "server_settings": found.server_settings | settings,
        "command_timeout": answer_s or seconds,
        "timeout": seconds,
    }
    if database is not None:
        arguments["database"] = database
    addresses = list(found.addresses)
    if found.shuffled:
        random.shuffle(addresses)
    error: Exception = OSError("the connection string names no server")
    for target in _targets(found.target_session_attrs):
        for host, port in addresses:
            # One call a server: asyncpg has one time limit for all of them, so a
            # deaf first server would keep it from the others.
            try:
                connection = await _connect_one(
                    arguments
                    | {"target_session_attrs": target}
                    | found.password_for(host, port, database),
                    host,
                    port,
                    seconds,
                )
            except (OSError, asyncpg.CannotConnectNowError) as failure:
                error = failure
                continue
            except asyncpg.TargetServerAttributeNotMatched:
                error = OSError(f"{host}:{port} is not {target}")
                continue
            _keep_alive(connection, found.keepalives)
            return connection
    raise error


async def _connect_one(
    arguments: dict[str, Any], host: str | None, port: int, seconds: float
) -> Connection:
    # asyncpg's own limit does not cover the wait for its cancellation.
    async with asyncio.timeout(seconds + 1):
        connection: Connection = await asyncpg.connect(
            host=host, port=port, **arguments
        )
    return connection


def _expanded(dsn: str) -> dict[str, str]:
    """Every option of libpq that has a value, as PQconnectStart would use them.

    No function of libpq expands a service without connecting. So it is given one
    value that it refuses after it has read everything and before it connects; and
    the same with another option, for the first one's true value.
    """
    try:
        given = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        # libpq's message repeats parts of the string; a password may be one.
        raise ConfigError("libpq can't read the connection string") from None
    options = _refused(given, "load_balance_hosts")
    other = _refused(given, "gssencmode")
    return options | {"load_balance_hosts": other["load_balance_hosts"]}


def _refused(given: Mapping[str, Any], spoiled: str) -> dict[str, str]:
    text = make_conninfo("", **{**given, spoiled: "?"})
    attempt = pq.PGconn.connect_start(text.encode())
    try:
        options = {
            option.keyword.decode(): option.val.decode()
            for option in attempt.info
            if option.val is not None
        }
        if options.get(spoiled) != "?":
            reason = attempt.error_message.decode(errors="replace").strip()
            raise ConfigError(f"libpq refuses the connection string: {reason}")
        return options
    finally:
        attempt.finish()


def _addresses(options: Mapping[str, str]) -> Iterator[tuple[str | None, int]]:
    hosts = options.get("host", "").split(",")
    ports = options.get("port", "").split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    if len(ports) != len(hosts):
        raise ConfigError(f"{len(ports)} ports for {len(hosts)} hosts")
    for host, port in zip(hosts, ports, strict=True):
        if host.startswith("@"):
            raise ConfigError("the daemon can't use abstract sockets (host=@...)")
        # asyncpg looks for a socket in the usual folders when there is no host.
        yield host or None, int(port or DEFAULT_PORT)


def _name_in_passfile(host: str | None) -> str:
    return "localhost" if host is None or host in _USUAL_SOCKET_FOLDERS else host


def _lines_of(passfile: Path) -> Iterator[list[str]]:
    """Yield the five fields of each line; none of a file that others may read."""
    try:
        if not passfile.is_file() or passfile.stat().st_mode & 0o077:
            return
        lines = passfile.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        fields = _FIELD.findall(line)
        if len(fields) > 4 and not line.startswith("#"):  # noqa: PLR2004
            # What follows the fourth colon is the password, further colons included.
            fields[4:] = [":".join(fields[4:])]
            yield [re.sub(r"\\(.)", r"\1", field) for field in fields]


def _targets(wanted: str) -> tuple[str, ...]:
    if wanted == "prefer-standby":
        return ("standby", "any")
    # Our own default_transaction_read_only would make each server look read-only.
    return ({"read-write": "primary", "read-only": "standby"}.get(wanted, wanted),)


def _system_roots() -> Any:
    import ssl  # noqa: PLC0415 - few need it

    # libpq allows sslrootcert=system with sslmode=verify-full only.
    return ssl.create_default_context()


def _keepalives(options: Mapping[str, str]) -> dict[int, int]:
    if options.get("keepalives") == "0":
        return {}
    wanted = {
        socket.TCP_KEEPIDLE: options.get("keepalives_idle", "30"),
        socket.TCP_KEEPINTVL: options.get("keepalives_interval", "10"),
        socket.TCP_KEEPCNT: options.get("keepalives_count", "3"),
        socket.TCP_USER_TIMEOUT: options.get("tcp_user_timeout", "0"),
    }
    return {option: int(text) for option, text in wanted.items() if int(text) > 0}


def _keep_alive(connection: Connection, options: Mapping[int, int]) -> None:
    transport = connection._transport  # type: ignore[attr-defined] # noqa: SLF001
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family == socket.AF_UNIX or not options:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in options.items():
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
