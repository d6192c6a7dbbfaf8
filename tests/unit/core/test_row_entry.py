"""Which row an entry is about: for certain, or only perhaps."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import pytest

from pgconflict.core.conflict import LocalConflict
from pgconflict.core.row_entry import RowEntry

if TYPE_CHECKING:
    from pgconflict.core.conflict import Values

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def entry(
    identity: Values | None, sent: Values | None, *locals_: Values | None
) -> RowEntry:
    return RowEntry(
        conflict_id=1,
        system_identifier=1,
        subid=1,
        conflict_type="update_missing",
        stalls=False,
        status="applied",
        first_logged_at=NOON,
        last_logged_at=NOON,
        attempts=1,
        operation="UPDATE",
        remote_xid=1,
        remote_at=NOON,
        remote_lsn=1,
        replica_identity=identity,
        replica_identity_text=None,
        remote_tuple=sent,
        truncated_columns=(),
        local_conflicts=tuple(LocalConflict(key=key) for key in locals_),
    )


@pytest.mark.parametrize(
    ("told", "sure"),
    [
        (entry({"id": "3"}, {"id": "3"}), True),
        (entry({"id": "4"}, {"id": "3"}), True),
        (entry({"id": "4"}, {"id": "4"}), None),
        (entry({"id": "3"}, None), True),
        # The values are not kept: the update may have given its row this key.
        (entry({"id": "4"}, None), False),
        (entry(None, None), False),
        (entry(None, None, {"id": "3"}, {"id": "5"}), True),
    ],
)
def test_an_entry_whose_key_can_not_be_read_may_be_about_another_row(
    told: RowEntry, *, sure: bool | None
) -> None:
    logged = told.logged(("id",), ("3",))
    assert (logged and logged.of_this_row) == sure


def test_an_insert_has_every_key_that_it_met() -> None:
    met: tuple[Values, Values] = ({"id": "3"}, {"name": "x", "place": "y"})
    insert = msgspec.structs.replace(entry(None, None, *met), operation="INSERT")
    update = entry(None, None, *met)

    assert insert.key(("id",)) == ("3",)
    assert insert.key(("place", "name")) == ("y", "x")
    assert update.key(("id",)) is None
