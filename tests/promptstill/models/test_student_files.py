"""A student's folder and its base: what training wrote is what is used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError
from promptstill.core.paths import model_dir
from promptstill.models.answering import Answerer
from promptstill.models.student import student_of
from tests.conftest import Run
from tests.project import read_lines, row, write, write_lines
from tests.trained import TASK, trained

WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def student(project: Path, tiny: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a trained student whose n-grams count, on a base of its own in the project."""
    monkeypatch.setattr("stages.train.fit.fit_weights", lambda *_: {"": {"model": 1.0, "ngrams": 0.5}})
    shutil.copytree(tiny, project / "base")
    trained(project, "./base")
    return project / model_dir(TASK)


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def problem() -> str:
    with pytest.raises(UserError) as error:
        student_of(TASK, AnswerSpec.load(TASK))
    return str(error.value)


def test_a_student_is_complete(student: Path) -> None:
    assert {path.name for path in student.iterdir()} == {
        "adapter_config.json",
        WEIGHTS,
        "chat_template.jinja",
        "ngrams.json",
        "ngrams.safetensors",
        "student.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert "{% generation %}" in (student / "chat_template.jinja").read_text()
    content = student_of(TASK, AnswerSpec.load(TASK))
    assert content["files"].keys() == {path.name for path in student.iterdir()} - {"student.json"}
    assert (content["base"], content["on_hub"]) == ("./base", None)


def test_a_flipped_byte_is_one_line(student: Path, run: Run) -> None:
    damage(student / WEIGHTS)
    write_lines(Path("in.jsonl"), [{"id": "a", "input": "x"}])
    ended = run("still.cli", "predict", TASK, "--input", "in.jsonl", "--output", "out.jsonl")
    assert (ended.returncode, Path("out.jsonl").exists()) == (1, False)
    assert ended.stderr == (
        f"error: models/colour/{WEIGHTS}: not the file that training wrote (its SHA-256 differs); remove it, "
        "and get it again with `dvc checkout` or `dvc pull`\n"
    )


def test_predict_reads_and_writes_in_the_folder_where_it_was_typed(student: Path, run: Run) -> None:
    write_lines(Path("work/in.jsonl"), [{"id": "a", "input": "x"}])
    arguments = ("still.cli", "predict", TASK, "--input", "in.jsonl", "--output", "out/answers.jsonl")
    ended = run(*arguments, cwd=Path("work"))
    assert ended.returncode == 0, ended.stderr
    assert [line["id"] for line in read_lines(Path("work/out/answers.jsonl"))] == ["a"]
    write(Path("work/in.jsonl"), '{"id": 1}\n')
    ended = run(*arguments, cwd=Path("work"))
    assert ended.stderr == "error: work/in.jsonl:1: `id` is missing or not a string; add it\n"


@pytest.mark.parametrize(
    "name",
    [
        WEIGHTS,
        "adapter_config.json",
        "ngrams.json",
        "ngrams.safetensors",
        "tokenizer.json",
        "chat_template.jinja",
    ],
)
def test_every_file_is_compared(student: Path, name: str) -> None:
    whole = (student / name).read_bytes()
    (student / name).write_bytes(whole[: len(whole) // 2])
    assert problem().startswith(f"models/colour/{name}: not the file that training wrote")
    (student / name).unlink()
    assert problem() == f"models/colour/{name}: no such file; get it with `dvc checkout` or `dvc pull`"


def test_a_student_of_another_version_is_an_error(student: Path) -> None:
    content = json.loads((student / "student.json").read_text())
    del content["files"]
    (student / "student.json").write_text(json.dumps(content))
    assert problem() == "models/colour/student.json: files: missing; build the student anew with `dvc repro`"
    write(student / "student.json", "[]")
    assert (
        problem() == "models/colour/student.json: not a JSON object; build the student anew with `dvc repro`"
    )


@pytest.mark.parametrize(
    "name", ["model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"]
)
def test_a_replaced_base_is_an_error(student: Path, name: str) -> None:
    path = Path("base") / name
    path.write_bytes(path.read_bytes() + b"\n")
    assert problem().startswith("models/colour/student.json: ./base is not the base that the student was")


def test_the_same_training_gives_the_same_folder(student: Path, project: Path) -> None:
    first = {path.name: path.read_bytes() for path in student.iterdir()}
    trained(project, "./base")
    assert {path.name: path.read_bytes() for path in student.iterdir()} == first


def test_the_tokenizer_in_the_folder_gives_the_prompts_of_training(student: Path) -> None:
    spec = AnswerSpec.load(TASK)
    content = student_of(TASK, spec)
    texts = [row(i)["input"] for i in range(4)]
    answers = Answerer.load(student, content, spec).answer(texts)
    # Another template of the base changes nothing for a student.
    (Path("base") / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    assert Answerer.load(student, content, spec).answer(texts) == answers
