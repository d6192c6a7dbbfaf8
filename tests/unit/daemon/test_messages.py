"""Messages are one line each, with the pairs at the end, as systemd takes them."""

from __future__ import annotations

import logging
import sys

import pytest

from pgconflict.daemon.messages import LOGGER, messages, to_standard_error


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JOURNAL_STREAM", "NOTIFY_SOCKET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(LOGGER, "handlers", LOGGER.handlers)
    monkeypatch.setattr(LOGGER, "propagate", LOGGER.propagate)
    monkeypatch.setattr(LOGGER, "level", LOGGER.level)


def test_under_systemd_the_priority_comes_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    to_standard_error()

    messages(node="a", job="tail").warning("%s broke:\ntwo lines", "it")
    messages().info("started")

    assert capsys.readouterr().err == (
        "<4>it broke: two lines node=a job=tail\n<6>started\n"
    )


def test_elsewhere_the_time_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    to_standard_error()

    messages(node="a", job="").error("no")

    line = capsys.readouterr().err
    assert line.endswith(" ERROR no node=a\n")
    assert line[:2] == "20"


def test_each_line_of_a_traceback_has_its_priority(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/nowhere")
    to_standard_error()
    try:
        int("oops")
    except ValueError:
        logging.getLogger("pgconflict").critical("a defect", exc_info=sys.exc_info())

    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "<2>a defect"
    assert lines[-1] == "<2>ValueError: invalid literal for int() with base 10: 'oops'"
    assert all(line.startswith("<2>") for line in lines)
