"""The golden set stays unseen: rows that equal or resemble a golden case leave before anything is split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from promptstill.near.pairs import Pair
from promptstill.rows.identity import input_hash
from promptstill.rows.row import DedupedRow, GoldenCase, QuarantinedRow, QuarantineReason

Because = Literal["exact", "near", "text", "contained"]


def quarantine(
    rows: Sequence[DedupedRow],
    golden: Sequence[GoldenCase],
    near: list[Pair],
    alike: list[tuple[int, int, float]],
    contained: list[tuple[int, int, float]],
) -> tuple[list[int], list[QuarantinedRow]]:
    """Positions of the rows that stay, and the rows that leave with `quarantined_for`.

    `near` pairs positions of rows (left) with positions of golden cases (right) that are near by cosine and
    text overlap. `alike` has the pairs whose text overlap alone is too high, with that overlap, and
    `contained` those of which one text contains the other, with the share that it contains. A row leaves for
    the nearest case of the strongest reason.
    """
    same_text = {input_hash(case["input"]): case["id"] for case in golden}
    reason: dict[int, QuarantineReason] = {}
    by_text: list[tuple[Because, list[tuple[int, int, float]]]] = [("contained", contained), ("text", alike)]
    for because, pairs in by_text:
        for left, right, overlap in sorted(pairs, key=lambda pair: (pair[2], -pair[1])):
            reason[left] = _reason(golden[right]["id"], None, overlap, because)
    for pair in sorted(near, key=lambda pair: (pair.cosine + pair.text_overlap, -pair.right)):
        reason[pair.left] = _reason(golden[pair.right]["id"], pair.cosine, pair.text_overlap, "near")
    for i, row in enumerate(rows):
        exact = same_text.get(input_hash(row["input"]))
        if exact is not None:
            reason[i] = _reason(exact, 1.0, 1.0, "exact")
    stay = [i for i in range(len(rows)) if i not in reason]
    return stay, [{**rows[i], "quarantined_for": reason[i]} for i in sorted(reason)]


def _reason(golden_id: str, cosine: float | None, overlap: float, because: Because) -> QuarantineReason:
    rounded = None if cosine is None else round(cosine, 4)
    return {"id": golden_id, "meaning": rounded, "text": round(overlap, 4), "because": because}
