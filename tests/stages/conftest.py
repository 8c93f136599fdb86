"""Fixtures of the stages."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from promptstill.models import products
from tests.stages.report_build import write_build


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small build of one task; the test runs inside it."""
    monkeypatch.chdir(tmp_path)
    write_build()
    return tmp_path


@pytest.fixture
def in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models whose products are not rounded, so that two ways to compute a number agree to six digits."""
    monkeypatch.setattr(products, "precision", lambda: torch.float32)


@pytest.fixture
def in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models whose products are rounded, whichever the processor."""
    monkeypatch.setattr(products, "precision", lambda: torch.bfloat16)
