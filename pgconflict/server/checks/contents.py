"""What one database holds that the checks judge by: its tables and publications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pgconflict.server.connect import rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg


@dataclass(frozen=True, slots=True)
class Other:
    """A database of the server that subscriptions or logical slots belong to."""

    name: str
    accepts: bool
    """Whether anybody may connect to it."""

    open: bool
    """Whether our role may."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """A constraint of a subscribed table."""

    schemaname: str
    relname: str
    name: str


@dataclass(frozen=True, slots=True)
class UnidentifiedTable:
    """A subscribed table without primary key or replica identity index."""

    schemaname: str
    relname: str
    has_unique: bool
    """Whether it has another unique index that apply checks."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger that fires when a change is applied."""

    schemaname: str
    relname: str
    name: str


@dataclass(frozen=True, slots=True)
class PartlyPublished:
    """A table of which a publication leaves something out, or publishes more."""

    publication: str
    schemaname: str
    relname: str
    missing: Sequence[str]
    """Columns that are not published."""

    generated: Sequence[str]
    """Generated columns that are."""

    row_filter: str | None
    all_tables: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """One database, seen from inside."""

    database: str
    deferrable: Sequence[Constraint] = ()
    unidentified: Sequence[UnidentifiedTable] = ()
    triggers: Sequence[Trigger] = ()
    partly: Sequence[PartlyPublished] = ()


async def read_contents(
    connection: psycopg.AsyncConnection[Any], database: str
) -> Contents:
    """Return what the database of the connection holds.

    Raises:
        psycopg.Error: as the server says; none for a missing privilege.
    """
    return Contents(
        database=database,
        deferrable=await rows(connection, Constraint, "check_deferrable"),
        unidentified=await rows(
            connection, UnidentifiedTable, "check_replica_identity"
        ),
        triggers=await rows(connection, Trigger, "check_triggers"),
        partly=await rows(connection, PartlyPublished, "check_publications"),
    )
