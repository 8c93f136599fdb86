"""The same requests through bespokelabs-curator: `PYTHON peer.py URL REQUESTS IN_FLIGHT`.

Prints seconds and CPU seconds as JSON on the last line.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

PROMPT = "Name the language of the text. " + "A rule with an example, one of many. " * 150 + "\n\nText:\n"


def main() -> None:
    """Measure and print."""
    url, count, in_flight = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    os.environ |= {
        "OPENAI_API_KEY": "none",
        "CURATOR_DISABLE_RICH_DISPLAY": "1",
        "CURATOR_CACHE_DIR": tempfile.mkdtemp(dir="."),
        "TELEMETRY_ENABLED": "0",
    }
    # The peer counts tokens with a table that it would download; its dependency litellm carries the same one.
    litellm = importlib.util.find_spec("litellm")
    assert litellm is not None and litellm.submodule_search_locations
    tables = f"{litellm.submodule_search_locations[0]}/litellm_core_utils/tokenizers"
    os.environ["TIKTOKEN_CACHE_DIR"] = tables
    from bespokelabs import curator  # type: ignore[import-not-found]

    class Language(curator.LLM):  # type: ignore[misc]
        def prompt(self, row: dict[str, str]) -> str:
            return PROMPT + row["input"]

        def parse(self, row: dict[str, str], response: str) -> dict[str, str]:
            return {"id": row["id"], "response": response}

    language = Language(
        model_name="instant",
        backend="openai",
        generation_params={"temperature": 0.7, "max_tokens": 8},
        backend_params={
            "base_url": url,
            "api_key": "none",
            "max_requests_per_minute": 10_000_000,
            "max_tokens_per_minute": 10_000_000_000,
            "max_concurrent_requests": in_flight,
            "request_timeout": 120,
        },
    )
    rows = [
        {"id": f"row-{i}", "input": f"Text number {i}, of some length, in some language."}
        for i in range(count)
    ]
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    answers = language(rows).dataset
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert len(answers) == count
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    status = Path("/proc/self/status").read_text(encoding="ascii")
    memory = int(status.split("VmHWM:")[1].split()[0]) / 1024
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "memory_mb": memory}))


if __name__ == "__main__":
    main()
