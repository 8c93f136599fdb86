"""Which rows come first: the riskiest, spread over different problems, and some by chance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Candidate:
    """A row that may come into the queue.

    `problem` is what it has in common with rows that would teach a reviewer the same. `turn` is its place in
    the random order; None if it is not in it.
    """

    id: str
    risk: float
    problem: tuple[str, ...]
    turn: int | None = None


def ranked(candidates: Sequence[Candidate], rows: int, by_chance: float) -> list[tuple[Candidate, bool]]:
    """The first rows of the queue, at most `rows`, and whether each is there by chance.

    The riskiest row of each problem comes first, by falling risk, then the second row of each problem, and so
    on. A share `by_chance` of the places, evenly spread, goes to the rows of the random order instead, in
    that order; so do all places after the last row with a risk.
    """
    risky = ((candidate, False) for candidate in _spread(candidates))
    random = ((candidate, True) for candidate in _in_random_order(candidates))
    queue: list[tuple[Candidate, bool]] = []
    seen: set[str] = set()
    due = 0.0
    while len(queue) < rows:
        due += by_chance
        turns = (random, risky) if due >= 1 else (risky, random)
        due -= due >= 1
        following = next((place for turn in turns for place in turn if place[0].id not in seen), None)
        if following is None:
            break
        queue.append(following)
        seen.add(following[0].id)
    return queue


def _in_random_order(candidates: Iterable[Candidate]) -> Iterator[Candidate]:
    turns = [
        (candidate.turn, candidate.id, candidate) for candidate in candidates if candidate.turn is not None
    ]
    return (candidate for _, _, candidate in sorted(turns, key=lambda item: item[:2]))


def _spread(candidates: Iterable[Candidate]) -> Iterator[Candidate]:
    """The candidates with a risk, round by round over the problems."""
    problems: dict[tuple[str, ...], list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        if candidate.risk > 0:
            problems[candidate.problem].append(candidate)
    rounds = [
        (place, -candidate.risk, candidate.id, candidate)
        for members in problems.values()
        for place, candidate in enumerate(
            sorted(members, key=lambda candidate: (-candidate.risk, candidate.id))
        )
    ]
    return (candidate for *_, candidate in sorted(rounds, key=lambda item: item[:3]))
