"""`still pin`: today's rows keep their splits in every later version."""

from __future__ import annotations

from promptstill.core.files import read_lines, read_rows, write_rows
from promptstill.core.paths import out, pins_file
from promptstill.core.settings import require_task
from promptstill.rows.row import SplitRow
from stages.split.pins import check_pins
from stages.split.quota import SPLITS


def pin_rows(task: str) -> None:
    """Add the split of every row to `data/pinned/<task>.jsonl`, which belongs in Git. Pinned rows that have
    left the dataset stay pinned, in case they return.

    Raises UserError if split has not run.
    """
    require_task(task)
    path = pins_file(task)
    before = check_pins(read_lines(path), path) if path.exists() else {}
    now = {
        row["id"]: name for name in SPLITS for row in read_rows(out("split", task, name), SplitRow, "split")
    }
    write_rows(path, ({"id": name, "split": split} for name, split in sorted((before | now).items())))
    moved = sum(before.get(name, split) != split for name, split in now.items())
    print(
        f"{path}: {len(now)} rows of this dataset pinned, {len(now.keys() - before.keys())} of them new, "
        f"{moved} moved since the last time; {len(before.keys() - now.keys())} more are in no split now"
    )
