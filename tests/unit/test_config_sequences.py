"""The section `sequences`: what is accepted, and what is said about the rest."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from pgconflict.config import Config, ConfigFileError, parse

HEAD = """\
conflict_log:
  dsn: dbname=log
nodes:
  - name: a
    dsn: host=10.0.0.1 dbname=app
  - name: b
    dsn: host=10.0.0.2 dbname=app
"""


def config(text: str) -> Config:
    return parse(HEAD + text, Path("pgconflict.yml"))


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigFileError) as caught:
        config(text)
    return [str(problem) for problem in caught.value.problems]


def test_without_the_section_nothing_is_kept_in_step() -> None:
    assert config("").sequences.pairs == ()
    assert config("sequences:\n").sequences.interval == timedelta(seconds=30)


def test_both_kinds_of_pair() -> None:
    text = """\
sequences:
  interval: 5s
  pairs:
    - {name: standby, from: a, to: b, ahead: 60s, schemas: [app]}
    - {name: active, nodes: [a, b], ahead: 500, check_columns: true}
"""

    standby, active = config(text).sequences.pairs

    assert (standby.source, standby.target) == ("a", "b")
    assert standby.ahead == timedelta(seconds=60)
    assert standby.schemas == ("app",)
    assert (active.nodes, active.ahead) == (("a", "b"), 500)


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("{name: x}", "pairs[0]: needs from and to, or nodes"),
        ("{name: x, from: a}", "pairs[0]: needs from and to, or nodes"),
        ("{name: x, from: a, to: z}", "pairs[0].to: there is no node 'z'"),
        ("{name: x, from: a, to: a}", "pairs[0].to: is the node of from"),
        ("{name: x, nodes: [a]}", "pairs[0].nodes: must name at least two"),
        ("{name: x, nodes: [a, q]}", "pairs[0].nodes: there is no node 'q'"),
        ("{name: x, nodes: [a, b], from: a}", "either nodes, or from and to"),
        ("{name: x, from: a, to: b, ahead: soon}", "count of values, or a time"),
        ("{name: x, from: a, to: b, ahead: -1}", "must be from 0"),
        ("{name: x, from: a, to: b, aheda: 1}", "did you mean ahead?"),
        ("{name: '', from: a, to: b}", "pairs[0].name: must be 1 to 63"),
    ],
)
def test_what_is_wrong_with_a_pair(pair: str, words: str) -> None:
    (problem,) = problems(f"sequences:\n  pairs:\n    - {pair}\n")

    assert words in problem
    assert problem.startswith("line 10: ")


def test_two_pairs_of_one_name() -> None:
    text = """\
sequences:
  pairs:
    - {name: x, from: a, to: b}
    - {name: x, from: b, to: a}
"""

    assert problems(text) == [
        "line 11: sequences.pairs[1].name: another pair has the name 'x'"
    ]


@pytest.mark.parametrize("lock_timeout", ["0", "11s", "200"])
def test_the_lock_timeout_is_bounded(lock_timeout: str) -> None:
    assert problems(f"sequences:\n  lock_timeout: {lock_timeout}\n")
