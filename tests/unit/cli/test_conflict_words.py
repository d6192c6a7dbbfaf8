"""What `conflicts show` says: every type in words, statements that can be pasted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from pgconflict.cli.conflict_rows import rows_table, verbatim_rows
from pgconflict.cli.conflict_steps import next_steps
from pgconflict.cli.conflict_words import older_server, what_happened
from pgconflict.conflict_log.reader import Companion
from pgconflict.core.conflict import ConflictType, LocalConflict, Status
from tests.fixtures.entries import NOON
from tests.fixtures.stored import conflict

if TYPE_CHECKING:
    from pgconflict.conflict_log.stored import StoredConflict

LOCAL = LocalConflict(
    xid=762,
    commit_ts="2026-11-20T11:59:00+00:00",
    origin_kind="local",
    index="t_pkey",
    key={"id": "1"},
    tuple={"id": "1", "name": "here"},
    key_text="(id)=(1)",
    tuple_text="(1, here)",
)
STALLED: dict[str, Any] = {
    "stalls": True,
    "status": "open",
    "severity": "ERROR",
    "sqlstate": "23505",
    "operation": "INSERT",
    "local_conflicts": [LOCAL],
}


def words(given: StoredConflict, *transaction: Companion) -> str:
    return "\n".join(what_happened(given, transaction))


def statements(given: StoredConflict, *transaction: Companion) -> list[str]:
    return [
        statement
        for step in next_steps(given, transaction)
        for statement in step.statements
    ]


def reasons(given: StoredConflict, *transaction: Companion) -> str:
    return "\n".join(step.what for step in next_steps(given, transaction))


def companion(**how: Any) -> Companion:
    given: dict[str, Any] = {
        "conflict_id": 18,
        "kind": "conflict",
        "conflict_type": "insert_exists",
        "operation": "INSERT",
        "schemaname": "public",
        "relname": "t",
        "relation": "public.t",
        "replica_identity_text": None,
        "status": "open",
        "stalls": True,
        "attempts": 1,
        "conflicts": 3,
    }
    return Companion(**(given | how))


@pytest.mark.parametrize("conflict_type", [*ConflictType])
def test_every_type_says_what_postgresql_did(conflict_type: ConflictType) -> None:
    stops = conflict_type in {
        ConflictType.INSERT_EXISTS,
        ConflictType.UPDATE_EXISTS,
        ConflictType.MULTIPLE_UNIQUE_CONFLICTS,
    }
    said = words(conflict(conflict_type, **(STALLED if stops else {})))

    done = {
        True: "PostgreSQL applied nothing of the transaction and stopped",
        False: "PostgreSQL dropped"
        if conflict_type.endswith(("missing", "deleted"))
        else "all the same",
    }
    assert done[stops] in said
    assert "The server calls it" not in said
    assert "{" not in said


def test_a_type_of_a_later_server_is_told_by_its_own_word() -> None:
    assert "The server calls it delete_exists and went on" in words(
        conflict("delete_exists")
    )


@pytest.mark.parametrize(
    ("local", "said"),
    [
        (
            LOCAL,
            "by a session of this node in transaction 762 at 2026-11-20 11:59:00.000",
        ),
        (LocalConflict(xid=5, origin_kind="gone"), "by an origin that is gone"),
        (
            LocalConflict(xid=5, origin="pg_16401", origin_kind="origin"),
            "by origin pg_16401 in transaction 5.",
        ),
        (LocalConflict(xid=5), "last changed in transaction 5."),
        (LocalConflict(), "Here the row was last changed."),
    ],
)
def test_whose_the_local_row_is(local: LocalConflict, said: str) -> None:
    assert said in words(conflict("update_origin_differs", local_conflicts=[local]))


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (Status.OPEN, "The worker is started again and fails again"),
        (Status.DISABLED, "The subscription was disabled because of it"),
        (Status.APPLIED, "It is over: the transaction was applied later"),
        (Status.SKIPPED, "It is over: the transaction was skipped"),
    ],
)
def test_every_status_says_how_the_story_stands(status: Status, said: str) -> None:
    assert said in words(
        conflict("insert_exists", **STALLED | {"status": status, "status_at": NOON})
    )


def test_what_did_not_stop_apply_shares_the_fate_of_its_transaction() -> None:
    other = companion(status="skipped")

    assert "skipped because of conflict 18" in words(conflict(), other)
    assert "stopped at conflict 18" in words(conflict(), companion())
    assert "conflict 18" not in words(conflict(), companion(status="applied"))


def test_an_older_server_is_said_to_be_one() -> None:
    debug = conflict(
        severity="DEBUG",
        message="logical replication did not find row to be updated in replication"
        ' target relation "t"',
    )

    assert older_server(debug)
    assert "reports no conflicts as such" in words(debug)
    assert not older_server(conflict())
    german = "Konflikt entdeckt in Relation »public.t«: Konflikt=update_missing"
    assert not older_server(conflict(message=german))
    assert not older_server(conflict(source="native", message=""))


def test_a_stall_gets_every_way_out_with_its_price() -> None:
    given = conflict("insert_exists", **STALLED)

    assert statements(given, companion())[:2] == [
        "pgconflict conflicts repair 17",
        'SELECT * FROM "public"."t" WHERE "id" = \'1\';',
    ]
    assert "--keep ours|theirs|both|skip" in next_steps(given)[0].what
    assert 'DELETE FROM "public"."t" WHERE "id" = \'1\';' in statements(given)
    copy = 'INSERT INTO "public"."t" ("name") SELECT "name" FROM "public"."t" WHERE'
    assert f"{copy} \"id\" = '1';" in statements(given)
    assert not any(each.startswith("UPDATE") for each in statements(given))
    skip = "ALTER SUBSCRIPTION \"Sub\" SKIP (lsn = '0/171F180');"
    assert statements(given)[-2] == skip
    said = reasons(given, companion())
    assert "the WHOLE transaction 763 is dropped" in said
    assert "(3 known)" in said
    assert not any("ENABLE" in each for each in statements(given))
    disabled = msgspec.structs.replace(given, status="disabled")
    assert 'ALTER SUBSCRIPTION "Sub" ENABLE;' in statements(disabled)


def test_without_a_finish_lsn_it_says_how_to_get_it() -> None:
    given = conflict("insert_exists", **STALLED, remote_commit_lsn=None)

    assert not any("SKIP" in each for each in statements(given))
    assert 'ALTER SUBSCRIPTION "Sub" SET (streaming = on);' in statements(given)
    assert "a parallel apply worker does not log" in reasons(given)


def test_an_error_that_is_no_conflict_names_its_cause() -> None:
    given = conflict(
        None,
        kind="apply_error",
        stalls=True,
        status="open",
        sqlstate="23514",
        message="new row violates check constraint",
    )

    assert "breaks a CHECK constraint" in reasons(given)
    assert any("SKIP" in each for each in statements(given))
    missing = msgspec.structs.replace(given, sqlstate="55000")
    assert 'ALTER SUBSCRIPTION "Sub" REFRESH PUBLICATION;' in statements(missing)


def test_a_failed_copy_is_never_told_to_skip() -> None:
    given = conflict(
        None, kind="sync_error", stalls=True, status="open", sqlstate="23505"
    )

    assert 'TRUNCATE "public"."t";' in statements(given)
    assert not any("SKIP" in each for each in statements(given))


def test_what_did_not_stop_apply_is_compared_on_both_nodes() -> None:
    given = conflict(replica_identity={"id": "it's", "part": None})

    assert statements(given)[0] == (
        'SELECT * FROM "public"."t" WHERE "id" = \'it\'\'s\' AND "part" IS NULL;'
    )
    assert "on node a and on the publisher" in reasons(given)


def test_a_cut_value_is_in_no_condition() -> None:
    given = conflict(
        replica_identity={"id": "1", "note": "x..."},
        replica_identity_full=True,
        truncated_columns=["note"],
    )

    assert statements(given)[0] == 'SELECT * FROM "public"."t" WHERE "id" = \'1\';'


@pytest.mark.parametrize(
    "unknown",
    [
        {"schemaname": None, "relname": None},
        {"local_conflicts": []},
        {
            "local_conflicts": [
                LocalConflict(key={"lower(name)": "x"}, tuple={"name": "X"})
            ]
        },
    ],
    ids=["table", "key", "expression"],
)
def test_no_statement_is_guessed(unknown: dict[str, Any]) -> None:
    given = conflict("insert_exists", **STALLED | unknown)

    assert [each.split()[0] for each in statements(given)] == [
        "pgconflict", "ALTER", "pgconflict"
    ]  # fmt: skip
    assert "without guessing" in reasons(given)


def test_rows_are_set_side_by_side_and_differences_marked() -> None:
    local = LocalConflict(
        key={"id": "1"},
        tuple={"name": "here", "id": "1", "long": "xxx...", "gone": "1"},
    )
    given = conflict(
        "update_exists",
        local_conflicts=[local],
        remote_tuple={"name": None, "id": "1", "long": "yyy..."},
        replica_identity={"id": "0"},
        truncated_columns=["long"],
    )

    titles, lines = rows_table(given)

    assert titles == ["", "column", "local row", "remote row", "replica identity"]
    assert lines == [
        ("", "id", "1", "1", "0"),
        ("*", "name", "here", "null", ""),
        ("", "long", "xxx... (cut)", "yyy... (cut)", ""),
        ("", "gone", "1", "", ""),
    ]
    assert verbatim_rows(given) == []


def test_rows_that_could_not_be_taken_apart_are_shown_as_they_are() -> None:
    locals_ = [
        LocalConflict(key_text="(id)=(1)", tuple_text="(1, a, b)"),
        LocalConflict(key={"id": "2"}),
    ]
    given = conflict(
        "multiple_unique_conflicts",
        local_conflicts=locals_,
        remote_tuple_text="(1, c, d)",
        replica_identity_text="(id)=(1)",
    )

    titles, lines = rows_table(given)

    assert titles == ["", "column", "local row 2"]
    assert lines == [("", "id", "2")]
    assert verbatim_rows(given) == [
        ("local row 1", "(1, a, b)"),
        ("local row 1's key", "(id)=(1)"),
        ("remote row", "(1, c, d)"),
        ("replica identity", "(id)=(1)"),
    ]


def test_an_acknowledgement_is_told() -> None:
    said = words(
        conflict(
            acknowledged_at=NOON,
            acknowledged_by="ann",
            note="both right",
        )
    )

    assert "Acknowledged by ann at 2026-11-20 12:00:00.000 UTC: both right" in said


@pytest.mark.parametrize("kind", ["conflict", "difference"])
def test_a_row_that_differs_is_offered_a_repair(kind: str) -> None:
    known: dict[str, Any] = {
        "kind": kind,
        "conflict_type": "update_origin_differs" if kind == "conflict" else None,
        "replica_identity": {"id": "1"},
    }
    command = "pgconflict conflicts repair 17 --winner latest"

    assert command in statements(conflict(**known, verdict="diverged"))
    assert command not in statements(conflict(**known, verdict="converged"))


def test_what_did_no_harm_needs_nothing() -> None:
    harmless = conflict(
        conflict_type="update_origin_differs",
        replica_identity={"id": "1"},
        verdict="converged",
        effect="none",
    )
    assert statements(harmless) == []
    assert reasons(harmless) == "Nothing: it did no harm."


def test_a_lost_update_of_a_row_that_is_gone_can_be_made_again() -> None:
    lost = conflict(
        conflict_type="update_missing",
        replica_identity={"id": "1"},
        remote_tuple={"id": "1", "name": "kept"},
        verdict="converged",
        effect="write_lost",
    )
    look, insert, _ = statements(lost)
    assert look.startswith("SELECT * FROM")
    assert insert.startswith("INSERT INTO")
    assert "'kept'" in insert
    assert "ordinary session" in reasons(lost)
