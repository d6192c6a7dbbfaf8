"""Which rows a transaction meets, and what goes with them."""

from __future__ import annotations

from typing import Any

import pytest

from pgconflict.core.pgoutput import Change
from pgconflict.core.stopped import (
    Asked,
    Index,
    Keep,
    Local,
    Table,
    asked,
    in_the_way,
    lost_with_ours,
)
from pgconflict.core.stopped_ways import both, theirs
from pgconflict.core.verdict import Row

NAMES = ("public", "t")
KEY = Index("t_pkey", ("id",))
MAIL = Index("t_mail_key", ("mail",))
TABLES = {
    NAMES: Table(identity=("id",), indexes=(KEY, MAIL), defaults={"id": "identity"})
}


def insert(**row: str | None) -> Change:
    return Change("INSERT", *NAMES, {"id": row["id"]}, row)


def update(key: str, **row: str | None) -> Change:
    return Change("UPDATE", *NAMES, {"id": key}, row)


def delete(key: str) -> Change:
    return Change("DELETE", *NAMES, {"id": key}, None)


def met(changes: list[Change], *here: dict[str, str | None]) -> list[Local]:
    """The rows in the way, of those that are here."""
    found: list[tuple[Asked, Row]] = []
    for (_, index), wanted in asked(changes, TABLES).items():
        for one in wanted:
            found += [
                (one, Row(row, "1"))
                for row in here
                if tuple(row[c] for c in index.columns) == one.values
            ]
    return in_the_way(changes, TABLES, found)


LOCAL: dict[str, Any] = {"id": "7", "mail": "x"}


@pytest.mark.parametrize(
    ("changes", "meets"),
    [
        ([insert(id="7", mail="y")], [(0, KEY)]),
        ([insert(id="7", mail="x")], [(0, KEY), (0, MAIL)]),
        ([insert(id="1", mail="x")], [(0, MAIL)]),
        ([insert(id="1", mail=None)], []),
        ([update("7", id="7", mail="x")], []),
        ([update("1", id="1", mail="x")], [(0, MAIL)]),
        ([delete("7"), insert(id="7", mail="x")], []),
        ([update("7", id="7", mail="y"), insert(id="1", mail="x")], []),
        ([update("7", id="7", mail="x"), insert(id="1", mail="x")], [(1, MAIL)]),
        ([update("7", id="8", mail="x"), insert(id="7", mail="y")], []),
        # Gone only afterwards: too late.
        ([insert(id="7", mail="y"), delete("7")], [(0, KEY)]),
    ],
)
def test_rows_in_the_way(changes: list[Change], meets: list[tuple[int, Index]]) -> None:
    found = met(changes, LOCAL)

    assert [one for row in found for one in row.meets] == meets


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        ([insert(id="7", mail="y"), update("7", id="7", mail="z")], {0, 1}),
        ([insert(id="7", mail="y"), delete("7")], {0, 1}),
        # Moved: what it does to the row under its new key is lost, too.
        (
            [
                insert(id="7", mail="y"),
                update("7", id="9", mail="y"),
                update("9", id="9", mail="z"),
                insert(id="1", mail="q"),
            ],
            {0, 1, 2},
        ),
        # A row that is here and was not updated may be deleted.
        ([update("1", id="1", mail="x"), delete("1")], {0}),
    ],
)
def test_what_is_lost_with_ours(changes: list[Change], lost: set[int]) -> None:
    assert lost_with_ours(changes, TABLES, met(changes, LOCAL)) == lost


def test_their_version_replaces_a_row_of_another_key() -> None:
    changes = [update("1", id="1", mail="x")]
    rows = met(changes, LOCAL)

    there = theirs(
        changes, TABLES, rows, {0: Row({"id": "7", "mail": "z", "own": "1"}, "9")}, "a"
    )
    gone = theirs(changes, TABLES, rows, {0: None}, "a")

    assert there.steps[0].write.operation == "UPDATE"
    # What the publisher does not send is not its to say.
    assert there.steps[0].write.values == {"mail": "z"}
    assert gone.steps[0].write.operation == "DELETE"
    assert {*there.locals, *gone.locals} == {"becomes node a's version", "removed"}


def test_both_need_a_key_for_each_index() -> None:
    generated: dict[tuple[str, str], frozenset[str]] = {NAMES: frozenset()}
    rows = met([insert(id="7", mail="x")], LOCAL)

    refused = both(TABLES, generated, rows, {})
    given = both(TABLES, generated, rows, {"mail": "y"})
    same = both(TABLES, generated, rows, {"mail": "x"})

    assert "--new-key mail=" in (refused.refusal or "")
    assert "--new-key mail=" in (same.refusal or "")
    assert given.keep == Keep.BOTH
    assert [(one.write.operation, one.quiet) for one in given.steps] == [
        ("DELETE", True),
        ("INSERT", False),
    ]
    assert given.steps[1].write.values == {"mail": "y"}
    assert given.steps[1].fresh == ("id",)
