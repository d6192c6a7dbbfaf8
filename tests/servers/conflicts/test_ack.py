"""`conflicts ack`: who saw it, when, and what came of it."""

from __future__ import annotations

import getpass
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.conflict_logs import record, stalled
from tests.fixtures.entries import entry

if TYPE_CHECKING:
    from collections.abc import Callable

    Ask = Callable[..., str]
    Lines = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def ids(dsn: str, lines: Lines) -> list[int]:
    """An open conflict, and one that did not stop apply."""
    record(dsn, [stalled(line=1), entry(key="(id)=(2)", line=2, at=1)])
    return [each["conflict_id"] for each in lines("list", "--oldest-first")]


def test_it_says_what_it_did(ids: list[int], ask: Ask, lines: Lines) -> None:
    said = ask("ack", *ids, "--by", "ann", "--note", "both\nright").splitlines()

    assert said == [
        (
            f"conflict {ids[0]} (insert_exists, public.t): acknowledged by ann;"
            " still open: apply waits for it"
        ),
        f"conflict {ids[1]} (update_missing, t): acknowledged by ann",
    ]
    for each in lines("list"):
        age = datetime.now(UTC) - datetime.fromisoformat(each["acknowledged_at"])
        assert age < timedelta(minutes=1)
        assert (each["acknowledged_by"], each["note"]) == ("ann", "both\nright")
    assert "open, acknowledged" in ask("list", "--open")
    assert "Acknowledged by ann" in ask("show", ids[0])


def test_an_earlier_one_is_left_unless_again(ids: list[int], lines: Lines) -> None:
    first = lines("ack", ids[0], "--note", "first")
    second = lines("ack", *ids, "--by", "bob")
    third = lines("ack", ids[0], "--by", "bob", "--note", "third", "--again")

    assert [each["changed"] for each in (*first, *second, *third)] == [
        True,
        False,
        True,
        True,
    ]
    assert first[0]["acknowledged_by"] == getpass.getuser()
    assert second[0] == first[0] | {"changed": False}
    assert second[1]["acknowledged_by"] == "bob"
    assert (third[0]["note"], third[0]["acknowledged_by"]) == ("third", "bob")
    assert list(first[0]) == [
        "conflict_id",
        "changed",
        "acknowledged_at",
        "acknowledged_by",
        "note",
        "status",
    ]


def test_an_unknown_one_changes_nothing(
    ids: list[int], lines: Lines, refused: Callable[..., tuple[int, str]]
) -> None:
    code, err = refused("ack", ids[0], 4711, 4712)

    assert code == 2
    assert "no conflict 4711, 4712; nothing was changed" in err
    assert [each["acknowledged_at"] for each in lines("list")] == [None, None]


def test_the_same_number_twice_is_one(ids: list[int], ask: Ask) -> None:
    assert len(ask("ack", ids[1], ids[1]).splitlines()) == 1


def test_the_document_of_show_follows(ids: list[int], ask: Ask) -> None:
    ask("ack", ids[1], "--note", "seen")
    document = json.loads(ask("show", ids[1], "--json"))

    assert document["note"] == "seen"
    assert not any(
        "conflicts ack" in statement
        for step in document["next_steps"]
        for statement in step["statements"]
    )
