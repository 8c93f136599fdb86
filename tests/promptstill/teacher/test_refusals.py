"""Which messages say that a server refuses a part of every request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promptstill.teacher.capabilities import Capabilities
from promptstill.teacher.journal import Journal

SENT: dict[str, Any] = {
    "model": "m",
    "messages": [],
    "temperature": 1.5,
    "top_p": 0.9,
    "seed": 3,
    "max_tokens": 8,
    "logprobs": True,
    "response_format": {},
}


def learnt(folder: Path, message: str) -> list[str]:
    with Journal(folder / "journal.sqlite") as journal:
        return Capabilities(journal, "m").learn(400, message, SENT, "http://localhost/v1")


@pytest.mark.parametrize(
    ("message", "names"),
    [
        ("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
         "instead.", ["max_tokens"]),
        ("max_tokens is deprecated in favor of max_completion_tokens", ["max_tokens"]),
        ("Unsupported value: 'temperature' does not support 1.5 with this model. Only the default (1) value "
         "is supported.", ["temperature"]),
        ("Unsupported parameter: 'top_p' is not supported with this model.", ["top_p"]),
        ("Temperature isn't supported by this model", ["temperature"]),
        ("Temperature isn\u2019t supported by this model", ["temperature"]),
        ("`temperature` is deprecated for this model.", ["temperature"]),
        ("temperature, top_p and seed are not supported", ["temperature", "top_p", "seed"]),
        ("body.seed: Extra inputs are not permitted", ["seed"]),
        ("Unrecognized request arguments supplied: seed, top_p", ["top_p", "seed"]),
        ('Invalid JSON payload received. Unknown name "seed": Cannot find field.', ["seed"]),
        ("Completions.create() got an unexpected keyword argument 'seed'", ["seed"]),
        ("azure does not support parameters: {'seed': 3}, for model=m", ["seed"]),
        ("The following parameters are not supported: seed", ["seed"]),
        ("seed is not a supported parameter", ["seed"]),
        ("model m does not accept temperature", ["temperature"]),
        ("property 'seed' is unsupported", ["seed"]),
        ('OpenAIException - {"error": {"message": "temperature is not supported"}}', ["temperature"]),
        ("You are not allowed to request logprobs from this model.", ["logprobs"]),
        ("This model does not support logprobs", ["logprobs"]),
        ("logprobs are not supported with reasoning models.", ["logprobs"]),
        ("Logprobs is not enabled for models/gemini", ["logprobs"]),
        ("This response_format type is unavailable now", ["response_format"]),
        ("Invalid parameter: 'json_schema' needs a newer model", ["response_format"]),
    ],
)  # fmt: skip
def test_refusals_are_learnt(tmp_path: Path, message: str, names: list[str]) -> None:
    assert learnt(tmp_path, message) == names


@pytest.mark.parametrize(
    "message",
    [
        "temperature value of 1.5 but the supported range is from 0 to 1",
        "temperature 1.5 is not supported. The range is 0 to 1",
        "temperature must be at most 1",
        "temperature 1.5 is not allowed: it must be between 0 and 1",
        "'max_tokens' or 'max_completion_tokens' is too large: 99999. This model supports at most 16384 "
        "completion tokens",
        "max_completion_tokens must be a whole number",
        "Invalid prompt: 'What are the logprobs of a word?' violates our usage policy",
        "Invalid prompt: 'What are the logprobs of a word?' is not allowed",
        "the input mentions logprobs and was flagged",
        "unexpected error while the seed was read",
    ],
)
def test_wrong_values_and_quoted_inputs_are_not_learnt(tmp_path: Path, message: str) -> None:
    assert learnt(tmp_path, message) == []
