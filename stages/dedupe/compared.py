"""Rows in, their near pairs out: rows are compared as whole texts and, if the task names one, by a part.

Rows that share most of their words, such as questions about one page, are always near each other as whole
texts. With a part, two rows are near if their whole texts are, and their parts too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import regex

from promptstill.near.corpus import Corpus, embedded
from promptstill.near.ngrams import text_overlap
from promptstill.near.pairs import Pair, each_near_pair
from promptstill.near.vectors import Engine
from promptstill.rows.row import Input, KeptRow
from stages.dedupe.params import DedupeParams


@dataclass(frozen=True)
class ComparedRows:
    """The rows with their vectors and, if the task names a part, their parts in the same order."""

    corpus: Corpus[KeptRow]
    parts: Corpus[Input] | None

    @property
    def rows(self) -> list[KeptRow]:
        """The rows."""
        return self.corpus.rows

    def take(self, positions: Sequence[int]) -> ComparedRows:
        """The rows at some positions, in that order."""
        parts = None if self.parts is None else self.parts.take(positions)
        return ComparedRows(self.corpus.take(positions), parts)

    def pairs(self, min_cosine: float, min_text_overlap: float, engine: Engine | None = None) -> list[Pair]:
        """The pairs `left < right` that reach both thresholds, in order."""
        near = self.each_pair(min_cosine, min_text_overlap, engine)
        return sorted(near, key=lambda pair: (pair.left, pair.right))

    def each_pair(
        self, min_cosine: float, min_text_overlap: float, engine: Engine | None = None
    ) -> Iterator[Pair]:
        """The pairs of `pairs`, in no order and without holding them all. With parts, the similarities of a
        pair are the smaller ones of the whole texts and of the parts."""
        texts, vectors = self.corpus.texts, self.corpus.vectors
        near = each_near_pair(vectors, texts, min_cosine, min_text_overlap, engine)
        if self.parts is None:
            return near
        return iter(reaching(by_parts(near, self.parts), min_cosine, min_text_overlap))


def with_vectors(rows: list[KeptRow], params: DedupeParams, engine: Engine | None) -> ComparedRows:
    """The rows with the vectors of their texts and parts."""
    corpus = embedded(rows, params.encoder, engine)
    if params.part is None:
        return ComparedRows(corpus, None)
    parts = [Input(id=row["id"], input=part_of(row["input"], params.part)) for row in rows]
    return ComparedRows(corpus, embedded(parts, params.encoder, engine))


def part_of(text: str, pattern: str) -> str:
    """What the one group of the pattern finds first; the whole text if it finds nothing or only space."""
    match = regex.search(pattern, text)
    part = None if match is None else match.group(1)
    return part if part is not None and part.strip() else text


def by_parts(pairs: Iterable[Pair], parts: Corpus[Input]) -> Iterator[Pair]:
    """The pairs, each with the smaller ones of its own similarities and of those of its parts."""
    texts, vectors = parts.texts, parts.vectors
    for pair in pairs:
        cosine = float((vectors[pair.left].astype(np.float64) * vectors[pair.right]).sum())
        overlap = text_overlap(texts[pair.left], texts[pair.right])
        yield Pair(pair.left, pair.right, min(pair.cosine, cosine), min(pair.text_overlap, overlap))


def reaching(pairs: Iterable[Pair], min_cosine: float, min_text_overlap: float) -> list[Pair]:
    """The pairs that reach both thresholds."""
    return [pair for pair in pairs if pair.cosine >= min_cosine and pair.text_overlap >= min_text_overlap]
