"""The ledger's epochs as rows: pure accounts are in core/ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pgconflict.conflict_log.unavailable import translated
from pgconflict.core.ledger import Epoch
from pgconflict.queries import query

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from pgconflict.conflict_log.entry import Node
    from pgconflict.core.ledger import Difference


class Account(NamedTuple):
    """Which counter of which subscription."""

    subid: int
    subname: str
    database: str | None
    counter: str


class LedgerStore:
    """One node's epochs, over a connection that the caller closes.

    All methods raise ConflictLogUnavailableError when the database is away.
    """

    def __init__(self, connection: asyncpg.Connection, node: Node) -> None:
        self._connection = connection
        self._node = node

    async def open_epochs(self) -> list[tuple[Account, Epoch]]:
        """The epochs that go on."""
        async with translated():
            rows = await self._connection.fetch(
                query("ledger_open"), self._node.system_identifier
            )
        return [
            (
                Account(row["subid"], row["subname"], row["database"], row["counter"]),
                Epoch(
                    began_at=row["began_at"],
                    checked_at=row["checked_at"],
                    base=row["base"],
                    server=row["server_count"],
                    recorded=row["recorded_count"],
                    unaccounted=row["unaccounted"],
                    stats_reset=row["stats_reset"],
                    statistics_began=row["statistics_began"],
                ),
            )
            for row in rows
        ]

    async def put(self, account: Account, epoch: Epoch) -> None:
        """Stores an epoch as it is now."""
        async with translated():
            await self._connection.execute(
                query("ledger_put"),
                self._node.system_identifier,
                self._node.name,
                account.subid,
                account.subname,
                account.counter,
                epoch.began_at,
                epoch.checked_at,
                epoch.base,
                epoch.server,
                epoch.recorded,
                epoch.unaccounted,
                epoch.stats_reset,
                epoch.ended_at,
                epoch.ended_by,
                account.database,
                epoch.statistics_began,
            )

    async def put_difference(
        self, account: Account, found: Difference, reasons: Sequence[str]
    ) -> None:
        """Stores where an epoch that was stored is not complete, and why perhaps."""
        async with translated():
            await self._connection.execute(
                query("ledger_difference_put"),
                self._node.system_identifier,
                account.subid,
                account.counter,
                found.epoch_began_at,
                found.after,
                found.found_at,
                found.change,
                list(reasons),
            )

    async def made_up(self, account: Account, epoch: Epoch) -> None:
        """Forgets the differences of an epoch that is complete after all."""
        async with translated():
            await self._connection.execute(
                query("ledger_made_up"),
                self._node.system_identifier,
                account.subid,
                account.counter,
                epoch.began_at,
            )
