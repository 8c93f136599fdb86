"""No training on what must stay unseen: the files are those that the leak certificate was made for, and no
golden case and no quarantined row is in them."""

from __future__ import annotations

from pathlib import Path

from stages.shared.errors import UserError
from stages.shared.files import Row
from stages.shared.text import input_hash


def refuse_uncertified(hashes: dict[str, str], certified: dict[str, str], files: dict[str, Path]) -> None:
    """Raise UserError for a file whose SHA-256 is not the one in the certificate."""
    for name, found in hashes.items():
        if found != certified[name]:
            raise UserError(
                f"{files[name]}: not the file that the leak certificate was made for; run `dvc repro split`"
            )


def refuse_unseen(rows: list[Row], unseen: list[Row], path: Path) -> None:
    """Raise UserError where a row to learn from has the id or the text of one that must stay unseen: a golden
    case or a quarantined row."""
    ids = {row["id"] for row in unseen}
    texts = {input_hash(row["input"]): row["id"] for row in unseen}
    for row in rows:
        known = row["id"] if row["id"] in ids else texts.get(input_hash(row["input"]))
        if known is not None:
            raise UserError(
                f"{path}: row {row['id']!r} is {known!r} of the golden set or the quarantine, which must not "
                "be trained on; run `dvc repro split`"
            )
