"""Reads from the publisher's slot what a subscription would be sent next.

Peeking moves nothing: the slot stands where it stood. It takes the slot for its own
meanwhile, so that the subscription's worker is turned away and comes again; and it
waits for the slot as long as the worker has it.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import conninfo
from psycopg.rows import scalar_row

from pgconflict.core.capability import capability
from pgconflict.core.lsn import format_lsn
from pgconflict.core.transaction import Transaction, TransactionReader
from pgconflict.errors import PgConflictError
from pgconflict.queries import query
from pgconflict.server.connect import connect_async, major_version, translated
from pgconflict.server.row_reader import SETTINGS
from pgconflict.server.statements import identifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.config import Limits
    from pgconflict.server.subscriptions.facts import Slot, Subscription
    from pgconflict.server.subscriptions.publisher import Publisher

LONGEST: Final = timedelta(minutes=2)
"""One look at the slot: decoding reads all WAL since the slot's restart_lsn."""

PATIENCE_S: Final = 15.0
"""For a slot that a worker has: three times the default between two attempts."""

_AGAIN_S: Final = 0.1
_ROWS: Final = 1000
_LOOKS: Final = 24


@dataclass(frozen=True, slots=True)
class Peek:
    """What would be sent, in order, without what was applied; or why nobody knows."""

    pending: Sequence[Transaction] | None
    why_not: str | None = None


async def peek(
    subscription: Subscription,
    publisher: Publisher,
    *,
    limits: Limits,
    upto: int | None,
    applied: int,
    patience: float = PATIENCE_S,
) -> Peek:
    """Return the transactions that the subscription has not applied.

    Args:
        subscription: Whose publications and options count.
        publisher: The server with its slot.
        limits: Of the configuration.
        upto: The finish LSN of the last transaction of interest; None: the first
            that was not applied is enough.
        applied: Where the subscription's origin is; 0 if that is not known.
        patience: Seconds to wait for a slot that a worker has.
    """
    facts, slot = publisher.facts, publisher.slot
    if facts is None or slot is None:
        return Peek(None, publisher.why_not)
    if slot.invalidated or slot.plugin != "pgoutput":
        return Peek(None, f"slot {slot.name} is {slot.invalidated or slot.plugin}")
    who = f"node {facts.node.name}"
    limits = limits.model_copy(update={"statement_timeout": LONGEST})
    try:
        connection = await connect_async(
            conninfo.make_conninfo(facts.node.dsn, dbname=slot.database),
            job="subscriptions",
            who=who,
            limits=limits,
        )
    except PgConflictError as error:
        return Peek(None, str(error))
    settings = ", ".join(
        f"pg_catalog.set_config('{name}', '{value}', false)"
        for name, value in SETTINGS.items()
    )
    look = _Look(connection, subscription, slot, applied, time.monotonic() + patience)
    try:
        with translated(who):
            # Values print as those of rows that are read by themselves.
            await connection.execute(f"select {settings}".encode())
            return Peek(await look.pending(upto))
    except (PgConflictError, ValueError) as error:
        return Peek(None, str(error))
    except psycopg.Error as error:
        return Peek(None, f"{who}: {error.diag.message_primary or error}")
    finally:
        connection.pgconn.finish()


@dataclass(frozen=True, slots=True)
class _Look:
    connection: psycopg.AsyncConnection[Any]
    subscription: Subscription
    slot: Slot
    applied: int
    deadline: float

    async def pending(self, upto: int | None) -> list[Transaction]:
        if upto is not None:
            # The record at `upto` is read only if the end lies behind its beginning.
            reader = await self._read(upto + 1, None)
            found = self._not_applied(reader)
            if any(transaction.lsn == upto for transaction in found):
                return found
        # The slot may begin with transactions that were applied and not confirmed.
        least = 1
        for _ in range(_LOOKS):
            reader = await self._read(None, least)
            found = self._not_applied(reader)
            if found or reader.messages < least:
                return found
            least = 2 * reader.messages
        return []

    def _not_applied(self, reader: TransactionReader) -> list[Transaction]:
        return [one for one in reader.transactions if one.end_lsn > self.applied]

    async def _read(self, upto: int | None, least: int | None) -> TransactionReader:
        while True:
            try:
                return await self._try(upto, least)
            except psycopg.errors.ObjectInUse:
                if time.monotonic() > self.deadline:
                    raise
                await asyncio.sleep(_AGAIN_S)

    async def _try(self, upto: int | None, least: int | None) -> TransactionReader:
        reader = TransactionReader(self.applied)
        values = (
            self.slot.name,
            None if upto is None else format_lsn(upto),
            least,
            self._options(),
        )
        # Row by row from the server: a transaction may be larger than our memory.
        async with (
            self.connection.transaction(),
            psycopg.AsyncRawServerCursor(
                self.connection, "peek", row_factory=scalar_row
            ) as cursor,
        ):
            await cursor.execute(query("slot_peek").encode(), values, binary=True)
            while data := await cursor.fetchmany(_ROWS):
                reader.read(data)
        return reader

    def _options(self) -> list[str]:
        """What the subscription's worker asks for, as far as it decides what comes."""
        known = capability(major_version(self.connection))
        names = ",".join(identifier(name) for name in self.subscription.publications)
        options = ["publication_names", names]
        if self.slot.two_phase:
            options += ["proto_version", "3", "two_phase", "true"]
        else:
            options += ["proto_version", "1"]
        if known.origin_option and self.subscription.origin is not None:
            options += ["origin", self.subscription.origin]
        return options
