"""Every block of SQL and every command of the documents is run by a test, or is named.

A new block that no test runs makes this fail: let a test run it, or say here who does.
"""

from __future__ import annotations

import re
from fnmatch import fnmatch

import pytest

from tests.contracts.tree import ROOT
from tests.fixtures.snippets import (
    SHELL,
    Block,
    blocks,
    commands,
    documents,
    without_blocks,
)
from tests.servers.test_typed_commands import ELSEWHERE, elsewhere

# Page, language, and the test that takes all its blocks of it.
PAGES = (
    ("docs/conflicts/*.md", "sql", "tests/servers/test_conflict_pages.py"),
    ("docs/conflicts/*.md", "sh", "tests/servers/test_conflict_pages.py"),
    ("docs/start.md", "sql", "tests/servers/test_guides.py"),
    ("docs/start.md", "sh", "tests/servers/test_guides.py"),
    ("docs/upgrade.md", "sql", "tests/servers/test_guides.py"),
    ("docs/upgrade.md", "sh", "tests/servers/test_guides.py"),
    ("docs/sequences.md", "sql", "tests/servers/test_guides.py"),
    ("docs/sequences.md", "sh", "tests/servers/test_guides.py"),
    ("docs/conflict-log.md", "sql", "tests/servers/conflicts/test_views.py"),
    ("docs/runbooks/*.md", "sql", "tests/servers/test_runbooks.py"),
    ("docs/subscriptions.md", "sql", "tests/servers/test_typed_commands.py"),
    ("README.md", "sql", "tests/contracts/test_readme.py"),
)
# Lines that call other programs, and who runs them.
LINES = (
    (r"make (demo|test|check|bench|docs|deb|test-deb)\b", ".ci/run"),
    (r"docker compose ", "tests/servers/test_compose_live.py: all but the containers"),
    (r"apt install ./dist/pgconflict_\*\.deb", "tests/debian/test_package.py"),
    (r"cp /etc/pgconflict/pgconflict.example.yml ", "tests/debian/test_package.py"),
    (r"useradd --system ", "tests/systemd/run.sh"),
    (r"mkdir -p /etc/pgconflict$", "tests/systemd/test_unit_runs.py"),
    (r"systemctl (enable --now|status|edit) pgconflict", "tests/systemd/run.sh"),
    (r"pipx install \.$", "tests/contracts/test_wheel.py, as pipx does it"),
    (r"journalctl -u pgconflict ", "tests/systemd/test_unit_runs.py"),
    (r"timedatectl$|chronyc tracking$", "tests/systemd/test_unit_runs.py"),
    (r"curl -s http://127\.0\.0\.1:9745/", "tests/servers/test_daemon.py"),
    (r"pg_isready ", "tests/servers/test_compose_live.py"),
)
ALL = [block for path in documents() for block in blocks(path)]


def page_runner(block: Block) -> str | None:
    return next(
        (
            test
            for pattern, language, test in PAGES
            if fnmatch(block.page, pattern) and language == block.language
        ),
        None,
    )


def calls_pgconflict(line: str) -> bool:
    return re.match(r"(\S*/)?pgconflict\s", line) is not None


@pytest.mark.parametrize(
    "block", [each for each in ALL if each.language == "sql"], ids=lambda one: one.where
)
def test_statements_are_run(block: Block) -> None:
    assert page_runner(block), f"nothing runs {block.where}"


def test_statements_say_that_they_are_sql() -> None:
    """In a block without a language nobody would find them."""
    sql = re.compile(r" *(SELECT|INSERT|UPDATE|DELETE|ALTER|CREATE|GRANT|SHOW)\b")
    hidden = [
        block.where
        for block in ALL
        if not block.language
        for line in block.text.splitlines()
        if sql.match(line)
    ]
    for path in documents():
        lines = without_blocks(path).splitlines()
        hidden += [
            f"{path.relative_to(ROOT)}:{number}"
            for number, line in enumerate(lines, 1)
            if line.startswith("    ") and sql.match(line)
        ]
    # What `conflicts repair` prints.
    assert [place for place in hidden if "repair.md" not in place] == []


@pytest.mark.parametrize(
    "block",
    [each for each in ALL if each.language in SHELL],
    ids=lambda one: one.where,
)
def test_commands_are_run(block: Block) -> None:
    """Those of pgconflict by tests/servers/test_typed_commands.py, all of them."""
    if page_runner(block):
        return
    nobody = [
        line
        for line in block.typed
        if not calls_pgconflict(line)
        and not any(re.match(pattern, line) for pattern, _ in LINES)
    ]
    assert nobody == [], f"nothing runs these lines of {block.where}"


def test_every_call_of_pgconflict_is_found() -> None:
    """As the test that types them sees them."""
    typed = {
        re.sub(r"^\S*/(?=pgconflict)|\s+#.*$", "", line)
        for block in ALL
        if block.language in SHELL
        for line in block.typed
        if calls_pgconflict(line)
    }

    assert len(typed) > 30
    assert typed - set(commands()) == set()


def test_who_runs_them_is_there() -> None:
    tests = [test for *_, test in PAGES] + list(ELSEWHERE.values())
    tests += [who.split(":")[0].split(",")[0] for _, who in LINES]

    assert [test for test in tests if not (ROOT / test).is_file()] == []


def test_nothing_is_excused_that_is_not_written() -> None:
    lines = [line for block in ALL for line in block.typed]
    called = list(commands())

    assert [
        pattern
        for pattern, _ in LINES
        if not any(re.match(pattern, line) for line in lines)
    ] == []
    assert {elsewhere(line) for line in called} - {None} <= set(ELSEWHERE.values())
