"""Components of a graph, and even samples."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from promptstill.near.components import Components, connected
from promptstill.near.sampling import evenly


@given(st.integers(1, 12), st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=20))
def test_components_partition_the_nodes_and_hold_the_links(count: int, links: list[tuple[int, int]]) -> None:
    links = [(a % count, b % count) for a, b in links]
    members = connected(count, links)
    assert sorted(node for component in members for node in component) == list(range(count))
    home = {node: i for i, component in enumerate(members) for node in component}
    assert all(home[a] == home[b] for a, b in links)


@given(st.integers(1, 12), st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=20))
def test_a_graph_that_grows_link_by_link_has_the_same_components(
    count: int, links: list[tuple[int, int]]
) -> None:
    links = [(a % count, b % count) for a, b in links]
    graph = Components(count)
    for link in links:
        roots = graph.roots(link)
        graph.join(roots, roots[0])
    members: dict[int, list[int]] = {}
    for node in range(count):
        members.setdefault(graph.root(node), []).append(node)
    assert sorted(members.values()) == connected(count, links)


@given(st.integers(0, 500), st.integers(1, 60))
def test_an_even_sample_is_bounded_and_spread_over_all(count: int, most: int) -> None:
    sample = evenly(count, most)
    assert len(sample) == count if count <= most else most / 2 < len(sample) <= most
    assert not sample or (sample[0] == 0 and count - sample[-1] <= sample.step)
