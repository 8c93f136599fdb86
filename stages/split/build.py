"""Deduplicated rows and golden cases in, splits and their leak certificate out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from promptstill.console.errors import UserError
from promptstill.near.corpus import Corpus, embedded
from promptstill.near.ngrams import overlapping_texts_between
from promptstill.near.pairs import near_pairs, near_pairs_between
from promptstill.near.vectors import Engine
from promptstill.rows.row import DedupedRow, IngestedCase, Move, QuarantinedRow, SplitName
from stages.split.assign import Parts, assign, check_quotas, random_split
from stages.split.certificate import golden_part, leak_certificate, require_no_leaks, split_part
from stages.split.guards import require_unseen
from stages.split.hard_slices import rated
from stages.split.links import Links, check_giant, links_of
from stages.split.params import SplitParams
from stages.split.quarantine import quarantine


@dataclass(frozen=True)
class Built:
    """The splits and what is known about them; `certificate_of_random` is that of a random split of the same
    rows."""

    parts: Parts
    quarantined: list[QuarantinedRow]
    moves: list[Move]
    links: Links
    certificate: dict[str, Any]
    certificate_of_random: dict[str, Any]


def build(
    rows: list[DedupedRow],
    golden: list[IngestedCase],
    slices: Sequence[str],
    pins: Mapping[str, SplitName],
    params: SplitParams,
    task: str,
    engine: Engine | None,
) -> Built:
    """Quarantine, link, place and certify the rows.

    Raises UserError if no row stays, if a component is too large, or if quotas are not met, and LeakError if
    the splits are not sound.
    """
    all_rows = embedded(rows, params.encoder, engine)
    cases = embedded(golden, params.encoder, engine)
    corpus, quarantined, near_golden = _without_quarantined(all_rows, cases, params, task, engine)
    link = params.link
    near = near_pairs(corpus.vectors, corpus.texts, link.min_cosine, link.min_text_overlap, engine)
    difficult = rated(corpus.rows, params, slices, task)
    links = links_of(difficult, near)
    check_giant(difficult, links, params.largest_component, task)
    placement = assign(difficult, links, params, pins)
    check_quotas(placement.parts, params, task)

    position = {row["id"]: i for i, row in enumerate(corpus.rows)}
    ids = [row["id"] for row in corpus.rows]
    too_near = near_golden | {(ids[pair.left], ids[pair.right]) for pair in near}

    def certify(parts: Parts) -> dict[str, Any]:
        splits = [
            split_part(name, Corpus(part, corpus.vectors[[position[row["id"]] for row in part]]))
            for name, part in parts.items()
        ]
        return leak_certificate([*splits, golden_part(cases)], too_near)

    certificate = certify(placement.parts)
    require_no_leaks(certificate)
    require_unseen(chain.from_iterable(placement.parts.values()), [*golden, *quarantined])
    by_chance = certify(random_split(placement.parts, params.seed))
    return Built(placement.parts, quarantined, placement.moves, links, certificate, by_chance)


def _without_quarantined(
    rows: Corpus[DedupedRow],
    golden: Corpus[IngestedCase],
    params: SplitParams,
    task: str,
    engine: Engine | None,
) -> tuple[Corpus[DedupedRow], list[QuarantinedRow], set[tuple[str, str]]]:
    """The rows that stay, the rows near a golden case, and the ids of all pairs that are near."""
    apart = params.quarantine
    near = near_pairs_between(
        rows.vectors,
        golden.vectors,
        rows.texts,
        golden.texts,
        apart.min_cosine,
        apart.min_text_overlap,
        engine,
    )
    alike = overlapping_texts_between(rows.texts, golden.texts, apart.text_alone)
    stay, quarantined = quarantine(rows.rows, golden.rows, near, alike)
    if not stay:
        raise UserError(
            f"params.yaml: {task}.split.quarantine: every row is near a golden case; raise the thresholds"
        )
    pairs = [(pair.left, pair.right) for pair in near] + [(left, right) for left, right, _ in alike]
    return (
        rows.take(stay),
        quarantined,
        {(rows.rows[left]["id"], golden.rows[right]["id"]) for left, right in pairs},
    )
