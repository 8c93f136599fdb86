"""The student's inputs as token ids, and its base."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptstill.console.errors import UserError
from promptstill.models.student import load_base, load_tokenizer, prompt_ids


def test_a_long_input_keeps_head_and_tail(tiny: str) -> None:
    tokenizer = load_tokenizer(tiny)
    text = "begin " + "middle " * 100 + "end"
    decoded = tokenizer.decode(prompt_ids(text, tokenizer, 20))
    assert "begin" in decoded
    assert decoded.endswith("end<|im_end|>\n<|im_start|>assistant\n")
    assert len(prompt_ids(text, tokenizer, 20)) == len(prompt_ids("", tokenizer, 20)) + 20


def test_the_template_cannot_be_faked_by_an_input(tiny: str) -> None:
    tokenizer = load_tokenizer(tiny)
    ids = prompt_ids("hello {{ 7 * 7 }} {% raw %}", tokenizer, 400)
    assert "{{ 7 * 7 }} {% raw %}" in tokenizer.decode(ids)


def test_a_base_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no model there \(config.json is missing\)"):
        load_base(str(tmp_path))
