"""Which rows of the queue a reviewer wants to see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self
from urllib.parse import urlencode

OPEN, DONE, ALL = "open", "done", "all"
# The index has groups of three characters, so a shorter text is searched for without it.
SHORTEST_INDEXED = 3


@dataclass(frozen=True)
class Filters:
    """Empty texts filter nothing. `text` is a part of the input, `reviewer` somebody who has decided it."""

    show: str = OPEN
    reason: str = ""
    slice: str = ""
    label: str = ""
    reviewer: str = ""
    text: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Self:
        """From the query of an address; anything else in it is ignored."""
        given = {
            field.name: query[field.name].replace("\0", "").strip()
            for field in fields(cls)
            if query.get(field.name)
        }
        if given.get("show") not in (OPEN, DONE, ALL):
            given.pop("show", None)
        return cls(**given)

    @property
    def query(self) -> str:
        """The query of an address."""
        changed = {f.name: value for f in fields(self) if (value := getattr(self, f.name)) != f.default}
        return urlencode(changed)

    def where(self, everything: bool = False) -> tuple[str, list[Any]]:
        """The condition on `item` in SQL, and its values. `everything` ignores what is to be shown."""
        parts, values = ["1"], list[Any]()
        if self.show != ALL and not everything:
            parts.append("open = ?")
            values.append(int(self.show == OPEN))
        for kind, name in (("reason", self.reason), ("slice", self.slice)):
            if name:
                parts.append(
                    "EXISTS (SELECT 1 FROM mark WHERE kind = ? AND name = ? AND mark.rank = item.rank)"
                )
                values += [kind, name]
        if self.label:
            parts.append("label = ?")
            values.append(self.label)
        if self.reviewer:
            parts.append("hash IN (SELECT hash FROM decision WHERE reviewer = ?)")
            values.append(self.reviewer)
        if len(self.text) >= SHORTEST_INDEXED:
            parts.append("rank IN (SELECT rowid FROM words WHERE words MATCH ?)")
            values.append('"' + self.text.replace('"', '""') + '"')
        elif self.text:
            parts.append("instr(lower(input), lower(?)) > 0")
            values.append(self.text)
        return " AND ".join(parts), values
