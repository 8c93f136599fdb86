"""The Batch API of one server: files of requests up, files of results down."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import openai
from openai.pagination import AsyncCursorPage
from openai.types import Batch, FileObject

from promptstill.console.progress import SILENT_SECONDS
from promptstill.teacher.settings import TeacherSettings

ENDPOINT: Literal["/v1/chat/completions"] = "/v1/chat/completions"
ENDED = ("completed", "failed", "expired", "cancelled")
Listed = TypeVar("Listed", FileObject, Batch)


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
        async for file in _listed(await self._client.files.list(purpose="batch")):
            if file.filename == name:
                return _checked(file.id, "a file's id")
        uploaded = await self._once.files.create(file=(name, lines()), purpose="batch")
        return _checked(uploaded.id, "a file's id")

    async def batch_id(self, file_id: str, token: str) -> str:
        """The id of the batch over a file, which is started now if the server has none."""
        async for batch in _listed(await self._client.batches.list()):
            if batch.input_file_id == file_id:
                return _checked(batch.id, "a batch's id")
        started = await self._once.batches.create(
            input_file_id=file_id,
            endpoint=ENDPOINT,
            completion_window="24h",
            metadata={"promptstill": token},
        )
        return _checked(started.id, "a batch's id")

    async def ended(self, batch_id: str, look: Callable[[Batch], None]) -> Batch:
        """Wait until a batch has ended, and let `look` see it meanwhile, also between two questions."""
        while True:
            batch = await self._client.batches.retrieve(batch_id)
            if _checked(batch.status, "a batch's status") in ENDED:
                return batch
            look(batch)
            ends = time.monotonic() + self._poll_seconds
            while (left := ends - time.monotonic()) > 0:
                await asyncio.sleep(min(left, SILENT_SECONDS))
                look(batch)

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


async def _listed(page: AsyncCursorPage[Listed]) -> AsyncIterator[Listed]:
    """The entries of all pages. A server that ignores `after` sends the same page again, which is the end."""
    seen: set[str] = set()
    while new := [entry for entry in page.data if entry.id not in seen]:
        for entry in new:
            seen.add(entry.id)
            yield entry
        if not page.has_next_page():
            return
        page = await page.get_next_page()


def _checked(text: object, what: str) -> str:
    """A text that the server must send. Raises ValueError otherwise."""
    if not isinstance(text, str) or not text:
        raise ValueError(f"{what} is missing or not a text")
    return text


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
