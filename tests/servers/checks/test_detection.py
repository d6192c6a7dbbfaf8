"""What a version and its settings leave unseen; what can be had by a setting."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from psycopg import sql

from pgconflict.server import checks
from pgconflict.server.checks import Check, Severity
from tests.fixtures.checked import (
    MONITOR,
    OWNER,
    facts,
    found,
    mend,
    subscribe,
)

if TYPE_CHECKING:
    from tests.fixtures.servers import Node, Servers


def test_settings_are_those_that_a_worker_would_have(node: Node) -> None:
    """Ours don't count; the role's in the database win over the role's, and so on."""
    subscribe(node)
    name = "log_min_messages"

    def seen() -> str | None:
        asked = facts(node)
        return asked.worker_setting(name, asked.subscriptions[0])

    node.execute(f"alter role {MONITOR} set {name} = 'panic'")
    assert seen() is None
    node.execute(f"alter database app set {name} = 'error'")
    assert seen() == "error"
    owner = sql.Identifier(OWNER)
    node.execute(sql.SQL(f"alter role {{}} set {name} = 'info'").format(owner))
    assert seen() == "info"
    node.execute(
        sql.SQL(f"alter role {{}} in database app set {name} = 'notice'").format(owner)
    )
    assert seen() == "notice"
    node.execute(sql.SQL("alter role {} in database app reset all").format(owner))
    node.execute("alter database app reset all")


@pytest.mark.majors(until=17)
def test_missing_rows_are_seen_at_debug1_only(node: Node) -> None:
    subscribe(node)

    (finding,) = found(node)[Check.MISSING_ROWS]
    mend(node, finding)
    after = found(node)

    assert finding.severity is Severity.WARNING
    assert "the role may not look" in finding.why
    assert Check.MISSING_ROWS not in after
    # Whether a password is logged now can't be told; that it may be is.
    assert after[Check.PASSWORD_LOGGED][0].severity is Severity.NOTICE


@pytest.mark.majors(since=18)
def test_missing_rows_need_no_debug_from_18_on(node: Node) -> None:
    subscribe(node)

    assert {Check.MISSING_ROWS, Check.PASSWORD_LOGGED}.isdisjoint(found(node))


@pytest.mark.parametrize(
    "conninfo",
    [
        "host=h password=hunter2",
        "host=h password = 'hunter2'",
        "postgresql://u:hunter2@h/d",
        "postgresql://h/d?user=u&password=hunter2",
    ],
)
@pytest.mark.majors(until=17)
def test_a_password_in_the_subscription_comes_first(node: Node, conninfo: str) -> None:
    """Seen by a role that may read it, and never shown."""
    subscribe(node, conninfo=conninfo)
    subscribe(node, "open", conninfo="host=h passfile=/x user=password")

    before = found(node, user="postgres")
    (advice,) = before[Check.MISSING_ROWS]
    assert 'SUBSCRIPTION "s" CONNECTION' in advice.remedy[1]
    assert "open" not in advice.remedy[1]
    owner = sql.Identifier(OWNER)
    node.execute(sql.SQL("alter role {} set log_min_messages = 'debug1'").format(owner))
    (leak,) = found(node, user="postgres")[Check.PASSWORD_LOGGED]

    assert leak.severity is Severity.ERROR
    assert '"s"' in leak.seen
    assert '"open"' not in leak.seen
    assert "hunter2" not in str(before) + str(leak)


@pytest.mark.majors(16, 17)
def test_an_owner_without_superuser_needs_password_required_off(node: Node) -> None:
    subscribe(node, conninfo="host=h password=hunter2")
    node.execute(sql.SQL("alter role {} nosuperuser").format(sql.Identifier(OWNER)))

    (advice,) = found(node, user="postgres")[Check.MISSING_ROWS]

    statement = 'ALTER SUBSCRIPTION "s" SET (password_required = false);'
    assert statement in advice.remedy
    node.execute(statement)


def test_what_a_version_does_not_report(node: Node) -> None:
    seen = " ".join(one.seen for one in found(node).get(Check.UNSEEN_TYPES, []))

    expected = {"update_deleted"} if node.major < 19 else set()
    if node.major < 18:
        expected |= {
            "delete_origin_differs",
            "multiple_unique_conflicts",
            "update_origin_differs",
        }
    assert set(re.findall(r"[a-z]+_[a-z_]+", seen)) == expected


def test_settings_that_need_a_restart(servers: Servers, major: int) -> None:
    """Without collector and commit timestamps; on again after the remedy."""
    node = servers.node(
        major,
        settings={
            "logging_collector": False,
            "log_destination": "stderr",
            "track_commit_timestamp": False,
        },
    )

    before = found(node, user="postgres")
    for check in (Check.LOGGING_COLLECTOR, Check.TRACK_COMMIT_TIMESTAMP):
        mend(node, *before[check])
    node.cluster.stop()
    node.cluster.start()
    after = found(node, user="postgres")

    assert before[Check.LOGGING_COLLECTOR][0].severity is Severity.ERROR
    assert Check.LOG_ACCESS not in before
    (timestamps,) = before[Check.TRACK_COMMIT_TIMESTAMP]
    assert timestamps.severity is (Severity.WARNING if major >= 18 else Severity.NOTICE)
    assert {Check.LOGGING_COLLECTOR, Check.TRACK_COMMIT_TIMESTAMP}.isdisjoint(after)

    node.cluster.stop()
    (node.cluster.data_directory / "standby.signal").touch()
    node.cluster.start()
    (standby,) = found(node, user="postgres")[Check.STANDBY]
    assert standby.severity is Severity.WARNING
    node.cluster.destroy()


@pytest.mark.majors(18)
def test_a_server_of_the_future(node: Node) -> None:
    asked = replace(facts(node), newer_than_known=True)

    listed = {one.check: one for one in checks.judge(asked)}

    assert listed[Check.SERVER_VERSION].severity is Severity.NOTICE
