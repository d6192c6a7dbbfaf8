"""Numbers on the command line."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pytest

from pgconflict.cli.parser import amount, load, parse, tree
from pgconflict.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator


def everything(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    load(parser)
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for one in set(action.choices.values()):
                yield from everything(one)


def test_no_number_may_be_without_end() -> None:
    """A wait of nan would never be over."""
    types = [action.type for action in everything(tree())]

    assert types.count(amount) >= 5
    assert float not in types


@pytest.mark.parametrize("word", ["nan", "inf", "-1", "soon"])
def test_what_is_no_amount(word: str) -> None:
    with pytest.raises(UsageError, match="is not a number from 0 on"):
        parse(["preflight", f"--wait={word}"])
