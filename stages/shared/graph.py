"""Connected components: links in, groups out."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def connected(count: int, links: list[tuple[int, int]]) -> list[list[int]]:
    """Components of a graph with nodes 0 .. count - 1: members ascending, components by their first
    member."""
    left = np.array([link[0] for link in links], dtype=np.int64)
    right = np.array([link[1] for link in links], dtype=np.int64)
    graph = coo_array((np.ones(len(links), dtype=bool), (left, right)), shape=(count, count))
    _, component = connected_components(graph, directed=False)
    members: dict[int, list[int]] = {}
    for node, name in enumerate(component.tolist()):
        members.setdefault(name, []).append(node)
    return sorted(members.values())
