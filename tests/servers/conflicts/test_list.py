"""`conflicts list`: which conflicts, in which order, with which fields."""

from __future__ import annotations

import unicodedata
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from pgconflict.cli.main import main
from pgconflict.core.conflict import Kind, StoryEvent
from tests.fixtures.conflict_logs import (
    config_for,
    new_conflict_log,
    record,
    renamed,
    stalled,
)
from tests.fixtures.entries import NOON, entry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.servers import ConflictLogServer

    Lines = Callable[..., list[dict[str, Any]]]
    Ask = Callable[..., str]

DAY = 86400

# The contract's fields, in its order, and what only an output adds.
FIELDS = [
    "conflict_id",
    "kind",
    "conflict_type",
    "severity",
    "sqlstate",
    "stalls",
    "node",
    "system_identifier",
    "database",
    "subid",
    "subname",
    "relid",
    "schemaname",
    "relname",
    "operation",
    "index_names",
    "remote_origin",
    "remote_xid",
    "remote_commit_lsn",
    "remote_commit_ts",
    "replica_identity_full",
    "replica_identity",
    "remote_tuple",
    "local_conflicts",
    "replica_identity_text",
    "remote_tuple_text",
    "message",
    "detail",
    "context",
    "attempts",
    "first_logged_at",
    "last_logged_at",
    "ingested_at",
    "source",
    "status",
    "status_at",
    "verdict",
    "verdict_at",
    "cause",
    "effect",
    "acknowledged_at",
    "acknowledged_by",
    "note",
    "relation",
    "truncated_columns",
    "event",
]
LOCAL_FIELDS = "xid commit_ts origin origin_kind index key tuple key_text tuple_text"


def ids(found: list[dict[str, Any]]) -> list[int]:
    return [each["conflict_id"] for each in found]


def test_json_has_the_fields_in_order_and_keeps_nulls(dsn: str, lines: Lines) -> None:
    record(dsn, [stalled(relid=16500, remote_commit_ts="2026-11-20T11:59:59.5+01:00")])

    (found,) = lines("list")

    assert list(found) == FIELDS
    assert found["remote_commit_lsn"] == "0/10000"
    assert found["remote_commit_ts"] == "2026-11-20T10:59:59.500000Z"
    assert found["first_logged_at"] == "2026-11-20T12:00:00Z"
    assert found["remote_tuple"] == {"id": "1", "name": "there", "note": None}
    assert found["index_names"] == ["t_pkey"]
    assert found["truncated_columns"] == ["note"]
    assert found["verdict"] is None
    (local,) = found["local_conflicts"]
    assert list(local) == LOCAL_FIELDS.split()
    assert local["tuple"]["name"] == "here"
    assert local["origin"] is None


def test_pages_hold_each_conflict_once_in_both_directions(
    dsn: str, lines: Lines
) -> None:
    """Also where many have the same time, and while more are stored."""
    record(
        dsn,
        [entry(key=str(n), line=n, at=DAY * (n % 3) + n // 10) for n in range(150)],
    )
    for direction in ([], ["--oldest-first"]):
        whole = lines("list", "--limit", 1000, *direction)
        paged: list[dict[str, Any]] = []
        cursor: list[str] = []
        while page := lines("list", "--limit", 23, *direction, *cursor):
            paged += page
            last = page[-1]
            cursor = ["--after", f"{last['first_logged_at']},{last['conflict_id']}"]

        times = [(each["first_logged_at"], each["conflict_id"]) for each in whole]
        assert ids(paged) == ids(whole)
        assert len(whole) == 150
        assert times == sorted(times, reverse=not direction)


def test_a_message_holds_the_cursor_of_the_next_page(
    dsn: str, tmp_path: Path, lines: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    record(dsn, [entry(key=str(n), line=n, at=n + 0.25) for n in range(5)])
    words = ["--config", config_for(dsn, tmp_path), "conflicts", "list", "--limit"]

    assert main([*words, "2"]) == 0
    more = capsys.readouterr().err
    assert main([*words, "5"]) == 0

    assert capsys.readouterr().err == ""
    assert more.startswith("there are more: --after 2026-11-20T12:00:03.250000Z,")
    after = more.split()[-1]
    assert ids(lines("list", "--after", after)) == ids(lines("list"))[2:]


@pytest.fixture(scope="module")
def mixed(conflict_log_server: ConflictLogServer) -> str:
    """Two nodes, two days, several tables, types and stories."""
    dsn = new_conflict_log(conflict_log_server)
    record(
        dsn,
        [
            entry(key="(id)=(1)", line=1, schemaname="public"),
            entry(key="(id)=(2)", line=2, at=DAY, conflict_type="delete_missing"),
            renamed(
                entry(key='("Order")=(x, y)', line=3, at=10),
                relation="shop.orders",
            ),
            stalled(number=9, xid=800, lsn=0x2_0000, at=20, line=4, subid=16401),
            stalled(number=8, xid=700, lsn=0x1_8000, at=15, line=5, subid=16402),
            renamed(
                entry(line=6, at=30, subid=16403, stalls=True, xid=900, key=""),
                kind=Kind.APPLY_ERROR,
                conflict_type=None,
                sqlstate="23514",
            ),
        ],
        events=[
            StoryEvent(
                what="skip_finished",
                log_time=NOON + timedelta(seconds=50),
                subname="sub",
                lsn=0x1_8000,
                pid=1,
            )
        ],
    )
    record(dsn, [entry(key="(id)=(1)", line=7, at=40, subid=17000)], node="b")
    return dsn


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], [2, 7, 6, 4, 5, 3, 1]),
        (["--node", "b"], [7]),
        (["--node", "a", "--node", "b", "--type", "delete_missing"], [2]),
        (["--subscription", "sub", "--kind", "apply_error"], [6]),
        (["--subscription", "other"], []),
        (["--since", "2026-11-20T12:00:35Z"], [2, 7]),
        (["--until", "2026-11-20 13:00:10+01:00"], [1]),
        (["--since", "2026-11-20T12:00:40Z", "--until", "2026-11-21"], [7]),
        (["--type", "insert_exists"], [4, 5]),
        (["--type", "insert_exists", "--type", "delete_missing"], [2, 4, 5]),
        (["--table", "public.t"], [4, 5, 1]),
        (["--table", '"public"."t"', "--node", "b"], []),
        (["--table", "shop.orders"], []),
        (["--status", "open"], [6, 4]),
        (["--open"], [6, 4]),
        (["--status", "skipped", "--status", "open"], [6, 4, 5]),
        (["--status", "applied"], [2, 7, 3, 1]),
        (["--key", "id=1"], [7, 1]),
        (["--key", "(id)=(1)"], [7, 1]),
        (["--key", "id=1", "--node", "a"], [1]),
        (["--key", "id=9"], [4]),
        (["--key", "Order=x, y"], [3]),
        (["--key", '"Order"=x, y'], [3]),
        (["--key", "id=77"], []),
        (["--key", "id=1", "--until", "2026-11-20T12:00:10"], [1]),
        (["--open", "--table", "t", "--since", "2026-11-20T12:00:16"], [6, 4]),
    ],
    ids=lambda value: " ".join(map(str, value)) or "all",
)
def test_filters(mixed: str, lines: Lines, words: list[str], found: list[int]) -> None:
    """Told apart by the line of their first log entry, which the key tells too."""
    line_of = {
        each["conflict_id"]: number
        for each, number in zip(
            lines("list", "--oldest-first", dsn=mixed),
            [1, 3, 5, 4, 6, 7, 2],
            strict=True,
        )
    }

    assert [line_of[each] for each in ids(lines("list", *words, dsn=mixed))] == found
    reverse = ids(lines("list", *words, "--oldest-first", dsn=mixed))
    assert [line_of[each] for each in reverse] == found[::-1]


def test_a_relation_that_is_not_resolved_is_found_as_the_server_printed_it(
    dsn: str, lines: Lines
) -> None:
    unresolved = [
        renamed(entry(key=str(n), line=n, at=n, schemaname=None), relation=relation)
        for n, relation in enumerate(["shop.orders", "old.shop.orders", "orders"])
    ]
    record(dsn, unresolved)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("update pgconflict.conflict_log set relname = null")

    def relations(name: str) -> list[str]:
        return [each["relation"] for each in lines("list", "--table", name)]

    assert relations("shop.orders") == ["shop.orders"]
    assert relations("orders") == ["orders", "old.shop.orders", "shop.orders"]


def test_a_row_copied_from_a_servers_own_table_is_found_by_its_key(
    dsn: str, lines: Lines
) -> None:
    record(dsn, [entry(key="(id)=(5)", replica_identity={"id": "5"})])
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "update pgconflict.conflict_log"
            " set source = 'native', replica_identity_text = null"
        )

    assert len(lines("list", "--key", "id=5")) == 1
    assert len(lines("list", "--key", "(id)=(5)")) == 1
    assert lines("list", "--key", "id=6") == []


HOSTILE = "\x1b[2J\x1b]0;x\x07\r\n\t\x00\x9b31m\u202eevil\u2066\u200b"


def test_hostile_values_stay_in_their_cells(dsn: str, ask: Ask, lines: Lines) -> None:
    record(
        dsn,
        [
            renamed(
                entry(key=f"(id)=({HOSTILE})", line=1, schemaname=HOSTILE),
                subname=HOSTILE,
                relation=HOSTILE,
                message=HOSTILE,
            ),
            entry(key="2", line=2, at=1),
        ],
    )

    shown = ask("list")

    assert len(shown.splitlines()) == 3
    unsafe = [c for c in shown if unicodedata.category(c) in {"Cc", "Cf"} and c != "\n"]
    assert unsafe == []
    stored = lines("list", "--oldest-first")[0]
    assert stored["replica_identity_text"] == f"(id)=({HOSTILE})".replace(
        "\0", "\ufffd"
    )


def test_what_did_nothing_is_left_out_unless_asked_for(dsn: str, lines: Lines) -> None:
    record(dsn, [entry(key=f"{n}", xid=n, line=n, at=n) for n in range(1, 6)])
    with psycopg.connect(dsn, autocommit=True) as connection:
        for number, effect in ((1, "none"), (2, "write_lost"), (3, "diverged")):
            connection.execute(
                "update pgconflict.conflict_log set verdict = 'converged', effect = %s"
                " where remote_xid = %s",
                (effect, number),
            )

    assert [each["remote_xid"] for each in lines("list")] == [5, 4, 3, 2]
    assert [each["remote_xid"] for each in lines("list", "--all")] == [5, 4, 3, 2, 1]


def test_an_empty_log_has_titles_only(
    ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = ask("list")

    assert shown.splitlines() == [
        (
            "id  logged (UTC)  node  subscription  table  type  key  attempts  status"
            "  effect"
        )
    ]
    assert capsys.readouterr().err == ""


def test_a_type_that_nobody_knows_is_asked_for_and_doubted(
    run: Callable[..., tuple[int, str, str]],
) -> None:
    code, _, err = run("list", "--type", "update_mising")

    assert code == 0
    assert "--type update_mising is none of insert_exists," in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--since", "yesterday"], "--since yesterday: not a time"),
        (["--since", "3 fortnights"], "the units are"),
        (["--after", "17"], "not a time and a number"),
        (["--after", "2h,17"], "--after 2h: not a time"),
        (["--limit", "0"], "--limit: '0' is not a number from 1 on"),
        (["--open", "--status", "applied"], "exclude each other"),
        (["--follow", "--until", "1h"], "--follow goes with neither"),
        (["--status", "closed"], "'closed' is none of open, disabled, applied"),
    ],
)
def test_what_makes_no_sense_is_refused(
    refused: Callable[..., tuple[int, str]], words: list[str], said: str
) -> None:
    code, err = refused("list", *words)

    assert code == 2
    assert said in err
