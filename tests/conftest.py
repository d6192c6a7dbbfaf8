"""Fixtures are modules of tests/fixtures; what is tested with is said at both ends."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from tests.fixtures.postgres import MAJORS, WrongVariableError, found, required

# The same examples each time, and no clock: a red run is a defect, here and elsewhere.
# tests/fuzz looks for new ones.
settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("suite")

pytest_plugins = [
    "tests.fixtures.servers",
    "tests.fixtures.proxy",
    "tests.fixtures.daemon",
    "tests.fixtures.languages",
    "tests.fixtures.sequence_pairs",
]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "majors(*majors, since=, until=): the PostgreSQL versions that a test with"
        " `major` or `pair` runs on; without it all supported ones",
    )


def pytest_sessionstart() -> None:
    """End the run before its first test if a required PostgreSQL is missing."""
    try:
        must, missing = required(), found().missing
    except WrongVariableError as error:
        pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)
    if absent := [major for major in missing if major in must]:
        lines = [f"PostgreSQL {major}: {missing[major]}" for major in absent]
        pytest.exit(
            "PGCONFLICT_REQUIRE_PG demands what is not here: " + "; ".join(lines),
            returncode=pytest.ExitCode.USAGE_ERROR,
        )


def pytest_report_header() -> list[str]:
    there = found()
    return [
        f"PostgreSQL {there.installations.get(major) or f'{major}: not here'}"
        for major in MAJORS
    ]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    missing = found().missing
    if missing:
        terminalreporter.section("PostgreSQL versions NOT TESTED", yellow=True)
    for major, reason in missing.items():
        terminalreporter.line(f"PostgreSQL {major}: NOT TESTED: {reason}")
