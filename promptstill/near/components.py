"""Connected components: links in, groups of rows out, for a whole graph or as links arrive."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def connected(count: int, links: list[tuple[int, int]]) -> list[list[int]]:
    """Components of a graph with nodes 0 .. count - 1: members in ascending order, components by their first
    member."""
    left = np.array([link[0] for link in links], dtype=np.int64)
    right = np.array([link[1] for link in links], dtype=np.int64)
    graph = coo_array((np.ones(len(links), dtype=bool), (left, right)), shape=(count, count))
    _, component = connected_components(graph, directed=False)
    members: dict[int, list[int]] = {}
    for node, name in enumerate(component.tolist()):
        members.setdefault(name, []).append(node)
    return sorted(members.values())


class Components:
    """Components of a graph with nodes 0 .. count - 1 that grows link by link (union-find)."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def root(self, node: int) -> int:
        """The node that represents the component of `node`."""
        while self._parent[node] != node:
            self._parent[node] = node = self._parent[self._parent[node]]
        return node

    def roots(self, nodes: Iterable[int]) -> list[int]:
        """The roots of several nodes, each once, in ascending order."""
        return sorted({self.root(node) for node in nodes})

    def join(self, roots: Iterable[int], root: int) -> None:
        """Make one component of several, with `root` as its root."""
        for node in roots:
            self._parent[node] = root
