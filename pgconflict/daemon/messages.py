"""The daemon's own messages: one line an event, on standard error.

`node=a job=tail` pairs stand at the end. Under systemd each line begins with its
priority (sd-daemon(3)), elsewhere with the time. Neither row values nor connection
strings are ever given to it.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import MutableMapping

LOGGER: Final = logging.getLogger("pgconflict")

_PRIORITIES: Final = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}


class _Lines(logging.Formatter):
    """One line a message, whatever is in it; a traceback of a defect stays one."""

    def __init__(self, *, systemd: bool) -> None:
        super().__init__(None if systemd else "%(asctime)s %(levelname)s %(message)s")
        self._systemd = systemd

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if record.exc_info is None:
            text = text.replace("\n", " ")
        if not self._systemd:
            return text
        priority = f"<{_PRIORITIES.get(record.levelno, 6)}>"
        return "\n".join(priority + line for line in text.splitlines())


class Messages(logging.LoggerAdapter[logging.Logger]):
    """Messages about one job of one node."""

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Put the pairs at the end."""
        pairs = " ".join(f"{key}={value}" for key, value in (self.extra or {}).items())
        return f"{msg} {pairs}" if pairs else msg, kwargs


def messages(**pairs: str) -> Messages:
    """Return where a job sends its messages."""
    return Messages(LOGGER, {key: value for key, value in pairs.items() if value})


def to_standard_error() -> None:
    """Send messages there, in systemd's form if it started us."""
    handler = logging.StreamHandler(sys.stderr)
    systemd = "JOURNAL_STREAM" in os.environ or "NOTIFY_SOCKET" in os.environ
    handler.setFormatter(_Lines(systemd=systemd))
    LOGGER.handlers = [handler]
    LOGGER.propagate = False
    LOGGER.setLevel(logging.INFO)
