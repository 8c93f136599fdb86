"""The leak certificate in the form in which cards and page show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promptstill.core.files import JsonObject
from promptstill.rows.row import Input

# What parts are compared by, and its name in the certificate.
MEASURES = {"meaning": "nearest_meaning", "text": "nearest_text", "containment": "nearest_contained"}


@dataclass(frozen=True)
class Neighbours:
    """The most similar rows of two parts by one measure; `ids` are `(part, id)`."""

    measure: str
    similarity: float
    ids: list[tuple[str, str]]


@dataclass(frozen=True)
class PairOfParts:
    """What two of train, validation, test and golden share, and what they share after a random split.

    `nearest` is by measure. `texts_compared` is the number of texts by part if the certificate compared a
    sample of them.
    """

    name: str
    shared_keys: int
    near_pairs: int
    random_shared_keys: int
    random_near_pairs: int
    nearest: dict[str, Neighbours]
    texts_compared: Mapping[str, int]


def certificate(leaks: JsonObject, leaks_random: JsonObject) -> list[PairOfParts]:
    """The pairs of parts, from the content of `leaks.json` and `leaks_random.json`."""
    return [
        PairOfParts(
            pair,
            entry["shared_keys"],
            entry["near_pairs"],
            leaks_random["pairs"][pair]["shared_keys"],
            leaks_random["pairs"][pair]["near_pairs"],
            {measure: _neighbours(measure, pair, entry[name]) for measure, name in MEASURES.items()},
            entry.get("texts_compared", {}),
        )
        for pair, entry in leaks["pairs"].items()
    ]


def _neighbours(measure: str, pair: str, entry: JsonObject) -> Neighbours:
    return Neighbours(measure, entry["similarity"], [(part, entry[part]) for part in pair.split("/")])


def texts_of(pairs: Sequence[PairOfParts], rows: Mapping[str, Sequence[Input]]) -> dict[tuple[str, str], str]:
    """The inputs of the nearest rows by `(part, id)`. The certificate holds no texts, so they come from the
    rows of each part."""
    wanted = {key for pair in pairs for nearest in pair.nearest.values() for key in nearest.ids}
    texts = {(part, row["id"]): row["input"] for part, held in rows.items() for row in held}
    return {key: texts[key] for key in sorted(wanted)}


def thresholds(leaks: JsonObject) -> dict[str, str]:
    """The thresholds by purpose, as text: `link` between rows and `quarantine` to golden cases."""
    return {
        purpose: ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())
        for purpose, values in leaks["thresholds"].items()
    }
