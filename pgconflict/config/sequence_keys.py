"""What can be wrong between the keys of the section `sequences`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pgconflict.config.source import KeyPath


def problems(data: object, nodes: set[str]) -> Iterator[tuple[KeyPath, str]]:
    """Yield the path and the text of each; a value of the wrong type is passed over.

    Args:
        data: The section, as YAML gives it.
        nodes: The names of all nodes.
    """
    pairs = data.get("pairs") if isinstance(data, dict) else None
    seen: set[str] = set()
    for place, pair in enumerate(pairs if isinstance(pairs, list) else []):
        if not isinstance(pair, dict):
            continue
        path: KeyPath = ("sequences", "pairs", place)
        name = pair.get("name")
        if isinstance(name, str):
            if name in seen:
                yield (*path, "name"), f"another pair has the name {name!r}"
            seen.add(name)
        for problem, key in _of_pair(pair, nodes):
            yield ((*path, key) if key else path), problem


def _of_pair(pair: dict[object, object], nodes: set[str]) -> Iterator[tuple[str, str]]:
    one_way = [key for key in ("from", "to") if pair.get(key) is not None]
    all_ways = pair.get("nodes")
    if all_ways and one_way:
        yield f"stands beside {one_way[0]}: either nodes, or from and to", "nodes"
    elif not all_ways and len(one_way) < 2:  # noqa: PLR2004
        yield "needs from and to, or nodes", ""
    for key in one_way:
        if isinstance(pair[key], str) and pair[key] not in nodes:
            yield f"there is no node {pair[key]!r}", key
    if len(one_way) == 2 and pair["from"] == pair["to"]:  # noqa: PLR2004
        yield "is the node of from", "to"
    if isinstance(all_ways, list):
        for node in all_ways:
            if isinstance(node, str) and node not in nodes:
                yield f"there is no node {node!r}", "nodes"
        if len(set(map(str, all_ways))) < 2:  # noqa: PLR2004
            yield "must name at least two", "nodes"
