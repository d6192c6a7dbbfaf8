"""The command line's frame: what is imported, what is said, which code is returned."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pgconflict.cli import parser
from pgconflict.cli.main import main
from pgconflict.errors import NodeUnavailableError, PrivilegeMissingError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

HEAVY = {"asyncpg", "msgspec", "prometheus_client", "psycopg", "pydantic", "yaml"}


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give `pgconflict check` another body, with a command below it."""

    def replace(run: parser.Command) -> None:
        module = types.ModuleType("pgconflict.cli.check")

        def add_arguments(given: argparse.ArgumentParser) -> None:
            given.add_argument("--node")
            below = given.add_subparsers(dest="below").add_parser("deep")
            below.add_argument("--level", choices=["warning", "notice"])

        vars(module).update(add_arguments=add_arguments, run=run)
        monkeypatch.setitem(sys.modules, "pgconflict.cli.check", module)

    return replace


@pytest.mark.parametrize(
    "words", [["--version"], ["--help"], ["--json", "--version"], ["chekc"]]
)
def test_nothing_heavy_is_imported_before_a_command_is_chosen(
    words: list[str],
) -> None:
    code = (
        "import sys\nfrom pgconflict.cli.main import main\n"
        f"try: main({words!r})\nexcept SystemExit: pass\n"
        "print(sorted({name.split('.')[0] for name in sys.modules}))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert HEAVY.isdisjoint(eval(done.stdout.splitlines()[-1]))  # noqa: S307


def test_version_imports_less_than_argparse() -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "from pgconflict.cli.main import main\nmain(['--version'])\n"
        "print(sorted(set(sys.modules) - before))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert eval(done.stdout.splitlines()[-1]) == [  # noqa: S307
        "gc",  # built in
        "pgconflict",
        "pgconflict.cli",
        "pgconflict.cli.main",
    ]


def test_every_command_of_the_tree_has_its_module_and_the_help_names_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])

    assert caught.value.code == 0
    # A long name has its help on the next line.
    shown = capsys.readouterr().out.replace("\n", " \n")
    folder = Path(parser.__file__).parent
    for name, text in parser.COMMANDS:
        assert (folder / f"{name}.py").exists()
        assert f"    {name} " in shown, text


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, _ in parser.COMMANDS
        if (Path(parser.__file__).parent / f"{name}.py").exists()
    ],
)
def test_every_commands_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])

    assert caught.value.code == 0
    assert f"usage: pgconflict {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["chekc"], "pgconflict has no command 'chekc'", "`pgconflict check`?"),
        (["nonsense"], "pgconflict has no command 'nonsense'", "pgconflict --help"),
        ([], "the following arguments are required: COMMAND", "pgconflict --help"),
        (["check", "--nodes=a"], "unknown argument: --nodes=a", "did you mean --node?"),
        (["--jsn", "check"], "unknown argument: --jsn", "did you mean --json?"),
        (["check", "deap"], "pgconflict check has no command 'deap'", "check deep`?"),
        (["check", "deep", "--level", "x"], "'x' is none of warning, notice", "--help"),
        (["check", "--node"], "argument --node: expected one argument", "--help"),
    ],
)
def test_usage_errors_name_the_nearest_word(
    command: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
    hint: str,
) -> None:
    command(lambda _: 0)

    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    first, second = err.splitlines()
    assert first.startswith("pgconflict: error: ")
    assert message in first
    assert second.startswith("hint: ")
    assert hint in second


@pytest.mark.parametrize(
    "words",
    [
        ["--json", "--config", "x.yml", "check", "deep"],
        ["check", "--json", "--config", "x.yml", "deep"],
        ["check", "deep", "--json", "--config=x.yml"],
        ["--json", "check", "deep", "--config", "x.yml"],
    ],
)
def test_common_options_stand_anywhere(
    command: Callable[..., None], words: list[str]
) -> None:
    command(lambda _: 0)

    _, arguments = parser.parse(words)

    assert (arguments.json, arguments.config) == (True, Path("x.yml"))


def test_common_options_have_defaults(command: Callable[..., None]) -> None:
    command(lambda _: 0)

    _, arguments = parser.parse(["check"])

    assert (arguments.json, arguments.config) == (False, None)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (
            NodeUnavailableError("node a is away", hint="start it"),
            69,
            "pgconflict: error: node a is away\nhint: start it\n",
        ),
        (PrivilegeMissingError("may not"), 77, "pgconflict: error: may not\n"),
        (UsageError("no such node"), 2, "pgconflict: error: no such node\n"),
    ],
)
def test_foreseen_errors_are_a_sentence_and_a_code(
    command: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    code: int,
    said: str,
) -> None:
    def run(_: object) -> int:
        raise error

    command(run)

    assert main(["check"]) == code
    assert capsys.readouterr() == ("", said)


def test_a_commands_code_is_the_programs(command: Callable[..., None]) -> None:
    command(lambda _: 3)

    assert main(["check"]) == 3


def test_an_interrupt_is_quiet(
    command: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    def run(_: object) -> int:
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError

    command(run)

    assert main(["check"]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_defect_has_a_traceback_and_code_1(tmp_path: Path) -> None:
    done = in_a_process(tmp_path, "raise RuntimeError('oh')", ["check"])

    assert done.returncode == 1
    assert b"Traceback" in done.stderr
    assert b"RuntimeError: oh" in done.stderr


def test_a_reader_that_stops_reading_is_quiet(tmp_path: Path) -> None:
    code = "for n in range(100000): print(n)\nreturn 0"

    done = in_a_process(tmp_path, code, ["check"], shell_tail="| head -n 1")

    assert (done.stdout, done.stderr) == (b"0\n", b"")


def test_json_is_utf8_in_any_locale(tmp_path: Path) -> None:
    code = "print('\u2192\xe9'); return 0"

    as_json, as_text = (
        in_a_process(tmp_path, code, words, environment={"PYTHONIOENCODING": "latin-1"})
        for words in (["check", "--json"], ["check"])
    )

    assert as_json.stdout == "\u2192\xe9\n".encode()
    assert as_text.stdout == b"\\u2192\xe9\n"


def in_a_process(
    folder: Path,
    body: str,
    words: list[str],
    *,
    environment: dict[str, str] | None = None,
    shell_tail: str = "",
) -> subprocess.CompletedProcess[bytes]:
    indented = body.replace("\n", "\n    ")
    (folder / "frame.py").write_text(
        "import sys, types\n"
        "module = types.ModuleType('pgconflict.cli.check')\n"
        f"def run(_):\n    {indented}\n"
        "module.run, module.add_arguments = run, lambda parser: None\n"
        "sys.modules['pgconflict.cli.check'] = module\n"
        "from pgconflict.cli.main import main\n"
        "sys.exit(main())\n"
    )
    command = " ".join([sys.executable, str(folder / "frame.py"), *words, shell_tail])
    root = str(Path(parser.__file__).parents[2])
    return subprocess.run(
        ["/bin/sh", "-c", command],
        capture_output=True,
        check=False,
        env=os.environ | {"PYTHONPATH": root} | (environment or {}),
    )
