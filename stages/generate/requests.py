"""From a row to the teacher's requests: the rendered prompt, the canonical request, its key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.generate.params import GenerateParams
from stages.shared.errors import UserError
from stages.shared.files import Row, canonical_hash

PLACEHOLDER = "{input}"


@dataclass(frozen=True)
class Request:
    """One question to the teacher: sample `sample` for row `row_id`, identified by `key`."""

    row_id: str
    sample: int
    key: str
    body: dict[str, Any]


def check_prompt(prompt: str, path: Path) -> str:
    """Return the prompt. Raises UserError unless `{input}` stands in it exactly once."""
    count = prompt.count(PLACEHOLDER)
    if count != 1:
        raise UserError(
            f"{path}: {PLACEHOLDER} stands there {count} times; write it once, where the row's input belongs"
        )
    return prompt


def render(prompt: str, text: str) -> str:
    """Put the input into the prompt. Other braces are text, and braces in the input stay as they are."""
    before, after = prompt.split(PLACEHOLDER)
    return before + text + after


def requests_for(
    rows: list[Row], prompt: str, schema: dict[str, Any], params: GenerateParams
) -> list[Request]:
    """`params.samples` requests a row, in order of rows and samples.

    The key is the SHA-256 of everything that can change the answer: endpoint, the body that is sent, sample
    index. So a new row costs its own requests only, and a new concurrency costs none.
    """
    requests = []
    for row in rows:
        body: dict[str, Any] = {
            "model": params.model,
            "messages": [{"role": "user", "content": render(prompt, row["input"])}],
            **params.sampling.model_dump(exclude_none=True),
        }
        if params.structured:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": schema, "strict": True},
            }
        for sample in range(params.samples):
            key = canonical_hash({"endpoint": params.endpoint, "body": body, "sample": sample})
            requests.append(Request(row["id"], sample, key, body))
    return requests
