"""What a node says of its subscriptions, and of the slots that others read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from psycopg import conninfo

from pgconflict.core.publisher import Address
from pgconflict.server.connect import connect_async, rows, translated

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import psycopg

    from pgconflict.config import Limits, Node

_LOCAL: Final = ("", "localhost", "::1")
_THIS_HOST: Final = "localhost"
DEFAULT_PORT: Final = "5432"


@dataclass(frozen=True, slots=True)
class Server:
    """Who answered, how far its WAL is, and what our role may."""

    system_identifier: int
    database: str
    role: str
    version: str
    in_recovery: bool
    current_lsn: int
    wal_bytes: int
    """Written since the statistics began, in `wal_seconds`."""

    wal_seconds: float | None
    now: datetime
    superuser: bool
    replication: bool
    """Whether our role may use and drop slots."""

    conninfo: bool
    """Whether it may read connection strings of subscriptions."""

    origins: bool
    """Whether it may see how far origins have come."""

    retry_ms: int
    """wal_retrieve_retry_interval: between two attempts of a worker."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription, its worker and its errors; LSNs are numbers."""

    subid: int
    name: str
    database: str
    owner: str
    owned_by_us: bool
    enabled: bool
    disable_on_error: bool
    slot_name: str | None
    publications: Sequence[str]
    two_phase: bool
    streaming: str
    origin: str | None
    skip_lsn: int
    worker_pid: int | None
    last_message: datetime | None
    workers: int
    """Processes at work for it, copies of tables and parallel apply included."""

    apply_errors: int | None
    sync_errors: int | None


@dataclass(frozen=True, slots=True)
class Slot:
    """A logical replication slot of the node; LSNs are numbers."""

    name: str
    database: str
    plugin: str
    active: bool
    active_pid: int | None
    two_phase: bool
    wal_status: str | None
    safe_wal_size: int | None
    restart_lsn: int | None
    confirmed_lsn: int | None
    invalidated: str | None
    inactive_since: datetime | None
    catalog_xmin: int | None
    application_name: str | None
    replay_lag_s: float | None

    def held(self, current_lsn: int) -> int | None:
        """Return the bytes of WAL that the server keeps for it."""
        return None if self.restart_lsn is None else current_lsn - self.restart_lsn


@dataclass(frozen=True, slots=True)
class _Origin:
    origin: str
    remote_lsn: int


@dataclass(frozen=True, slots=True)
class _Conninfo:
    conninfo: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """One node, asked at one moment."""

    node: Node
    server: Server
    subscriptions: Sequence[Subscription]
    slots: Sequence[Slot]
    origins: dict[int, int] | None
    """Subscription oid to where its origin is; None: our role may not see it."""

    def slot(self, name: str | None) -> Slot | None:
        """Return the slot of this name."""
        return next((slot for slot in self.slots if slot.name == name), None)


async def read(connection: psycopg.AsyncConnection[Any], node: Node) -> NodeFacts:
    """Return what the node says now.

    Raises:
        psycopg.Error: as the server says; none for a missing privilege.
    """
    (server,) = await rows(connection, Server, "subscription_server")
    origins = None
    if server.origins:
        seen = await rows(connection, _Origin, "origin_progress")
        origins = {int(one.origin[3:]): one.remote_lsn for one in seen}
    return NodeFacts(
        node=node,
        server=server,
        subscriptions=await rows(connection, Subscription, "subscription_states"),
        slots=await rows(connection, Slot, "subscription_slots"),
        origins=origins,
    )


async def ask(node: Node, limits: Limits, *, job: str = "subscriptions") -> NodeFacts:
    """Connect, return what the node says, and go.

    Raises:
        NodeUnavailableError: it can't be reached, or is too slow.
        ConfigError: its dsn can't be used.
    """
    who = f"node {node.name}"
    connection = await connect_async(node.dsn, job=job, who=who, limits=limits)
    try:
        with translated(who):
            return await read(connection, node)
    finally:
        # At once: a server that hangs is not waited for.
        connection.pgconn.finish()


async def connection_string(
    connection: psycopg.AsyncConnection[Any], facts: NodeFacts, subid: int
) -> str | None:
    """Return a subscription's connection string; None if it is not to be had.

    It may hold a password: it is never printed.
    """
    if not facts.server.conninfo:
        return None
    found = await rows(connection, _Conninfo, "subscription_conninfo", subid)
    return found[0].conninfo if found else None


def address(text: str) -> Address | None:
    """Return host and port of a connection string; None if it has several of them.

    >>> address("host=db1 dbname=app"), address("host=127.0.0.1 port=6432")
    (Address(host='db1', port='5432'), Address(host='localhost', port='6432'))
    """
    parts = conninfo.conninfo_to_dict(text)
    host = str(parts.get("hostaddr") or parts.get("host") or "")
    port = str(parts.get("port") or DEFAULT_PORT)
    if "," in host or "," in port:
        return None
    return Address(_THIS_HOST if is_local(host) else host, port)


def is_local(host: str) -> bool:
    """Whether the host's name means the host that asks."""
    return host in _LOCAL or host.startswith(("/", "@", "127."))


def seen_from_here(text: str, subscriber: Node) -> str:
    """Return a subscription's connection string as it must be for us.

    A local address in it is local to the subscriber's host, not to ours.
    """
    theirs, ours = address(text), address(subscriber.dsn)
    if theirs is None or ours is None or theirs.host != _THIS_HOST:
        return text
    if ours.host == _THIS_HOST:
        return text
    parts = conninfo.conninfo_to_dict(text)
    parts.pop("hostaddr", None)
    return conninfo.make_conninfo("", **{**parts, "host": ours.host})
