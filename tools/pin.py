"""`still pin`: the splits of today's rows stay as they are in every later version."""

from __future__ import annotations

from stages.shared.files import read_lines, read_rows, write_rows
from stages.shared.paths import out, pins_file
from stages.shared.settings import require_task
from stages.split.assign import SPLITS
from stages.split.pins import check_pins


def pin_rows(task: str) -> None:
    """Add the split of every row to `data/pinned/<task>.jsonl`, which belongs into Git. Rows that are pinned
    already and have left the dataset stay pinned, in case they come back.

    Raises UserError where split has not run.
    """
    require_task(task)
    path = pins_file(task)
    before = check_pins(read_lines(path), path) if path.exists() else {}
    now = {row["id"]: name for name in SPLITS for row in read_rows(out("split", task, name), "split")}
    write_rows(path, ({"id": name, "split": split} for name, split in sorted((before | now).items())))
    moved = sum(before.get(name, split) != split for name, split in now.items())
    print(
        f"{path}: {len(now)} rows of this dataset pinned, {len(now.keys() - before.keys())} of them new, "
        f"{moved} moved since the last time; {len(before.keys() - now.keys())} more are in no split now"
    )
