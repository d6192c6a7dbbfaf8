"""Entries of the log with what the node's catalogs add to them.

A row is taken apart only with columns that were the table's when the entry was
written; where that is not sure, or more than one way fits, the text stays whole.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from pgconflict.conflict_log.entry import Recorded, Resolution
from pgconflict.core.conflict import LocalConflict
from pgconflict.core.encodings import UTF_8
from pgconflict.core.lost_link import is_lost_link
from pgconflict.core.plain_rows import PlainRows
from pgconflict.core.resplit import resplit
from pgconflict.core.row_text import split_key, split_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.core.conflict import Conflict, Values
    from pgconflict.server.catalog import Catalog, Subscription, Table, TableKey

# The log's times are cut to milliseconds, the catalog's are not.
_CUT_OFF: Final = timedelta(milliseconds=1)

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)

_TABLES_KEPT: Final = 10_000


def resolve(
    conflict: Conflict, subscription: Subscription | None, rows: TableRows | None
) -> Resolution:
    """Return what the catalogs say about the entry's names and values."""
    if subscription is None:
        return Resolution(subname=conflict.subname)
    if rows is None or rows.made_after(conflict.log_time):
        return Resolution(database=subscription.database, subname=subscription.name)
    table = rows.table
    if rows.changed_after(conflict.log_time):
        return Resolution(
            database=subscription.database,
            subname=subscription.name,
            relid=table.relid,
            schemaname=table.schemaname,
            relname=table.relname,
        )
    cut: set[str] = set()
    identity = remote = None
    text = conflict.replica_identity_text
    if text is not None:
        full = conflict.replica_identity_full
        identity = rows.row(text, cut) if full else rows.key(text)
    text = conflict.remote_tuple_text
    if text is not None:
        remote = rows.row(text, cut)
        if remote is not None and conflict.operation == "UPDATE":
            rows.leave_out_unsent(remote)
    locals_: tuple[LocalConflict, ...] = ()
    if conflict.local_conflicts:
        locals_ = tuple(rows.local(local, cut) for local in conflict.local_conflicts)
    return Resolution(
        database=subscription.database,
        subname=subscription.name,
        relid=table.relid,
        schemaname=table.schemaname,
        relname=table.relname,
        replica_identity=identity,
        remote_tuple=remote,
        local_conflicts=locals_,
        truncated_columns=rows.in_order(cut) if cut else (),
    )


def of_apply(conflict: Conflict, subid: int) -> Conflict:
    """The entry as that of the subscription's origin, which its CONTEXT does not name.

    By these the server's counter of apply errors finds its entries.
    """
    return replace(conflict, subid=subid, remote_origin=f"pg_{subid}")


class Resolver:
    """Resolutions of one node's entries, batch by batch."""

    def __init__(self, catalog: Catalog) -> None:
        self.codec: str | None = None
        """In which the entries were read, if not in UTF-8."""
        self._catalog = catalog
        # A table stays the same object while the catalog says the same about it.
        self._rows: dict[TableKey, TableRows] = {}

    async def recorded(self, conflicts: Sequence[Conflict]) -> list[Recorded]:
        """Return the entries with what the catalogs say about each.

        Raises:
            NodeUnavailableError: the node did not answer.
        """
        if any(map(is_lost_link, conflicts)):
            # These name no oid: the subscription of the name as it is now.
            await self._catalog.look()
        keys = [self._key(conflict) for conflict in conflicts]
        wanted = {key for key in keys if key is not None}
        await self._catalog.know({subid for subid, _ in wanted})
        tables = await self._catalog.tables(wanted)
        if len(self._rows) > _TABLES_KEPT:
            self._rows.clear()
        for key, table in tables.items():
            if table is None:
                self._rows.pop(key, None)
            elif key not in self._rows or self._rows[key].is_not(table, self.codec):
                self._rows[key] = TableRows(table, self.codec)
        return [
            self._recorded(conflict, None if key is None else self._rows.get(key))
            for conflict, key in zip(conflicts, keys, strict=True)
        ]

    def _recorded(self, conflict: Conflict, rows: TableRows | None) -> Recorded:
        subscription = self._catalog.subscription(conflict.subid, conflict.subname)
        if rows is not None and subscription is not None:
            conflict = rows.resplit(conflict)
        if subscription is not None and is_lost_link(conflict):
            conflict = of_apply(conflict, subscription.subid)
        return Recorded(
            conflict=conflict, resolution=resolve(conflict, subscription, rows)
        )

    def _key(self, conflict: Conflict) -> TableKey | None:
        if conflict.relation is None:
            return None
        subid = conflict.subid
        if subid is None:
            named = self._catalog.subscription(None, conflict.subname)
            subid = named.subid if named else None
        return None if subid is None else (subid, conflict.relation)


class TableRows:
    """Takes rows and keys of one table apart; the common ones at once.

    A row with as many pieces as the table has columns can be cut in one way only.
    """

    def __init__(self, table: Table, codec: str | None = None) -> None:
        """`codec`: in which the entries were read, if not in UTF-8."""
        self.table = table
        self._read_in = codec
        self._codec = table.codec or UTF_8
        self._readable = table.codec == (codec or UTF_8)
        self._names = [column.name for column in table.columns]
        self._plain = PlainRows(table.columns)
        made, since = table.made, table.since
        self._made = made - _CUT_OFF if made else _LONG_AGO
        self._since = since - _CUT_OFF if since else _LONG_AGO

    def is_not(self, table: Table, codec: str | None) -> bool:
        """Whether this is of another table, or of entries read in another way."""
        return self.table is not table or self._read_in != codec

    def made_after(self, at: datetime) -> bool:
        """Whether the table was surely made after that moment."""
        return self._made > at

    def changed_after(self, at: datetime) -> bool:
        """Whether its columns changed after that moment, as far as is known."""
        return self._since > at

    def in_order(self, names: set[str]) -> tuple[str, ...]:
        """Return columns as the table has them."""
        return tuple(name for name in self._names if name in names)

    def row(self, text: str, cut: set[str]) -> Values | None:
        """Return the columns of a row as DETAIL shows it; `cut` gets those cut."""
        if self._is_unclear(text):
            return None
        plain = self._plain.row(text)
        if plain is not None:
            return plain
        split = split_values(text, self.table.columns, self._codec)
        if split is None:
            return None
        cut |= split.truncated
        return split.values

    def key(self, text: str) -> Values | None:
        """Return the columns of a key as DETAIL shows it; its values are never cut."""
        if self._is_unclear(text):
            return None
        plain = self._plain.key(text)
        if plain is not None:
            return plain
        return split_key(text, self.table.columns)

    def _is_unclear(self, text: str) -> bool:
        """Whether some of it may be what the bytes of another encoding look like."""
        if self._readable:
            return False
        return "\\x" in text or not (self.table.codec is None or text.isascii())

    def leave_out_unsent(self, values: Values) -> None:
        """Take out what the server shows as null although it may have got nothing."""
        for name in self.table.may_be_unsent:
            if values.get(name, "") in (None, "null"):
                del values[name]

    def resplit(self, conflict: Conflict) -> Conflict:
        """The conflict with the rows that DETAIL and these columns make certain."""
        if conflict.replica_identity_text is not None and (
            conflict.remote_tuple_text is not None or conflict.operation == "DELETE"
        ):
            return conflict  # as nearly all are
        at = conflict.log_time
        if conflict.detail is None or self.made_after(at) or self.changed_after(at):
            return conflict
        if self._is_unclear(conflict.detail):
            return conflict
        return resplit(conflict, self.table.columns, self._codec)

    def local(self, local: LocalConflict, cut: set[str]) -> LocalConflict:
        """Return one local row with its columns."""
        key = local.key
        if key is None and local.key_text is not None:
            key = self.key(local.key_text)
        row = local.tuple
        if row is None and local.tuple_text is not None:
            row = self.row(local.tuple_text, cut)
        return LocalConflict(
            xid=local.xid,
            commit_ts=local.commit_ts,
            origin=local.origin,
            origin_kind=local.origin_kind,
            index=local.index,
            key=key,
            tuple=row,
            key_text=local.key_text,
            tuple_text=local.tuple_text,
        )
