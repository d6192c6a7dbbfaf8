"""The proof of a synchronisation, as it is printed and as it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pgconflict.cli import output
from pgconflict.cli.output import Column
from pgconflict.cli.sequences_access import position_of, say
from pgconflict.conflict_log.sequence_syncs import Ending, Stored, Value
from pgconflict.core.lsn import format_lsn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pgconflict.core.sequence_proof import Line, Proof

_COLUMNS = (
    Column("sequence"),
    Column("source", "right"),
    Column("was", "right"),
    Column("is", "right"),
    Column("reason"),
    Column("proof"),
)
_STORED_COLUMNS = (Column("node"), *_COLUMNS)


def print_proof(proof: Proof, ending: Ending, sync_id: int | None) -> None:
    """Print what is not as asked, line by line, and the totals."""
    lines = [line for line in proof.lines if line.blocked or line.doubt is not None]
    if lines:
        output.print_table(_COLUMNS, [_cells(line) for line in lines])
    for line in proof.unreadable:
        say(f"{line.name}: {line.reason}")
    lock = ending.longest_lock_s
    held = "" if lock is None else f", none locked for more than {lock * 1000:.0f} ms"
    say(
        f"moved {ending.moved}, unchanged {ending.unchanged}, not as asked"
        f" {ending.blocked}{held}"
    )
    if ending.applied_lsn is not None and ending.source_lsn is not None:
        say(
            f"the target had applied {format_lsn(ending.applied_lsn)}, the source had"
            f" written {format_lsn(ending.source_lsn)}"
        )
    say(_verdict(proof, ending))
    if sync_id is not None:
        say(f"kept as run {sync_id}: pgconflict sequences sync --proof {sync_id}")


def _verdict(proof: Proof, ending: Ending) -> str:
    count = len(proof.lines)
    if ending.doubts:
        return f"NOT proved for {ending.doubts} of {count} sequences"
    proved = (
        f"proved by reading both nodes again: all {count} sequences give out values"
        " that the source has not given out"
    )
    if ending.outcome == "proved":
        return proved
    if ending.blocked:
        return f"{proved}; but {ending.blocked} are not as asked"
    return "NOT proved: the source gave out values meanwhile"


def _cells(line: Line) -> tuple[object, ...]:
    return (
        str(line.name),
        position_of(line.source),
        position_of(line.before),
        position_of(line.after),
        line.reason,
        line.doubt or "proved",
    )


def proof_document(proof: Proof, ending: Ending, sync_id: int | None) -> dict[str, Any]:
    """Return the proof for JSON: what was moved or is not as asked, line by line."""
    lines = [
        line
        for line in proof.lines
        if line.moved or line.blocked or line.doubt is not None
    ]
    return {
        "sync_id": sync_id,
        "outcome": ending.outcome,
        "moved": ending.moved,
        "unchanged": ending.unchanged,
        "blocked": ending.blocked,
        "doubts": ending.doubts,
        "source_lsn": _lsn(ending.source_lsn),
        "applied_lsn": _lsn(ending.applied_lsn),
        "longest_lock_s": ending.longest_lock_s,
        "seen": list(ending.seen),
        "proof": list(stored_values(lines, None)),
    }


def _lsn(lsn: int | None) -> str | None:
    return None if lsn is None else format_lsn(lsn)


def stored_values(lines: Iterable[Line], node: str | None) -> Iterator[Value]:
    """Yield each sequence as the conflict log keeps it."""
    for line in lines:
        yield Value.of(
            node or "",
            line.name,
            (line.before, line.after),
            moved=line.moved,
            reason=line.reason,
            doubt=line.doubt,
            source=line.source,
            column_value=line.column_value,
        )


def print_stored(stored: Stored, values: Sequence[Value], *, as_json: bool) -> None:
    """Print a run that the conflict log has."""
    head = msgspec.structs.asdict(stored)
    if stored.longest_lock is not None:
        head["longest_lock"] = str(stored.longest_lock)
    if as_json:
        found = [msgspec.structs.asdict(value) for value in values]
        output.print_json({**head, "values": found})
        return
    head["options"] = output.json_text(stored.options)
    output.print_fields(head.items())
    print()
    output.print_table(
        _STORED_COLUMNS,
        [
            (
                value.node,
                f"{value.schemaname}.{value.sequencename}",
                _position(value.source_last_value, value.source_is_called),
                _position(value.old_last_value, value.old_is_called),
                _position(value.last_value, value.is_called),
                value.reason,
                value.doubt or "proved",
            )
            for value in values
        ],
    )


def _position(last_value: int | None, is_called: object) -> str | None:
    if last_value is None:
        return None
    return str(last_value) if is_called else f"{last_value} (not called)"
