"""A worker's lost connection is told in every language, and from one never made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from pgconflict.core.conflict import Kind
from pgconflict.core.lost_link import is_lost_link
from pgconflict.core.translation import LOST, catalogs, translations
from tests.fixtures.entries import entry

if TYPE_CHECKING:
    from pgconflict.core.conflict import Conflict


def error(message: str, **changes: object) -> Conflict:
    values = {
        "kind": Kind.APPLY_ERROR,
        "severity": "ERROR",
        "remote_origin": None,
        "message": message,
    }
    conflict: Conflict = msgspec.structs.replace(entry().conflict, **(values | changes))
    return conflict


@pytest.mark.parametrize("words", LOST)
def test_the_server_says_it_in_english_or_otherwise(words: str) -> None:
    (template,) = {
        english
        for messages in catalogs().values()
        for english in messages
        if english.startswith(words)
    }
    for text in (template, *translations(template)):
        assert is_lost_link(error(text.replace("%s", "FATAL:  the end"))), text


@pytest.mark.parametrize(
    "message",
    [
        'could not start WAL streaming: ERROR:  replication slot "s" is active',
        'apply worker for subscription "s" could not connect to the publisher: refused',
        'replication origin "pg_1" does not exist',
    ],
)
def test_what_ends_a_worker_before_it_applies_is_none(message: str) -> None:
    assert not is_lost_link(error(message))


def test_only_a_worker_of_apply_counts_and_only_without_its_origin() -> None:
    said = "could not receive data from WAL stream: x"

    assert is_lost_link(error(said))
    assert not is_lost_link(error(said, kind=Kind.SYNC_ERROR))
    assert not is_lost_link(error(said, remote_origin="pg_16400"))
    assert not is_lost_link(error(said, severity="FATAL"))
