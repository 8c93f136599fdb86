"""Personal data and secrets in a text become typed placeholders: `[EMAIL_1]`, `[PHONE_1]`, ...

The same value always gets the same placeholder within a text, which keeps its meaning: "not a@x.org but
b@x.org" becomes "not [EMAIL_1] but [EMAIL_2]". Numbers start again in every text, so a placeholder never
links two rows.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from promptstill.rows.personal_data import (
    Span,
    find_cards,
    find_emails,
    find_ibans,
    find_ips,
    find_phones,
    without,
)
from promptstill.rows.secret_shapes import find_secrets


def redact(text: str, kinds: Iterable[str], phone_regions: tuple[str, ...]) -> tuple[str, Counter[str]]:
    """Replace the given kinds of data; return the new text and how many values of each kind were replaced."""
    numbers: dict[tuple[str, str], int] = {}
    counts: Counter[str] = Counter()
    pieces, position = [], 0
    for start, end, kind in find(text, kinds, phone_regions):
        value = text[start:end]
        if (kind, value) not in numbers:
            counts[kind] += 1
            numbers[kind, value] = counts[kind]
        pieces += [text[position:start], f"[{kind.upper()}_{numbers[kind, value]}]"]
        position = end
    return "".join([*pieces, text[position:]]), counts


def find(text: str, kinds: Iterable[str], phone_regions: tuple[str, ...]) -> list[tuple[int, int, str]]:
    """`(start, end, kind)` of every value in `text`, in order and without overlaps.

    Finders run in the order of `kinds`; a later finder does not see what an earlier one has taken. The work
    grows in proportion to the length of the text.
    """
    plain, places = plain_form(text)
    spans: list[tuple[int, int, str]] = []
    for kind in kinds:
        new = [*FINDERS[kind](plain, phone_regions)]
        plain = without(plain, new)
        spans += [(places[start], places[end - 1] + 1, kind) for start, end in new]
    return sorted(spans)


def plain_form(text: str) -> tuple[str, Sequence[int]]:
    """The text as the finders read it, and the place in `text` of each of its characters.

    Digits of every script and full-width letters become ASCII, every space becomes U+0020, and invisible
    format characters are left out: a zero-width space or a direction mark must not hide a number.
    """
    plain = text.translate(PLAIN_CHARACTERS)
    if len(plain) == len(text):
        return plain, range(len(text))
    return plain, [i for i, character in enumerate(text) if PLAIN_CHARACTERS[ord(character)] is not None]


class _PlainCharacters(dict[int, str | int | None]):
    """The table of `plain_form`, filled as characters are met."""

    def __missing__(self, code: int) -> str | int | None:
        character = chr(code)
        category = unicodedata.category(character)
        if category == "Nd":
            plain: str | int | None = str(unicodedata.digit(character))
        elif category == "Zs":
            plain = " "
        elif category == "Cf":
            plain = None
        else:
            # The full-width forms of U+0021 to U+007E.
            plain = code - 0xFEE0 if 0xFF01 <= code <= 0xFF5E else code
        self[code] = plain
        return plain


PLAIN_CHARACTERS = _PlainCharacters()


FINDERS: dict[str, Callable[[str, tuple[str, ...]], Iterator[Span]]] = {
    "secret": find_secrets,
    "email": find_emails,
    "iban": find_ibans,
    "card": find_cards,
    "ip": find_ips,
    "phone": find_phones,
}
