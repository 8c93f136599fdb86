"""review: the queue of rows that a person should look at, how good the kept labels are, and where the samples
waver."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from heapq import nsmallest
from itertools import chain
from typing import Any

from promptstill.answers.spec import AnswerSpec
from promptstill.console.say import counted, say
from promptstill.console.stage_main import stage_main
from promptstill.core.files import iter_rows, read_lines, write_csv, write_json, write_rows
from promptstill.core.paths import details_file, metrics_file, out, plot_file, reviews_file
from promptstill.reviews.decisions import Reviews, all_reviews, in_force, match_reviews
from promptstill.reviews.queue import Conflict, QueueEntry, Similar
from promptstill.rows.identity import input_hash
from promptstill.rows.row import GroupedRow, ValidatedRow
from stages.review.boundaries import COLUMNS, Boundaries
from stages.review.candidates import Finding, candidate, entry
from stages.review.params import ReviewParams
from stages.review.precision import Kept, in_random_order, kept_by_filters, precision
from stages.review.ranking import ranked
from stages.review.reasons import Risks, Usual
from stages.review.second import looks
from stages.review.similar import similar, similar_rows
from stages.review.suspected import MOST_ROWS, suspicions


def main(task: str) -> None:
    """Write `data/review/<task>/queue.jsonl` and `metrics.json` there, and to `metrics/<task>/` the scores
    `review.json` and the plot `boundaries.csv`."""
    params, spec = ReviewParams.load(task), AnswerSpec.load(task)
    path = reviews_file(task)
    lines = all_reviews(read_lines(path), spec, path)
    reviews = in_force(lines)
    decided, by_hash = match_reviews(reviews, validated(task)), looks(lines.values())
    suspected = suspicions(grouped(task), spec)
    conflicts = {line["id"]: line for line in iter_rows(out("dedupe", task, "conflicts"), Conflict, "dedupe")}
    usual, risks, boundaries = Usual(validated(task), spec), Risks(reviews.values(), spec), Boundaries(spec)

    findings: dict[str, Finding] = {}
    second: list[str] = []
    kept: list[Kept] = []
    for row in validated(task):
        boundaries.add(row)
        review = decided.of(row)
        if (of_filters := kept_by_filters(row, review, spec)) is not None:
            kept.append(of_filters)
        finding = Finding.of(row, usual, conflicts.get(row["id"]), suspected.get(row["id"]))
        digest = input_hash(row["input"])
        if finding is None and digest in by_hash and by_hash[digest].wanted(digest, spec):
            finding = Finding.for_second_look(row)
            second.append(row["id"])
        if finding is not None:
            findings[row["id"]] = finding
    random = in_random_order(kept)
    turns = {row.id: turn for turn, row in enumerate(random) if row.right is None}
    first = [candidate(finding, risks, turns.get(name)) for name, finding in findings.items()]
    again = set(second)
    places = ranked([of_row for of_row in first if of_row.id not in again], params.rows, params.random)
    chosen = {of_row.id: by_chance for of_row, by_chance in places} | dict.fromkeys(sorted(second), False)
    queue = entries(task, chosen, findings, risks, decided, spec)

    write_rows(out("review", task, "queue"), queue)
    write_csv(plot_file(task, "boundaries"), COLUMNS, boundaries.plot())
    metrics = {
        "reasons": _counts([finding.reasons for finding in findings.values()]),
        "risks": {
            reason: risks.of_reason(reason) for reason in _counts([f.reasons for f in findings.values()])
        },
        "queue": len(queue),
        "queue_reasons": _counts([of_row["reasons"] for of_row in queue]),
        "reviewed": len(reviews),
        "kept_labels": precision(random),
        "boundaries": boundaries.table(),
    }
    write_json(details_file("review", task), metrics)
    write_json(metrics_file(task, "review"), {"kept_labels": metrics["kept_labels"]})
    say("review", task, summary(metrics))


def validated(task: str) -> Iterator[ValidatedRow]:
    """The rows that validate wrote, one at a time."""
    return iter_rows(out("validate", task), ValidatedRow, "validate")


def grouped(task: str) -> list[GroupedRow]:
    """The kept rows that are judged for label errors: all, or those with the lowest hashes of their texts."""
    rows = chain.from_iterable(
        iter_rows(out("dedupe", task, name), GroupedRow, "dedupe") for name in ("rows", "removed")
    )
    return nsmallest(MOST_ROWS, rows, key=lambda row: (input_hash(row["input"]), row["id"]))


def entries(
    task: str,
    chosen: Mapping[str, bool],
    findings: Mapping[str, Finding],
    risks: Risks,
    decided: Reviews,
    spec: AnswerSpec,
) -> list[QueueEntry]:
    """The entries of the chosen rows, in their order; `chosen` says which are there by chance."""
    conflicts = {name: line["conflict"] for name in chosen if (line := findings[name].conflict) is not None}
    names = chosen.keys() | {near["id"] for near in conflicts.values()}
    rows = {row["id"]: row for row in validated(task) if row["id"] in names}
    others = nsmallest(MOST_ROWS, validated(task), key=_decided_first)
    near = similar_rows([rows[name] for name in chosen], others, spec)

    def around(name: str) -> list[Similar]:
        conflict = conflicts.get(name)
        if conflict is None:
            return near.get(name, [])
        first = similar(rows[str(conflict["id"])], conflict["meaning"] or 0.0, spec, conflict=True)
        return [first, *(row for row in near.get(name, []) if row["id"] != first["id"])]

    return [
        entry(rows[name], findings[name], risks, by_chance, decided.of(rows[name]), around(name), spec)
        for name, by_chance in chosen.items()
    ]


def _decided_first(row: ValidatedRow) -> tuple[bool, str, str]:
    """Sort key: rows that a person has decided first, the others by the hash of their text."""
    return row["review"] is None, input_hash(row["input"]), row["id"]


def _counts(reasons: Sequence[Sequence[str]]) -> dict[str, int]:
    return dict(sorted(Counter(chain.from_iterable(reasons)).items()))


def summary(metrics: Mapping[str, Any]) -> list[str]:
    """The lines that the stage prints."""
    kept = metrics["kept_labels"]
    known = (
        f"; the kept labels are right in {kept['precision']} "
        f"({kept['precision_low']} to {kept['precision_high']})"
        if kept["decided"]
        else ""
    )
    return [
        f"{metrics['queue']} rows in the queue: {counted(metrics['queue_reasons'])}",
        f"{kept['decided']} rows of the random choice are decided{known}",
        *(
            f"samples waver between {' and '.join(pair['labels'])}: rows {pair['rows']}"
            for pair in metrics["boundaries"][:3]
        ),
    ]


if __name__ == "__main__":
    stage_main(main, "Rank the rows of a task that a person should look at.")
