"""What comparing whole tables found, and how far each comparison came."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg

from pgconflict.core.conflict import Values
from pgconflict.queries import query

if TYPE_CHECKING:
    from pgconflict.conflict_log.row_policy import RowPolicy

_encode = msgspec.json.Encoder().encode


class Subscribed(msgspec.Struct, frozen=True, kw_only=True):
    """The node that a difference is recorded for, and what brings the table to it."""

    node: str
    system_identifier: int
    database: str | None
    subid: int | None
    subname: str | None
    publisher: str
    relid: int


class Differing(msgspec.Struct, frozen=True, kw_only=True):
    """One row that differs; `rows` is node to its row, None where it has none.

    Attributes:
        key: Column to value.
        columns: Those that differ.
        rows: Node to its row, or to one of several.
        several: The nodes that have several rows of the key.
    """

    key: Values
    columns: Sequence[str]
    rows: Mapping[str, Values | None]
    several: Sequence[str] = ()

    @property
    def key_text(self) -> str:
        """The key as a server prints it."""
        values = ", ".join(str(value) for value in self.key.values())
        return f"({', '.join(self.key)})=({values})"

    def without_values(self) -> Differing:
        """Return it with what of its rows is told to people: where there is none."""
        there: dict[str, Values | None] = {
            name: None if values is None else {} for name, values in self.rows.items()
        }
        return msgspec.structs.replace(self, rows=there)


class Progress(msgspec.Struct, kw_only=True):
    """How far a comparison is."""

    run_id: int
    position: Sequence[str] | None = None
    ranges: int = 0
    rows: list[int] = msgspec.field(default_factory=lambda: [0, 0])
    differing: int = 0
    unsettled: int = 0


class Differences:
    """A connection to the conflict log, in autocommit mode.

    Its methods raise psycopg.Error.
    """

    def __init__(self, connection: psycopg.Connection[Any], policy: RowPolicy) -> None:
        self._connection = connection
        self._policy = policy
        self._digest_key = b""

    def begin(
        self,
        names: tuple[str, str],
        nodes: Mapping[str, int],
        key: Sequence[str],
        *,
        resume: bool,
    ) -> Progress | None:
        """Begin a comparison, or go on with the last that was cut short.

        Args:
            names: Schema and table.
            nodes: Name to system identifier.
            key: Columns.
            resume: None comes back if there is nothing to go on with.
        """
        cursor = psycopg.RawCursor(self._connection)
        systems = list(nodes.values())
        if resume:
            values = (*names, systems, list(key))
            row = cursor.execute(query("verify_unfinished").encode(), values).fetchone()
            if row is None:
                return None
            run_id, position, ranges, rows, differing, unsettled = row
            progress = Progress(
                run_id=run_id,
                position=position,
                ranges=ranges,
                rows=list(rows),
                differing=differing,
                unsettled=unsettled,
            )
        else:
            row = cursor.execute(
                query("verify_begin").encode(),
                (
                    *names,
                    list(nodes),
                    systems,
                    list(key),
                    getpass.getuser(),
                    socket.gethostname(),
                ),
            ).fetchone()
            assert row is not None  # noqa: S101 - an INSERT of one row returns it
            progress = Progress(run_id=row[0])
        # A daemon makes the days; there may be none.
        cursor.execute(
            b"select pgconflict.make_partition((now() at time zone 'UTC')::date)"
        )
        row = cursor.execute(b"select key from pgconflict.digest_key").fetchone()
        self._digest_key = row[0] if row is not None else b""
        return progress

    def advance(self, progress: Progress, *, done: bool) -> None:
        """Write down how far it is."""
        psycopg.RawCursor(self._connection).execute(
            query("verify_progress").encode(),
            (
                progress.run_id,
                None if progress.position is None else list(progress.position),
                progress.ranges,
                progress.rows,
                progress.differing,
                progress.unsettled,
                done,
            ),
        )

    def put(
        self,
        run_id: int,
        number: int,
        names: tuple[str, str],
        of: Subscribed,
        row: Differing,
    ) -> int:
        """Record a row that differs; the number of its conflict, of earlier if known.

        Args:
            run_id: The comparison.
            number: Which of its findings it is.
            names: Schema and table.
            of: Whose conflict it is.
            row: What differs.
        """
        cursor = psycopg.RawCursor(self._connection)
        identity = self._identity(names, of, row)
        known = cursor.execute(
            query("difference_known").encode(),
            (of.system_identifier, of.subid, identity),
        ).fetchone()
        if known is not None:
            return int(known[0])
        kept_key = self._policy.values(*names, row.key, key=True)
        kept = {
            name: self._policy.values(*names, values, key=False)
            for name, values in row.rows.items()
        }
        shown = {
            name: values and {c: values[c] for c in row.columns if c in values}
            for name, values in kept.items()
        }
        text = row.key_text if kept_key == row.key else None
        put = cursor.execute(
            query("difference_put").encode(),
            (
                of.node,
                of.system_identifier,
                of.database,
                of.subid,
                of.subname,
                of.relid,
                *names,
                _json(kept_key),
                text,
                _json(kept.get(of.publisher)),
                _json(kept.get(of.node)),
                _said(row),
                identity,
                run_id,
                number,
                list(row.columns),
                _json(shown),
            ),
        ).fetchone()
        assert put is not None  # noqa: S101 - an INSERT of one row returns it
        return int(put[0])

    def _identity(
        self, names: tuple[str, str], of: Subscribed, row: Differing
    ) -> bytes:
        parts = (*names, of.publisher, *(str(value) for value in row.key.values()))
        text = "\0".join(parts).encode()
        return blake2b(text, digest_size=16, key=self._digest_key[:64]).digest()


def _said(row: Differing) -> str:
    if row.several:
        return f"several rows have this key on node {' and '.join(row.several)}"
    gone = [name for name, values in row.rows.items() if values is None]
    if gone:
        return f"the row is missing on node {', '.join(gone)}"
    return f"nodes {' and '.join(row.rows)} differ in {', '.join(row.columns)}"


def _json(value: object) -> str | None:
    if value is None:
        return None
    # No JSON of PostgreSQL holds NUL; no server sends one.
    return _encode(value).decode().replace("\\u0000", "\\ufffd")
