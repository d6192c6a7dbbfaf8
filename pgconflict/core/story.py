"""How conflicts that stopped apply ended, as far as a log tells."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from typing import TYPE_CHECKING

from pgconflict.core.conflict import Status, StoryEvent

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from pgconflict.core.fold import Folded


class Stories:
    """The messages that end a story, and their meaning for conflicts."""

    def __init__(self) -> None:
        """No message."""
        self._events: set[StoryEvent] = set()

    def add(self, event: StoryEvent) -> None:
        """A worker said something about the transaction that stopped apply."""
        self._events.add(event)

    def settle(self, conflicts: list[Folded]) -> None:
        """Set `status` and `status_at` of those that stopped apply.

        One is skipped if a worker said so of its LSN; applied if its origin was seen
        past it later; disabled if its subscription was disabled right after it.
        """
        stalled = [each for each in conflicts if each.conflict.stalls]
        self._disabled(stalled)
        passed = self._passed(conflicts)
        skipped = defaultdict(list)
        for event in self._events:
            if event.what == "skip_finished":
                skipped[event.lsn].append(event)
        for each in stalled:
            if each.remote_commit_lsn is None:
                continue
            origin = each.conflict.remote_origin
            at = _skip(skipped.get(each.remote_commit_lsn, ()), each)
            if at is not None:
                each.status, each.status_at = Status.SKIPPED, at
            elif (at := _pass(passed.get(origin, []), each)) is not None:
                each.status, each.status_at = Status.APPLIED, at

    def _disabled(self, stalled: list[Folded]) -> None:
        """The last conflict before the message, of its process or subscription."""
        by_name: defaultdict[str | int | None, list[Folded]] = defaultdict(list)
        for each in sorted(stalled, key=lambda folded: folded.last_logged_at):
            by_name[each.subname].append(each)
            by_name[each.last_pid].append(each)
        for event in self._events:
            if event.what != "disabled":
                continue
            for key in (event.pid, event.subname):
                known = by_name.get(key, []) if key is not None else []
                position = bisect_right(
                    known, event.log_time, key=lambda folded: folded.last_logged_at
                )
                if position:
                    found = known[position - 1]
                    if found.subname in (None, event.subname):
                        found.status = Status.DISABLED
                        found.status_at = event.log_time
                        break

    def _passed(
        self, conflicts: list[Folded]
    ) -> dict[str | None, list[tuple[int, datetime]]]:
        """For each origin the highest LSN so far and when it was first seen."""
        seen = defaultdict(list)
        origins = {}
        for each in conflicts:
            origin = each.conflict.remote_origin
            if each.remote_commit_lsn is not None:
                seen[origin].append((each.first_logged_at, each.remote_commit_lsn))
            if each.subname is not None and origin is not None:
                origins[each.subname] = origin
        for event in self._events:
            if event.lsn is not None and event.subname in origins:
                seen[origins[event.subname]].append((event.log_time, event.lsn))
        return {origin: _maxima(sorted(found)) for origin, found in seen.items()}


def _maxima(seen: Iterable[tuple[datetime, int]]) -> list[tuple[int, datetime]]:
    found: list[tuple[int, datetime]] = []
    for at, lsn in seen:
        if not found or lsn > found[-1][0]:
            found.append((lsn, at))
    return found


def _skip(events: Iterable[StoryEvent], folded: Folded) -> datetime | None:
    times = [
        event.log_time
        for event in events
        if event.log_time >= folded.last_logged_at
        and (event.subname == folded.subname or None in (event.subname, folded.subname))
    ]
    return min(times, default=None)


def _pass(passed: list[tuple[int, datetime]], folded: Folded) -> datetime | None:
    lsn = folded.remote_commit_lsn or 0
    position = bisect_right(passed, lsn, key=lambda each: each[0])
    return next(
        (at for _, at in passed[position:] if at >= folded.last_logged_at), None
    )
