"""Repairs in the conflict log: written down before a row is touched, and after."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
from psycopg.rows import class_row

from pgconflict.core.conflict import Values
from pgconflict.core.evidence import Cause
from pgconflict.core.verdict import Verdict, effect_of
from pgconflict.queries import query

if TYPE_CHECKING:
    from pgconflict.conflict_log.row_policy import RowPolicy

_encode = msgspec.json.Encoder().encode


class RepairRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is about to be written."""

    conflicts: Sequence[int]
    schemaname: str
    relname: str
    key: Values
    winner: str
    nodes: Sequence[str]
    operations: Mapping[str, Sequence[str]]
    """Node to what is done there, without values."""

    before: Mapping[str, Values | None]
    reason: str | None


class Unfinished(msgspec.Struct, frozen=True, kw_only=True):
    """A repair of which no end is known."""

    repair_id: int
    key: str | None
    nodes: Sequence[str]
    written: Sequence[str]
    began_at: datetime


class Repairs:
    """A connection to the conflict log, in autocommit mode.

    Its methods raise psycopg.Error.
    """

    def __init__(self, connection: psycopg.Connection[Any], policy: RowPolicy) -> None:
        self._connection = connection
        self._policy = policy

    def diverged(self) -> list[int]:
        """Return the conflicts whose rows differed when last looked at."""
        return [row[0] for row in self._do("diverged_conflicts").fetchall()]

    def unfinished(self, schemaname: str, relname: str) -> list[Unfinished]:
        """Return repairs of a table, of the last days, that were cut short."""
        cursor = psycopg.RawCursor(self._connection, row_factory=class_row(Unfinished))
        text = query("repair_unfinished").encode()
        return cursor.execute(text, (schemaname, relname)).fetchall()

    def begin(self, record: RepairRecord) -> int:
        """Write down what is about to be done; its number."""
        names = (record.schemaname, record.relname)
        before = {
            node: self._policy.values(*names, row, key=False)
            for node, row in record.before.items()
        }
        row = self._do(
            "repair_begin",
            list(record.conflicts),
            *names,
            _json(self._policy.values(*names, record.key, key=True)),
            record.winner,
            list(record.nodes),
            _json(record.operations),
            _json(before),
            getpass.getuser(),
            socket.gethostname(),
            record.reason,
        ).fetchone()
        assert row is not None  # noqa: S101 - an INSERT of one row returns it
        return int(row[0])

    def written(self, number: int, node: str) -> None:
        """Note that a node's transaction has committed."""
        self._do("repair_written", number, node)

    def end(self, number: int, outcome: str, seen: Sequence[str]) -> None:
        """Write down what came of it."""
        self._do("repair_end", number, outcome, list(seen))

    def agreed(self, number: int, effects: Mapping[int, str | None]) -> None:
        """Note that the row of these conflicts agrees; conflict to its effect.

        So it does for every other conflict about the row: that of the other node.
        """
        others: dict[int, str | None] = {
            conflict_id: effect_of(
                conflict_type=conflict_type,
                stalls=stalls,
                status=status,
                verdict=Verdict.CONVERGED,
                cause=Cause(cause) if cause else None,
            )
            for conflict_id, conflict_type, stalls, status, cause in self._do(
                "repair_others", list(effects)
            )
        }
        every = {**effects, **others}
        self._do("repair_verdict", list(every), list(every.values()), number)

    def _do(self, name: str, *values: object) -> psycopg.RawCursor[Any]:
        cursor = psycopg.RawCursor(self._connection)
        cursor.execute(query(name).encode(), values)
        return cursor


def _json(value: object) -> str | None:
    if value is None:
        return None
    return _encode(value).decode().replace("\\u0000", "\\ufffd")
