"""Names that are spelled differently: which of the known names a text means, in any script."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable

import regex

_SEPARATORS = regex.compile(r"[\s\p{Pd}\p{Pc}]+")
_MARKS = regex.compile(r"[\p{P}\p{S}\p{Z}\p{C}]+")


def without_case(text: str) -> str:
    """The text in one case and one composition of its characters."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def without_separators(text: str) -> str:
    """The text in one case, without spaces, hyphens and underscores."""
    return _SEPARATORS.sub("", without_case(text))


def letters(text: str) -> str:
    """The text in one case, without spaces, punctuation and symbols; letters, marks and digits stay."""
    return _MARKS.sub("", without_case(text))


class Spellings:
    """Known spellings and what each of them means.

    A text means a spelling that it equals, or else the only one that it equals after a fold. Where two
    spellings with different meanings fold into one, that fold decides nothing between them.
    """

    def __init__(self, meanings: dict[str, str], folds: Iterable[Callable[[str], str]]) -> None:
        """`folds` are tried in their order, so the one that changes least comes first."""
        self._exact = meanings
        self._folded: list[tuple[Callable[[str], str], dict[str, str]]] = []
        for fold in folds:
            groups: dict[str, set[str]] = {}
            for spelling, meaning in meanings.items():
                groups.setdefault(fold(spelling), set()).add(meaning)
            unique = {key: next(iter(group)) for key, group in groups.items() if key and len(group) == 1}
            self._folded.append((fold, unique))

    def find(self, text: str) -> str | None:
        """What the text means; None if it is unknown, or if several spellings are equally near."""
        if text in self._exact:
            return self._exact[text]
        for fold, unique in self._folded:
            if (meaning := unique.get(fold(text))) is not None:
                return meaning
        return None
