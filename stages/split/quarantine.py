"""The golden set stays unseen: rows that equal or resemble a golden case leave before anything is split."""

from __future__ import annotations

from stages.shared.files import Row
from stages.shared.similarity import Pair
from stages.shared.text import input_hash


def quarantine(rows: list[Row], golden: list[Row], near: list[Pair]) -> tuple[list[int], list[Row]]:
    """Positions of the rows that stay, and the rows that leave with `quarantined_for` (golden id and
    similarities).

    `near` pairs positions of rows (left) with positions of golden cases (right). A row leaves for the nearest
    case.
    """
    same = {input_hash(case["input"]): case["id"] for case in golden}
    reason: dict[int, Row] = {}
    for pair in sorted(near, key=lambda pair: (pair.meaning + pair.text, -pair.right)):
        reason[pair.left] = {"id": golden[pair.right]["id"], "meaning": pair.meaning, "text": pair.text}
    for i, row in enumerate(rows):
        exact = same.get(input_hash(row["input"]))
        if exact is not None:
            reason[i] = {"id": exact, "meaning": 1.0, "text": 1.0}
    stay = [i for i in range(len(rows)) if i not in reason]
    return stay, [rows[i] | {"quarantined_for": reason[i]} for i in sorted(reason)]
