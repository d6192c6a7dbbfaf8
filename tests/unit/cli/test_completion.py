"""What a shell is told at TAB, asked through real shells; and the man pages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pgconflict.cli.complete import candidates
from pgconflict.cli.completion import SCRIPTS
from pgconflict.cli.parser import COMMANDS

ROOT = Path(__file__).parents[3]
CONFIG = """\
conflict_log: {dsn: dbname=log}
nodes:
  - {name: berlin, dsn: host=b}
  - {name: bonn, dsn: host=c}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "pgconflict.yml"
    file.write_text(CONFIG)
    return file


@pytest.fixture
def shell_environment(tmp_path: Path, config: Path) -> dict[str, str]:
    """A PATH with `pgconflict` of this tree."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "pgconflict"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pgconflict "$@"\n')
    program.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "PGCONFLICT_CONFIG": str(config),
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
    }


def words(*typed: str) -> list[str]:
    return [one.word for one in candidates(typed)]


def test_commands_options_and_values() -> None:
    there = {name for name, _ in COMMANDS}

    assert set(words("")) <= there
    assert "check" in words("ch")
    assert words("subscriptions", "") == ["list", "skip", "drop"]
    assert "--apply" in words("subscriptions", "skip", "s", "-")
    assert "--json" in words("--config", "x", "-")
    assert words("completion", "") == ["bash", "zsh", "fish"]
    assert words("nonsense", "x") == []


def test_nodes_are_those_of_the_configuration_that_is_named(config: Path) -> None:
    named = ("--config", str(config))

    assert words(*named, "check", "--node", "") == ["berlin", "bonn"]
    assert words(*named, "check", "--node=bo") == ["--node=bonn"]
    assert words(*named, "check", "--node", "=", "bo") == ["bonn"]
    assert words("--config", "/nowhere", "check", "--node", "") == []


BASH = r"""
source <(pgconflict completion bash)
complete -p pgconflict > /dev/null || exit 1
ask() {
    COMP_WORDS=(pgconflict "$@"); COMP_CWORD=$#; COMP_LINE="${COMP_WORDS[*]}"
    COMP_POINT=${#COMP_LINE}; _pgconflict; echo "${COMPREPLY[*]}"
}
ask subs
ask subscriptions sk
ask check --node b
ask check --node = bo
ask preflight --fr
"""


def test_bash_completes(shell_environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["bash", "--norc", "-c", BASH],
        env=shell_environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.splitlines() == [
        "subscriptions", "skip", "berlin bonn", "bonn", "--from",
    ]  # fmt: skip


@pytest.mark.skipif(not shutil.which("fish"), reason="no fish here")
def test_fish_completes(shell_environment: dict[str, str]) -> None:
    def ask(line: str) -> list[str]:
        script = 'pgconflict completion fish | source; complete -C "$argv"'
        done = subprocess.run(
            ["fish", "--no-config", "-c", script, line],
            env=shell_environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return [each.partition("\t")[0] for each in done.stdout.splitlines()]

    assert ask("pgconflict subs") == ["subscriptions"]
    assert ask("pgconflict check --node b") == ["berlin", "bonn"]


@pytest.mark.skipif(not shutil.which("zsh"), reason="no zsh here")
def test_zsh_completes(shell_environment: dict[str, str], tmp_path: Path) -> None:
    """The function itself, with zsh's helper replaced by one that prints."""
    script = tmp_path / "ask.zsh"
    script.write_text(
        "autoload -Uz compinit; compinit -u -d $HOME/dump\n"
        "source <(pgconflict completion zsh)\n"
        "[[ ${_comps[pgconflict]} == _pgconflict ]] || exit 1\n"
        '_describe() { print -l -- "${(@P)4}" }\n_files() { print FILES }\n'
        "words=(pgconflict subscriptions sk); CURRENT=3; _pgconflict\n"
        "words=(pgconflict check --node b); CURRENT=4; _pgconflict\n"
        "words=(pgconflict scan x); CURRENT=3; _pgconflict\n"
    )
    done = subprocess.run(
        ["zsh", "-f", script],
        env=shell_environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert [each.partition(":")[0] for each in done.stdout.splitlines()] == [
        "skip", "berlin", "bonn", "FILES",
    ]  # fmt: skip


@pytest.mark.parametrize("shell", SCRIPTS)
def test_shells_take_their_script(shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    subprocess.run([shell, "-n"], input=SCRIPTS[shell], text=True, check=True)


def test_man_pages_have_what_help_has_and_no_error_of_roff(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "tools/man_pages.py", tmp_path],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    pages = {file.stem: file for file in tmp_path.iterdir()}

    there = {f"pgconflict-{name}" for name in words("")}
    assert set(pages) == there | {"pgconflict"}
    text = pages["pgconflict-subscriptions"].read_text()
    assert "\\-\\-find\\-lsn" in text
    assert "finish LSN of the transaction" in text
    for command in (["mandoc", "-Tlint", "-Wwarning"], ["groff", "-man", "-ww", "-z"]):
        if shutil.which(command[0]):
            for page in pages.values():
                done = subprocess.run(
                    [*command, page], capture_output=True, text=True, check=False
                )
                assert done.stdout + done.stderr == ""
