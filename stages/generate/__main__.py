"""generate: the teacher's samples for every row and golden input, from recorded replies, the journal or the
teacher."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain

from promptstill.console.say import counted, say
from promptstill.console.stage_main import stage_main
from promptstill.core.files import iter_rows, write_json, write_rows
from promptstill.core.metrics import require_all_rows, row_metrics
from promptstill.core.paths import details_file, out
from promptstill.rows.row import IngestedCase, IngestedRow, SampledCase, SampledRow, UnansweredRow
from promptstill.teacher.ask import ask_missing
from promptstill.teacher.budget import Tally, usd
from promptstill.teacher.lookup import count_missing, resolved
from promptstill.teacher.outcome import Outcome
from promptstill.teacher.session import open_session
from stages.generate.params import GenerateParams
from stages.generate.samples import sampled, teacher_of


def main(task: str) -> None:
    """Write `data/generate/<task>/{rows,golden,dead}.jsonl` and `metrics.json`."""
    params = GenerateParams.load(task)
    outcome, tally = Outcome(), Tally()

    # Rows are read anew for every pass, so memory does not grow with their number.
    def rows() -> Iterator[IngestedRow]:
        return iter_rows(out("ingest", task), IngestedRow, "ingest")

    def golden() -> Iterator[IngestedCase]:
        return iter_rows(out("ingest", task, "golden"), IngestedCase, "ingest")

    def everything() -> Iterator[IngestedRow | IngestedCase]:
        return chain(rows(), golden())

    with open_session(task, params) as session:
        missing = count_missing(session, everything)
        if missing.missing_rows:
            outcome = ask_missing(session, everything, missing)
        teacher = teacher_of(session.questions)

        def sampled_rows() -> Iterator[SampledRow]:
            alive = (row for row in rows() if row["id"] not in outcome.dead)
            for inquiry in resolved(session, alive):
                yield {**inquiry.row, **sampled(inquiry, teacher, tally)}

        def sampled_cases() -> Iterator[SampledCase]:
            """A case without an answer stays, and counts as not answered."""
            for inquiry in resolved(session, golden()):
                if inquiry.row["id"] in outcome.dead:
                    yield {**inquiry.row, "samples": [], "teacher": teacher}
                else:
                    yield {**inquiry.row, **sampled(inquiry, teacher, tally)}

        kept = write_rows(out("generate", task), sampled_rows())
        dead: list[UnansweredRow] = [
            {**row, "reason": outcome.dead[row["id"]]} for row in rows() if row["id"] in outcome.dead
        ]
        write_rows(out("generate", task, "dead"), dead)
        cases = write_rows(out("generate", task, "golden"), sampled_cases())
        spent = usd(session.spent())
    # The server's message differs from row to row, so rows are counted by status.
    reasons = Counter(reason.split(" (")[0] for reason in outcome.dead.values())
    require_all_rows(missing.rows, kept + len(dead) + cases)
    metrics = row_metrics(
        kept + len(dead),
        kept,
        [row["reason"].split(" (")[0] for row in dead],
        golden=cases,
        golden_unanswered=len(outcome.dead) - len(dead),
        requests=tally.answers,
        **tally.metrics(params),
        prompt_hash=session.questions.prompt_hash,
        model=params.model,
    )
    write_json(details_file("generate", task), metrics)
    lines = [
        f"{tally.answers} answers for {kept} rows and {cases} golden inputs; {len(outcome.dead)} given up",
        f"known {missing.known} (recorded {missing.recorded}), asked now {outcome.answered}; "
        f"failed calls {outcome.failed}",
        f"prompt {session.questions.prompt_hash[:12]}, model {params.model}",
    ]
    if params.price is not None:
        lines.append(f"cost of the answers {metrics['cost_usd']} USD; spent on this version {spent} USD")
    if outcome.dead:
        lines.append(f"given up: {counted(reasons)}; `dvc repro -f -s generate@{task}` asks about them again")
    say("generate", task, lines)


if __name__ == "__main__":
    stage_main(main, "Ask the teacher about the rows and golden inputs of a task.")
