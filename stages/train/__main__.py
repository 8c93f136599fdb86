"""train: a LoRA student on (input, answer), without the teacher's prompt; adapter, n-grams and curve."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from promptstill.answers.schema.form import AnswerForm
from promptstill.answers.schema.script import Script
from promptstill.console.errors import UserError
from promptstill.console.say import say
from promptstill.console.stage_main import stage_main
from promptstill.core.files import file_hash, read_json, read_rows, write_csv, write_json
from promptstill.core.paths import cache_dir, certified_file, details_file, model_dir, out, plot_file
from promptstill.rows.row import SplitRow
from stages.train.guards import missing_for_passages, refuse_free_values, refuse_uncertified
from stages.train.launch import launch
from stages.train.params import TrainParams

if TYPE_CHECKING:
    from stages.train.trainer import Trained

CURVE = ("epoch", "train_loss", "validation_loss", "validation_accuracy")


def main(task: str) -> None:
    """Write `models/<task>/`, `data/train/<task>/metrics.json` and `metrics/<task>/train_curve.csv`."""
    params = TrainParams.load(task)
    spec = AnswerForm.load(task)
    files = {name: out("split", task, name) for name in ("train", "validation")}
    rows = {name: read_rows(path, SplitRow, "split") for name, path in files.items()}
    hashes = {name: file_hash(path) for name, path in files.items()}
    refuse_uncertified(hashes, read_json(certified_file(task)), files)

    # Before torch is loaded, which takes seconds.
    if params.student == "encoder":
        refuse_free_values(Script(spec), TrainParams.place(task))

    if missing := missing_for_passages(spec, params, TrainParams.place(task)):
        raise UserError(missing)
    if params.processes > 1 and "WORLD_SIZE" not in os.environ:
        launch("stages.train", task, params.processes)
        return

    # Imported here, because they load torch.
    from promptstill.core.resolve import model_hash, on_hub
    from promptstill.models.encoder import Encoder
    from promptstill.models.student import Student, weighs_ngrams
    from stages.train.adapter import save
    from stages.train.checkpoint import Checkpoint, training_key
    from stages.train.fit import fit
    from stages.train.parallel import first_alone, from_first, join

    join(params.processes)
    # Before training: a base that is replaced meanwhile is not the one that was loaded.
    base_hash = first_alone(lambda: model_hash(params.base))
    key = from_first(training_key([base_hash, spec.hash, *hashes.values(), params.model_dump(mode="json")]))
    checkpoint = Checkpoint(cache_dir() / "train" / f"{task}.safetensors", key)
    fitted = fit(rows, spec, params, checkpoint)
    student, trained, weights = fitted.made.model, fitted.trained, fitted.weights

    use: Student = {
        "task": task,
        "kind": params.student,
        "pooling": student.pooling if isinstance(student, Encoder) else None,
        "base": params.base,
        "base_hash": base_hash,
        "layers": params.layers,
        "weights": weights,
        "on_hub": on_hub(params.base),
        "max_input_tokens": params.max_input_tokens,
        "max_answer_tokens": params.max_answer_tokens,
        "answer_hash": spec.hash,
        "prompt_hash": rows["train"][0]["teacher"]["prompt_hash"],
        "train_hash": hashes["train"],
        "files": {},
    }
    ngrams = fitted.ngrams if weighs_ngrams(weights) else None
    save(student, fitted.made.tokenizer, ngrams, model_dir(task), use)
    curve = [[getattr(point, column) for column in CURVE] for point in trained.curve]
    write_csv(plot_file(task, "train_curve"), CURVE, curve)
    counts = {name: len(part) for name, part in rows.items()}
    learnt = fitted.made.data["train"]
    tokens = sum(len(learnt.examples[i].ids) for i in learnt.of_epoch(trained.best.epoch))
    network = "encoder" if params.student == "encoder" else "language model"
    metrics = metrics_of(trained, counts, tokens, hashes["train"])
    write_json(details_file("train", task), metrics)
    checkpoint.remove()
    say(
        "train",
        task,
        [
            f"{counts['train']} rows, {tokens} tokens per epoch",
            f"best epoch {trained.best.epoch} of {params.epochs}: validation accuracy "
            f"{trained.best.validation_accuracy}",
            f"adapter of {metrics['trainable_parameters']:,} parameters in {model_dir(task)}",
            *(
                f"{key or 'answer'}: weight {of_key['model']} of the {network}, {of_key['ngrams']} of n-grams"
                for key, of_key in weights.items()
            ),
            *(f"{key}: looked up in the input" for key, of_key in weights.items() if "passages" in of_key),
            *fitted.made.notes,
        ],
    )


def metrics_of(trained: Trained, rows: dict[str, int], tokens: int, train_hash: str) -> dict[str, Any]:
    """The content of `data/train/<task>/metrics.json`."""
    return {
        "rows": rows,
        "tokens_per_epoch": tokens,
        "trainable_parameters": sum(value.numel() for value in trained.state.values()),
        "best_epoch": trained.best.epoch,
        "train_loss": trained.best.train_loss,
        "validation_loss": trained.best.validation_loss,
        "validation_accuracy": trained.best.validation_accuracy,
        "dataset_sha256": train_hash,
    }


if __name__ == "__main__":
    stage_main(main, "Train the student of a task.")
