"""validate: the rows that fail are those that Great Expectations itself lists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import great_expectations as gx
import great_expectations.expectations as core
import numpy as np
import pandas as pd
import pytest

from promptstill.answers.spec import AnswerSpec, Normalisation
from stages.validate.checks import Checks
from stages.validate.suite import ABOUT_ROWS, ABOUT_TYPES, COMPARES_ROWS, Suite, read_suite
from tests.project import TEXT_SCHEMA, write
from tests.stages.validated import filter_on

LABEL_AND_REPLY = {"column_A": "label", "column_B": "reply"}
# One of every kind that is about rows and that pandas can compute.
KINDS: list[tuple[str, dict[str, Any]]] = [
    ("column_values_to_be_null", {"column": "problem"}),
    ("column_values_to_not_be_null", {"column": "problem"}),
    ("column_values_to_be_between", {"column": "confidence", "min_value": 0.3}),
    ("column_values_to_be_between", {"column": "agreement", "min_value": 0.5, "strict_min": True}),
    ("column_values_to_be_in_set", {"column": "label", "value_set": ["red"]}),
    ("column_values_to_not_be_in_set", {"column": "label", "value_set": ["red"]}),
    ("column_values_to_match_regex", {"column": "reply", "regex": "^r"}),
    ("column_values_to_not_match_regex", {"column": "reply", "regex": "(?i)E(?=D)|ü"}),
    ("column_values_to_match_regex_list", {"column": "reply", "regex_list": ["^r", "e$"]}),
    ("column_values_to_not_match_regex_list", {"column": "reply", "regex_list": ["^r"]}),
    ("column_values_to_be_json_parseable", {"column": "reply"}),
    ("column_value_lengths_to_be_between", {"column": "label", "max_value": 3}),
    ("column_value_lengths_to_equal", {"column": "label", "value": 4}),
    ("column_pair_values_to_be_equal", LABEL_AND_REPLY),
    ("column_pair_values_a_to_be_greater_than_b", {"column_A": "samples", "column_B": "valid_samples"}),
    ("column_pair_values_to_be_in_set", {**LABEL_AND_REPLY, "value_pairs_set": [["red", "red"]]}),
    ("multicolumn_sum_to_equal", {"column_list": ["samples", "valid_samples"], "sum_total": 3}),
    ("select_column_values_to_be_unique_within_record", {"column_list": ["label", "reply"]}),
    ("column_values_to_be_unique", {"column": "input"}),
    ("compound_columns_to_be_unique", {"column_list": ["label", "samples"]}),
    ("column_value_z_scores_to_be_less_than", {"column": "confidence", "threshold": 1, "double_sided": True}),
]  # fmt: skip


def table(rows: int = 400) -> pd.DataFrame:
    random = np.random.default_rng(0)
    words = np.array(["red", "blue", None, "réd", "größe", '{"a": 1}'], dtype=object)
    problems = np.array(["not_json", None], dtype=object)
    return pd.DataFrame(
        {
            "input": pd.Series([f"text {i % 350}" for i in range(rows)], dtype="str"),
            "reply": pd.Series(random.choice(words, rows), dtype="str"),
            "label": pd.Series(random.choice(words, rows), dtype="str"),
            "problem": pd.Series(random.choice(problems, rows), dtype="str"),
            "confidence": random.choice([0.1, 0.9, np.nan], rows),
            "agreement": random.choice([0.5, 1.0, np.nan], rows),
            "samples": random.integers(1, 5, rows),
            "valid_samples": random.integers(0, 4, rows),
        }
    )


def suite_of(folder: Path, *expectations: dict[str, Any]) -> Suite:
    write(folder / "suite.json", json.dumps({"name": "s", "expectations": list(expectations)}))
    return read_suite(folder / "suite.json", AnswerSpec(TEXT_SCHEMA, Normalisation(format="text")))


@pytest.mark.parametrize(("kind", "kwargs"), KINDS, ids=[kind for kind, _ in KINDS])
def test_the_failing_rows_are_those_of_the_library(tmp_path: Path, kind: str, kwargs: dict[str, Any]) -> None:
    suite = suite_of(tmp_path, filter_on(f"expect_{kind}", **kwargs))
    failing = Checks(suite).failing(table(), suite.filters)

    context = gx.get_context(mode="ephemeral")
    source = context.data_sources.add_pandas("rows").add_dataframe_asset("rows")
    batch = source.add_batch_definition_whole_dataframe("rows").get_batch({"dataframe": table()})
    (result,) = batch.validate(
        gx.ExpectationSuite(**suite.content),
        result_format={"result_format": "COMPLETE", "return_unexpected_index_query": False},
    ).results
    listed = [] if result.success else result.result["unexpected_index_list"]
    assert listed, "some rows fail"
    assert np.flatnonzero(failing[0]).tolist() == sorted(listed)


@pytest.mark.parametrize(("kind", "kwargs"), KINDS, ids=[kind for kind, _ in KINDS])
def test_what_can_be_computed_can_be_tried_out(tmp_path: Path, kind: str, kwargs: dict[str, Any]) -> None:
    Checks(suite_of(tmp_path, filter_on(f"expect_{kind}", **kwargs))).try_out()


def test_every_kind_of_the_library_is_about_rows_or_about_the_table() -> None:
    classes = [
        value
        for value in vars(core).values()
        if isinstance(value, type) and hasattr(value, "expectation_type")
    ]
    assert len(classes) > 40
    for item in classes:
        kind = item.expectation_type
        about_rows = kind.startswith(ABOUT_ROWS) and kind not in ABOUT_TYPES
        assert about_rows == (bool(getattr(item, "map_metric", None)) and kind not in ABOUT_TYPES), kind
    assert {item.expectation_type for item in classes} >= {*COMPARES_ROWS, *ABOUT_TYPES}
