"""Which conflicts leave no trace, by database, and why."""

from __future__ import annotations

from typing import Any

import pytest

from pgconflict.core.capability import CAPABILITIES
from pgconflict.daemon.coverage import (
    ALL_TYPES,
    MISSING,
    ORIGIN_DIFFERS,
    STOPPING,
    Coverage,
    Tables,
    coverage,
)
from pgconflict.server.checks import Check
from pgconflict.server.checks.contents import Constraint, UnidentifiedTable
from pgconflict.server.checks.facts import RoleSetting
from tests.fixtures.facts import NOTHING, facts, subscription


def hidden(found: Coverage, database: str = "app") -> dict[Check, frozenset[str]]:
    return {gap.check: gap.types for gap in found.gaps if gap.database == database}


def look(*asked: Any, **settings: Any) -> Coverage:
    return coverage(facts(*asked, **settings), {"app": NOTHING})


def test_every_check_has_a_value_everywhere() -> None:
    expected = None
    for major in CAPABILITIES:
        found = coverage(
            facts(major, subscription(), subscription(database="two")),
            {"app": NOTHING, "two": NOTHING},
        )
        for database in ("app", "two"):
            names = {check for where, check in found.covered if where == database}
            expected = expected or names
            assert names == expected


def test_18_with_good_settings_lacks_one_type() -> None:
    found = look(18)

    assert hidden(found) == {Check.UNSEEN_TYPES: {"update_deleted"}}
    assert [check for (_, check), seen in found.covered.items() if not seen] == [
        Check.UNSEEN_TYPES
    ]


@pytest.mark.parametrize("version", [15, 16, 17])
def test_before_18_missing_rows_need_debug1(version: int) -> None:
    assert hidden(look(version)) == {
        Check.MISSING_ROWS: MISSING,
        Check.UNSEEN_TYPES: ORIGIN_DIFFERS
        | {"update_deleted", "multiple_unique_conflicts"},
    }
    owner = RoleSetting(None, "owner", "log_min_messages", "debug1")
    found = coverage(facts(version, roles=(owner,)), {"app": NOTHING})
    assert Check.MISSING_ROWS not in hidden(found)
    # Without it nothing is said about origins here anyway.
    assert Check.TRACK_COMMIT_TIMESTAMP not in hidden(
        look(version, track_commit_timestamp="off")
    )


@pytest.mark.parametrize(
    ("settings", "check", "types"),
    [
        ({"track_commit_timestamp": "off"}, "track_commit_timestamp", ORIGIN_DIFFERS),
        ({"logging_collector": "off"}, "logging_collector", ALL_TYPES),
        ({"log_destination": "syslog"}, "log_destination", ALL_TYPES),
        ({"log_min_messages": "log"}, "log_min_messages", STOPPING),
        ({"log_min_messages": "warning,bgworker:fatal"}, "log_min_messages", ALL_TYPES),
        ({"lc_messages": "tlh_QO.utf8"}, "lc_messages", ALL_TYPES),
        (
            {"log_destination": "stderr", "log_error_verbosity": "terse"},
            "log_error_verbosity",
            ALL_TYPES,
        ),
        (
            {"log_destination": "stderr", "log_line_prefix": "%t "},
            "log_line_prefix",
            ALL_TYPES,
        ),
    ],
)
def test_each_setting_hides_its_conflicts(
    settings: dict[str, str], check: str, types: frozenset[str]
) -> None:
    found = look(18, **settings)

    assert hidden(found)[Check(check)] == types
    assert found.covered["app", Check(check)] is False
    assert len(found.gaps) == 2  # and what 18 does not report


@pytest.mark.parametrize(
    "settings",
    [
        {"log_error_verbosity": "terse"},  # jsonlog keeps it all
        {"log_line_prefix": ""},
        {"lc_messages": "de_DE.UTF-8"},
        {"lc_messages": "pt_BR"},
        {"lc_messages": ""},
        {"log_min_messages": "panic,bgworker:warning"},
        {"log_destination": "stderr, csvlog"},
    ],
)
def test_what_hides_nothing(settings: dict[str, str]) -> None:
    assert set(hidden(look(18, **settings))) == {Check.UNSEEN_TYPES}


@pytest.mark.parametrize(
    ("setting", "check"),
    [
        ("log_destination", Check.LOG_DESTINATION),
        ("logging_collector", Check.LOGGING_COLLECTOR),
        ("track_commit_timestamp", Check.TRACK_COMMIT_TIMESTAMP),
        ("log_min_messages", Check.LOG_MIN_MESSAGES),
    ],
)
def test_what_can_t_be_known_is_not_said(setting: str, check: Check) -> None:
    found = look(18, **{setting: None})

    assert ("app", check) not in found.covered
    assert check not in hidden(found)


def test_a_setting_of_one_database_is_that_database_s() -> None:
    quiet = RoleSetting("two", None, "log_min_messages", "panic")
    both = (subscription(), subscription("other", "two"))

    found = coverage(facts(18, *both, roles=(quiet,)), {})

    assert found.covered["app", Check.LOG_MIN_MESSAGES]
    assert not found.covered["two", Check.LOG_MIN_MESSAGES]
    (gap,) = [gap for gap in found.gaps if gap.check is Check.LOG_MIN_MESSAGES]
    assert gap.subscriptions == ("other",)
    assert ("two", Check.DEFERRABLE_UNIQUE) not in found.covered


def test_dead_rows_are_kept_or_not() -> None:
    kept = subscription("kept", retain_dead_tuples=True)
    gone = subscription("gone", retain_dead_tuples=False)
    check = Check.RETAIN_DEAD_TUPLES

    assert look(19, kept).gaps == []
    (gap,) = look(19, kept, gone).gaps
    assert gap.check is check
    assert gap.types == {"update_deleted"}
    assert gap.subscriptions == ("gone",)
    stopped = coverage(facts(19, kept), {"app": NOTHING}, {kept.subid})
    assert stopped.covered["app", check] is False


def test_tables_that_hide_conflicts() -> None:
    tables = Tables(
        [Constraint("public", "d", "d_key"), Constraint("public", "d", "d_pkey")],
        [UnidentifiedTable("public", "u", has_unique=True)],
    )
    found = coverage(facts(18), {"app": tables})
    assert hidden(found) == {
        Check.UNSEEN_TYPES: {"update_deleted"},
        Check.DEFERRABLE_UNIQUE: STOPPING,
        Check.REPLICA_IDENTITY: ORIGIN_DIFFERS,
    }
    assert {gap.tables for gap in found.gaps} == {(), ("public.d",), ("public.u",)}

    bare = Tables((), [UnidentifiedTable("public", "u", has_unique=False)])
    found = coverage(facts(18), {"app": bare})
    assert hidden(found)[Check.REPLICA_IDENTITY] == ORIGIN_DIFFERS | STOPPING


def test_on_a_standby_nothing_applies() -> None:
    assert coverage(facts(18, standby=True), {}) == Coverage({}, [])
