"""What `pip install pgconflict` puts on a machine."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest
from hatchling.builders.wheel import WheelBuilder

from pgconflict import __version__
from tests.contracts.tree import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files of a wheel made from this tree."""
    folder: Path = tmp_path_factory.mktemp("wheel")
    (wheel,) = WheelBuilder(str(ROOT)).build(
        directory=str(folder), versions=["standard"]
    )
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


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
