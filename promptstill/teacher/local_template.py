"""The chat template of a teacher on this machine: control tokens in a message stay text.

llama.cpp reads a rendered chat as a whole, so `<|im_end|>` in a message would end the turn. The template that
it gets here first puts an invisible space into each spelling of a control token in a message, which the
model then reads as ordinary characters.
"""

from __future__ import annotations

import json
from pathlib import Path

from gguf import GGUFReader, TokenType

from promptstill.console.errors import UserError

ZERO_WIDTH_SPACE = "\u200b"
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] "
    "+ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def guarded_template(path: Path) -> str:
    """The template of a GGUF file, behind a step that spells control tokens in messages out.

    A file without a template gets ChatML, as llama.cpp does. Raises UserError for a file that is no GGUF.
    """
    try:
        reader = GGUFReader(path)
    except (ValueError, IndexError) as error:
        raise UserError(f"{path}: not a GGUF file ({error}); check local.gguf") from None
    field = reader.get_field("tokenizer.chat_template")
    template = CHATML if field is None else str(field.contents())
    return guard(template, control_tokens(reader, template))


def control_tokens(reader: GGUFReader, template: str) -> list[str]:
    """Tokens that llama.cpp finds in a text before it splits the rest: those of type control, and those of
    the user's own that the template writes."""
    tokens, types = reader.get_field("tokenizer.ggml.tokens"), reader.get_field("tokenizer.ggml.token_type")
    if tokens is None or types is None:
        return []
    return [
        token
        for token, kind in zip(tokens.contents(), types.contents(), strict=True)
        if kind in (TokenType.CONTROL, TokenType.UNKNOWN)
        or (kind == TokenType.USER_DEFINED and token.strip() and token in template)
    ]


def guard(template: str, tokens: list[str]) -> str:
    """The template, with a first step that breaks each of `tokens` in the content of every message."""
    content = "message['content']"
    # A longer token may contain a shorter one; a single character cannot be broken and steers nothing.
    for token in sorted(
        (token for token in tokens if len(token) > 1), key=lambda token: (-len(token), token)
    ):
        broken = token[0] + ZERO_WIDTH_SPACE + token[1:]
        content += f" | replace({_literal(token)}, {_literal(broken)})"
    return (
        "{%- set guarded = namespace(messages=[]) -%}{%- for message in messages -%}"
        "{%- set guarded.messages = guarded.messages + "
        f"[{{'role': message['role'], 'content': {content}}}] -%}}"
        "{%- endfor -%}{%- set messages = guarded.messages -%}" + template
    )


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
