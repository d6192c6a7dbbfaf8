"""Entries of server logs to conflicts: each once, however often it was logged.

A conflict is the same when its identity is, and its remote transaction's finish LSN
as far as that is known. Equal entries of one attempt (one worker session) are told
apart by their place among each other. The order in which entries come, and how often
the same entry comes, change nothing.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pgconflict.core.conflict import (
    Conflict,
    Entry,
    FinishLsn,
    Source,
    Status,
    StoryEvent,
    WorkerStarted,
)
from pgconflict.core.sessions import Sessions
from pgconflict.core.story import Stories

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class _Logged(NamedTuple):
    """One entry, without what its conflict's other entries say too."""

    session_id: str
    line_num: int
    source: Source
    log_time: datetime
    lsn: int | None
    pid: int | None
    subname: str | None
    conflict: Conflict | None  # kept of the first attempt seen


class Folded(msgspec.Struct, kw_only=True):
    """One conflict with all its attempts."""

    conflict: Conflict
    subname: str | None
    remote_commit_lsn: int | None
    attempts: int
    first_logged_at: datetime
    last_logged_at: datetime
    last_pid: int | None
    status: Status = Status.OPEN
    status_at: datetime


class Fold:
    """Takes entries in any order; `conflicts()` is the sum of them."""

    def __init__(self) -> None:
        """An empty sum."""
        self._seen: set[tuple[str, int, bool]] = set()
        self._groups: dict[bytes, list[_Logged]] = {}
        self._told: defaultdict[tuple[str, int], list[tuple[datetime, int]]] = (
            defaultdict(list)
        )
        self._sessions = Sessions()
        self._stories = Stories()
        self._tables: defaultdict[str | None, set[str]] = defaultdict(set)

    def add(self, entry: Entry) -> None:
        """Take one entry."""
        match entry:
            case Conflict():
                self._add_conflict(entry)
            case WorkerStarted():
                self._sessions.add(entry.session_id)
                if entry.relname is not None:
                    self._tables[entry.subname].add(entry.relname)
            case FinishLsn():
                key = entry.remote_origin, entry.remote_xid
                self._told[key].append((entry.log_time, entry.remote_commit_lsn))
            case StoryEvent():
                self._stories.add(entry)

    def tables(self, subname: str | None) -> set[str]:
        """The bare names of tables that the subscription was seen to copy."""
        return self._tables.get(subname, set())

    def conflicts(self) -> list[Folded]:
        """Every conflict, by the time it was first logged."""
        self._learn()
        found = [
            folded
            for entries in self._groups.values()
            for transaction in _transactions(self._with_lsn(entries))
            for folded in self._places(transaction)
        ]
        self._stories.settle(found)
        found.sort(
            key=lambda each: (
                each.first_logged_at,
                each.conflict.session_id,
                each.conflict.line_num,
            )
        )
        return found

    def _add_conflict(self, entry: Conflict) -> None:
        # jsonlog and csvlog number entries alike, stderr its own way.
        key = entry.session_id, entry.line_num, entry.source is Source.STDERR
        if key in self._seen:
            return
        self._seen.add(key)
        self._sessions.add(entry.session_id)
        group = self._groups.setdefault(entry.identity, [])
        keep = (
            not group
            or group[0].session_id == entry.session_id
            or entry.remote_commit_lsn not in (None, group[0].lsn)
        )
        group.append(
            _Logged(
                entry.session_id,
                entry.line_num,
                entry.source,
                entry.log_time,
                entry.remote_commit_lsn,
                entry.pid,
                entry.subname,
                entry if keep else None,
            )
        )

    def _learn(self) -> None:
        """Take the finish LSNs that a transaction's other entries tell."""
        lacking = {
            key
            for entries in self._groups.values()
            for each in entries
            if each.lsn is None and (key := _transaction(entries)) is not None
        }
        for entries in self._groups.values() if lacking else ():
            key = _transaction(entries)
            if key in lacking and key is not None:
                self._told[key] += [
                    (each.log_time, each.lsn) for each in entries if each.lsn
                ]

    def _with_lsn(self, entries: list[_Logged]) -> Iterator[_Logged]:
        """The entries with the finish LSN told nearest to them, if they lack it."""
        key = _transaction(entries)
        told = self._told.get(key, []) if key else []
        for each in entries:
            if each.lsn is None and told:
                at = each.log_time
                _, lsn = min(told, key=lambda known: abs(known[0] - at))
                yield each._replace(lsn=lsn)
            else:
                yield each

    def _places(self, entries: list[_Logged]) -> Iterator[Folded]:
        """The conflicts among one transaction's equal entries, by their place."""
        attempts: defaultdict[str, list[_Logged]] = defaultdict(list)
        for each in entries:
            attempts[self._sessions.same(each.session_id)].append(each)
        ranked = [_one_source(attempt) for attempt in attempts.values()]
        ranked.sort(key=lambda attempt: attempt[0].log_time)
        kept = sorted(
            (each for each in entries if each.conflict is not None),
            key=lambda each: (each.log_time, each.line_num),
        )
        for place in range(max(map(len, ranked))):
            logged = [attempt[place] for attempt in ranked if place < len(attempt)]
            said = next((each for each in logged if each.conflict is not None), None)
            conflict = (said or kept[min(place, len(kept) - 1)]).conflict
            if conflict is not None:
                yield _folded(conflict, logged)


def _transaction(entries: list[_Logged]) -> tuple[str, int] | None:
    """The remote transaction of equal entries: they all have the same."""
    conflict = entries[0].conflict
    if conflict is None or conflict.remote_origin is None:
        return None
    if conflict.remote_xid is None:
        return None
    return conflict.remote_origin, conflict.remote_xid


def _transactions(entries: Iterable[_Logged]) -> list[list[_Logged]]:
    """The entries by finish LSN; one that lacks it goes with the nearest in time.

    Transaction numbers come round again, and a publisher can be set up anew.
    """
    by_lsn: defaultdict[int | None, list[_Logged]] = defaultdict(list)
    for each in entries:
        by_lsn[each.lsn].append(each)
    lacking = by_lsn.pop(None, [])
    if not by_lsn:
        return [lacking]
    known = [(each.log_time, lsn) for lsn, group in by_lsn.items() for each in group]
    for each in lacking:
        at = each.log_time
        _, lsn = min(known, key=lambda seen: abs(seen[0] - at))
        by_lsn[lsn].append(each)
    return list(by_lsn.values())


def _one_source(attempt: list[_Logged]) -> list[_Logged]:
    """One attempt's entries in order; only once where two formats have them."""
    sources: defaultdict[bool, list[_Logged]] = defaultdict(list)
    for each in attempt:
        sources[each.source is Source.STDERR].append(each)
    fullest = max(sources.values(), key=len)
    return sorted(fullest, key=lambda each: each.line_num)


def _folded(conflict: Conflict, logged: list[_Logged]) -> Folded:
    first = min(logged, key=lambda each: each.log_time)
    last = max(logged, key=lambda each: each.log_time)
    stalls = conflict.stalls
    return Folded(
        conflict=conflict,
        subname=next((each.subname for each in logged if each.subname), None),
        remote_commit_lsn=next((each.lsn for each in logged if each.lsn), None),
        attempts=len(logged),
        first_logged_at=first.log_time,
        last_logged_at=last.log_time,
        last_pid=last.pid,
        status=Status.OPEN if stalls else Status.APPLIED,
        status_at=first.log_time,
    )
