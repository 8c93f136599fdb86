"""Counts of the rows that validate has written, one row at a time: its metrics and its summary."""

from __future__ import annotations

from collections import Counter
from typing import Any

from promptstill.answers.classes import class_name
from promptstill.answers.spec import AnswerSpec
from promptstill.console.say import counted
from promptstill.core.metrics import row_metrics
from promptstill.reviews.decisions import CONTRADICTED, OTHER_ROW, TEXT_CHANGED, Reviews
from promptstill.rows.row import ValidatedRow

# Lines of unmatched reviews that are named; all are counted.
MOST_NAMED = 20


class Tally:
    """Rows by status, reason and label, and what their samples were like."""

    def __init__(self, spec: AnswerSpec) -> None:
        self._spec = spec
        self.status: Counter[str] = Counter()
        self.first: dict[str, Counter[str]] = {"kept": Counter(), "rejected": Counter(), "review": Counter()}
        self._reasons: Counter[str] = Counter()
        self._labels: Counter[str] = Counter()
        self._repairs: Counter[str] = Counter()
        self._samples = self._valid = self._answered = self._disputed = self._edited = 0
        self._agreement = 0.0

    def add(self, row: ValidatedRow) -> None:
        """Count a row."""
        status = row["status"]
        self.status[status] += 1
        self.first[status].update(row["reasons"][:1])
        self._reasons.update(row["reasons"])
        self._repairs.update(row["repairs"])
        if status == "kept":
            self._labels[class_name(str(row["label"]), self._spec)] += 1
        self._samples += len(row["samples"])
        self._valid += row["valid_samples"]
        self._answered += row["valid_samples"] > 0
        self._disputed += row["dissent"] > 0
        self._agreement += row["agreement"]
        self._edited += row["edited"]

    @property
    def total(self) -> int:
        """The number of rows."""
        return self.status.total()

    def metrics(self, reviews: Reviews) -> dict[str, Any]:
        """The content of `data/validate/<task>/metrics.json`."""
        return row_metrics(
            self.total,
            self.status["kept"],
            self.first["rejected"].elements(),
            review=self.status["review"],
            review_reasons=_sorted(self.first["review"]),
            all_reasons=_sorted(self._reasons),
            samples=self._samples,
            invalid_samples=self._samples - self._valid,
            agreement=round(self._agreement / self._answered, 4) if self._answered else 0.0,
            rows_with_dissent=self._disputed,
            repairs=_sorted(self._repairs),
            edited=self._edited,
            reviews_contradicted=self._reasons[CONTRADICTED],
            reviews_of_changed_text=self._reasons[TEXT_CHANGED],
            reviews_of_other_row=self._reasons[OTHER_ROW],
            reviews_unmatched=len(reviews.unmatched),
            reviews_unmatched_lines=list(reviews.unmatched[:MOST_NAMED]),
            labels=_sorted(self._labels),
            answer_spec_hash=self._spec.hash,
        )


def summary(metrics: dict[str, Any], reviews_path: str) -> list[str]:
    """The lines that the stage prints."""
    lines = [
        f"{metrics['kept']} kept, {metrics['rejected']} rejected, {metrics['review']} to review "
        f"of {metrics['input']}",
        f"reasons: {counted(metrics['all_reasons'])}",
        f"agreement of valid samples {metrics['agreement']:.4f}; rows whose samples contradict each other "
        f"{metrics['rows_with_dissent']}; samples without an answer {metrics['invalid_samples']} of "
        f"{metrics['samples']}; edited by people {metrics['edited']}",
    ]
    if metrics["repairs"]:
        lines.append(f"repaired replies: {counted(metrics['repairs'])}")
    if metrics["reviews_of_changed_text"] or metrics["reviews_of_other_row"]:
        lines.append(
            f"reviews to look at again, in the review queue: {metrics['reviews_of_changed_text']} found by "
            f"id because the text has changed, {metrics['reviews_of_other_row']} whose id is another row's"
        )
    if metrics["reviews_unmatched"]:
        named = ", ".join(map(str, metrics["reviews_unmatched_lines"]))
        more = metrics["reviews_unmatched"] - len(metrics["reviews_unmatched_lines"])
        lines.append(
            f"reviews without a row: {metrics['reviews_unmatched']}, {reviews_path} line {named}"
            + (f" and {more} more" if more else "")
        )
    return lines


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))
