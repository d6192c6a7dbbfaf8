"""What was seen of tables from look to look: vacuums, and since when each is the same.

A vacuum may freeze the version of a row: it has no origin then, and a change that
meets it is no conflict to the server. Every time is of one node's own clock.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pgconflict.conflict_log.tables_seen import LONG_AGO, SeenTable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pgconflict.daemon.verdict.nodes import NodeView
    from pgconflict.server.row_reader import RowTable

SPANS: Final = 200
"""Remembered of a table; the oldest ones become one that began long ago."""

STALE: Final = timedelta(seconds=10)
"""What a restart may forget of looks that found nothing new."""

NEVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class Tables:
    """Tables of all nodes, as far as looking from time to time tells."""

    _tables: dict[int, dict[int, SeenTable]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    """By system identifier and OID."""

    _rounds: dict[int, datetime] = field(default_factory=dict)
    _saved: dict[tuple[int, int], datetime] = field(default_factory=dict)
    """Which are stored as they are, and as of when."""

    def load(self, seen: Iterable[SeenTable]) -> None:
        """Take what was seen before a restart."""
        self._tables.clear()
        self._rounds.clear()
        self._saved.clear()
        for one in seen:
            self._tables[one.system_identifier][one.relid] = one

    def unsaved(self) -> list[SeenTable]:
        """Return what is to be stored now."""
        found = []
        for system, tables in self._tables.items():
            for relid, one in tables.items():
                saved = self._saved.get((system, relid), LONG_AGO)
                if one.seen_at - STALE > saved:
                    self._saved[system, relid] = one.seen_at
                    found.append(one)
        return found

    def _changed(self, one: SeenTable) -> None:
        self._saved.pop((one.system_identifier, one.relid), None)

    def note_round(self, view: NodeView) -> None:
        """Note on which tables of a node a vacuum is at work in this round."""
        system, now = view.system_identifier, view.clock
        before = self._rounds.get(system)
        for relid, one in self._tables[system].items():
            working = not view.vacuuming.isdisjoint((relid, None))
            if working and one.at_work_since is None:
                one.at_work_since = before or one.seen_at
                self._changed(one)
            elif not working and one.at_work_since is not None:
                # It has ended, or was cancelled.
                self._add(one, one.at_work_since, now)
                one.at_work_since = None
        self._rounds[system] = now

    def note(self, view: NodeView, table: RowTable) -> None:
        """Note a table as it was read just now."""
        system, now = view.system_identifier, view.clock
        known = self._tables[system].get(table.relid)
        if known is None:
            self._tables[system][table.relid] = _first_look(view, table)
            return
        if table.change != known.change:
            known.change, known.same_since = table.change, now
            self._changed(known)
        vacuums = table.vacuums or 0
        if view.up_since != known.up_since or vacuums < known.vacuums:
            # A crash forgets which vacuums there were.
            self._add(known, known.seen_at, now)
        elif vacuums > known.vacuums:
            self._add(known, _began(known, table), table.vacuumed_at or now)
        known.up_since, known.vacuums = view.up_since, vacuums
        known.vacuuming_ms, known.seen_at = table.vacuuming_ms, now

    def _add(self, known: SeenTable, since: datetime, until: datetime) -> None:
        known.spans.append((since, until))
        if len(known.spans) > SPANS:
            latest = max(known.spans[0][1], known.spans[1][1])
            known.spans[:2] = [(LONG_AGO, latest)]
        self._changed(known)

    def same_since(self, view: NodeView, table: RowTable | None) -> datetime:
        """Return since when a table is known to be as it is."""
        known = None if table is None else self._find(view, table)
        return NEVER if known is None else known.same_since

    def vacuumed(
        self, view: NodeView, table: RowTable, since: datetime, until: datetime
    ) -> bool:
        """Whether a vacuum may have been at work at some time between these."""
        known = self._find(view, table)
        if known is None or table.vacuums is None:
            return True
        if known.at_work_since is not None and known.at_work_since <= until:
            return True
        return any(low <= until and high >= since for low, high in known.spans)

    def _find(self, view: NodeView, table: RowTable) -> SeenTable | None:
        return self._tables[view.system_identifier].get(table.relid)


def _first_look(view: NodeView, table: RowTable) -> SeenTable:
    working = not view.vacuuming.isdisjoint((table.relid, None))
    ended = table.vacuumed_at
    return SeenTable(
        system_identifier=view.system_identifier,
        relid=table.relid,
        seen_at=view.clock,
        up_since=view.up_since,
        change=table.change,
        same_since=view.clock,
        vacuums=table.vacuums or 0,
        vacuuming_ms=table.vacuuming_ms,
        at_work_since=LONG_AGO if working else None,
        spans=[] if ended is None else [(LONG_AGO, ended)],
    )


def _began(known: SeenTable, table: RowTable) -> datetime:
    """Return since when vacuums that have ended were at work, at the earliest."""
    ended, took, before = table.vacuumed_at, table.vacuuming_ms, known.vacuuming_ms
    if ended is None or took is None or before is None:
        return known.seen_at
    if table.vacuums != known.vacuums + 1:
        return known.seen_at
    return max(known.seen_at, ended - timedelta(milliseconds=took - before + 2))
