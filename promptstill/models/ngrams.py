"""A classifier of texts by their n-grams: texts in, log-probabilities of the classes of each answer key out.

It is stored in two files of a student's folder. `ngrams.safetensors` has the numbers, and `ngrams.json` has
the n-grams, the classes and the regularisation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from promptstill.core.files import compact_json, replacing
from promptstill.models.logistic import one_vs_rest, tuned
from promptstill.models.stored import damaged, read_arrays, require_stored

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

NUMBERS = "ngrams.safetensors"
DESCRIPTION = "ngrams.json"
# Marks the beginning of a text. Every text has it, so texts without a word have features too.
BEGINNING = "\x02"
# Every class has a coefficient for every n-gram, so half precision halves the file. They are rounded when
# they are fitted, and by less than the tolerance of the solver.
COEFFICIENT = np.float16

Names = Annotated[tuple[str, ...], Field(min_length=1)]
Coefficients = NDArray[np.float16]
Floats = NDArray[np.float64]


class Description(BaseModel):
    """`ngrams.json`: n-grams in the order of their columns, sorted classes by answer key, and the inverse
    regularisation `c` of each key that has several classes."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal[1] = 1
    classes: dict[str, Names]
    c: dict[str, float]
    characters: Names
    words: Names


@dataclass(frozen=True, eq=False)
class Ngrams:
    """TF-IDF weights of n-grams, and a one-vs-rest logistic regression over them for each answer key.

    An n-gram is a feature: 1 to 5 characters, or 1 or 2 words, that occur in two of the fitted texts or more.
    Both kinds have unit length, so they count alike. `coefficients` has the shape (n-grams, classes of all
    keys), `intercepts` (classes of all keys) and `idf` (n-grams).
    """

    description: Description
    coefficients: Coefficients
    intercepts: Floats
    idf: Floats

    @classmethod
    def fit(cls, texts: Sequence[str], targets: Mapping[str, Sequence[str]], groups: Sequence[str]) -> Self:
        """Learn from one text or more. `targets` has the class of each text by answer key; the key is '' if
        answers are texts. Texts of a group are never both fitted and held out when C is tuned."""
        from scipy.sparse import hstack

        vectorizers = _vectorizers(min_df=min(2, len(texts)))
        features = hstack([each.fit_transform(_marked(texts)) for each in vectorizers], format="csr")
        characters, words = (each.get_feature_names_out().tolist() for each in vectorizers)
        learnt = {key: _learnt(features, values, groups) for key, values in targets.items()}
        coefficients = [np.zeros((features.shape[1], 0), COEFFICIENT)]
        coefficients += [part.coefficients for part in learnt.values()]
        return cls(
            Description(
                classes={key: part.classes for key, part in learnt.items()},
                c={key: part.c for key, part in learnt.items() if part.c is not None},
                characters=tuple(characters),
                words=tuple(words),
            ),
            np.ascontiguousarray(np.hstack(coefficients)),
            np.hstack([np.zeros(0), *(part.intercepts for part in learnt.values())]),
            np.hstack([each.idf_ for each in vectorizers]),
        )

    @property
    def classes(self) -> dict[str, tuple[str, ...]]:
        """The classes of each answer key, sorted."""
        return self.description.classes

    def features(self, texts: Sequence[str]) -> csr_matrix:
        """TF-IDF weights of shape (texts, n-grams). N-grams that no fitted text has are left out."""
        from scipy.sparse import csr_matrix, hstack

        if not texts:
            return csr_matrix((0, len(self.idf)))
        return hstack([each.transform(_marked(texts)) for each in self._fixed], format="csr")

    def log_probabilities(self, texts: Sequence[str]) -> dict[str, Floats]:
        """For each key, an array of shape (texts, classes): the logarithms of the sigmoids of the
        regressions, normalised over the classes of the key. A text's do not depend on the other texts."""
        from scipy.special import log_expit, logsumexp

        features = self.features(texts)
        columns = np.unique(features.indices)
        coefficients = self.coefficients[columns].astype(np.float64)
        sigmoids = log_expit(features[:, columns] @ coefficients + self.intercepts)
        ends = np.cumsum([len(classes) for classes in self.classes.values()], dtype=np.int64)
        return {
            key: part - logsumexp(part, axis=1, keepdims=True)
            for key, part in zip(self.classes, np.split(sigmoids, ends, axis=1), strict=False)
        }

    def save(self, folder: Path) -> None:
        """Write both files. The same n-grams always give the same bytes."""
        from safetensors.numpy import save

        numbers: dict[str, NDArray[Any]] = {
            "coefficients": self.coefficients,
            "intercepts": self.intercepts,
            "idf": self.idf,
        }
        with replacing(folder / NUMBERS) as partial:
            partial.write_bytes(save(numbers))
        with replacing(folder / DESCRIPTION) as partial:
            partial.write_text(compact_json(self.description.model_dump()) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote. Raises UserError if a file is missing or damaged, or if they do not belong
        together."""
        description, numbers = _read_description(folder / DESCRIPTION), read_arrays(folder / NUMBERS)
        ngrams = len(description.characters) + len(description.words)
        classes = sum(len(names) for names in description.classes.values())
        expected: dict[str, tuple[tuple[int, ...], type[np.floating[Any]]]] = {
            "coefficients": ((ngrams, classes), COEFFICIENT),
            "intercepts": ((classes,), np.float64),
            "idf": ((ngrams,), np.float64),
        }
        if {name: (array.shape, array.dtype) for name, array in numbers.items()} != expected:
            damaged(folder / NUMBERS, f"its arrays are not those that {DESCRIPTION} describes")
        return cls(description, **numbers)

    @cached_property
    def _fixed(self) -> list[Any]:
        """The vectorizers of characters and words, which have learnt what this object stores."""
        vectorizers = _vectorizers(self.description.characters, self.description.words)
        idf = np.split(self.idf, [len(self.description.characters)])
        for vectorizer, part in zip(vectorizers, idf, strict=True):
            vectorizer.idf_ = part
        return vectorizers


@dataclass(frozen=True)
class _Learnt:
    """A key's classes, its C unless it has one class only, and the arrays of its classes."""

    classes: tuple[str, ...]
    c: float | None
    coefficients: Coefficients
    intercepts: Floats


def _learnt(features: csr_matrix, targets: Sequence[str], groups: Sequence[str]) -> _Learnt:
    classes = tuple(sorted(set(targets)))
    if len(classes) == 1:
        return _Learnt(classes, None, np.zeros((features.shape[1], 1), COEFFICIENT), np.zeros(1))
    # Positions instead of texts, because NumPy drops NUL characters at the end of a text.
    positions = [classes.index(target) for target in targets]
    c = tuned(features, positions, groups)
    binary = one_vs_rest(features, positions, c).estimators_
    coefficients = np.vstack([each.coef_.astype(COEFFICIENT) for each in binary]).T
    intercepts = np.hstack([each.intercept_ for each in binary])
    if len(classes) == 2:
        # There is a regression for the second class only.
        coefficients = np.hstack([-coefficients, coefficients])
        intercepts = np.hstack([-intercepts, intercepts])
    return _Learnt(classes, c, coefficients, intercepts)


def _marked(texts: Sequence[str]) -> list[str]:
    return [BEGINNING + text for text in texts]


def _vectorizers(
    characters: Sequence[str] | None = None, words: Sequence[str] | None = None, min_df: int = 1
) -> list[Any]:
    """The vectorizers of characters and words, which have these vocabularies or are yet to learn them."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    settings: dict[str, Any] = {"sublinear_tf": True, "min_df": min_df}
    token = rf"\w+|{BEGINNING}"
    return [
        TfidfVectorizer(analyzer="char", ngram_range=(1, 5), vocabulary=characters, **settings),
        TfidfVectorizer(token_pattern=token, ngram_range=(1, 2), vocabulary=words, **settings),
    ]


def _read_description(path: Path) -> Description:
    require_stored(path)
    try:
        description = Description.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        damaged(path, ": ".join([*map(str, first["loc"]), first["msg"]]))
    for names in (description.characters, description.words, *description.classes.values()):
        if len(set(names)) < len(names):
            damaged(path, "a name occurs twice")
    return description
