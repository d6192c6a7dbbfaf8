"""What README.md says can be typed, set and asked exists."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import psycopg
import pytest

from pgconflict.cli.conflicts_list import COLUMNS
from pgconflict.cli.parser import parse
from pgconflict.config import Config
from pgconflict.config import parse as parse_config
from pgconflict.conflict_log.schema import install
from tests.contracts.tree import ROOT

if TYPE_CHECKING:
    from pydantic import BaseModel

    from tests.fixtures.servers import ConflictLogServer

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
OUTSIDE_BLOCKS = re.sub(r"^```.*?^```$", "", TEXT, flags=re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    """The code blocks of a language."""
    pattern = rf"^```{language}\n(.*?)^```$"
    return re.findall(pattern, TEXT, flags=re.MULTILINE | re.DOTALL)


def typed() -> list[list[str]]:
    """Every command line of the console blocks, as the shell's words."""
    return [
        shlex.split(line.removeprefix("$ "), comments=True)
        for block in blocks("console")
        for line in block.splitlines()
        if line.startswith("$ ")
    ]


@pytest.mark.parametrize(
    "words",
    [words for words in typed() if words[0].split("/")[-1] == "pgconflict"],
    ids=" ".join,
)
def test_commands_exist(words: list[str]) -> None:
    """The parser takes the line as it stands."""
    run, _ = parse(words[1:])

    assert callable(run)


def test_commands_named_in_the_text_exist() -> None:
    named = set(re.findall(r"`pgconflict ((?:[a-z]+ ?)+)", OUTSIDE_BLOCKS))

    assert named
    for line in named:
        words = line.split()
        with pytest.raises(SystemExit) as ended:
            parse([*words, "--help"])
        assert ended.value.code == 0, line


def test_targets_of_make_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][\w-]*):", makefile, re.MULTILINE))
    used = {words[1] for words in typed() if words[0] == "make"}
    used |= set(re.findall(r"`make ([a-z]+)", OUTSIDE_BLOCKS))

    assert used
    assert used <= targets


def test_configuration_is_taken() -> None:
    (snippet,) = blocks("yaml")

    config = parse_config(snippet, ROOT / "README.md")

    assert [node.name for node in config.nodes] == ["a", "b"]


def _keys(model: type[BaseModel], before: str = "") -> set[str]:
    keys = set()
    for name, field in model.model_fields.items():
        keys.add(f"{before}{name}")
        inner = field.annotation
        if isinstance(inner, type) and hasattr(inner, "model_fields"):
            keys |= _keys(inner, f"{before}{name}.")
    return keys


def test_keys_exist() -> None:
    named = set(re.findall(r"`((?:conflict_log|metrics|limits)\.\w+)`", OUTSIDE_BLOCKS))

    assert named
    assert named <= _keys(Config)


def test_metrics_exist() -> None:
    catalogue = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(pgconflict_\w+)`", OUTSIDE_BLOCKS))

    assert named
    assert {name for name in named if f"`{name}`" not in catalogue} == set()


def test_the_demonstrations_table_is_the_present_one() -> None:
    """The output that is shown was printed by this version's columns."""
    heads = re.findall(r"^ *id  logged.*$", TEXT, re.MULTILINE)

    assert heads
    assert all(
        head.split() == " ".join(column.title for column in COLUMNS).split()
        for head in heads
    )


def test_queries_run(conflict_log_server: ConflictLogServer) -> None:
    queries = [block for block in blocks("sql") if "pgconflict." in block]
    dsn = conflict_log_server.new_database()

    assert queries
    with psycopg.connect(dsn, autocommit=True) as connection:
        install(connection)
        for text in queries:
            connection.execute(text.encode())
