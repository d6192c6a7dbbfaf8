"""The nodes that a command line names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgconflict.errors import UsageError

if TYPE_CHECKING:
    from pgconflict.config import Config, Node


def node_of(config: Config, name: str) -> Node:
    """The node of this name.

    Raises:
        UsageError: there is none.
    """
    node = config.node(name)
    if node is None:
        known = ", ".join(one.name for one in config.nodes)
        raise UsageError(f"no node {name!r}", hint=f"the nodes are {known}")
    return node
