"""YAML text to plain values, with the line of every key.

YAML takes the last of two equal keys without a word; here that is a problem. Lines
count from 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

KeyPath: TypeAlias = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """YAML without its dates: nothing here is one, and a wrong one has no line."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag != "tag:yaml.org,2002:timestamp"
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong: where, which key, what."""

    line: int
    path: KeyPath
    text: str

    def __str__(self) -> str:
        place = f"line {self.line}: "
        key = dotted(self.path)
        return f"{place}{key}: {self.text}" if key else f"{place}{self.text}"


@dataclass(frozen=True, slots=True)
class Source:
    """What a file holds."""

    data: object
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def line(self, path: KeyPath) -> int:
        """Return the line of the key, or of the nearest key around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def dotted(path: KeyPath) -> str:
    """Return a key path as one writes it.

    >>> dotted(("nodes", 0, "server_log", "read"))
    'nodes[0].server_log.read'
    """
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".")


def read(text: str) -> Source:
    """Parse YAML; what stops the parser is a problem too, and then there is no data."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return Source(None)
        # construct_document merges `<<` into the nodes, which looks like two equal
        # keys afterwards.
        problems = tuple(_duplicates(node, (), set()))
        data = loader.construct_document(node)
        return Source(data, dict(_lines(node, ())), problems)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        return Source(None, problems=(Problem(line, (), _reason(error)),))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        reason = f"not YAML: character U+{error.character:04X} is not allowed"
        return Source(None, problems=(Problem(line, (), reason),))
    except (ValueError, RecursionError) as error:
        # A tag that its value does not fit, or thousands of brackets: no line is known.
        return Source(None, problems=(Problem(1, (), f"not YAML: {error}"),))


def _reason(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "unknown error"
    if "'\\t'" in problem:
        return "a tab: YAML is indented with spaces"
    context = f" {error.context}" if error.context else ""
    return f"not YAML: {problem}{context}"


def _duplicates(node: yaml.Node, path: KeyPath, seen: set[int]) -> Iterator[Problem]:
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    first: dict[object, int] = {}
    for key, line, child in _children(node):
        if isinstance(node, yaml.MappingNode) and key in first and key != "<<":
            text = f"the key is there already, in line {first[key]}"
            yield Problem(line, (*path, key), text)
        first.setdefault(key, line)
        yield from _duplicates(child, (*path, key), seen)


def _lines(node: yaml.Node, path: KeyPath) -> Iterator[tuple[KeyPath, int]]:
    # Of two equal keys the last counts, for its line too.
    last = {key: (line, child) for key, line, child in _children(node)}
    for key, (line, child) in last.items():
        yield (*path, key), line
        yield from _lines(child, (*path, key))


def _children(node: yaml.Node) -> Iterator[tuple[str | int, int, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield str(key.value), key.start_mark.line + 1, value
    elif isinstance(node, yaml.SequenceNode):
        for place, item in enumerate(node.value):
            yield place, item.start_mark.line + 1, item
