"""Recall and precision of redaction on the placements of the tests, beside Presidio's recognisers:
`python -m benchmarks.redaction --peer PYTHON_WITH_PRESIDIO`."""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks.table import print_table
from promptstill.rows.redact import find
from tests.promptstill.rows.placements import AROUND, KINDS, Placement, Score, measure, placements

HERE = Path(__file__).parent
REGIONS = ("US", "GB", "DE")
# Lengths, in characters, of the texts that show how the time grows.
GROWTH = (20_000, 40_000, 80_000)
PIECES = {"digits": "2 ", "addresses": "a.b@", "colons": "1:", "letters and digits": "AA11 ", "tokens": "eyJ"}

Spans = list[tuple[int, int, str]]


def own(texts: list[str]) -> tuple[list[Spans], float]:
    """The spans of this project in each text, and the seconds."""
    find(texts[0], KINDS, REGIONS)
    started = time.perf_counter()
    return [find(text, KINDS, REGIONS) for text in texts], time.perf_counter() - started


def presidio(python: str, texts: list[str]) -> tuple[list[Spans], float]:
    """The spans of Presidio in each text, and the seconds."""
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    command = [python, str(HERE / "peer.py"), ",".join(REGIONS)]
    printed = subprocess.run(command, input=lines, capture_output=True, text=True, check=True).stdout
    *spans, seconds = map(json.loads, printed.splitlines())
    return [[(start, end, kind) for start, end, kind in of_text] for of_text in spans], seconds


def figures(placed: list[Placement], spans: list[Spans]) -> dict[str, dict[str, float]]:
    """Recall, precision and characters taken beside a value, by kind."""

    def rates(score: Score) -> dict[str, float]:
        return {
            "values": score.values,
            "recall": round(score.hidden / score.values, 4),
            "precision": round(score.right / max(1, score.spans), 4),
            "characters_beside_a_value": round(score.beside / score.values, 2),
        }

    return {kind: rates(s) for kind, s in measure(iter(zip(placed, spans, strict=True))).items()}


def growth() -> dict[str, list[float]]:
    """Seconds for one text of each length in GROWTH that makes a pattern try again and again."""
    seconds: dict[str, list[float]] = {}
    for name, piece in PIECES.items():
        seconds[name] = []
        for length in GROWTH:
            text = piece * (length // len(piece))
            started = time.process_time()
            find(text, ("secret", *KINDS), REGIONS)
            seconds[name].append(round(time.process_time() - started, 2))
    return seconds


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", required=True, help="a Python that has presidio-analyzer")
    peer = parser.parse_args().peer
    placed = placements()
    texts = [placement.text for placement in placed]
    results: dict[str, Any] = {"texts": len(texts), "scripts": len(AROUND)}
    columns = ("who", "kind", "recall", "precision", "characters beside a value")
    lines: list[tuple[object, ...]] = []
    for who, (spans, seconds) in {"stage": own(texts), "presidio": presidio(peer, texts)}.items():
        results[who] = {"seconds": round(seconds, 2), **figures(placed, spans)}
        for kind in KINDS:
            _, *rates = results[who][kind].values()
            lines.append((who, kind, *rates))
    results["seconds_by_length"] = {"characters": list(GROWTH), **growth()}
    print_table(columns, lines)
    print(results["seconds_by_length"])
    (HERE / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
