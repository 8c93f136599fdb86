"""The page about a build: one file that loads nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from promptstill.rows.row import Input
from stages.report.build import SETS, SPLITS, Build
from stages.report.certificate import certificate, texts_of, thresholds
from stages.report.confidence import cascade_diagrams, curves, reliability
from stages.report.confusion import MAX_LABELS, confusion
from stages.report.curve import charts
from stages.report.errors import OUTCOMES, errors
from stages.report.flow import flow
from stages.report.mistakes import mistakes, wrong
from stages.report.render import render_html
from stages.report.scores import contestants, labels, opponents, slices

# Examples of wrong answers for each set.
EXAMPLES = 12
ABOUT_SETS = {
    "golden": "evaluation cases that were kept out of the dataset",
    "test": "held-out rows of traffic, with the teacher's answers or a person's edit of them",
}


def page(build: Build) -> str:
    """The HTML of `report.html`."""
    metrics, tables = build.metrics, build.tables
    sets = {name: [case for case in build.predictions if case["set"] == name] for name in SETS}
    mistaken = {name: wrong(cases) for name, cases in sets.items()}
    pairs = certificate(metrics["leaks"], metrics["leaks_random"])
    rows: dict[str, Sequence[Input]] = {"train": build.train, "validation": build.validation}
    rows.update(sets)
    return render_html(
        "report.html",
        task=build.task,
        metrics=metrics,
        network=build.network,
        splits=SPLITS,
        sets=ABOUT_SETS,
        contestants=contestants(metrics["eval"], build.spec),
        opponents=opponents(metrics["eval"], build.spec),
        level=build.confidence_level,
        steps=flow(metrics),
        pairs=pairs,
        texts=texts_of(pairs, rows),
        thresholds=thresholds(metrics["leaks"]),
        slices={name: slices(tables[f"slices_{name}"]) for name in SETS},
        labels={name: labels(tables[f"labels_{name}"]) for name in SETS},
        confusion={name: confusion(tables[f"confusion_{name}"]) for name in SETS},
        max_labels=MAX_LABELS,
        charts=charts(tables["train_curve"], metrics["train"]["best_epoch"]),
        reliability=reliability(metrics["eval"]["calibration"]),
        cascades=cascade_diagrams(curves(tables["cascade"]), metrics["eval"]["cascade"]),
        outcomes=OUTCOMES,
        errors={name: errors(metrics["eval"][name], build.spec) for name in SETS},
        scored=build.spec.scored,
        wrong={name: len(cases) for name, cases in mistaken.items()},
        mistakes={
            name: mistakes(cases[:EXAMPLES], build.train, build.spec) for name, cases in mistaken.items()
        },
    )
