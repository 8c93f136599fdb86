"""Fixtures of the stages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stages.report_build import write_build


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small build of one task; the test runs inside it."""
    monkeypatch.chdir(tmp_path)
    write_build()
    return tmp_path
