"""Presidio's recognisers, without a model: `PYTHON peer.py REGION,...` reads texts as JSON lines.

Prints a list of `[start, end, kind]` for each text, and the seconds as the last line.
"""

from __future__ import annotations

import json
import sys
import time


def main() -> None:
    """Find and print."""
    from presidio_analyzer.predefined_recognizers import (  # type: ignore[import-not-found]
        CreditCardRecognizer,
        EmailRecognizer,
        IbanRecognizer,
        IpRecognizer,
        PhoneRecognizer,
    )

    recognisers = [
        ("email", EmailRecognizer()),
        ("iban", IbanRecognizer()),
        ("card", CreditCardRecognizer()),
        ("ip", IpRecognizer()),
        ("phone", PhoneRecognizer(supported_regions=sys.argv[1].split(","))),
    ]
    texts = [json.loads(line) for line in sys.stdin]
    started = time.perf_counter()
    for text in texts:
        taken: list[tuple[int, int, str]] = []
        # The order of the stage: a later recogniser skips what an earlier one has taken.
        for kind, recogniser in recognisers:
            results = recogniser.analyze(text, recogniser.supported_entities, None)
            for span in sorted({(result.start, result.end) for result in results}):
                if all(span[1] <= start or span[0] >= end for start, end, _ in taken):
                    taken.append((*span, kind))
        print(json.dumps(sorted(taken)))
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main()
