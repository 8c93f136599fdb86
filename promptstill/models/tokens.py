"""Texts as token ids: what a user or a teacher wrote never becomes a control token.

A tokenizer reads `<|im_end|>` in a text as the token that ends a turn. Here only the chat template and the
end of the answer have control tokens. In every other text their spelling is encoded like any other
characters.
"""

from __future__ import annotations

import json
import re
from datetime import date
from functools import lru_cache
from typing import Any

from jinja2 import TemplateError
from tokenizers import AddedToken, Encoding, Tokenizer

from promptstill.console.errors import UserError

# Some chat templates state today's date. The token ids of a text must not change with the day.
TODAY = date(2025, 1, 1)
NOW = re.compile(r"""strftime_now\(\s*(['"])(.*?)\1\s*\)""")
# How SentencePiece and byte-level tokenizers write a space, and what a text may follow.
SPACES, NEWLINE = ("\u2581", "\u0120"), "\n"
# A character of no language marks where a text belongs.
MARK = "\u241f"


def prepare(tokenizer: Any, name: str) -> Any:  # noqa: ANN401
    """The tokenizer with what a student needs: a padding token, and a chat template for one message and its
    answer.

    Raises UserError, led by `name`, for a tokenizer that has no end token, cannot spell its control tokens or
    has an unusable chat template.
    """
    _require_fast(tokenizer, name)
    if tokenizer.eos_token is None:
        raise UserError(f"{name}: the tokenizer has no end token (eos_token); use a model that has one")
    if tokenizer.pad_token is None:
        # The mask hides padding, so any token will do.
        tokenizer.pad_token = tokenizer.eos_token
    if isinstance(tokenizer.chat_template, dict):
        # Several templates by name, such as one for tools.
        tokenizer.chat_template = tokenizer.chat_template.get("default")
    _mark_tokens_of_template(tokenizer)
    _require_spelling(tokenizer, name, control_tokens(tokenizer))
    tokenizer.chat_template = student_template(tokenizer, name)
    return tokenizer


def prepare_encoder(tokenizer: Any, name: str) -> Any:  # noqa: ANN401
    """The tokenizer of a text encoder, which needs no chat template.

    Raises UserError, led by `name`, for a tokenizer that has no padding token or cannot spell its control
    tokens.
    """
    _require_fast(tokenizer, name)
    if tokenizer.pad_token is None:
        raise UserError(f"{name}: the tokenizer has no padding token (pad_token); use a model that has one")
    # A text may contain what the vocabulary does not know.
    _require_spelling(tokenizer, name, control_tokens(tokenizer) - {tokenizer.unk_token})
    if not any(around_text(tokenizer)):
        raise UserError(f"{name}: the tokenizer puts no token around a text; use a model that has them")
    return tokenizer


def as_text(text: str, tokenizer: Any) -> Encoding:  # noqa: ANN401
    """Token ids and character offsets of a text, without any control token."""
    return _speller(tokenizer).encode(text, add_special_tokens=False)


def continued(text: str, tokenizer: Any) -> list[int]:  # noqa: ANN401
    """Token ids of a text that continues another, without the space that some tokenizers put before every
    text."""
    ids: list[int] = as_text(text, tokenizer).ids
    if not _adds_space(tokenizer):
        return ids
    after = as_text(NEWLINE + text, tokenizer)
    if any(start < len(NEWLINE) < end for start, end in after.offsets):
        return ids
    return [i for i, (start, _) in zip(after.ids, after.offsets, strict=True) if start >= len(NEWLINE)]


@lru_cache(maxsize=8)
def _adds_space(tokenizer: Any) -> bool:  # noqa: ANN401
    return as_text("a", tokenizer).tokens[0].startswith(SPACES)


def around_input(tokenizer: Any) -> tuple[list[int], list[int]]:  # noqa: ANN401
    """The chat template's tokens before and after the user's text."""
    before, after = _rendered(tokenizer, answered=False, prompted=True)
    return (
        tokenizer(before, add_special_tokens=False)["input_ids"],
        tokenizer(after, add_special_tokens=False)["input_ids"],
    )


def around_text(tokenizer: Any) -> tuple[list[int], list[int]]:  # noqa: ANN401
    """The special tokens that a text encoder reads before and after a text."""
    encoded = _speller(tokenizer).encode("a", add_special_tokens=True)
    first, count = encoded.special_tokens_mask.index(0), encoded.special_tokens_mask.count(0)
    return encoded.ids[:first], encoded.ids[first + count :]


def control_tokens(tokenizer: Any) -> set[str]:  # noqa: ANN401
    """The tokens that steer a model: those that the tokenizer marks as special."""
    added = tokenizer.added_tokens_decoder.values()
    return {token.content for token in added if token.special} | set(tokenizer.all_special_tokens)


def student_template(tokenizer: Any, name: str) -> str:  # noqa: ANN401
    """A chat template for one message and its answer, which renders as the base's own does.

    It has the date and the system prompt of the base's template as fixed text, and marks the answer and the
    end token as `generation`, from which trainers make the mask of the loss. A base without a template gets
    the text, the end token and the answer: no text can contain that token.
    """
    end = tokenizer.eos_token
    if tokenizer.chat_template is None:
        return _template(tokenizer.bos_token or "", end, "", end, "")
    try:
        before, after = _rendered(tokenizer, answered=False, prompted=True)
        _, closed = _rendered(tokenizer, answered=False, prompted=False)
        _, _, last = _rendered(tokenizer, answered=True, prompted=False)
    except (TemplateError, ValueError) as error:
        raise UserError(
            f"{name}: its chat template cannot render a message and its answer ({error}); use another model"
        ) from None
    # Templates that always open the answer have nothing more to add for a prompt.
    closed = closed if after.startswith(closed) else after
    # A template that ends the answer with another token than the end token is not followed there.
    rest = last.removeprefix(end) if last.startswith(end) else ""
    return _template(before, closed, after.removeprefix(closed), end, rest)


def _template(before: str, closed: str, opened: str, end: str, rest: str) -> str:
    before, closed, opened, end, rest = (
        json.dumps(part, ensure_ascii=False) for part in (before, closed, opened, end, rest)
    )
    return (
        "{%- if messages|length > 2 or messages[0]['role'] != 'user' "
        "or (messages|length == 2 and messages[1]['role'] != 'assistant') -%}"
        "{{- raise_exception('this student answers one user message, without a system prompt') -}}"
        "{%- endif -%}"
        f"{{{{- {before} + messages[0]['content'] + {closed} -}}}}"
        "{%- if messages|length == 2 -%}"
        f"{{{{- {opened} -}}}}"
        f"{{% generation %}}{{{{- messages[1]['content'] + {end} -}}}}{{% endgeneration %}}"
        f"{{{{- {rest} -}}}}"
        f"{{%- elif add_generation_prompt -%}}{{{{- {opened} -}}}}{{%- endif -%}}"
    )


def _rendered(tokenizer: Any, answered: bool, prompted: bool) -> list[str]:  # noqa: ANN401
    """The parts of a rendered chat around its texts. Raises ValueError if a text is not in it exactly once,
    or if the time is in it."""
    chat = [{"role": "user", "content": MARK}]
    if answered:
        chat.append({"role": "assistant", "content": MARK})
    template = NOW.sub(lambda call: repr(TODAY.strftime(call[2])), tokenizer.chat_template)
    if "strftime_now(" in template:
        raise ValueError("it states the time in a way that cannot be fixed")
    text = tokenizer.apply_chat_template(
        chat, chat_template=template, tokenize=False, add_generation_prompt=prompted
    )
    parts: list[str] = text.split(MARK)
    if len(parts) != len(chat) + 1:
        raise ValueError("a message is not in it exactly once")
    return parts


def _mark_tokens_of_template(tokenizer: Any) -> None:  # noqa: ANN401
    """Mark added tokens that the chat template writes as special, which some models do not do for all of
    them.

    The other added tokens, such as runs of spaces or HTML tags, stay ordinary text.
    """
    template = str(tokenizer.chat_template or "")
    named = [
        AddedToken(token.content, normalized=False, special=True)
        for token in tokenizer.added_tokens_decoder.values()
        if not token.special and token.content.strip() and token.content in template
    ]
    if named:
        tokenizer.add_tokens(named, special_tokens=True)


@lru_cache(maxsize=8)
def _speller(tokenizer: Any) -> Tokenizer:  # noqa: ANN401
    """A twin of the tokenizer that spells control tokens out."""
    twin = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    twin.encode_special_tokens = True
    twin.no_truncation()
    twin.no_padding()
    return twin


def _require_fast(tokenizer: Any, name: str) -> None:  # noqa: ANN401
    if not getattr(tokenizer, "is_fast", False):
        raise UserError(f"{name}: the tokenizer has no tokenizer.json; use a model that has one")


def _require_spelling(tokenizer: Any, name: str, control: set[str]) -> None:  # noqa: ANN401
    ids = set(tokenizer.convert_tokens_to_ids(sorted(control)))
    unspelt = sorted(token for token in control if ids & set(as_text(token, tokenizer).ids))
    if unspelt:
        raise UserError(
            f"{name}: the tokenizer cannot write {unspelt[0]} as plain text, so an input could end its own "
            "turn; use another model"
        )
