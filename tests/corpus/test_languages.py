"""Real logs of servers that write other languages: the same is read as in English.

Each log is of one subscription, on which the same was provoked: a missing row updated
and deleted, a row changed on both sides, one and then two unique violations, a failed
check, and the skip of its transaction.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pgconflict.core.conflict import Conflict, StoryEvent, WorkerStarted
from pgconflict.core.log_detect import detect_languages
from pgconflict.core.recogniser import Recogniser
from pgconflict.core.server_log import LogFormat

if TYPE_CHECKING:
    from pgconflict.core.conflict import Entry

LOGS = sorted(
    path.name.removesuffix(".jsonlog.gz")
    for path in (Path(__file__).parent / "languages").glob("*.jsonlog.gz")
)


def log(name: str, log_format: str) -> bytes:
    path = Path(__file__).parent / "languages" / f"{name}.{log_format}.gz"
    return gzip.decompress(path.read_bytes())


def read(name: str, log_format: str, languages: set[str] | None = None) -> list[Entry]:
    reader = Recogniser(
        log_format, log_line_prefix="%m [%p] %q%u@%d ", languages=languages
    )
    return [*reader.feed(log(name, log_format)), *reader.end_of_file()]


def conflicts(found: list[Entry]) -> list[Conflict]:
    return [entry for entry in found if isinstance(entry, Conflict)]


def without(name: str) -> list[tuple[object, ...]]:
    """What an entry says in whatever language, each once, in order."""
    said = [
        (entry.kind, entry.conflict_type, len(entry.index_names), entry.operation)
        for entry in conflicts(read(name, "jsonlog"))
        if entry.remote_xid is not None
    ]
    return list(dict.fromkeys(said))


@pytest.mark.parametrize("name", LOGS)
def test_all_formats_say_the_same(name: str) -> None:
    json = conflicts(read(name, "jsonlog"))
    languages = set(detect_languages(log(name, "stderr")))

    for other in (
        read(name, "csvlog"),
        read(name, "stderr"),
        read(name, "stderr", languages),
    ):
        assert [entry.identity for entry in conflicts(other)] == [
            entry.identity for entry in json
        ]
        assert [entry.severity for entry in conflicts(other)] == [
            entry.severity for entry in json
        ]
        assert [entry.local_conflicts for entry in conflicts(other)] == [
            entry.local_conflicts for entry in json
        ]


@pytest.mark.parametrize("name", LOGS)
def test_a_translated_log_says_what_an_english_one_says(name: str) -> None:
    english = f"{name.partition('-')[0]}-C"

    assert without(name) == without(english)


@pytest.mark.parametrize("log_format", sorted(LogFormat))
@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("15-fr_FR", "iso8859-1"),
        ("19-de_DE", "cp1252"),
        ("19-pl_PL", "iso8859-2"),
        ("15-ja_JP", "euc_jp"),
        ("19-ru_RU", "koi8-r"),
    ],
)
def test_a_log_in_another_encoding_says_the_same(
    name: str, codec: str, log_format: str
) -> None:
    text = log(name, log_format).decode()
    prefix = "%m [%p] %q%u@%d "
    expected = Recogniser(log_format, log_line_prefix=prefix)
    reader = Recogniser(log_format, log_line_prefix=prefix, codec=codec)

    found = reader.feed(text.encode(codec, "replace"))

    lost = text.encode(codec, "replace").decode(codec)
    assert found == expected.feed(lost.encode())
    assert any(isinstance(entry, Conflict) for entry in found)
    assert not reader.unrecognised


@pytest.mark.parametrize("name", LOGS)
def test_everything_that_the_server_shows_is_read(name: str) -> None:
    found = read(name, "stderr")

    assert {type(entry) for entry in found} >= {Conflict, StoryEvent, WorkerStarted}
    for entry in conflicts(found):
        assert entry.subname is not None
        if entry.kind != "conflict":
            continue
        assert entry.remote_xid is not None
        assert entry.remote_commit_lsn is not None
        assert entry.relation is not None
        assert entry.schemaname == 'We"ird' or entry.schemaname is None
        assert all(local.key_text for local in entry.local_conflicts if local.index)
        if name.startswith("19") and entry.severity == "LOG":
            assert entry.replica_identity_text is not None
        if name.startswith("19") and entry.operation != "DELETE":
            assert entry.remote_tuple_text is not None


def test_every_format_of_every_language_is_here() -> None:
    assert len(LOGS) == 2 * 17
    assert {
        path.name.split(".")[1]
        for path in (Path(__file__).parent / "languages").iterdir()
    } == set(LogFormat)
