"""What a transaction of the publisher changes, put together from its messages."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from pgconflict.core.pgoutput import Begin, Change, Decoder, End

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_CHANGES: Final = 10_000
MOST_BYTES: Final = 16 << 20
"""Changes beyond either are counted and not kept: a transaction may be of any size."""


class TableChanges(msgspec.Struct, frozen=True, order=True):
    """How many changes of one sort a transaction makes to one table."""

    schemaname: str
    relname: str
    operation: str
    number: int


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction as a subscription would be sent it."""

    xid: int
    lsn: int
    """What ALTER SUBSCRIPTION ... SKIP takes, and the log's `finished at`."""

    end_lsn: int
    """Where the subscription's origin stands once it is applied or skipped."""

    commit_ts: datetime
    prepared: bool
    tables: tuple[TableChanges, ...]
    changes: tuple[Change, ...]
    """The first ones, as far as they were kept."""

    number: int
    """Of all changes."""

    @property
    def complete(self) -> bool:
        """Whether every change was kept."""
        return len(self.changes) == self.number


class TransactionReader:
    """Takes the messages of a slot in their order; `transactions` are those complete.

    Args:
        keep_after: The rows of transactions that end at or before this LSN are only
            counted: the subscription has applied them.
    """

    def __init__(self, keep_after: int = 0) -> None:
        self.transactions: list[Transaction] = []
        self.messages = 0
        self._keep_after = keep_after
        self._decoder = Decoder()
        self._begin: Begin | None = None
        self._counted: Counter[tuple[str, str, str]] = Counter()
        self._kept: list[Change] = []
        self._bytes = 0

    def read(self, messages: Iterable[bytes]) -> None:
        """Take further messages.

        Raises:
            ValueError: one is not pgoutput's.
        """
        for data in messages:
            self.messages += 1
            message = self._decoder.decode(data)
            if isinstance(message, Begin):
                self._start(message)
            elif isinstance(message, End):
                self._finish(message)
            elif isinstance(message, Change):
                self._count(message, len(data))
            elif isinstance(message, tuple):
                for change in message:
                    self._count(change, 0)

    def _start(self, begin: Begin) -> None:
        self._begin = begin
        self._counted.clear()
        self._kept.clear()
        self._bytes = 0

    def _count(self, change: Change, size: int) -> None:
        key = (change.schemaname, change.relname, change.operation)
        self._counted[key] += 1
        self._bytes += size
        begin = self._begin
        wanted = begin is not None and begin.lsn >= self._keep_after
        if wanted and len(self._kept) < MOST_CHANGES and self._bytes <= MOST_BYTES:
            self._kept.append(change)

    def _finish(self, end: End) -> None:
        begin, self._begin = self._begin, None
        if begin is None:  # COMMIT PREPARED: nothing of it is left to be applied
            return
        self.transactions.append(
            Transaction(
                xid=begin.xid,
                lsn=begin.lsn,
                end_lsn=end.end_lsn,
                commit_ts=begin.commit_ts,
                prepared=begin.prepared,
                tables=tuple(
                    sorted(
                        TableChanges(*key, number)
                        for key, number in self._counted.items()
                    )
                ),
                changes=tuple(self._kept),
                number=self._counted.total(),
            )
        )
