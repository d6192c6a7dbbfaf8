"""The ledger's epochs as rows: pure accounts are in core/ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgconflict.conflict_log.unavailable import translated
from pgconflict.core.ledger import Epoch
from pgconflict.queries import query

if TYPE_CHECKING:
    import asyncpg

    from pgconflict.conflict_log.entry import Node


class LedgerStore:
    """One node's epochs, over a connection that the caller closes.

    All methods raise ConflictLogUnavailableError when the database is away.
    """

    def __init__(self, connection: asyncpg.Connection, node: Node) -> None:
        self._connection = connection
        self._node = node

    async def open_epochs(self) -> list[tuple[tuple[int, str, str], Epoch]]:
        """The epochs that go on: subscription oid, its name, counter."""
        async with translated():
            rows = await self._connection.fetch(
                query("ledger_open"), self._node.system_identifier
            )
        return [
            (
                (row["subid"], row["subname"], row["counter"]),
                Epoch(
                    began_at=row["began_at"],
                    checked_at=row["checked_at"],
                    base=row["base"],
                    server=row["server_count"],
                    recorded=row["recorded_count"],
                    unaccounted=row["unaccounted"],
                    stats_reset=row["stats_reset"],
                ),
            )
            for row in rows
        ]

    async def put(self, subid: int, subname: str, counter: str, epoch: Epoch) -> None:
        """Stores an epoch as it is now."""
        async with translated():
            await self._connection.execute(
                query("ledger_put"),
                self._node.system_identifier,
                self._node.name,
                subid,
                subname,
                counter,
                epoch.began_at,
                epoch.checked_at,
                epoch.base,
                epoch.server,
                epoch.recorded,
                epoch.unaccounted,
                epoch.stats_reset,
                epoch.ended_at,
                epoch.ended_by,
            )
