"""Everything that the checks judge by, read from one node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pgconflict.core.capability import Capability, capability
from pgconflict.server.checks.contents import Contents, Other, read_contents
from pgconflict.server.checks.log_access import LogAccess, log_access
from pgconflict.server.checks.unread_rows import UnreadTable
from pgconflict.server.connect import major_version, rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import psycopg

    from pgconflict.config import Limits, Node

SETTINGS: Final = (
    "effective_wal_level",
    "idle_replication_slot_timeout",
    "lc_messages",
    "log_destination",
    "log_directory",
    "log_error_verbosity",
    "log_filename",
    "log_line_prefix",
    "log_min_messages",
    "log_rotation_age",
    "log_truncate_on_rotation",
    "logging_collector",
    "max_active_replication_origins",
    "max_logical_replication_workers",
    "max_prepared_transactions",
    "max_replication_slots",
    "max_slot_wal_keep_size",
    "max_wal_senders",
    "max_worker_processes",
    "track_commit_timestamp",
    "wal_level",
)


@dataclass(frozen=True, slots=True)
class Server:
    """Who answered, and to whom."""

    database: str
    role: str
    version: str
    in_recovery: bool
    superuser: bool
    pg_monitor: bool


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting as our own session sees it."""

    name: str
    value: str | None
    """None where the role may not see it."""

    of_our_role: bool
    """Set for our role or database: it says nothing about other sessions."""


@dataclass(frozen=True, slots=True)
class RoleSetting:
    """What ALTER ROLE ... SET or ALTER DATABASE ... SET says; None means all."""

    database: str | None
    role: str | None
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Privileges:
    """What our role may use."""

    read_file: bool
    list_logs: bool
    origin_status: bool
    conninfo: bool


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription, as far as detection depends on it."""

    subid: int
    name: str
    database: str
    owner: str
    owner_superuser: bool
    owner_can_login: bool
    password_required: bool | None
    enabled: bool
    disable_on_error: bool
    run_as_owner: bool | None
    """None: before 16 there is no choice, it is the owner."""

    two_phase: bool
    streaming: str
    origin: str | None
    retain_dead_tuples: bool | None


@dataclass(frozen=True, slots=True)
class SubscriptionName:
    """A subscription's name, which is unique in its database only."""

    name: str
    database: str


@dataclass(frozen=True, slots=True)
class Replication:
    """What is in use on the whole server, and publications of this database."""

    slots: int
    logical_slots: int
    publications: int
    senders: int


@dataclass(frozen=True, slots=True)
class _Since:
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One node, asked at one moment."""

    node: str
    read: str
    """server_log.read: auto, file or sql."""

    capability: Capability
    newer_than_known: bool
    server: Server
    settings: Mapping[str, Setting]
    role_settings: Sequence[RoleSetting]
    privileges: Privileges
    subscriptions: Sequence[Subscription]
    passwords: frozenset[SubscriptionName] | None
    """Subscriptions whose connection string holds a password; None: not readable."""

    log: LogAccess
    databases: Sequence[Contents] = ()
    """Those that were looked into; the one that the dsn names is the first."""

    others: Sequence[Other] = ()
    """Databases that replicate, besides the one that the dsn names."""

    unread: Sequence[UnreadTable] = ()
    """Tables whose rows our role can't read, in the database that the dsn names."""

    replication: Replication | None = None
    """None: not asked."""

    timestamps_since: datetime | None = None
    """Commit of the oldest transaction whose time and origin are known."""

    def setting(self, name: str) -> str | None:
        """Return a setting's value as our session sees it.

        None: not visible, or the version has it not.
        """
        known = self.settings.get(name)
        return None if known is None else known.value

    def number(self, name: str) -> int | None:
        """Return a setting's number; None as in `setting`."""
        value = self.setting(name)
        return None if value is None else int(value)

    def worker_setting(self, name: str, worker: Subscription) -> str | None:
        """Return a setting's value in a subscription's workers; None: not known.

        A worker has the settings of its database and of the subscription's owner,
        as a session would. Source: process_settings() in postinit.c; measured on
        15 to 19.
        """
        for database, role in (
            (worker.database, worker.owner),
            (None, worker.owner),
            (worker.database, None),
            (None, None),
        ):
            for given in self.role_settings:
                if (given.database, given.role, given.name) == (database, role, name):
                    return given.value
        setting = self.settings[name]
        return None if setting.of_our_role else setting.value


async def read(
    connection: psycopg.AsyncConnection[Any], node: Node, limits: Limits
) -> Facts:
    """Return what the node says.

    Raises:
        psycopg.Error: as the server says; none for a missing privilege.
    """
    major = major_version(connection)
    known = capability(major)
    settings = {
        setting.name: setting
        for setting in await rows(connection, Setting, "check_settings", list(SETTINGS))
    }
    (privileges,) = await rows(connection, Privileges, "check_privileges")
    (server,) = await rows(connection, Server, "check_server")
    return Facts(
        node=node.name,
        read=node.server_log.read,
        capability=known,
        newer_than_known=major > known.major,
        server=server,
        settings=settings,
        role_settings=await rows(connection, RoleSetting, "check_role_settings"),
        privileges=privileges,
        subscriptions=await rows(connection, Subscription, "check_subscriptions"),
        passwords=frozenset(await rows(connection, SubscriptionName, "check_passwords"))
        if privileges.conninfo
        else None,
        log=await log_access(node, limits),
        databases=[await read_contents(connection, server.database)],
        others=await rows(connection, Other, "check_databases"),
        unread=await rows(connection, UnreadTable, "check_unread_rows"),
        replication=(await rows(connection, Replication, "check_replication"))[0],
        timestamps_since=(await rows(connection, _Since, "commit_timestamps_since"))[
            0
        ].since,
    )
