"""Server logs that don't tell what they should: each is seen, the remedy mends it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from psycopg import sql

from pgconflict.server import checks
from pgconflict.server.checks import Check, Severity
from tests.fixtures.checked import (
    OWNER,
    facts,
    found,
    mend,
    set_and_reload,
    subscribe,
)
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.servers import Node, Pair


def test_a_log_that_is_no_file(node: Node) -> None:
    set_and_reload(node, "log_destination", "syslog")

    (finding,) = found(node)[Check.LOG_DESTINATION]
    mend(node, finding)

    assert finding.severity is Severity.ERROR
    assert node.value("show log_destination") == "syslog,jsonlog"
    assert Check.LOG_DESTINATION not in found(node)


def test_stderr_alone_is_judged_by_prefix_and_verbosity(node: Node) -> None:
    subscribe(node)
    for name, value in (
        ("log_destination", "stderr"),
        ("log_error_verbosity", "terse"),
        ("log_line_prefix", "%m [%%p] "),
    ):
        set_and_reload(node, name, value)

    listed = found(node)
    for check in (Check.LOG_ERROR_VERBOSITY, Check.LOG_LINE_PREFIX):
        mend(node, *listed[check])
    after = found(node)

    assert listed[Check.LOG_ERROR_VERBOSITY][0].severity is Severity.ERROR
    assert listed[Check.LOG_LINE_PREFIX][0].severity is Severity.WARNING
    assert set(after) & {Check.LOG_ERROR_VERBOSITY, Check.LOG_LINE_PREFIX} == set()
    mend(node, *after[Check.LOG_DESTINATION])
    assert Check.LOG_DESTINATION not in found(node)


def test_terse_is_no_trouble_in_jsonlog(node: Node) -> None:
    subscribe(node)
    set_and_reload(node, "log_error_verbosity", "terse")

    assert Check.LOG_ERROR_VERBOSITY not in found(node)


@pytest.mark.parametrize("level", ["log", "fatal", "panic"])
def test_levels_that_hide_conflicts(node: Node, level: str) -> None:
    subscribe(node)
    set_and_reload(node, "log_min_messages", level)

    (finding,) = found(node)[Check.LOG_MIN_MESSAGES]
    mend(node, finding)

    assert finding.severity is Severity.ERROR
    assert Check.LOG_MIN_MESSAGES not in found(node)


@pytest.mark.majors(since=19)
def test_a_level_for_background_workers_alone(node: Node) -> None:
    subscribe(node)
    set_and_reload(node, "log_min_messages", "warning, bgworker:fatal")

    assert Check.LOG_MIN_MESSAGES in found(node)

    set_and_reload(node, "log_min_messages", "fatal, bgworker:warning")

    assert Check.LOG_MIN_MESSAGES not in found(node)


@pytest.mark.parametrize("level", ["warning", "log", "fatal"])
@pytest.mark.majors(16, 18, 19)
def test_the_levels_do_hide_what_we_say(pair: Pair, level: str) -> None:
    """A conflict that stops apply is counted; logged it is at `warning` only."""
    assert stopping_conflict_is_logged(pair, level) == (level == "warning")


@pytest.mark.parametrize(
    ("level", "logged"),
    [("warning,bgworker:log", False), ("fatal,bgworker:warning", True)],
)
@pytest.mark.majors(since=19)
def test_apply_workers_are_background_workers(
    pair: Pair, level: str, *, logged: bool
) -> None:
    assert stopping_conflict_is_logged(pair, level) == logged


def stopping_conflict_is_logged(pair: Pair, level: str) -> bool:
    """Provoke one under an owner with this log_min_messages, and look for it."""
    pair.b.execute("drop role if exists leveller; create role leveller login superuser")
    pair.b.execute(
        sql.SQL("alter role leveller set log_min_messages = {}").format(
            sql.Literal(level)
        )
    )
    ddl = "create table {t} (id int primary key, v text)"
    with pair.replicate(ddl, both=False) as one:
        one.to_b.alter("owner to leveller")
        one.to_b.alter("disable")
        wait_until(lambda: one.to_b.worker() is None, "the worker has ended")
        one.to_b.alter("enable")
        wait_until(one.to_b.streaming, "it streams again")
        pair.b.execute(f"insert into {one.table} values (1, 'b')")
        pair.a.execute(f"insert into {one.table} values (1, 'a')")
        wait_until(
            lambda: pair.b.value(
                "select apply_error_count > 0 from pg_stat_subscription_stats"
                " where subname = %s",
                [one.to_b.name],
            ),
            "the error is counted",
        )
        # Counted, it may still be on its way to the file; this comes behind it.
        pair.b.execute(f"do $$ begin raise log 'after {one.table}'; end $$")
        wait_until(lambda: pair.b.logged(f"after {one.table}"), "the log is written")
        logged = any(
            one.to_b.origin in record.get("context", "")
            for record in pair.b.logged("duplicate key|conflict detected")
        )
        pair.b.execute(f"delete from {one.table} where v = 'b'")
        one.catch_up()
    pair.b.execute("drop role leveller")
    return logged


def test_the_owners_language_is_the_workers(node: Node) -> None:
    subscribe(node)
    node.execute(
        sql.SQL("alter role {} set lc_messages = 'de_DE.utf8'").format(
            sql.Identifier(OWNER)
        )
    )

    (finding,) = found(node)[Check.LC_MESSAGES]
    mend(node, finding)

    assert finding.severity is Severity.WARNING
    assert finding.remedy == ('ALTER ROLE "Owner ""o""" SET lc_messages = ' + "'C';",)
    assert Check.LC_MESSAGES not in found(node)


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("", True),
        ("ja_JP.utf8", True),
        ("en_GB.UTF-8", False),
        ("C.UTF-8", False),
        ("POSIX", False),
    ],
)
@pytest.mark.majors(18)
def test_languages(node: Node, language: str, *, told: bool) -> None:
    """Locales that this machine may not have, so the setting is put into the facts."""
    subscribe(node)
    asked = facts(node)
    setting = replace(asked.settings["lc_messages"], value=language)
    told_facts = replace(asked, settings={**asked.settings, "lc_messages": setting})

    listed = {one.check for one in checks.judge(told_facts)}

    assert (Check.LC_MESSAGES in listed) == told


def test_files_that_this_host_cannot_read(node: Node, tmp_path: Path) -> None:
    server_log = f"{{read: file, directory: {tmp_path}/none}}"

    (finding,) = found(node, server_log=server_log)[Check.LOG_ACCESS]

    assert f"{tmp_path}/none: No such file or directory" in finding.seen
    assert finding.severity is Severity.ERROR
    mend(node, finding)
    assert found(node, server_log=server_log)[Check.LOG_ACCESS]

    (tmp_path / "none").mkdir()
    assert Check.LOG_ACCESS not in found(node, server_log=server_log)
