"""The classifier of n-grams: what it learns, what it writes, and what it refuses to read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from promptstill.console.errors import UserError
from promptstill.models.ngrams import DESCRIPTION, NUMBERS, Ngrams

COLOURS = ["red", "green", "blue"]
TEXTS = [
    f"{opening} {colour} {thing} {i}"
    for i, opening in enumerate(["I want a", "Is this the", "", "Où est le", "Ich möchte ein"])
    for thing in ("car", "Haus", "дом")
    for colour in COLOURS
]
TARGETS = {
    "colour": [colour for _ in range(15) for colour in COLOURS],
    "cyrillic": [json.dumps("дом" in text) for text in TEXTS],
    "always": ["null"] * len(TEXTS),
}
GROUPS = [str(i // 3) for i in range(len(TEXTS))]
OTHERS = ["a reddish car", "", "ΩΩΩ ∞", "дом", "\x02", "\ud800", "blue\n\tblue " * 50, *TEXTS]


@pytest.fixture(scope="module")
def ngrams() -> Ngrams:
    return Ngrams.fit(TEXTS, TARGETS, GROUPS)


@pytest.fixture
def saved(ngrams: Ngrams, tmp_path: Path) -> Path:
    ngrams.save(tmp_path / "student")
    return tmp_path / "student"


def most_probable(ngrams: Ngrams, key: str, texts: list[str]) -> list[str]:
    return [ngrams.classes[key][i] for i in ngrams.log_probabilities(texts)[key].argmax(axis=1)]


def test_each_key_has_sorted_classes_and_learns_them(ngrams: Ngrams) -> None:
    assert ngrams.classes == {
        "colour": ("blue", "green", "red"),
        "cyrillic": ("false", "true"),
        "always": ("null",),
    }
    assert most_probable(ngrams, "colour", ["a reddish car", "greener", "bluest"]) == COLOURS
    assert most_probable(ngrams, "cyrillic", ["a red car", "белый дом"]) == ["false", "true"]


def test_probabilities_sum_to_one_for_any_text(ngrams: Ngrams) -> None:
    for key, logs in ngrams.log_probabilities(OTHERS).items():
        assert logs.shape == (len(OTHERS), len(ngrams.classes[key]))
        assert logs.dtype == np.float64
        assert (logs <= 0).all()
        np.testing.assert_allclose(np.exp(logs).sum(axis=1), 1, rtol=1e-14)


def test_probabilities_are_normalised_sigmoids(ngrams: Ngrams) -> None:
    decisions = ngrams.features(TEXTS).toarray() @ ngrams.coefficients.astype(np.float64) + ngrams.intercepts
    sigmoids = 1 / (1 + np.exp(-decisions[:, :3]))
    expected = sigmoids / sigmoids.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.exp(ngrams.log_probabilities(TEXTS)["colour"]), expected, rtol=1e-12)


def test_a_key_with_one_class_is_certain(ngrams: Ngrams) -> None:
    assert (ngrams.log_probabilities(OTHERS)["always"] == 0).all()
    assert "always" not in ngrams.description.c


def test_probabilities_do_not_depend_on_the_other_texts(ngrams: Ngrams) -> None:
    whole = ngrams.log_probabilities(OTHERS)
    for size in (1, 2, 7, 16):
        batches = [ngrams.log_probabilities(OTHERS[i : i + size]) for i in range(0, len(OTHERS), size)]
        for key in whole:
            assert np.array_equal(np.vstack([batch[key] for batch in batches]), whole[key])
    assert {key: logs.shape for key, logs in ngrams.log_probabilities([]).items()} == {
        "colour": (0, 3),
        "cyrillic": (0, 2),
        "always": (0, 1),
    }


def test_what_is_loaded_is_what_was_saved(ngrams: Ngrams, saved: Path) -> None:
    assert {path.name for path in saved.iterdir()} == {NUMBERS, DESCRIPTION}
    loaded, expected = Ngrams.load(saved), ngrams.log_probabilities(OTHERS)
    assert loaded.classes == ngrams.classes
    assert loaded.description == ngrams.description
    assert {key: logs.tobytes() for key, logs in loaded.log_probabilities(OTHERS).items()} == {
        key: logs.tobytes() for key, logs in expected.items()
    }


def test_the_same_rows_give_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    Ngrams.fit(TEXTS, TARGETS, GROUPS).save(tmp_path / "again")
    Ngrams.load(saved).save(tmp_path / "copied")
    for name in (NUMBERS, DESCRIPTION):
        assert (tmp_path / "again" / name).read_bytes() == (saved / name).read_bytes()
        assert (tmp_path / "copied" / name).read_bytes() == (saved / name).read_bytes()


@pytest.mark.parametrize(
    ("train", "texts"),
    [(["abc", "def"], ["xyz"]), (["", ""], [""]), (["!!", "??"], ["…"]), (["a row"], ["another"])],
)
def test_texts_without_a_common_character_or_a_word_have_features(train: list[str], texts: list[str]) -> None:
    ngrams = Ngrams.fit(train, {}, train)
    assert ngrams.features(train).shape == (len(train), len(ngrams.idf))
    assert (ngrams.features(texts).sum(axis=1) > 0).all()
    assert ngrams.log_probabilities(texts) == {}


def test_classes_may_differ_in_what_numpy_drops(tmp_path: Path) -> None:
    ngrams = Ngrams.fit(["red", "blue"] * 4, {"": ["", "\0"] * 4}, [*"aabbccdd"])
    ngrams.save(tmp_path)
    assert most_probable(Ngrams.load(tmp_path), "", ["red", "blue"]) == ["", "\0"]


def problem(folder: Path) -> str:
    with pytest.raises(UserError) as error:
        Ngrams.load(folder)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", [NUMBERS, DESCRIPTION])
def test_a_missing_or_damaged_file_is_one_line(saved: Path, name: str) -> None:
    whole = (saved / name).read_bytes()
    for content in (b"", b"\xff" * 100, whole[: len(whole) // 2], whole[:-3]):
        (saved / name).write_bytes(content)
        assert problem(saved).startswith(f"{saved / name}: damaged (")
    (saved / name).unlink()
    assert problem(saved) == f"{saved / name}: no such file; get it with `dvc checkout` or `dvc pull`"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": 2}, "format: Input should be 1"),
        ({"classes": {"colour": []}}, "classes: colour: Tuple should have at least 1 item"),
        ({"words": ["red", "red"]}, "a name occurs twice"),
        ({"extra": 1}, "extra: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_description_is_one_line(saved: Path, change: dict[str, object], reason: str) -> None:
    content = json.loads((saved / DESCRIPTION).read_text())
    (saved / DESCRIPTION).write_text(json.dumps(content | change))
    assert problem(saved).startswith(f"{saved / DESCRIPTION}: damaged ({reason}")


def test_files_that_do_not_belong_together_are_one_line(saved: Path) -> None:
    expected = f"{saved / NUMBERS}: damaged (its arrays are not those that {DESCRIPTION} describes); "
    numbers = load_file(saved / NUMBERS)
    for changed in (
        numbers | {"idf": numbers["idf"][1:]},
        numbers | {"coefficients": numbers["coefficients"].astype(np.float32)},
        {name: array for name, array in numbers.items() if name != "idf"},
    ):
        save_file(changed, saved / NUMBERS)
        assert problem(saved).startswith(expected)


def test_importing_the_module_imports_no_library_that_is_slow_to_import() -> None:
    slow = "{'scipy', 'sklearn', 'torch', 'transformers'}"
    code = f"import sys, promptstill.models.ngrams; print(sorted({slow} & sys.modules.keys()))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"
