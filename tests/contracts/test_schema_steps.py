"""Steps of the schema that replace a function keep what earlier steps put into it."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from pgconflict.conflict_log.schema import steps

_FUNCTION = re.compile(
    r"create (?:or replace )?function (pgconflict\.\w+)\(.*?as \$\$(.*?)\$\$;",
    re.DOTALL,
)


def bodies() -> dict[str, list[str]]:
    """Each function's bodies, in the order of the steps."""
    found: dict[str, list[str]] = {}
    for step in steps():
        for name, body in _FUNCTION.findall(step.text):
            found.setdefault(name, []).append(body)
    return found


def test_replaced_functions_are_found() -> None:
    assert len(bodies()["pgconflict.make_partition"]) > 1


@pytest.mark.parametrize("name", sorted(bodies()))
def test_a_later_body_has_every_line_of_the_earlier(name: str) -> None:
    versions = bodies()[name]
    for earlier, later in pairwise(versions):
        lines = iter(later.splitlines())
        # In their order: each is looked for behind the one before.
        lost = [line for line in earlier.splitlines() if line not in lines]
        assert lost == []
