"""`still pin`."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Run
from tests.project import read_lines, write_lines


def test_pinning_adds_what_is_new_and_keeps_what_has_left(project: Path, run: Run) -> None:
    for name, ids in {"train": "ab", "validation": "c", "test": "d"}.items():
        write_lines(project / f"data/split/colour/{name}.jsonl", [{"id": name} for name in ids])
    pinned = project / "data/pinned/colour.jsonl"
    write_lines(pinned, [{"id": "a", "split": "test"}, {"id": "z", "split": "test"}])
    ended = run("still.cli", "pin", "colour", cwd=project)
    assert ended.returncode == 0, ended.stderr
    assert "4 rows of this dataset pinned, 3 of them new, 1 moved" in ended.stdout
    assert [tuple(pin.values()) for pin in read_lines(pinned)] == [
        ("a", "train"),
        ("b", "train"),
        ("c", "validation"),
        ("d", "test"),
        ("z", "test"),
    ]
