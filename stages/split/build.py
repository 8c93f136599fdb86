"""Deduplicated rows and golden cases in, splits and their leak certificate out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from promptstill.console.errors import UserError
from promptstill.near.alike import alike_texts
from promptstill.near.corpus import Corpus, embedded
from promptstill.near.ngrams import CONTAINMENT, OVERLAP, similar_texts_between
from promptstill.near.pairs import Pair, near_pairs, near_pairs_between
from promptstill.near.vectors import Engine, Vectors
from promptstill.rows.row import DedupedRow, IngestedCase, QuarantinedRow, SplitName
from stages.split.assign import Parts, Placement, assign, random_split
from stages.split.certificate import golden_part, leak_certificate, require_no_leaks, split_part
from stages.split.guards import require_unseen
from stages.split.hard_slices import rated
from stages.split.links import Links, links_of
from stages.split.params import SplitParams
from stages.split.quarantine import quarantine


@dataclass(frozen=True)
class Compared:
    """All rows and golden cases with their vectors, the pairs of rows that are near enough for a link, and
    the pairs of a row (left) and a case (right) that are near enough for the quarantine."""

    corpus: Corpus[DedupedRow]
    cases: Corpus[IngestedCase]
    near: list[Pair]
    near_golden: list[Pair]


@dataclass(frozen=True)
class Placed:
    """The splits, with what the certificate compares: the vectors of the rows with these ids, the golden
    cases, and the ids of all pairs that are too near to be apart."""

    placement: Placement
    quarantined: list[QuarantinedRow]
    links: Links
    ids: list[str]
    vectors: Vectors
    cases: Corpus[IngestedCase]
    near: set[tuple[str, str]]

    @property
    def parts(self) -> Parts:
        """The rows by split."""
        return self.placement.parts


@dataclass(frozen=True)
class Certificates:
    """The leak certificate of the splits, and that of a random split of the same rows."""

    of_splits: dict[str, Any]
    of_random: dict[str, Any]


def compare(
    rows: list[DedupedRow], golden: list[IngestedCase], params: SplitParams, engine: Engine | None
) -> Compared:
    """Vectors of rows and golden cases, and the pairs that are near by them: all that an engine does."""
    corpus = embedded(rows, params.encoder, engine)
    cases = embedded(golden, params.encoder, engine)
    link, apart = params.link, params.quarantine
    near = near_pairs(corpus.vectors, corpus.texts, link.min_cosine, link.min_text_overlap, engine)
    near_golden = near_pairs_between(
        corpus.vectors,
        cases.vectors,
        corpus.texts,
        cases.texts,
        apart.min_cosine,
        apart.min_text_overlap,
        engine,
    )
    return Compared(corpus, cases, near, near_golden)


def place(
    compared: Compared,
    slices: Sequence[str],
    pins: Mapping[str, SplitName],
    params: SplitParams,
    task: str,
) -> Placed:
    """Quarantine, link and place the rows. Raises UserError if no row stays or a hard slice is unknown."""
    stay, quarantined, near_golden = _apart_from_golden(compared, params, task)
    corpus = compared.corpus.take(stay)
    at = {position: i for i, position in enumerate(stay)}
    near = [
        replace(pair, left=at[pair.left], right=at[pair.right])
        for pair in compared.near
        if pair.left in at and pair.right in at
    ]
    link = params.link
    measured = ((link.text_alone, OVERLAP), (link.contained, CONTAINMENT))
    similar = [alike_texts(corpus.texts, least, measure) for least, measure in measured if least is not None]
    alike = sorted({(left, right) for left, right, _ in chain.from_iterable(similar)})
    difficult = rated(corpus.rows, params, slices, task)
    links = links_of(difficult, near, alike)
    ids = [row["id"] for row in corpus.rows]
    too_near = {(ids[left], ids[right]) for left, right in chain(((p.left, p.right) for p in near), alike)}
    placement = assign(difficult, links, params, pins)
    cases = compared.cases
    return Placed(placement, quarantined, links, ids, corpus.vectors, cases, near_golden | too_near)


def certified(placed: Placed, seed: int) -> Certificates:
    """The certificate of the splits. Raises LeakError if they are not sound."""
    position = {name: i for i, name in enumerate(placed.ids)}

    def certify(parts: Parts) -> dict[str, Any]:
        splits = [
            split_part(name, Corpus(part, placed.vectors[[position[row["id"]] for row in part]]))
            for name, part in parts.items()
        ]
        return leak_certificate([*splits, golden_part(placed.cases)], placed.near)

    certificate = certify(placed.parts)
    require_no_leaks(certificate)
    unseen = [*placed.cases.rows, *placed.quarantined]
    require_unseen(chain.from_iterable(placed.parts.values()), unseen)
    return Certificates(certificate, certify(random_split(placed.parts, seed)))


def _apart_from_golden(
    compared: Compared, params: SplitParams, task: str
) -> tuple[list[int], list[QuarantinedRow], set[tuple[str, str]]]:
    """Positions of the rows that stay, the rows near a golden case, and the ids of all pairs that are
    near."""
    rows, golden, apart = compared.corpus, compared.cases, params.quarantine
    alike, contained = (
        [] if least is None else similar_texts_between(rows.texts, golden.texts, least, measure)
        for least, measure in ((apart.text_alone, OVERLAP), (apart.contained, CONTAINMENT))
    )
    stay, quarantined = quarantine(rows.rows, golden.rows, compared.near_golden, alike, contained)
    if not stay:
        raise UserError(
            f"params.yaml: {task}.split.quarantine: every row is near a golden case; raise the thresholds"
        )
    pairs = [(pair.left, pair.right) for pair in compared.near_golden]
    pairs += [(left, right) for left, right, _ in [*alike, *contained]]
    return stay, quarantined, {(rows.rows[left]["id"], golden.rows[right]["id"]) for left, right in pairs}
