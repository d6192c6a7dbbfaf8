"""Entries of the log with what the node's catalogs add to them.

A row is taken apart only with columns that were the table's when the entry was
written; where that is not sure, or more than one way fits, the text stays whole.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pgconflict.conflict_log.entry import Recorded, Resolution
from pgconflict.core.conflict import LocalConflict
from pgconflict.core.resplit import resplit
from pgconflict.core.row_text import split_key, split_values
from pgconflict.core.type_shapes import VIRTUAL, can_be_text_null, shape_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.core.conflict import Conflict, Values
    from pgconflict.server.catalog import Catalog, Subscription, Table, TableKey

# The log's times are cut to milliseconds, the catalog's are not.
_CUT_OFF: Final = timedelta(milliseconds=1)

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)

_TABLES_KEPT: Final = 10_000

_SHOWN_BYTES: Final = 64
"""A longer value of a row is cut, and marked."""


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


class Resolver:
    """Resolutions of one node's entries, batch by batch."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        # A table stays the same object while the catalog says the same about it.
        self._rows: dict[TableKey, TableRows] = {}

    async def recorded(self, conflicts: Sequence[Conflict]) -> list[Recorded]:
        """Return the entries with what the catalogs say about each.

        Raises:
            NodeUnavailableError: the node did not answer.
        """
        keys = [self._key(conflict) for conflict in conflicts]
        wanted = {key for key in keys if key is not None}
        await self._catalog.know({subid for subid, _ in wanted})
        tables = await self._catalog.tables(wanted)
        if len(self._rows) > _TABLES_KEPT:
            self._rows.clear()
        for key, table in tables.items():
            if table is None:
                self._rows.pop(key, None)
            elif key not in self._rows or self._rows[key].table is not table:
                self._rows[key] = TableRows(table)
        return [
            self._recorded(conflict, None if key is None else self._rows.get(key))
            for conflict, key in zip(conflicts, keys, strict=True)
        ]

    def _recorded(self, conflict: Conflict, rows: TableRows | None) -> Recorded:
        subscription = self._catalog.subscription(conflict.subid, conflict.subname)
        if rows is not None and subscription is not None:
            conflict = rows.resplit(conflict)
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

    def __init__(self, table: Table) -> None:
        self.table = table
        self._names = [column.name for column in table.columns]
        self._shapes = [shape_of(column.type) for column in table.columns]
        self._never_text = [not can_be_text_null(c.type) for c in table.columns]
        self._virtual = any(column.type == VIRTUAL for column in table.columns)
        self._places = {name: place for place, name in enumerate(self._names)}
        made, since = table.made, table.since
        self._made = made - _CUT_OFF if made else _LONG_AGO
        self._since = since - _CUT_OFF if since else _LONG_AGO

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
        plain = text.isascii() and "..." not in text and ") = (" not in text
        if plain and not self._virtual:
            pieces = text[1:-1].split(", ")
            if len(pieces) == len(self._names) and self._fit(text, pieces):
                values: Values = dict(zip(self._names, pieces, strict=True))
                if "null" in pieces:
                    self._put_nulls(values)
                return values
        split = split_values(text, self.table.columns)
        if split is None:
            return None
        cut |= split.truncated
        return split.values

    def key(self, text: str) -> Values | None:
        """Return the columns of a key as DETAIL shows it; its values are never cut."""
        name, _, value = text[1:-1].partition(")=(")
        place = self._places.get(name)
        # Of one column, which needed no quotes and is no expression.
        if place is not None and name.isidentifier() and _in_parentheses(text):
            if value == "null" and self._never_text[place]:
                return {name: None}
            if value == "null" or self._shapes[place](value, False):
                return {name: value}
        return split_key(text, self.table.columns)

    def _fit(self, text: str, pieces: list[str]) -> bool:
        if not _in_parentheses(text):
            return False
        if len(text) > _SHOWN_BYTES and max(map(len, pieces)) > _SHOWN_BYTES:
            return False
        for shape, piece in zip(self._shapes, pieces, strict=True):
            if not shape(piece, False) and piece != "null":
                return False
        return True

    def _put_nulls(self, values: Values) -> None:
        for name, never_text in zip(self._names, self._never_text, strict=True):
            if never_text and values[name] == "null":
                values[name] = None

    def leave_out_unsent(self, values: Values) -> None:
        """Take out what the server shows as null although it may have got nothing."""
        for name in self.table.may_be_unsent:
            if values.get(name, "") in (None, "null"):
                del values[name]

    def resplit(self, conflict: Conflict) -> Conflict:
        """The conflict with the rows that DETAIL and these columns make certain."""
        at = conflict.log_time
        if conflict.detail is None or self.made_after(at) or self.changed_after(at):
            return conflict
        if conflict.replica_identity_text is not None and (
            conflict.remote_tuple_text is not None or conflict.operation == "DELETE"
        ):
            return conflict  # as nearly all are
        return resplit(conflict, self.table.columns)

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


def _in_parentheses(text: str) -> bool:
    return text[:1] == "(" and text[-1:] == ")"
