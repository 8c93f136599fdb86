"""The Batch API of one server: files of requests up, files of results down."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, Literal, Self

import openai
from openai.types import Batch

from promptstill.teacher.settings import TeacherSettings

ENDPOINT: Literal["/v1/chat/completions"] = "/v1/chat/completions"
ENDED = ("completed", "failed", "expired", "cancelled")


class BatchServer:
    """The server at `url`. Use it as a context manager."""

    def __init__(self, url: str, api_key: str | None, settings: TeacherSettings) -> None:
        self.url = url
        self._poll_seconds = settings.batch.poll_seconds
        # Repeating a question about the state is harmless. Repeating an upload is not, so the client never
        # retries one; the next run looks for it on the server.
        self._client = openai.AsyncOpenAI(
            base_url=url,
            api_key=api_key or "no-key-set",
            timeout=settings.limits.timeout_seconds,
            max_retries=settings.limits.max_retries,
            http_client=openai.DefaultAioHttpClient(),
        )
        self._once = self._client.with_options(max_retries=0)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, traceback)

    async def file_id(self, name: str, lines: Callable[[], bytes]) -> str:
        """The id of an uploaded file, which is made of `lines` and uploaded now if the server lacks it."""
        async for file in self._client.files.list(purpose="batch"):
            if file.filename == name:
                return file.id
        uploaded = await self._once.files.create(file=(name, lines()), purpose="batch")
        return uploaded.id

    async def batch_id(self, file_id: str, token: str) -> str:
        """The id of the batch over a file, which is started now if the server has none."""
        async for batch in self._client.batches.list():
            if batch.input_file_id == file_id:
                return batch.id
        started = await self._once.batches.create(
            input_file_id=file_id,
            endpoint=ENDPOINT,
            completion_window="24h",
            metadata={"promptstill": token},
        )
        return started.id

    async def ended(self, batch_id: str, look: Callable[[Batch], None]) -> Batch:
        """Wait until a batch has ended, and let `look` see it while it has not."""
        while (batch := await self._client.batches.retrieve(batch_id)).status not in ENDED:
            look(batch)
            await asyncio.sleep(self._poll_seconds)
        return batch

    async def results(self, batch: Batch) -> AsyncIterator[tuple[str, int, Any]]:
        """Key, status and body of every result line; an expired batch has some of them. A line that is no
        result is left out, so its request counts as not answered."""
        for file_id in (batch.output_file_id, batch.error_file_id):
            if file_id is None:
                continue
            content = await self._client.files.content(file_id)
            for line in content.content.splitlines():
                if (result := _result(line)) is not None:
                    yield result


def _result(line: bytes) -> tuple[str, int, Any] | None:
    try:
        result = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(result, dict) or not isinstance(result.get("custom_id"), str):
        return None
    response = result.get("response")
    if not isinstance(response, dict):
        return result["custom_id"], 0, result.get("error")
    status = response.get("status_code")
    return result["custom_id"], status if isinstance(status, int) else 0, response.get("body")
