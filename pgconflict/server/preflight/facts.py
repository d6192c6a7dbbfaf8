"""What is known of one server before an upgrade or a switchover."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from pgconflict.core.capability import Capability
    from pgconflict.server.subscriptions.facts import Slot, Subscription

_PAGE: Final = 8192  # XLOG_BLCKSZ, unless somebody built PostgreSQL otherwise
_HEADERS: Final = (24, 40)  # of a page, and of a file's first one


@dataclass(frozen=True, slots=True)
class Server:
    """Who answered, and how far it is."""

    system_identifier: int
    database: str
    role: str
    version: str
    version_num: int
    in_recovery: bool
    insert_lsn: int | None
    flush_lsn: int | None
    next_xid: int

    @property
    def written(self) -> int | None:
        """Where the last record ends that was inserted, flushed or not.

        At the end of a page the insert position is past the next page's header, where
        nothing may come for long: nobody can confirm that.
        """
        if self.insert_lsn is None:
            return None
        into_page = self.insert_lsn % _PAGE
        return self.insert_lsn - (into_page if into_page in _HEADERS else 0)

    @property
    def flushed(self) -> bool:
        """Whether all that was inserted can be read."""
        if self.written is None or self.flush_lsn is None:
            return False
        return self.flush_lsn >= self.written

    @property
    def major(self) -> int:
        """The major version."""
        return self.version_num // 10000


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prepared transaction."""

    gid: str
    database: str
    owner: str
    prepared: datetime


@dataclass(frozen=True, slots=True)
class Copy:
    """A table that a subscription has not copied to the end."""

    subscription: str
    schemaname: str
    relname: str
    state: str


@dataclass(frozen=True, slots=True)
class NullableChild:
    """A column that may be null, and may not be in the parent."""

    schemaname: str
    relname: str
    attname: str


@dataclass(frozen=True, slots=True)
class Objects:
    """Counts of what logical replication does not carry."""

    large_objects: int
    materialized_views: int
    unlogged_tables: int
    unlogged_sequences: int


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension of a database; `library`: its code is not all SQL."""

    name: str
    version: str
    library: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table with rows of people; `columns` are names and types as one text."""

    schemaname: str
    relname: str
    columns: str | None
    published: bool
    never_analyzed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """One database; None where it could not be asked."""

    name: str
    refusal: str | None = None
    copies: Sequence[Copy] = ()
    not_null: Sequence[NullableChild] = ()
    objects: Objects = Objects(0, 0, 0, 0)
    extensions: Sequence[Extension] = ()
    tables: Sequence[Table] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterFacts:
    """One server."""

    node: str
    server: Server
    capability: Capability
    settings: Mapping[str, str]
    slots: Sequence[Slot]
    consumed: frozenset[str]
    """Slots that surely have nothing left of what was there when we began."""

    subscriptions: Sequence[Subscription]
    origins: frozenset[int]
    """Oids of the subscriptions that have their origin."""

    prepared: Sequence[Prepared]
    databases: Sequence[Database]
    available: frozenset[str]
    """Extensions that can be created."""

    def number(self, setting: str) -> int | None:
        """Return a setting's number; None where the version has it not."""
        value = self.settings.get(setting)
        return None if value is None else int(value)
