"""Logistic regressions: what their regularisation is tuned on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from promptstill.models import logistic
from promptstill.models.logistic import CS, tuned


def test_a_component_is_never_in_the_fitting_and_in_the_held_out_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    groups = [f"component-{i // 4}" for i in range(40)]
    # The feature of a row is its position, so that a fit and a prediction show which rows they got.
    positions = np.arange(40, dtype=np.float32)[:, None]
    targets = ["red" if i % 2 else "blue" for i in range(40)]
    held_out: list[int] = []

    class Spy:
        def __init__(self, fitting: Any) -> None:
            self.fitting = {groups[int(i)] for i in fitting[:, 0]}

        def predict(self, part: Any) -> Any:
            asked = [int(i) for i in part[:, 0]]
            assert not self.fitting & {groups[i] for i in asked}
            held_out.extend(asked)
            return np.array(["red"] * len(asked))

    monkeypatch.setattr(logistic, "one_vs_rest", lambda features, _targets, _c: Spy(features))
    assert tuned(positions, targets, groups) == CS[0], "equally good: the strongest regularisation"
    assert sorted(held_out) == sorted([*range(40)] * len(CS)), "every row is held out once for every value"


def test_tuning_prefers_what_is_right_about_other_components() -> None:
    # A rare class that only weak regularisation separates.
    rng = np.random.default_rng(0)
    features = rng.normal(scale=0.02, size=(200, 2)).astype(np.float32)
    targets = ["blue" if x + y > 0 else "red" for x, y in features]
    assert tuned(features * 0.5, targets, [str(i) for i in range(200)]) == CS[-1]


def test_a_single_component_needs_no_tuning() -> None:
    assert tuned(np.eye(4, dtype=np.float32), ["red", "blue"] * 2, ["c"] * 4) == CS[1]
