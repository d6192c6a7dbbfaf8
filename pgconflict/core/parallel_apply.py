"""What the leader of a parallel apply worker says when that one failed.

The leader repeats the worker's error with its CONTEXT, a line between, and its own
frame, if it had one. It is no error of its own.
Source: ProcessParallelApplyMessage(), applyparallelworker.c, 16 to 19.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgconflict.core.conflict import FinishLsn
from pgconflict.core.frame import last_frame
from pgconflict.core.translation import english_message

if TYPE_CHECKING:
    from pgconflict.core.said import Said

_BETWEEN: Final = "logical replication parallel apply worker"


def is_repeated(said: Said) -> bool:
    """Whether a leader repeats what its parallel worker said, with a line between."""
    return any(
        line == _BETWEEN or english_message(line) == _BETWEEN
        for line in (said.record.context or "").split("\n")[-3:]
    )


def finish_lsn(said: Said) -> FinishLsn | None:
    """The leader knows the finish LSN if it was at the end of the stream."""
    for frame in (said.frame, last_frame(said.record.context or "")):
        if frame and frame.lsn is not None and frame.xid is not None:
            return FinishLsn(
                log_time=said.log_time,
                remote_origin=frame.origin,
                remote_xid=frame.xid,
                remote_commit_lsn=frame.lsn,
            )
    return None
