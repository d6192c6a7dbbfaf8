"""A page of any length comes whole, in order, and in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from pgconflict.conflict_log.filters import Filters
from pgconflict.conflict_log.reader import AT_ONCE, ConflictLogReader
from tests.fixtures.conflict_logs import record
from tests.fixtures.entries import entry

if TYPE_CHECKING:
    import pytest


def test_a_long_page_is_fetched_in_pieces(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = 2 * AT_ONCE + 7
    # Many of one moment: the cursor goes on by number within it.
    record(dsn, [entry(key=str(n), line=n, at=n // 300) for n in range(number)])
    fetched = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        reader = ConflictLogReader(connection)
        fetch = reader.fetch

        def counted(*given: Any, **how: Any) -> list[tuple[Any, ...]]:
            rows = fetch(*given, **how)
            fetched.append(len(rows))
            return rows

        monkeypatch.setattr(reader, "fetch", counted)
        for filters in (Filters(), Filters(nodes=("a",))):
            for newest_first in (True, False):
                page = list(
                    reader.conflicts(filters, limit=10**6, newest_first=newest_first)
                )
                places = [(one.first_logged_at, one.conflict_id) for one in page]
                assert len(set(places)) == number
                assert places == sorted(places, reverse=newest_first)
    assert max(fetched) == AT_ONCE
