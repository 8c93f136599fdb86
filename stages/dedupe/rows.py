"""The rows that dedupe works on, for the stage and for `still dedupe`."""

from __future__ import annotations

from typing import cast

from promptstill.console.errors import UserError
from promptstill.core.files import iter_rows
from promptstill.core.paths import details_file, out
from promptstill.rows.row import KeptRow, ValidatedRow


def kept_rows(task: str) -> list[KeptRow]:
    """The rows that validate kept. Raises UserError if there are none."""
    rows = [
        # validate rejects rows without an answer.
        cast(KeptRow, row)
        for row in iter_rows(out("validate", task), ValidatedRow, "validate")
        if row["status"] == "kept"
    ]
    if not rows:
        raise UserError(
            f"{out('validate', task)}: no row was kept; look at the reasons in "
            f"{details_file('validate', task)}"
        )
    return rows
