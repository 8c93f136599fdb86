"""The leak certificate in the form in which cards and page show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from promptstill.core.files import JsonObject


@dataclass(frozen=True)
class Neighbours:
    """The most similar texts of two parts by one measure; `texts` are `(part, id, input)`."""

    measure: str
    similarity: float
    texts: list[tuple[str, str, str]]


@dataclass(frozen=True)
class PairOfParts:
    """What two of train, validation, test and golden share, and what they share after a random split.

    `texts_compared` is the number of texts by part if the certificate compared a sample of them.
    """

    name: str
    shared_keys: int
    near_pairs: int
    random_shared_keys: int
    random_near_pairs: int
    meaning: Neighbours
    text: Neighbours
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
            _neighbours("meaning", pair, entry["nearest_meaning"]),
            _neighbours("text", pair, entry["nearest_text"]),
            entry.get("texts_compared", {}),
        )
        for pair, entry in leaks["pairs"].items()
    ]


def _neighbours(measure: str, pair: str, entry: JsonObject) -> Neighbours:
    texts = [(part, entry[part]["id"], entry[part]["input"]) for part in pair.split("/")]
    return Neighbours(measure, entry["similarity"], texts)


def thresholds(leaks: JsonObject) -> dict[str, str]:
    """The thresholds by purpose, as text: `link` between rows and `quarantine` to golden cases."""
    return {
        purpose: ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())
        for purpose, values in leaks["thresholds"].items()
    }
