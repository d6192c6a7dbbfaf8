"""Positions in a log, as the conflict log stores them and as a reader takes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

import msgspec

from pgconflict.conflict_log.entry import LogPosition
from pgconflict.daemon.overlap import Met
from pgconflict.server.log_reader import ReadPosition
from pgconflict.server.log_search import FilePosition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgconflict.daemon.overlap import Overlap


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What is remembered beside the place in the log."""

    recogniser: dict[str, Any] = field(default_factory=dict)
    last_logged: datetime | None = None
    overlap_until: datetime | None = None
    overlap_met: list[Met] = field(default_factory=list)

    @classmethod
    def of(cls, position: LogPosition | None) -> Self:
        """Take it from a stored position; nothing is remembered before the first."""
        if position is None:
            return cls()
        recogniser = position.state.get("recogniser")
        return cls(
            recogniser=recogniser if isinstance(recogniser, dict) else {},
            last_logged=_time(position.state, "last_logged"),
            overlap_until=_time(position.state, "overlap_until"),
            overlap_met=msgspec.convert(
                position.state.get("overlap_met", []), list[Met]
            ),
        )


def to_be_stored(
    position: ReadPosition,
    *,
    recogniser: dict[str, Any],
    last_logged: datetime | None,
    overlap: Overlap | None,
) -> LogPosition:
    """Return what the conflict log stores of a position and what belongs to it."""
    file = position.file
    return LogPosition(
        log_format=position.log_format,
        file_name=file.file_name,
        signature=file.signature,
        signature_length=file.signature_length,
        byte_offset=file.byte_offset,
        state={
            "recogniser": recogniser,
            "place": position.place,
            "log_filename": position.log_filename,
            "done_before": position.done_before,
            "last_logged": last_logged and last_logged.isoformat(),
            "overlap_until": overlap and overlap.until.isoformat(),
            "overlap_met": overlap.met_lately() if overlap else [],
        },
    )


def to_be_read(position: LogPosition | None) -> ReadPosition | None:
    """Return where a reader starts that goes on from a stored position."""
    if position is None:
        return None
    state = position.state
    done_before = state.get("done_before")
    return ReadPosition(
        log_format=position.log_format,
        place=str(state.get("place", "")),
        log_filename=str(state.get("log_filename", "")),
        done_before=done_before if isinstance(done_before, int) else 0,
        file=FilePosition(
            file_name=position.file_name,
            signature=position.signature,
            signature_length=position.signature_length,
            byte_offset=position.byte_offset,
        ),
    )


def _time(state: Mapping[str, object], name: str) -> datetime | None:
    text = state.get(name)
    return datetime.fromisoformat(text) if isinstance(text, str) else None
