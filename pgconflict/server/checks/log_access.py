"""Tries to reach a node's log as the daemon does: same driver, same choice of way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgconflict.errors import PgConflictError
from pgconflict.server.local_log import LocalLog
from pgconflict.server.log_places import present_place
from pgconflict.server.log_settings import LogSettings
from pgconflict.server.session import NodeSession

if TYPE_CHECKING:
    from pgconflict.config import Limits, Node


@dataclass(frozen=True, slots=True)
class LogAccess:
    """Whether the log could be read, and how."""

    as_file: bool
    refusal: str | None = None
    """Why it could not; None if it could."""

    hint: str | None = None


async def log_access(node: Node, limits: Limits) -> LogAccess:
    """Return what became of it."""
    try:
        session = await NodeSession.open(node, limits, job="check")
    except PgConflictError as error:
        return LogAccess(as_file=False, refusal=str(error), hint=error.hint)
    try:
        settings = LogSettings.from_row(node.name, await session.row("log_settings"))
        settings.require_files(node.name)
        place = await present_place(node, session, settings)
        place.close()
    except PgConflictError as error:
        return LogAccess(as_file=False, refusal=str(error), hint=error.hint)
    finally:
        await session.close()
    return LogAccess(as_file=isinstance(place, LocalLog))
