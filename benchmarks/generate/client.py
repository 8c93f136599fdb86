"""One measurement in a process of its own: `client.py WHAT URL REQUESTS IN_FLIGHT`, run as a module.

Prints a JSON object: seconds, CPU seconds of this process and its largest memory in MB.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import openai

from promptstill.answers.spec import AnswerSpec, Normalisation
from promptstill.rows.row import Input
from promptstill.teacher.budget import Charge, Ledger
from promptstill.teacher.connect import connect
from promptstill.teacher.known_replies import KnownReplies
from promptstill.teacher.online import OnlineAsker
from promptstill.teacher.outcome import Work
from promptstill.teacher.questions import Inquiry, Questions
from promptstill.teacher.record import Record
from promptstill.teacher.session import Session
from promptstill.teacher.writer import Writer
from stages.generate.params import GenerateParams

# About as long as the shipped prompts.
PROMPT = (
    "Name the language of the text. " + "A rule with an example, one of many. " * 150 + "\n\nText:\n{input}\n"
)


def params(url: str, in_flight: int, cap: float | None = None) -> GenerateParams:
    """Settings of a run."""
    block = {
        "model": "instant",
        "endpoint": "benchmark",
        "base_url": url,
        "api_key_env": "NO_KEY",
        "samples": 1,
        "sampling": {"temperature": 0.7, "max_tokens": 8},
        "price": {"prompt": 0.1, "completion": 0.4},
        "max_usd": cap,
        "max_failure_fraction": 0.0,
        "limits": {
            "concurrency": in_flight,
            "timeout_seconds": 120,
            "max_retries": 3,
            "max_wait_seconds": 60,
        },
    }
    return GenerateParams.check(block, "benchmark")


def questions(url: str, in_flight: int, cap: float | None = None) -> Questions:
    """A text task."""
    spec = AnswerSpec({"type": "string"}, Normalisation(format="text"))
    return Questions(PROMPT, None, spec, params(url, in_flight, cap))


def rows(count: int) -> Iterator[Input]:
    """Rows that differ."""
    return (
        {"id": f"row-{i}", "input": f"Text number {i}, of some length, in some language."}
        for i in range(count)
    )


def largest_memory() -> float:
    """Largest resident memory of this process in MB. Linux counts the parent's into `ru_maxrss`."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


class NoWriter(Writer):
    """Journal off: nothing is written."""

    async def settle(self, charge: Charge, reply: tuple[str, Record] | None = None) -> None:
        """Return at once."""


async def stage(url: str, count: int, in_flight: int, journal_on: bool, cap: float | None = None) -> None:
    """The stage's asking, with a journal in a folder of its own."""
    asked = questions(url, in_flight, cap)

    def jobs() -> Iterator[Inquiry[Input]]:
        return map(asked.about, rows(count))

    with (
        tempfile.TemporaryDirectory(dir=Path.cwd()) as folder,
        KnownReplies(Path(folder) / "recorded.jsonl", Path(folder) / "journal.sqlite") as known,
    ):
        session = Session("benchmark", asked, known, Ledger(asked.version, "benchmark", cap))
        asker = OnlineAsker(session, connect((url,), session.api_key, session.settings.limits))
        if not journal_on:
            asker._writer = NoWriter(session.journal, session.ledger)
        outcome = await asker.ask(Work(jobs, count, most_dead=0))
        assert (outcome.answered, outcome.failed, outcome.stopped) == (count, 0, ""), outcome


async def plain(url: str, count: int, in_flight: int) -> None:
    """The loop that a user would write: the client as it comes, a semaphore, one gather."""
    places = asyncio.Semaphore(in_flight)
    async with openai.AsyncOpenAI(base_url=url, api_key="none", timeout=120) as client:

        async def ask(text: str) -> str | None:
            async with places:
                completion = await client.chat.completions.create(
                    model="instant",
                    messages=[{"role": "user", "content": PROMPT.replace("{input}", text)}],
                    temperature=0.7,
                    max_tokens=8,
                )
                return completion.choices[0].message.content

        answers = await asyncio.gather(*(ask(row["input"]) for row in rows(count)))
    assert all(answers)


def main() -> None:
    """Measure and print."""
    what, url, count, in_flight = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    match what:
        case "plain":
            asyncio.run(plain(url, count, in_flight))
        case "journal":
            asyncio.run(stage(url, count, in_flight, journal_on=True))
        case "no-journal":
            asyncio.run(stage(url, count, in_flight, journal_on=False))
        case "budget":
            asyncio.run(stage(url, count, in_flight, journal_on=True, cap=1e6))
        case _:
            raise SystemExit(f"unknown measurement {what}")
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "memory_mb": largest_memory()}))


if __name__ == "__main__":
    main()
