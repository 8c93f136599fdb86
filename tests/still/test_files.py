"""Files appear whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from promptstill.console.errors import UserError
from promptstill.core.files import read_json, read_text, replacing, write_csv, write_rows
from promptstill.core.files import read_lines as read_numbered
from tests.project import read_lines, write


def test_a_failed_write_leaves_the_old_file_and_no_remains(tmp_path: Path) -> None:
    target = tmp_path / "rows.jsonl"
    write_rows(target, [{"a": 1}])
    with pytest.raises(TypeError):
        write_rows(target, [{"a": 2}, {"a": object()}])
    assert read_lines(target) == [{"a": 1}]
    assert os.listdir(tmp_path) == ["rows.jsonl"]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    for name in ("first", "second"):
        with replacing(tmp_path / "model") as folder:
            folder.mkdir()
            write(folder / name, name)
    assert os.listdir(tmp_path / "model") == ["second"]


def test_remains_of_a_killed_process_are_removed_by_the_next_write(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for process in (gone.pid, os.getppid()):
        write(tmp_path / f".rows.jsonl.{process}.partial", "half")
    write_rows(tmp_path / "rows.jsonl", [])
    assert sorted(os.listdir(tmp_path)) == [f".rows.jsonl.{os.getppid()}.partial", "rows.jsonl"]


def test_a_cell_that_a_spreadsheet_would_run_is_made_inert(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", ("name", "n"), [("=1+1", -1), ("plain", 2)])
    assert (tmp_path / "t.csv").read_text() == "name,n\n'=1+1,-1\nplain,2\n"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("1" * 5000, "not JSON"),
        ('"\\ud800"', "half of a surrogate pair"),
        ('{"deep": ["\\uDFFF"]}', "half of a surrogate pair"),
        ("[" * 100_000, "not JSON"),
        ("1e999", r"not JSON \(1e999 is not a finite number\)"),
        ('NaN, "b": "\\ud800"', r"not JSON \(NaN is not a finite number\)"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, value: str, message: str) -> None:
    write(tmp_path / "rows.jsonl", f'{{"a": "\\ud83d\\ude00"}}\n{{"a": {value}}}\n')
    with pytest.raises(UserError, match=rf"^rows:2: {message}"):
        list(read_numbered(tmp_path / "rows.jsonl", shown_as="rows"))


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    for name, text in {"a.json": '{"a": 1}', "a.jsonl": '{"a": 1}\n{"a": 2}\n', "a.md": "text"}.items():
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_json(tmp_path / "a.json") == {"a": 1}
    assert list(read_numbered(tmp_path / "a.jsonl")) == [(1, {"a": 1}), (2, {"a": 2})]
    assert read_text(tmp_path / "a.md") == "text"


def test_half_of_a_surrogate_pair_in_a_document_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.json", '{"a": "\\ud83d\\ude00", "b": "\\ud800"}')
    with pytest.raises(UserError, match=r"a\.json: half of a surrogate pair"):
        read_json(tmp_path / "a.json")


def test_a_document_with_a_number_that_is_too_long_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.json", "1" * 5000)
    with pytest.raises(UserError, match=r"a\.json: not JSON"):
        read_json(tmp_path / "a.json")
