"""Who wrote an entry of a stderr log, where the prefix does not say it.

A worker says once who it is, when it starts. Its process is then known by its pid.
A log that begins later lacks that line: there the frame in CONTEXT is proof, for
a client has no way to begin its CONTEXT so, and is betrayed by its STATEMENT too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgconflict.core import messages
from pgconflict.core.workers import Worker, Workers

if TYPE_CHECKING:
    from pgconflict.core.line_prefix import LinePrefix
    from pgconflict.core.log_time import LogClock
    from pgconflict.core.said import Said


def attribute(
    said: Said, workers: Workers, prefix: LinePrefix, clock: LogClock
) -> bool:
    """Set the process and worker; False if no worker is known to have written it."""
    record = said.record
    proven = said.frame is not None and not said.user_code
    if not prefix.has_process:
        return proven and _by_origin(said, workers)
    if not record.session_id:
        record.session_id = _session(said, clock)
    said.process = record.session_id or f"pid {record.pid}"
    if record.context is None and messages.started(said.message) is not None:
        return True
    said.worker = workers.get(said.process)
    if said.worker is not None and workers.has_ended(said.process) and proven:
        # An error ends a worker: this is the next process with the same pid.
        said.worker = None
    if said.worker is not None:
        return True
    if not proven and record.backend_type is None:
        return False
    said.worker = Worker(said.session_id, None, said.kind or "apply")
    workers.started(said.process, said.worker)
    return True


def _session(said: Said, clock: LogClock) -> str:
    """The server's session id, if the prefix shows the start of the process."""
    record = said.record
    start = clock.read(record.process_start) if record.process_start else None
    if start is None or record.pid is None:
        return ""
    return f"{int(start.timestamp()):x}.{record.pid:x}"


def _by_origin(said: Said, workers: Workers) -> bool:
    """Without any process in the prefix: one origin has one worker at a time.

    An error ends it, so the next entry is another attempt. Which worker it is when
    it ends otherwise can't be told.
    """
    origin = said.frame.origin if said.frame else ""
    said.process = f"origin {origin}"
    said.worker = workers.get(said.process)
    if said.worker is None or workers.has_ended(said.process):
        number = said.worker.number + 1 if said.worker else 1
        session = f"{origin}@{said.log_time.isoformat()}#{number}"
        said.worker = Worker(session, None, said.kind or "apply", number=number)
        workers.started(said.process, said.worker)
    return True
