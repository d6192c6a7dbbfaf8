"""However a log is cut, continued or spoilt, the same is recognised, or nothing."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fixtures.corpus_logs import FORMATS, entries, log, recogniser

if TYPE_CHECKING:
    from pgconflict.core.conflict import Entry

RUNS = ["15/de", "15/noprefix", "18/nots", "18/verbose", "19/fr"]

few = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
formats = st.sampled_from(sorted(FORMATS))
runs = st.sampled_from(RUNS)


@st.composite
def cut(draw: st.DrawFn, whole: bytes) -> list[bytes]:
    """The bytes in pieces; often a cut right at or beside the end of a line."""
    places = draw(st.lists(st.integers(0, len(whole)), max_size=12))
    lines = draw(st.lists(st.integers(0, len(whole)), max_size=6))
    for place in lines:
        end = whole.find(b"\n", place) + draw(st.integers(0, 2))
        places.append(max(0, end))
    edges = [0, *sorted(places), len(whole)]
    return [whole[a:b] for a, b in pairwise(edges)]


@few
@given(st.data(), runs, formats)
def test_any_cutting_gives_the_same_entries(
    data: st.DataObject, run: str, log_format: str
) -> None:
    reader = recogniser(run, log_format)
    found: list[Entry] = []

    for piece in data.draw(cut(log(run, log_format))):
        found += reader.feed(memoryview(piece))
    found += reader.end_of_file()

    assert found == entries(run, log_format)


@few
@given(st.data(), runs, formats)
def test_a_reader_continues_where_another_stopped(
    data: st.DataObject, run: str, log_format: str
) -> None:
    whole = log(run, log_format)
    pieces = data.draw(cut(whole))
    stop = data.draw(st.integers(0, len(pieces)))
    first = recogniser(run, log_format)
    found: list[Entry] = []
    for piece in pieces[:stop]:
        found += first.feed(piece)

    state = json.loads(json.dumps(first.state()))
    second = recogniser(run, log_format, state=state)
    found += second.feed(whole[first.consumed :])
    found += second.end_of_file()

    assert found == entries(run, log_format)


@few
@given(st.data(), runs, formats)
def test_rotation_at_an_entry_changes_nothing(
    data: st.DataObject, run: str, log_format: str
) -> None:
    whole = log(run, log_format)
    at = data.draw(st.integers(0, len(whole)))
    probe = recogniser(run, log_format)
    probe.feed(whole[:at])
    at = probe.consumed  # between two entries
    reader = recogniser(run, log_format)

    found = [*reader.feed(whole[:at]), *reader.end_of_file()]
    assert reader.consumed == 0
    found += [*reader.feed(whole[at:]), *reader.end_of_file()]

    assert found == entries(run, log_format)


@few
@given(st.data(), runs, formats)
def test_a_pause_between_entries_changes_nothing(
    data: st.DataObject, run: str, log_format: str
) -> None:
    whole = log(run, log_format)
    reader = recogniser(run, log_format)
    found: list[Entry] = []
    begin = 0

    for place in sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8))):
        probe = recogniser(run, log_format)
        probe.feed(whole[:place])
        if probe.consumed > begin:
            found += [*reader.feed(whole[begin : probe.consumed]), *reader.flush()]
            begin = probe.consumed
    found += [*reader.feed(whole[begin:]), *reader.end_of_file()]

    assert found == entries(run, log_format)


@few
@given(st.data(), runs, formats, st.binary(max_size=200))
def test_damage_never_raises_and_makes_no_conflict(
    data: st.DataObject, run: str, log_format: str, junk: bytes
) -> None:
    whole = log(run, log_format)
    begin = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(begin, min(len(whole), begin + 2000)))
    known = {
        entry.message for entry in entries(run, log_format) if hasattr(entry, "message")
    }
    reader = recogniser(run, log_format)

    found = [*reader.feed(whole[:begin] + junk + whole[end:]), *reader.end_of_file()]

    messages = {entry.message for entry in found if hasattr(entry, "message")}
    assert len(messages - known) <= 1  # the entry that was spoilt, at most


@few
@given(formats, st.binary(max_size=5000), st.booleans())
def test_random_bytes_never_raise(log_format: str, junk: bytes, pause: bool) -> None:  # noqa: FBT001
    reader = recogniser("18/nots", log_format, max_entry_bytes=1000)

    reader.feed(junk)
    if pause:
        reader.flush()
    reader.feed(b"logical replication " + junk + b"\n")
    reader.end_of_file()

    assert reader.consumed == 0


@pytest.mark.parametrize("log_format", FORMATS)
@pytest.mark.parametrize("size", [100, 977, 100_000])
def test_an_entry_that_is_too_long_is_skipped_whatever_the_cutting(
    log_format: str, size: int
) -> None:
    whole = log("18/nots", log_format)
    middle = recogniser("18/nots", log_format)
    middle.feed(whole[: len(whole) // 2])
    at = middle.consumed
    long = {
        "jsonlog": b'{"timestamp":"' + b"x" * 50_000 + b'","logical replication ":1}\n',
        "csvlog": b"2026-11-20 17:29:25.083 UTC,,,1,,6b.1,1,,x,,0,LOG,00000,"
        b'"logical replication ' + b"x\n,x" * 10_000 + b'",,,,\n',
        "stderr": b"2026-11-20 17:29:25 UTC [1-1] LOG:  x" + b"\n\tx" * 20_000 + b"\n",
    }[log_format]
    spoilt = whole[:at] + long + whole[at:]
    reader = recogniser("18/nots", log_format, max_entry_bytes=20_000)

    found: list[Entry] = []
    for begin in range(0, len(spoilt), size):
        found += reader.feed(spoilt[begin : begin + size])
    found += reader.end_of_file()

    assert found == entries("18/nots", log_format)
    assert reader.unrecognised["too_long"] == 1 or log_format == "stderr"


def test_after_a_torn_entry_the_cutting_does_not_matter() -> None:
    """Found by the fuzzer: the line after it has a time that no server writes."""
    torn = b'half of an "entry", and no more\n'
    worker = (
        b"2026-11-20 17:30:06.370UTC,,,27144,,6b00839e.6a08,1,,"
        b"2026-11-20 17:30:06 UTC,113/2,0,LOG,00000,"
        b'"logical replication apply worker for subscription ""s"" has started"'
        b',,,,,,,,,"","logical replication apply worker",,0\n'
    )
    found = []
    for pieces in ([torn + worker], [torn, worker]):
        reader = recogniser("18/verbose", "csvlog")
        entries = [entry for piece in pieces for entry in reader.feed(piece)]
        found.append(([*entries, *reader.end_of_file()], reader.unrecognised))

    assert found[0] == found[1]
    assert found[0][0] == []
