"""Worker sessions as two formats name them.

jsonlog and csvlog have the server's session id. Where stderr lacks it the recogniser
makes one from the pid and the time at which the worker said that it started, which is
a moment after the session did.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from datetime import datetime
from typing import Final

_STARTS_WITHIN: Final = 60.0  # seconds from the process to its first message


class Sessions:
    """The sessions seen, to find the one that two names mean."""

    def __init__(self) -> None:
        """No session."""
        self._starts: defaultdict[int, list[float]] = defaultdict(list)
        self._ids: dict[tuple[int, float], str] = {}
        self._made: set[str] = set()

    def add(self, session_id: str) -> None:
        """A session was seen."""
        start, dot, pid = session_id.partition(".")
        if "@" in session_id or not dot:
            return
        try:
            key = int(pid, 16), float(int(start, 16))
        except ValueError:
            return
        if key not in self._ids:
            self._ids[key] = session_id
            insort(self._starts[key[0]], key[1])

    def same(self, session_id: str) -> str:
        """The server's id for the session, if another format told it."""
        pid, at, time = session_id.partition("@")
        if not at or not pid.isdecimal() or int(pid) not in self._starts:
            return session_id
        said = datetime.fromisoformat(time).timestamp()
        starts = self._starts[int(pid)]
        position = bisect_right(starts, said) - 1
        if position < 0 or said - starts[position] > _STARTS_WITHIN:
            return session_id
        return self._ids[int(pid), starts[position]]
