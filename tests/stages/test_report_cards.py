"""report: the cards and the flow of rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import DatasetCard, ModelCard

from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError
from promptstill.core.files import write_json, write_rows
from promptstill.core.metrics import RowsLostError
from promptstill.core.paths import expectation_file, model_dir, out, report_dir
from stages.eval.contestants import CONTESTANTS
from stages.report.__main__ import main, read_build
from stages.report.build import metrics_path
from stages.report.flow import flow
from stages.report.render import escape_markdown
from stages.report.scores import CONTESTANTS as DESCRIBED
from tests.stages.report_build import ATTACK, FILES, TASK, change, train_row, written


def test_the_same_inputs_give_the_same_bytes(build: Path) -> None:
    first = {name: written(name) for name in FILES}
    assert {name: written(name) for name in FILES} == first
    assert sorted(path.name for path in report_dir(TASK).iterdir()) == sorted(FILES)


def test_the_model_card_holds_the_results_of_the_student(build: Path) -> None:
    main(TASK)
    card = ModelCard.load(report_dir(TASK) / "model_card.md")
    results = {(r.dataset_split, r.metric_name): r.metric_value for r in card.data.get("eval_results")}
    assert results == {
        ("golden", "accuracy"): 0.75,
        ("golden", "macro F1"): 0.75,
        ("golden", "urgency"): 0.75,
        ("test", "accuracy"): 0.5,
        ("test", "macro F1"): 0.5,
        ("test", "urgency"): 0.5,
    }
    assert (card.data.get("base_model"), card.data.get("library_name")) == ("a-base", "peft")
    assert ModelCard(str(card)).data.get("eval_results") == card.data.get("eval_results")
    assert card.data.get("license") is None


def test_the_model_card_states_where_the_student_comes_from(build: Path) -> None:
    text = written("model_card.md")
    for fact in (
        *(letter * 64 for letter in "btvgp"),
        AnswerSpec.load(TASK).hash,
        "rank 16, alpha 32, 3 layers (1 to 3), 1,234,567 trainable parameters",
        "2 of 2: validation accuracy 0.75, validation loss 0.25",
        "| student | 0.7500 (0.3750 to 0.8750) |",
        "0 shared keys, 0 near pairs",
        "| train/golden | 0 | 0 | 0.5000 | 0.2500 |",
        "Labels in the train rows: bill 2, post 1.",
        f"still predict {TASK}",
    ):
        assert fact in text, fact


def test_the_cards_show_where_the_student_is_better_and_where_it_is_worse(build: Path) -> None:
    card, page = written("model_card.md"), written("report.html")
    assert card.count("| ngrams | -0.2500 (-0.3750 to -0.1250) | worse | +0.0000 ") == 2
    assert card.count("| base | +0.5000 (+0.3750 to +0.6250) | better |") == 2
    assert card.count("| teacher | +0.0000 (-0.1250 to +0.1250) | not distinguishable |") == 2
    assert page.count(": the student is worse.") == 2
    assert page.count("that of the better baseline, ngrams, is") == 2
    assert page.count("the student's lead in points, on 3 cases in 2 components") == 2
    assert "<td>not distinguishable</td>" in page


@pytest.mark.parametrize("ngrams", [0.5, 0.0])
def test_the_model_card_speaks_of_n_grams_only_if_they_have_a_weight(build: Path, ngrams: float) -> None:
    weights = {"topic": {"model": 0.75, "ngrams": 0.0}, "urgent": {"model": 0.75, "ngrams": ngrams}}
    change(model_dir(TASK) / "student.json", lambda content: content.update(weights=weights))
    card = " ".join(written("model_card.md").split())
    for text in (
        "with a classifier of n-grams beside it",
        "`still predict`, which also weighs the n-grams and keeps values that are not listed valid",
        "# The language model alone. The scores of the card are those of `still predict`.",
    ):
        assert (text in card) is (ngrams > 0), text
    assert "The student's scores in this card and in its metadata are those of this command." in card
    assert "The scores of this card are therefore not those of the code." in card


@pytest.mark.parametrize("looked_up", [True, False])
def test_the_model_card_says_where_citations_are_looked_up(build: Path, looked_up: bool) -> None:
    weights = {"urgent": {"model": 0.75, "ngrams": 0.0} | ({"passages": 0.25} if looked_up else {})}
    change(model_dir(TASK) / "student.json", lambda content: content.update(weights=weights))
    card = " ".join(written("model_card.md").split())
    for text in (
        "with calibrated confidence. It cites the passages that have the words of its answer",
        "valid under the schema and looks citations up. The scores",
    ):
        assert (text in card) is looked_up, text


def test_without_n_grams_and_free_values_the_code_gives_what_predict_gives(build: Path) -> None:
    listed = {"topic": {"enum": ["bill", "post"]}, "urgent": {"enum": ["now", None]}}
    write_json(expectation_file(TASK, "answer.schema.json"), {"type": "object", "properties": listed})
    answer_hash = AnswerSpec.load(TASK).hash
    weights = {key: {"model": 0.75, "ngrams": 0.0} for key in listed}
    change(model_dir(TASK) / "student.json", lambda s: s.update(weights=weights, answer_hash=answer_hash))
    change(metrics_path(TASK, "validate"), lambda content: content.update(answer_spec_hash=answer_hash))
    assert "They are those of `still predict`, apart from rounding" in written("model_card.md")


def test_card_and_page_say_whose_validation_accuracy_is_shown(build: Path) -> None:
    assert "Validation accuracy and loss are those of the language model alone" in written("model_card.md")
    assert "Losses and accuracy are those of the language model alone" in written("report.html")


def test_contestants_that_a_student_does_not_have_are_left_out(build: Path) -> None:
    assert "| prompted |" in written("model_card.md")

    def without_base(content: dict[str, Any]) -> None:
        for name in ("golden", "test"):
            for part in (content[name], content[name]["student_minus"]):
                del part["base"], part["prompted"]

    change(metrics_path(TASK, "eval"), without_base)
    change(model_dir(TASK) / "student.json", lambda s: s.update(kind="encoder", pooling="mean"))
    card, page = written("model_card.md"), written("report.html")
    for who in ("base", "prompted"):
        assert f"| {who} |" not in card.split("## How good it is")[1]
        assert f">{who}<" not in page
    assert card.count("| ngrams | -0.2500 (-0.3750 to -0.1250) | worse | +0.0000 ") == 2
    assert "language model" not in card + page


def test_every_contestant_of_eval_has_a_description() -> None:
    assert sorted(DESCRIBED) == sorted(CONTESTANTS)


def test_the_dataset_card_names_the_file_of_each_split(build: Path) -> None:
    main(TASK)
    card = DatasetCard.load(report_dir(TASK) / "dataset_card.md")
    files = card.data.get("configs")[0]["data_files"]
    assert [(entry["split"], entry["path"]) for entry in files] == [
        (name, f"{name}.jsonl") for name in ("train", "validation", "test")
    ]


def test_the_dataset_card_states_drops_redaction_teacher_and_cost(build: Path) -> None:
    text = written("dataset_card.md")
    for fact in (
        "| ingest | exact_repeat | 1 | dropped |",
        "| validate | not_json | 1 | dropped |",
        "| validate | samples_disagree | 1 | waiting for review |",
        "| split | near_golden | 1 | dropped |",
        "email 4.",
        "| model | a-teacher |",
        "2 for each of 3 train rows; 24 answers",
        "| cost per row that validate kept | 0.020000 USD |",
        "| train/test | 0 | 0 | 7 | 0 | 0.5000 | 0.2500 |",
    ):
        assert fact in text, fact


def test_a_cost_that_no_server_reported_is_not_known(build: Path) -> None:
    change(metrics_path(TASK, "generate"), lambda content: content.update(cost_usd=None))
    assert "| cost per row that validate kept | not known |" in written("dataset_card.md")


@pytest.mark.parametrize(
    ("name", "key"), [("train", "best_epoch"), ("eval", "golden"), ("validate", "agreement")]
)
def test_a_missing_fact_is_an_error_and_no_gap(build: Path, name: str, key: str) -> None:
    change(metrics_path(TASK, name), lambda content: content.pop(key))
    with pytest.raises(Exception, match=key):
        main(TASK)
    assert not report_dir(TASK).exists()


def test_a_student_without_a_key_is_one_line(build: Path) -> None:
    change(model_dir(TASK) / "student.json", lambda content: content.pop("base_hash"))
    with pytest.raises(UserError, match=r"student\.json: base_hash: missing; build the student anew"):
        main(TASK)
    assert not report_dir(TASK).exists()


@pytest.mark.parametrize("key", ["train_hash", "answer_hash", "prompt_hash"])
def test_a_student_of_another_build_is_refused(build: Path, key: str) -> None:
    change(model_dir(TASK) / "student.json", lambda content: content.update({key: "0" * 64}))
    with pytest.raises(UserError, match="run `dvc repro`"):
        main(TASK)


def test_rows_add_up_in_every_step_of_the_flow(build: Path) -> None:
    steps = flow(read_build(TASK).metrics)
    assert [(step.stage, step.rows_in, step.kept) for step in steps] == [
        ("ingest", 10, 9),
        ("generate", 9, 9),
        ("validate", 9, 7),
        ("dedupe", 7, 7),
        ("split", 7, 6),
    ]
    assert all(step.rows_in == step.kept + step.dropped_rows + step.waiting_rows for step in steps)


@pytest.mark.parametrize(
    ("stage", "changed"),
    [("dedupe", {"kept": 6}), ("generate", {"input": 10, "kept": 10}), ("split", {"test": 3})],
)
def test_rows_that_do_not_add_up_are_refused(build: Path, stage: str, changed: dict[str, Any]) -> None:
    change(metrics_path(TASK, stage), lambda content: content.update(changed))
    with pytest.raises(RowsLostError):
        main(TASK)


def test_names_from_traffic_are_escaped_in_the_cards(build: Path) -> None:
    rows = [train_row("t1", "text", "bill") | {"source": f"![x](y) | {ATTACK}"}]
    write_rows(out("split", TASK, "train"), rows)
    text = written("dataset_card.md")
    assert r"!\[x\](y) \| &lt;script&gt;" in text
    assert escape_markdown("two\nlines `code`") == r"two lines \`code\`"
