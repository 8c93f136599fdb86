"""Settings of a teacher that contradict each other."""

from __future__ import annotations

from typing import Any

import pytest

from promptstill.console.errors import UserError
from tests.params import generate_params
from tests.promptstill.teacher.project_state import PRICE


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_usd": 1.0}, "max_usd needs price"),
        ({"max_usd": 1.0, "price": PRICE}, "max_usd needs sampling.max_tokens"),
        ({"samples": 3, "max_samples": 2}, "max_samples must not be less than samples"),
        ({"base_url": "local"}, "base_url: local needs the block local"),
        ({"mode": "batch", "base_url": ["http://a", "http://b"]}, "mode: batch needs one base_url"),
    ],
)
def test_settings_that_contradict_each_other_are_an_error(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        generate_params(**changes)
