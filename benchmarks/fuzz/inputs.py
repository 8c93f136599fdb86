"""What a fuzzer writes: valid files with damage in them, and JSON values that nobody expects."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import yaml
from hypothesis import strategies as st

# Pieces that readers of text, JSON, CSV and regular expressions have stumbled over.
PIECES = (
    *('"', "'", "{", "}", "[", "]", ":", ",", "\\", "\n", "\r", "\r\n", "\t", "\0", "\ufeff", "\u2028"),
    *("NaN", "-Infinity", "1e999", "9" * 5_000, "-0", "0x1", "null", "true", "{}"),
    *("[" * 3_000, '{"a":' * 3_000, "2 " * 5_000, "é" * 300, "\U0001f469", "\u202e"),
    *("\\ud800", "\\udc00x", "\\u0000", "=cmd()", "[/b]", "<|im_end|>", "```", "{input}", "${x}"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1790000000000"),
)
# Values and lines that YAML reads in a way of its own, or not at all.
YAML_PIECES = (
    *("2026-02-30", "2026-01-01T25:61:00Z", "0001-01-01", "12:30:45", "0o17", "0b2", "1_000", ".inf"),
    *("-.nan", "yes", "~", "''", "=", "<<", "|", ">-", "%YAML 9.9", "---", "...", "@", "#", "\t"),
    *("9" * 5_000, "0x" + "f" * 5_000, "[" * 3_000, "{a: " * 3_000, "- " * 3_000),
    *("&a [*a]", "&a {b: *a}", "*missing", "<<: *a", "{<<: 1}", "{[1]: 2}", "? [a]\n: b", "{1: 2, null: 3}"),
    *("!!python/object:os.system {}", "!!python/name:os.system", "!!binary a", "!!set {a, b}", "!!int x"),
    *("!!float ''", "!!timestamp x", "!!omap [a: 1]", "!!pairs [a]", "!!bool maybe", "!!null x", "!!merge x"),
    *('"\\ud800"', '"\\x00"', '"\\U00110000"', '"\\q"'),
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
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 2, 4)))):
        at = draw(st.integers(0, len(content)))
        end = min(len(content), at + draw(st.integers(0, 12)))
        piece = draw(
            st.one_of(st.binary(max_size=6), TEXTS.map(lambda t: t.encode("utf-8", "surrogatepass")))
        )
        content = content[:at] + piece * draw(st.integers(1, 2)) + content[end:]
    return content


@st.composite
def with_values(draw: st.DrawFn, value: Any) -> Any:  # noqa: ANN401
    """A JSON value of which up to three parts are others, are left out, or have a new key beside them."""
    whole = [copy.deepcopy(value)]
    for _ in range(draw(st.sampled_from((0, 0, 1, 1, 2, 3)))):
        places = list(_places(whole))
        part, key = places[draw(st.integers(0, len(places) - 1))]
        change = draw(st.sampled_from(("replace", "replace", "remove", "add")))
        if isinstance(part, dict) and change == "remove":
            del part[key]
        elif isinstance(part, dict) and change == "add":
            part[draw(TEXTS)] = draw(VALUES)
        else:
            part[key] = draw(VALUES)
    return whole[0]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401
    """Every part of a value, as what it is in and its key or index there."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


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


@st.composite
def yaml_file(draw: st.DrawFn, value: Any) -> bytes:  # noqa: ANN401
    """A YAML file of such a value, in which up to three lines have another value, or are repeated, moved in
    or out, or left out; perhaps damaged as text too."""
    text = yaml.safe_dump(draw(with_values(value)), sort_keys=False, allow_unicode=draw(st.booleans()))
    written = text.splitlines(keepends=True)
    for _ in range(draw(st.sampled_from((0, 1, 1, 2, 3)))):
        at = draw(st.integers(0, len(written) - 1))
        line = written[at]
        key, colon, _ = line.partition(":")
        piece = draw(st.one_of(st.sampled_from(YAML_PIECES), TEXTS))
        change = draw(st.sampled_from((f"{key}{colon} {piece}\n", line + line, "  " + line, line[1:], "")))
        written[at] = change
    return draw(damaged("".join(written).encode("utf-8", "surrogatepass")))
