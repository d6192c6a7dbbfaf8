"""docs/configuration.md is what the models say."""

from __future__ import annotations

import importlib.util
import re

from tests.contracts.tree import ROOT

PAGE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
EXAMPLE = (ROOT / "config" / "pgconflict.example.yml").read_text(encoding="utf-8")


def test_the_page_is_written_from_the_models() -> None:
    """Else: python tools/configuration_page.py > docs/configuration.md."""
    spec = importlib.util.spec_from_file_location(
        "configuration_page", ROOT / "tools" / "configuration_page.py"
    )
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    assert module.page() == PAGE


def test_it_has_every_key_of_the_example() -> None:
    keys = set(re.findall(r"^ *(?:- )?([a-z_]+):", EXAMPLE, re.MULTILINE))

    assert len(keys) > 20
    assert {key for key in keys if f"`{key}`" not in PAGE} == set()
