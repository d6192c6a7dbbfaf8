"""No value that the policy hides is left in any field of an entry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from pgconflict.conflict_log.entry import Recorded, Resolution
from pgconflict.conflict_log.row_policy import Action, RowPolicy
from pgconflict.core.conflict import Kind, LocalConflict, Values
from tests.fixtures.entries import entry


@dataclass(frozen=True)
class Rule:
    action: Action
    schema_name: str | None = None
    table: str | None = None
    columns: tuple[str, ...] | None = None


KEY: Values = {"id": "KEYVAL"}
ROW: Values = {"id": "KEYVAL", "email": "MAILVAL", "note": None}
KEY_TEXT = "(id)=(KEYVAL)"
ROW_TEXT = "(KEYVAL, MAILVAL, null)"
DETAIL = (
    "Updating the row that was modified locally in transaction 1 at 2026-01-01 00:00.\n"
    f"Existing local row {ROW_TEXT}; remote row {ROW_TEXT};"
    f" replica identity {KEY_TEXT}."
)


def conflict(*, split: bool = True, **more: Any) -> Recorded:
    local = LocalConflict(
        xid=1,
        index="t_pkey",
        key=KEY if split else None,
        tuple=ROW if split else None,
        key_text=KEY_TEXT,
        tuple_text=ROW_TEXT,
    )
    recorded = entry(key=KEY_TEXT)
    return msgspec.structs.replace(
        recorded,
        conflict=msgspec.structs.replace(
            recorded.conflict,
            local_conflicts=(local,),
            **{"remote_tuple_text": ROW_TEXT, "detail": DETAIL, **more},
        ),
        resolution=Resolution(
            schemaname="shop",
            relname="customer",
            replica_identity=KEY if split else None,
            remote_tuple=ROW if split else None,
            local_conflicts=(local,) if split else (),
        ),
    )


def stored(policy: RowPolicy, recorded: Recorded) -> str:
    return msgspec.json.encode(policy.applied(recorded)).decode()


def test_full_changes_nothing() -> None:
    assert RowPolicy().applied(conflict()) == conflict()


@pytest.mark.parametrize("split", [True, False])
def test_keys_keeps_keys_and_nothing_else(split: bool) -> None:  # noqa: FBT001
    policy = RowPolicy("keys", digest_key=b"secret")
    kept = policy.applied(conflict(split=split))

    assert "MAILVAL" not in msgspec.json.encode(kept).decode()
    assert kept.conflict.replica_identity_text == KEY_TEXT
    assert kept.conflict.local_conflicts[0].key_text == KEY_TEXT
    assert kept.conflict.detail == DETAIL.replace(ROW_TEXT, "(omitted)")


@pytest.mark.parametrize("split", [True, False])
def test_none_keeps_no_value(split: bool) -> None:  # noqa: FBT001
    text = stored(RowPolicy("none", digest_key=b"secret"), conflict(split=split))

    assert "MAILVAL" not in text
    assert "KEYVAL" not in text
    assert "modified locally in transaction 1" in text


def test_a_detail_that_was_not_taken_apart_is_left_out() -> None:
    unclear = conflict(replica_identity_text=None, remote_tuple_text=None)
    unclear = msgspec.structs.replace(
        unclear,
        conflict=msgspec.structs.replace(unclear.conflict, local_conflicts=()),
        resolution=Resolution(schemaname="shop", relname="customer"),
    )

    assert RowPolicy("none").applied(unclear).conflict.detail is None
    assert RowPolicy("keys").applied(unclear).conflict.detail is None


def test_hash_keeps_equality_and_hides_the_value() -> None:
    rules = [Rule("hash", table="customer", columns=("id", "email"))]
    policy = RowPolicy("full", rules, hash_key=b"k", digest_key=b"d")
    first, second = policy.applied(conflict()), policy.applied(conflict())

    text = msgspec.json.encode(first).decode()
    assert "KEYVAL" not in text
    assert "MAILVAL" not in text
    assert first.resolution.replica_identity is not None
    assert first.resolution.remote_tuple is not None
    hashed = first.resolution.replica_identity["id"]
    assert hashed is not None
    assert hashed.startswith("hmac:")
    assert hashed == first.resolution.remote_tuple["id"]
    assert first.resolution.remote_tuple["note"] is None
    assert first.conflict.replica_identity_text == f"(id)=({hashed})"
    assert first.conflict.identity == second.conflict.identity
    other = RowPolicy("full", rules, hash_key=b"another", digest_key=b"d")
    assert other.applied(conflict()).resolution.replica_identity != {"id": hashed}


def test_a_dropped_column_is_gone_also_from_expressions_and_texts() -> None:
    policy = RowPolicy("full", [Rule("drop", columns=("email",))], digest_key=b"d")
    by_expression = conflict()
    local = LocalConflict(
        key={"lower(email)": "MAILVAL"}, key_text="(lower(email))=(MAILVAL)"
    )
    by_expression = msgspec.structs.replace(
        by_expression,
        conflict=msgspec.structs.replace(
            by_expression.conflict,
            local_conflicts=(local,),
            detail=f"{DETAIL} Key (lower(email))=(MAILVAL)",
        ),
        resolution=msgspec.structs.replace(
            by_expression.resolution, local_conflicts=(local,)
        ),
    )

    assert "MAILVAL" not in stored(policy, by_expression)
    kept = policy.applied(conflict()).resolution.remote_tuple
    assert kept == {"id": "KEYVAL", "note": None}


def test_rules_are_for_their_table_and_unknown_tables_count_as_theirs() -> None:
    policy = RowPolicy("full", [Rule("drop", schema_name="hr", table="salary")])
    assert policy.applied(conflict()).conflict.detail == DETAIL

    unknown = msgspec.structs.replace(
        conflict(), resolution=Resolution(replica_identity=KEY)
    )
    assert "KEYVAL" not in stored(policy, unknown)


def test_the_first_rule_that_matches_decides() -> None:
    rules = [Rule("keep", table="customer", columns=("email",)), Rule("drop")]
    kept = RowPolicy("full", rules).applied(conflict())

    assert kept.resolution.remote_tuple == {"email": "MAILVAL"}
    assert kept.conflict.remote_tuple_text == "(email) = (MAILVAL)"


RAISED = (
    'PL/pgSQL function f() line 1 at RAISE\nSQL "MAILVAL"\n'
    'processing remote data for replication origin "pg_1" MT'
)


@pytest.mark.parametrize("sqlstate", ["22P02", "P0001", "23514", "23502"])
@pytest.mark.parametrize(
    "context",
    [
        RAISED,
        'COPY t, line 1, column email: "MAILVAL"',
        'processing remote data for replication origin "pg_1"',
    ],
)
def test_errors_quote_no_value(sqlstate: str, context: str) -> None:
    own_words = sqlstate.startswith("23") and not context.startswith("PL/")
    error = conflict(
        kind=Kind.APPLY_ERROR,
        sqlstate=sqlstate,
        message="words" if own_words else 'invalid input: "MAILVAL"',
        detail="Failing row contains (KEYVAL, MAILVAL, null).",
        context=context,
        conflict_type=None,
    )

    text = stored(RowPolicy("none"), error)

    assert "MAILVAL" not in text
    assert "KEYVAL" not in text
    assert (own_words and '"words"' in text) or f"SQLSTATE {sqlstate}" in text
