"""Entries of the conflict log as far as they tell which row they are about."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from pgconflict.core.conflict import LocalConflict, Values
from pgconflict.core.evidence import HANDED_OVER, MISSING, Cause, Logged
from pgconflict.core.repair import ORIGIN

if TYPE_CHECKING:
    from collections.abc import Sequence

KeyValues = tuple[str, ...]

_CHANGES_KEYS: Final = "UPDATE"
_INSERTS: Final = "INSERT"


class RowEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One conflict, with what it says about its row."""

    conflict_id: int
    system_identifier: int
    subid: int | None
    conflict_type: str
    stalls: bool
    status: str
    first_logged_at: datetime
    last_logged_at: datetime
    attempts: int
    operation: str | None
    remote_xid: int | None
    remote_at: datetime | None
    remote_lsn: int | None
    replica_identity: Values | None
    replica_identity_text: str | None
    remote_tuple: Values | None
    truncated_columns: tuple[str, ...]
    local_conflicts: tuple[LocalConflict, ...]
    cause: str | None = None

    @property
    def local_at(self) -> datetime | None:
        """When the version that the change met was committed."""
        at = self._local.commit_ts
        return datetime.fromisoformat(at) if at else None

    @property
    def local_xid(self) -> int | None:
        """The transaction of that version, if it was one of this node's sessions."""
        return self._local.xid if self._local.origin_kind == "local" else None

    @property
    def local_subid(self) -> int | None:
        """The subscription that brought that version; None if none did."""
        origin = self._local.origin or ""
        number = origin.removeprefix("pg_")
        return int(number) if number != origin and number.isdecimal() else None

    @property
    def _local(self) -> LocalConflict:
        return self.local_conflicts[0] if self.local_conflicts else LocalConflict()

    def key_columns(self) -> tuple[str, ...]:
        """Return the columns whose values of the row are known in full."""
        return tuple(self._known() or ())

    def key(self, columns: Sequence[str]) -> KeyValues | None:
        """Return the key by which the change was sent, or the row that it met."""
        return _values(self._known(), columns)

    def new_key(self, columns: Sequence[str]) -> KeyValues | None:
        """Return the key that the change leaves the row with; None if not known."""
        if self.remote_tuple is None or set(columns) & set(self.truncated_columns):
            return None
        return _values(self.remote_tuple, columns)

    def logged(self, columns: Sequence[str], key: KeyValues) -> Logged | None:
        """Return the entry as evidence about a row; None if it is about another."""
        own, new = self.key(columns), self.new_key(columns)
        locals_ = [_values(local.key, columns) for local in self.local_conflicts]
        about = own is None or own == key or key in locals_
        moves = own != key and (new == key or (new is None and self.changes_keys))
        if not about and not moves:
            return None
        return Logged(
            conflict_id=self.conflict_id,
            subid=self.subid,
            conflict_type=self.conflict_type,
            stalls=self.stalls,
            logged_at=self.first_logged_at,
            last_logged_at=self.last_logged_at,
            attempts=self.attempts,
            remote_at=self.remote_at,
            remote_lsn=self.remote_lsn,
            local_at=self.local_at,
            local_kind=self._local.origin_kind,
            moves_here=moves,
            of_this_row=key in (own, new, *locals_),
            handed_over=self.cause == Cause.HAND_OVER,
            met_repair=(
                self.conflict_type in HANDED_OVER and self._local.origin == ORIGIN
            ),
        )

    @property
    def changes_keys(self) -> bool:
        """Whether it may be about a change of the key that met no row, or two."""
        return self.operation in (_CHANGES_KEYS, None) and (
            self.stalls or self.conflict_type in MISSING
        )

    def _known(self) -> Values | None:
        if self.replica_identity is not None:
            # Of REPLICA IDENTITY FULL, whose values may be cut; those of a key never.
            return {
                name: value
                for name, value in self.replica_identity.items()
                if name not in self.truncated_columns
                or value is None
                or not value.endswith("...")
            }
        keys = [local.key for local in self.local_conflicts if local.key]
        if self.operation == _INSERTS:
            # Each is a key that the row which came has too.
            return {name: value for key in keys for name, value in key.items()} or None
        return keys[0] if len(keys) == 1 else None


def _values(values: Values | None, columns: Sequence[str]) -> KeyValues | None:
    """The columns' values; None unless each is known and not null."""
    if values is None:
        return None
    found = [values.get(column) for column in columns]
    known = tuple(value for value in found if value is not None)
    return known if len(known) == len(columns) else None
