"""What dedupe works on, for the stage and for `still dedupe`."""

from __future__ import annotations

from stages.shared.errors import UserError
from stages.shared.files import Row, read_rows
from stages.shared.paths import metrics_file, out


def kept_rows(task: str) -> list[Row]:
    """The rows that validate kept. Raises UserError where there are none."""
    rows = [row for row in read_rows(out("validate", task), "validate") if row["status"] == "kept"]
    if not rows:
        raise UserError(
            f"{out('validate', task)}: no row was kept; look at the reasons in "
            f"{metrics_file(task, 'validate')}"
        )
    return rows
