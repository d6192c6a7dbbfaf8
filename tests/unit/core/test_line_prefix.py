"""log_line_prefix: read as the server writes it, found out from what it wrote."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgconflict.core.conflict import Conflict, WorkerStarted
from pgconflict.core.line_prefix import compile_prefix
from pgconflict.core.markers import evidence_markers
from pgconflict.core.prefix_detect import (
    PrefixFinder,
    PrefixUnclearError,
    infer_prefix,
    worker_prefixes,
)
from pgconflict.core.recogniser import Recogniser
from tests.fixtures.corpus_logs import log, prefix

FRAME = (
    'processing remote data for replication origin "pg_16702" during message type'
    ' "UPDATE" for replication target relation "shop.t1" in transaction 769,'
    " finished at 0/1BB5CA8"
)
VALUES = {
    "m": "2026-11-20 17:29:25.083 UTC",
    "t": "2026-11-20 17:29:25 UTC",
    "n": "1795195765.083",
    "s": "2026-11-20 17:29:20 UTC",
    "p": "24272",
    "c": "6b008370.5ed0",
    "l": "7",
    "b": "logical replication apply worker",
    "e": "40001",
    "P": "",
    "v": "79/2",
    "x": "0",
    "Q": "0",
    "%": "%",
    **dict.fromkeys("auihdr", ""),
}


def rendered(text: str, **values: str) -> str:
    """The prefix as a server writes it for an apply worker."""
    known = VALUES | values
    out, rest = "", text
    while rest:
        head, percent, rest = rest.partition("%")
        out += head
        if not percent:
            break
        digits = ""
        while rest and (rest[0].isdigit() or (rest[0] == "-" and not digits)):
            digits, rest = digits + rest[0], rest[1:]
        letter, rest = rest[:1], rest[1:]
        if letter == "q":
            break
        value = known.get(letter, "")
        width = int(digits.rstrip("-") or 0)
        out += value.ljust(-width) if width < 0 else value.rjust(width)
    return out


def entry(text: str) -> bytes:
    """The start of a worker and a conflict as default stderr logs have them."""
    first = rendered(text, l="1", e="00000")
    begins = 'logical replication apply worker for subscription "s" has started'
    lines = [f"{first}LOG:  {begins}"]
    message = 'conflict detected on relation "shop.t1": conflict=update_missing'
    detail = "Could not find the row to be updated."
    detail += "\n\tRemote row (1); replica identity (id)=(1)."
    parts = (f"LOG:  {message}", f"DETAIL:  {detail}", f"CONTEXT:  {FRAME}")
    for number, part in enumerate(parts):
        lines.append(rendered(text, l=str(7 + number)) + part)
    return "".join(f"{line}\n" for line in lines).encode()


PREFIXES = [
    "%m [%p] ",
    "%m [%p] %q%u@%d ",
    "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ",
    "%t:%r:%u@%d:[%p]:",
    "%m [%p] %b %q%u@%d/%a ",
    "%t [%p-%l] %q%u@%d ",
    "%n %p %c %l ",
    "<%m> %-10p %5l ",
    "%c %m ",
    "%s %m [%p]",
    "%e|%x|%v|%p|%t|",
    "100%% %p %m ",
    "%m %q%p ",
    "%m %z%p ",
    "pg[%p] (%m) {%Q} ",
]


@pytest.mark.parametrize("text", PREFIXES)
def test_entries_are_read_with_any_prefix(text: str) -> None:
    reader = Recogniser("stderr", log_line_prefix=text)

    found = [*reader.feed(entry(text)), *reader.end_of_file()]

    [conflict] = [each for each in found if isinstance(each, Conflict)]
    assert conflict.replica_identity_text == "(id)=(1)"
    assert conflict.remote_xid == 769
    if "%p" in text.partition("%q")[0] or "%c" in text:
        assert any(isinstance(each, WorkerStarted) for each in found)
        assert conflict.subname == "s"
    if "%p" in text.partition("%q")[0]:
        assert conflict.pid == 24272
    if "%c" in text:
        assert conflict.session_id == "6b008370.5ed0"
    if "%s" in text:
        # Source: %c is the time of the start and the pid, in hexadecimal.
        assert conflict.session_id == f"{1795195760:x}.{24272:x}"


@pytest.mark.parametrize("text", [p for p in PREFIXES if p != "%m %q%p "])
def test_a_prefix_is_found_out(text: str) -> None:
    second = entry(text).replace(b"24272", b"31").replace(b"5ed0", b"001f")

    found = infer_prefix(worker_prefixes(entry(text) + second, evidence_markers(None)))

    if found is None:
        # %v and %e|%x|%v stand too close to tell numbers apart.
        assert text.startswith("%e|")
        return
    reader = Recogniser("stderr", log_line_prefix=found)
    entries = [*reader.feed(entry(text)), *reader.end_of_file()]
    [conflict] = [each for each in entries if isinstance(each, Conflict)]
    assert conflict.pid == (24272 if "p" in text else None)
    assert conflict.log_time.isoformat().startswith("2026-11-20T17:29:25")


@pytest.mark.parametrize("run", ["15/de", "17/terse", "18/nots", "18/verbose", "19/fr"])
def test_a_real_prefix_is_found_out(run: str) -> None:
    finder = PrefixFinder(None)

    finder.feed(log(run, "stderr"))
    finder.end()

    assert finder.prefix is not None
    # Up to %q: a worker's lines show no more.
    known = compile_prefix(prefix(run)).names
    assert compile_prefix(finder.prefix).names == known


def test_two_prefixes_in_one_log_are_not_guessed_at() -> None:
    finder = PrefixFinder(None)
    finder.feed(entry("%m [%p] ") + entry("%t %p: "))

    with pytest.raises(PrefixUnclearError):
        finder.end()


def test_a_log_without_workers_has_no_prefix_and_is_not_kept() -> None:
    finder = PrefixFinder(frozenset())
    line = b"2026-11-20 17:29:25.083 UTC [1] LOG:  checkpoint starting: time\n"

    for _ in range(100):
        assert finder.feed(line * 1000) == b""

    assert finder.end() == b""
    assert finder.prefix is None
    assert len(finder._kept) <= 1 << 16


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("%mtpclqbeux [](){}.*+?|\\^$-10é"), max_size=20))
def test_no_prefix_breaks_the_reader(text: str) -> None:
    reader = Recogniser("stderr", log_line_prefix=text, undated=True)

    reader.feed(entry(text))
    reader.end_of_file()

    assert not reader.unrecognised["defect"]
