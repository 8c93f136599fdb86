"""The golden set stays unseen: rows that equal or resemble a golden case leave before anything is split."""

from __future__ import annotations

from stages.shared.files import Row
from stages.shared.similarity import Pair
from stages.shared.text import input_hash


def quarantine(
    rows: list[Row], golden: list[Row], near: list[Pair], alike: list[tuple[int, int, float]]
) -> tuple[list[int], list[Row]]:
    """Positions of the rows that stay, and the rows that leave with `quarantined_for`: golden id,
    similarities (no meaning where the text decided) and `because` of `exact`, `near` or `text`.

    `near` pairs positions of rows (left) with positions of golden cases (right) that are near by meaning and
    text; `alike` has those whose text alone is too similar, with that similarity. A row leaves for the
    nearest case of the strongest reason.
    """
    same = {input_hash(case["input"]): case["id"] for case in golden}
    reason: dict[int, Row] = {}
    for left, right, text in sorted(alike, key=lambda one: (one[2], -one[1])):
        reason[left] = _reason(golden[right]["id"], None, text, "text")
    for pair in sorted(near, key=lambda pair: (pair.meaning + pair.text, -pair.right)):
        reason[pair.left] = _reason(golden[pair.right]["id"], pair.meaning, pair.text, "near")
    for i, row in enumerate(rows):
        exact = same.get(input_hash(row["input"]))
        if exact is not None:
            reason[i] = _reason(exact, 1.0, 1.0, "exact")
    stay = [i for i in range(len(rows)) if i not in reason]
    return stay, [rows[i] | {"quarantined_for": reason[i]} for i in sorted(reason)]


def _reason(golden_id: str, meaning: float | None, text: float, because: str) -> Row:
    rounded = None if meaning is None else round(meaning, 4)
    return {"id": golden_id, "meaning": rounded, "text": round(text, 4), "because": because}
