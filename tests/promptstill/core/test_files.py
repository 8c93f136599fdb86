"""Writers refuse numbers that JSON does not have."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptstill.core.files import canonical_json, compact_json, write_csv, write_json, write_rows


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_not_finite_are_not_written(tmp_path: Path, number: float) -> None:
    path = tmp_path / "out.json"
    for write in (
        lambda: write_json(path, {"loss": number}),
        lambda: write_rows(path, [{"id": "a"}, {"loss": [number]}]),
        lambda: compact_json(number),
        lambda: canonical_json(number),
    ):
        with pytest.raises(ValueError, match="not JSON compliant"):
            write()
    with pytest.raises(ValueError, match="has no place in a table"):
        write_csv(path, ("name", "loss"), [("a", 1.0), ("b", number)])
    assert list(tmp_path.iterdir()) == []
