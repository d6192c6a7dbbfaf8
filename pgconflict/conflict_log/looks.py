"""What looking at a conflict's row found: the history of its verdicts."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from pgconflict.conflict_log.reader import SHOWN
from pgconflict.core.conflict import Values
from pgconflict.queries import query

if TYPE_CHECKING:
    from pgconflict.conflict_log.reader import ConflictLogReader

_row_values = msgspec.json.Decoder(dict[str, Values | None]).decode
_evidence = msgspec.json.Decoder(dict[str, Any]).decode


class Look(msgspec.Struct, frozen=True):
    """One change of what is known; the order of the fields is that of `--json`."""

    looked_at: datetime
    verdict: str
    reason: str | None
    columns: list[str] | None
    row_values: dict[str, Values | None] | None
    """Node to its values of these columns; None: no row there."""

    cause: str | None
    effect: str | None
    evidence: dict[str, Any] | None


def looks_at(reader: ConflictLogReader, conflict_id: int) -> list[Look]:
    """The last SHOWN, newest first."""
    rows = reader.fetch(query("conflict_verdicts"), (conflict_id, SHOWN))
    return [
        Look(
            looked_at=row[0],
            verdict=row[1],
            reason=row[2],
            columns=row[3],
            row_values=row[4] and _row_values(row[4]),
            cause=row[5],
            effect=row[6],
            evidence=row[7] and _evidence(row[7]),
        )
        for row in rows
    ]
