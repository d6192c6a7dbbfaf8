"""What `pip install pgconflict` puts on a machine."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

from pgconflict import __version__
from pgconflict.cli.examples import EXAMPLES
from tests.contracts.tree import ROOT, files


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel made from this tree."""
    folder: Path = tmp_path_factory.mktemp("wheel")
    (made,) = WheelBuilder(str(ROOT)).build(
        directory=str(folder), versions=["standard"]
    )
    return Path(made)


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    """The files of the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a new environment: what pip and pipx make, from PyPI."""
    folder: Path = tmp_path_factory.mktemp("environment")
    # Without pip in it, which Debian has in a package of its own.
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "--python", python, "install", "--only-binary", ":all:", wheel],
        check=True,
        timeout=240,
    )
    return folder / "bin" / "pgconflict"


def run(program: Path, *words: str, code: int = 0) -> str:
    done = subprocess.run(
        [program, *words],
        capture_output=True,
        check=False,
        text=True,
        cwd=program.parent,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == code, done.stderr
    return done.stdout


def test_runs_where_nothing_else_is_installed(program: Path) -> None:
    assert run(program, "--version") == f"pgconflict {__version__}\n"
    assert "--example" in run(program, "init", "--help")
    # The statements are files of the wheel.
    assert "conflict_log" in run(program, "init", "--print-sql")
    log = ROOT / "tests" / "corpus" / "18" / "main" / "A" / "json.log.gz"
    assert "insert_exists" in run(program, "scan", str(log))


def test_prints_the_files_for_others(program: Path) -> None:
    for name, path in EXAMPLES.items():
        assert run(program, "init", "--example", name) == (ROOT / path).read_text()


def test_example_is_of_a_configuration_that_is_taken(program: Path) -> None:
    path = program.parent / "pgconflict.yml"
    text = run(program, "init", "--example", "configuration")
    path.write_text(re.sub(r"host=\S+", "host=127.0.0.1 port=1", text))

    run(program, "--config", str(path), "check", code=69)


def test_source_distribution_makes_the_same_wheel(
    names: set[str], tmp_path: Path
) -> None:
    (made,) = SdistBuilder(str(ROOT)).build(
        directory=str(tmp_path), versions=["standard"]
    )
    with tarfile.open(made) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = (path for path in tmp_path.iterdir() if path.is_dir())
    # All that the tests and `make deb` need.
    for folder in ("config", "docker", "docs", "packaging", "sql", "systemd", "tools"):
        ours = {
            path.relative_to(ROOT) for path in files(below=folder) if path.is_file()
        }
        assert ours <= {path.relative_to(unpacked) for path in unpacked.rglob("*")}
    (wheel,) = WheelBuilder(str(unpacked)).build(
        directory=str(tmp_path), versions=["standard"]
    )

    with zipfile.ZipFile(wheel) as archive:
        assert set(archive.namelist()) == names


@pytest.mark.parametrize(
    ("folder", "place"),
    [("sql", "sql"), ("config", "config_files"), ("systemd", "systemd")],
)
def test_holds_what_is_not_python(names: set[str], folder: str, place: str) -> None:
    ours = {
        f"pgconflict/{place}/{path.relative_to(ROOT / folder)}"
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    }

    assert ours
    assert ours <= names


def test_holds_every_module_and_no_test(names: set[str]) -> None:
    modules = {
        str(path.relative_to(ROOT)) for path in (ROOT / "pgconflict").rglob("*.py")
    }

    assert modules <= names
    assert not [name for name in names if name.startswith("tests")]


def test_has_a_licence_and_the_command(names: set[str]) -> None:
    information = f"pgconflict-{__version__}.dist-info"

    assert f"{information}/licenses/LICENSE" in names
    assert f"{information}/entry_points.txt" in names
