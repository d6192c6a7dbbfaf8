"""What entries are taken for, and which are not taken at all."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from pgconflict.core.conflict import (
    Conflict,
    FinishLsn,
    Kind,
    StoryEvent,
    WorkerStarted,
)
from pgconflict.core.recogniser import Recogniser
from tests.fixtures.corpus_logs import FORMATS, entries, log, recogniser

if TYPE_CHECKING:
    from pgconflict.core.conflict import Entry

FRAME = (
    'processing remote data for replication origin "pg_16702" during message type'
    ' "INSERT" for replication target relation "shop.t1" in transaction 769'
)
MESSAGE = 'conflict detected on relation "shop.t1": conflict=insert_exists'
DETAIL = (
    'Key already exists in unique index "t1_pkey", modified locally in transaction 938'
    " at 2026-11-20 17:29:27.329385+00.\n"
    "Key (id)=(1); existing local row (1, a); remote row (1, b)."
)
WORKER = "logical replication apply worker"


def line(**fields: Any) -> bytes:
    known: dict[str, Any] = {
        "timestamp": "2026-11-20 17:29:25.083 UTC",
        "pid": 24272,
        "session_id": "6b008375.5ed0",
        "line_num": 3,
        "error_severity": "ERROR",
        "state_code": "23505",
        "message": MESSAGE,
        "detail": DETAIL,
        "context": f"{FRAME}, finished at 0/1BB5CA8",
        "backend_type": WORKER,
    } | fields
    known = {name: value for name, value in known.items() if value is not None}
    return json.dumps(known).encode() + b"\n"


def read(*lines: bytes, **how: Any) -> list[Entry]:
    reader = Recogniser("jsonlog", **how)
    found = [*reader.feed(b"".join(lines)), *reader.end_of_file()]
    assert not reader.unrecognised["defect"]
    return found


def one(*lines: bytes, **how: Any) -> Conflict:
    [found] = read(*lines, **how)
    assert isinstance(found, Conflict)
    return found


def test_a_conflict_is_read() -> None:
    found = one(line())

    assert found.kind is Kind.CONFLICT
    assert found.conflict_type == "insert_exists"
    assert found.stalls
    assert (found.schemaname, found.relname) == ("shop", "t1")
    assert (found.subid, found.remote_origin) == (16702, "pg_16702")
    assert (found.remote_xid, found.remote_commit_lsn) == (769, 0x1BB5CA8)
    assert found.index_names == ("t1_pkey",)
    assert found.log_time == datetime(2026, 11, 20, 17, 29, 25, 83000, UTC)
    assert (found.session_id, found.line_num) == ("6b008375.5ed0", 3)


@pytest.mark.parametrize(
    "fields",
    [
        {"backend_type": "client backend"},
        {"backend_type": "parallel worker"},
        {"backend_type": None},
        {"backend_type": "logical replication launcher"},
        {"error_severity": "LOG", "context": None},
        {"error_severity": "LOG", "context": f"PL/pgSQL function f() line 1\n{FRAME}"},
        {"error_severity": "LOG", "context": f"{FRAME} and more"},
        {"error_severity": "WARNING", "context": "SQL statement"},
    ],
)
def test_what_a_client_or_trigger_raises_is_no_conflict(fields: dict[str, Any]) -> None:
    assert read(line(**fields)) == []


def test_an_error_raised_by_a_trigger_in_apply_is_an_apply_error() -> None:
    context = f"PL/pgSQL function shop.spoof() line 1 at RAISE\n{FRAME}"

    found = one(line(context=context))

    assert found.kind is Kind.APPLY_ERROR
    assert found.conflict_type is None
    assert found.remote_xid == 769


def test_a_new_type_is_kept_in_the_servers_word() -> None:
    message = 'conflict detected on relation "shop.t1": conflict=update_frozen'

    found = one(line(message=message, detail="Something new."))

    assert found.conflict_type == "update_frozen"
    assert found.detail == "Something new."
    assert found.local_conflicts == ()


@pytest.mark.parametrize(
    ("relation", "names"),
    [
        ("shop.t1", ("shop", "t1")),
        ("a.b.c", (None, None)),
        ('"We""ird".t', (None, None)),
        ('We"ird.t', ('We"ird', "t")),
        ("a\nb.c", ("a\nb", "c")),
    ],
)
def test_a_relation_is_resolved_only_if_there_is_one_way(
    relation: str, names: tuple[str | None, str | None]
) -> None:
    message = f'conflict detected on relation "{relation}": conflict=insert_exists'

    found = one(line(message=message))

    assert found.relation == relation
    assert (found.schemaname, found.relname) == names


def test_a_relation_that_20_quotes_itself_is_read() -> None:
    message = "conflict detected on relation shop.t1: conflict=insert_exists"

    assert one(line(message=message)).relname == "t1"


@pytest.mark.parametrize(
    ("operation", "word"), [("INSERT", "insert_exists"), ("UPDATE", "update_exists")]
)
def test_a_unique_violation_of_15_is_a_conflict(operation: str, word: str) -> None:
    found = one(
        line(
            message='duplicate key value violates unique constraint "t1_pkey"',
            detail="Key (id)=(1) already exists.",
            context=FRAME.replace("INSERT", operation),
            backend_type="logical replication worker",
        )
    )

    assert found.conflict_type == word
    assert found.index_names == ("t1_pkey",)
    assert found.local_conflicts[0].key_text == "(id)=(1)"


def test_a_missing_row_of_15_is_a_conflict_at_debug() -> None:
    found = one(
        line(
            error_severity="DEBUG",
            state_code=None,
            detail=None,
            message="logical replication did not find row to be updated in replication"
            ' target relation\'s partition "part_us"',
            context=FRAME.replace("INSERT", "UPDATE"),
            backend_type="logical replication worker",
        )
    )

    assert (found.conflict_type, found.severity) == ("update_missing", "DEBUG")
    assert found.relation == "shop.t1"
    assert not found.stalls


def test_the_connection_string_of_debug_logs_goes_nowhere() -> None:
    message = 'connecting to publisher using connection string "password=hunter2"'
    reader = Recogniser("jsonlog")

    found = reader.feed(line(error_severity="DEBUG", message=message, context=FRAME))

    assert found == []
    assert "hunter2" not in json.dumps(reader.state())


def test_a_password_in_a_connection_error_is_not_shown() -> None:
    found = one(
        line(
            message="could not connect to the publisher: invalid port in "
            "\"host=a password='hun ter2' port=x\"",
            detail=None,
            context=None,
            state_code="08006",
        )
    )

    assert found.kind is Kind.APPLY_ERROR
    assert "hun" not in repr(found)


def test_a_connection_error_is_one_a_day_and_subscription() -> None:
    def failed(message: str, day: int, session: str) -> Conflict:
        start = line(
            error_severity="LOG",
            session_id=session,
            state_code=None,
            detail=None,
            context=None,
            message='logical replication apply worker for subscription "s" has started',
        )
        error = line(
            message=message,
            detail=None,
            context=None,
            state_code="08006",
            session_id=session,
            timestamp=f"2026-11-{day} 10:00:00.000 UTC",
        )
        begins, found = read(start, error)
        assert isinstance(begins, WorkerStarted)
        assert isinstance(found, Conflict)
        assert found.subname == "s"
        return found

    refused = "could not connect to the publisher: port 5433 pid 77 refused"
    first = failed(refused, 20, "a.1")

    assert failed(refused.replace("77", "78"), 20, "a.2").identity == first.identity
    assert failed(refused, 21, "a.3").identity != first.identity
    assert failed("could not receive data", 20, "a.4").identity != first.identity


@pytest.mark.parametrize("state_code", ["57P01", "57014"])
def test_a_worker_that_is_told_to_stop_is_no_error(state_code: str) -> None:
    found = read(
        line(
            error_severity="FATAL",
            state_code=state_code,
            message="terminating logical replication worker",
            detail=None,
            context=None,
        )
    )

    assert found == []


def test_a_worker_whose_owner_may_not_log_in_is_an_error() -> None:
    found = one(
        line(
            error_severity="FATAL",
            state_code="28000",
            message='role "owner" is not permitted to log in',
            detail=None,
            context=None,
        )
    )

    assert found.kind is Kind.APPLY_ERROR
    assert found.stalls


def test_the_leader_of_a_parallel_worker_tells_the_finish_lsn() -> None:
    message = "logical replication parallel apply worker exited due to error"
    between = "logical replication parallel apply worker"
    leader = FRAME.replace("INSERT", "STREAM COMMIT").replace(
        ' for replication target relation "shop.t1"', ""
    )

    at_commit = read(
        line(
            message=message,
            state_code="55000",
            detail=None,
            context=f"{FRAME}\n{between}\n{leader}, finished at 0/1BB5CA8",
        )
    )
    before = read(
        line(
            message=message,
            state_code="55000",
            detail=None,
            context=f"{FRAME}\n{between}",
        )
    )

    [told] = at_commit
    assert isinstance(told, FinishLsn)
    assert (told.remote_xid, told.remote_commit_lsn) == (769, 0x1BB5CA8)
    assert before == []


@pytest.mark.parametrize(
    ("message", "what", "subname", "lsn"),
    [
        (
            'subscription "a "b"" has been disabled because of an error',
            "disabled",
            'a "b"',
            None,
        ),
        (
            "logical replication starts skipping transaction at LSN 0/1AB",
            "skip_started",
            None,
            0x1AB,
        ),
        (
            "logical replication completed skipping transaction at LSN 0/000001AB",
            "skip_finished",
            None,
            0x1AB,
        ),
        ('skip-LSN of subscription "s" cleared', "skip_cleared", "s", None),
    ],
)
def test_stories(message: str, what: str, subname: str | None, lsn: int | None) -> None:
    [found] = read(
        line(
            error_severity="WARNING" if "cleared" in message else "LOG",
            message=message,
            detail=None,
            state_code=None,
        )
    )

    assert isinstance(found, StoryEvent)
    assert (found.what, found.subname, found.lsn) == (what, subname, lsn)


def test_a_story_told_by_a_trigger_is_none() -> None:
    message = 'subscription "s" has been disabled because of an error'

    assert (
        read(line(error_severity="LOG", message=message, context=f"PL/x\n{FRAME}"))
        == []
    )


@pytest.mark.parametrize(
    ("text", "log_timezone", "expected"),
    [
        ("2026-11-20 17:29:25.083 UTC", None, "2026-11-20T17:29:25.083000+00:00"),
        ("2026-11-20 17:29:25.083 GMT", None, "2026-11-20T17:29:25.083000+00:00"),
        ("2026-11-20 17:29:25.083 +0530", None, "2026-11-20T11:59:25.083000+00:00"),
        ("2026-11-20 17:29:25.083 -03", None, "2026-11-20T20:29:25.083000+00:00"),
        ("2026-11-20 17:29:25.083 CET", None, None),
        (
            "2026-11-20 17:29:25.083 CET",
            "Europe/Berlin",
            "2026-11-20T16:29:25.083000+00:00",
        ),
        # The hour that comes twice when summer time ends.
        (
            "2026-10-25 02:30:00.000 CEST",
            "Europe/Berlin",
            "2026-10-25T00:30:00+00:00",
        ),
        ("2026-10-25 02:30:00.000 CET", "Europe/Berlin", "2026-10-25T01:30:00+00:00"),
        ("2026-11-20 17:29:25.083 CEST", "Europe/Berlin", None),
        ("2026-11-20 17:29:25.083 EST", "Europe/Berlin", None),
        ("2026-11-31 17:29:25.083 UTC", None, None),
        ("yesterday", None, None),
        ("", "Europe/Berlin", None),
    ],
)
def test_a_time_is_certain_or_counted(
    text: str, log_timezone: str | None, expected: str | None
) -> None:
    reader = Recogniser("jsonlog", log_timezone=log_timezone)

    found = reader.feed(line(timestamp=text))

    if expected is None:
        assert found == []
        assert reader.unrecognised["bad_time"] == 1
    else:
        assert found[0].log_time.isoformat() == expected


def test_bytes_that_are_not_utf8_stay_different() -> None:
    raw = line(message=MESSAGE.replace("t1", "caf?"), detail=None)

    one_byte = one(raw.replace(b"caf?", b"caf\xe9"))
    other = one(raw.replace(b"caf?", b"caf\xe8"))

    assert one_byte.relname == "caf\\xe9"
    assert one_byte.identity != other.identity


def test_a_nul_is_not_stored() -> None:
    found = one(line(message=MESSAGE.replace("t1", "t\0")))

    assert "\0" not in repr(found)
    assert found.relname == "t\ufffd"


def test_a_line_after_the_zeros_of_a_crash_is_read() -> None:
    assert one(b"\0" * 5000 + line()).remote_xid == 769


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (line()[:200] + b' "logical replication "\n', "torn"),
        (b'{"logical replication ": 1}\n', "invalid_json"),
        (
            b'{"timestamp": 5, "backend_type": "logical replication x"}\n',
            "invalid_json",
        ),
    ],
)
def test_what_is_no_entry_is_counted(raw: bytes, reason: str) -> None:
    reader = Recogniser("jsonlog")

    assert reader.feed(raw + line()) == read(line())
    assert reader.unrecognised == {reason: 1}


@pytest.mark.parametrize("log_format", FORMATS)
@pytest.mark.parametrize("run", ["15/main", "18/main", "19/main", "18/verbose"])
def test_the_quick_way_changes_nothing(
    run: str, log_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = recogniser(run, log_format)
    monkeypatch.setattr(reader._recognition._quick, "read", lambda _: None)

    found = [*reader.feed(log(run, log_format)), *reader.end_of_file()]

    assert found == entries(run, log_format)


def test_the_same_conflict_has_one_identity_at_every_attempt_and_in_every_format() -> (
    None
):
    identities = {
        log_format: [
            entry.identity
            for entry in entries("18/verbose", log_format)
            if isinstance(entry, Conflict)
        ]
        for log_format in FORMATS
    }

    assert identities["jsonlog"] == identities["csvlog"] == identities["stderr"]
    assert len(set(identities["jsonlog"])) == 65
