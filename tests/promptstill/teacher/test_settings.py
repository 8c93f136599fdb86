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


@pytest.mark.parametrize(
    "base_url",
    ["localhost:8000/v1", "api.openai.com/v1", "htp://here/v1", "http:///v1", "http://here:99999/v1", "",
     "http://a b/v1", ["http://here/v1", "there/v1"], "local.host"],
)  # fmt: skip
def test_a_base_url_is_an_address(base_url: Any) -> None:
    with pytest.raises(
        UserError, match=r"here.base_url: .* is no address; write it as http://HOST/v1 or https"
    ):
        generate_params(base_url=base_url)


@pytest.mark.parametrize(
    "base_url", ["http://here/v1", "https://api.openai.com/v1", "http://[::1]:80/v1", None]
)
def test_an_address_or_none_is_accepted(base_url: str | None) -> None:
    assert generate_params(base_url=base_url).base_url == base_url
