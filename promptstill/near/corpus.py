"""Rows with their texts and vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from promptstill.near.vectors import Engine, Vectors, embed
from promptstill.rows.row import Input

R = TypeVar("R", bound=Input)


@dataclass(frozen=True)
class Corpus(Generic[R]):
    """`vectors` has shape (len(rows), dimension) and holds the unit vectors of the rows' inputs."""

    rows: list[R]
    vectors: Vectors

    @property
    def texts(self) -> list[str]:
        """The inputs of the rows."""
        return [row["input"] for row in self.rows]

    def take(self, positions: Sequence[int]) -> Corpus[R]:
        """The rows at some positions, in that order."""
        return Corpus([self.rows[i] for i in positions], self.vectors[list(positions)])


def embedded(rows: list[R], model: str, engine: Engine | None) -> Corpus[R]:
    """A corpus with the vectors of its rows."""
    return Corpus(rows, embed([row["input"] for row in rows], model, engine))
