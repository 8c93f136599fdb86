"""What a fuzzer writes: valid files with damage in them, and JSON values that nobody expects."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

# Pieces that readers of text, JSON, CSV and regular expressions have stumbled over.
PIECES = (
    *('"', "'", "{", "}", "[", "]", ":", ",", "\\", "\n", "\r", "\r\n", "\t", "\0", "\ufeff", "\u2028"),
    *("NaN", "-Infinity", "1e999", "9" * 5_000, "-0", "0x1", "null", "true", "{}"),
    *("[" * 3_000, '{"a":' * 3_000, "2 " * 5_000, "é" * 300, "\U0001f469", "\u202e"),
    *("\\ud800", "\\udc00x", "\\u0000", "=cmd()", "[/b]", "<|im_end|>", "```", "{input}", "${x}"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1790000000000"),
)
TEXTS = st.one_of(st.text(max_size=40), st.sampled_from(PIECES))
HUGE = st.integers(min_value=10**30, max_value=10**400)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), HUGE, st.floats(), TEXTS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=8,
)


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """The content with up to four places cut out, repeated or written over."""
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(content)))
        end = min(len(content), at + draw(st.integers(0, 12)))
        piece = draw(
            st.one_of(st.binary(max_size=6), TEXTS.map(lambda t: t.encode("utf-8", "surrogatepass")))
        )
        content = content[:at] + piece * draw(st.integers(1, 2)) + content[end:]
    return content


@st.composite
def with_values(draw: st.DrawFn, value: Any) -> Any:  # noqa: ANN401
    """A JSON value of which some parts, keys included, are others."""
    if draw(st.integers(0, 5)) == 0:
        return draw(VALUES)
    if isinstance(value, dict):
        changed = {key: draw(with_values(part)) for key, part in value.items()}
        if changed and draw(st.integers(0, 4)) == 0:
            del changed[draw(st.sampled_from(sorted(changed)))]
        if draw(st.integers(0, 4)) == 0:
            changed[draw(TEXTS)] = draw(VALUES)
        return changed
    if isinstance(value, list):
        return [draw(with_values(part)) for part in value]
    return value


@st.composite
def lines(draw: st.DrawFn, rows: list[dict[str, Any]]) -> bytes:
    """JSONL of such rows, perhaps damaged as text too."""
    chosen = draw(st.lists(st.sampled_from(rows), max_size=5))
    text = "\n".join(json.dumps(draw(with_values(row)), ensure_ascii=draw(st.booleans())) for row in chosen)
    return draw(damaged(text.encode("utf-8", "surrogatepass")))


@st.composite
def document(draw: st.DrawFn, value: Any) -> bytes:  # noqa: ANN401
    """One JSON document of such a value, perhaps damaged as text too."""
    text = json.dumps(draw(with_values(value)), ensure_ascii=draw(st.booleans()))
    return draw(damaged(text.encode("utf-8", "surrogatepass")))
