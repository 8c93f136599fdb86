"""base_urls in, servers with their HTTP clients out."""

from __future__ import annotations

import httpx2
import openai

from promptstill.teacher.server import Server
from promptstill.teacher.settings import Limits


def connect(urls: tuple[str, ...], api_key: str | None, limits: Limits) -> list[Server]:
    """A client for each server, with as many connections as requests may be in flight.

    The client's own retries are off: they would send again before a long Retry-After has passed, and they
    would not be counted. Connecting may take half the time of a try. It has a limit of its own, so that a
    request that never left is distinguished from one whose reply did not come.
    """
    most, seconds = limits.concurrency, limits.timeout_seconds / 2
    connections = httpx2.Limits(max_connections=most, max_keepalive_connections=most)
    timeout = httpx2.Timeout(None, connect=seconds, pool=seconds)
    return [
        Server(
            url,
            openai.AsyncOpenAI(
                base_url=url,
                api_key=api_key or "no-key-set",
                timeout=timeout,
                max_retries=0,
                http_client=openai.DefaultAioHttpClient(limits=connections, timeout=timeout),
            ),
            limits,
        )
        for url in urls
    ]
