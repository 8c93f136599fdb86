"""split: what links rows, and which rows are hard."""

from __future__ import annotations

import pytest

from promptstill.console.errors import UserError
from promptstill.near.pairs import Pair
from promptstill.rows.origin import origin
from stages.split.hard_slices import rated
from stages.split.links import check_giant, components, links_of
from tests.params import split_params
from tests.rows import deduped_row


def test_components_follow_every_origin_repeats_groups_and_nearness() -> None:
    rows = [
        deduped_row(0, account="a"),
        deduped_row(1, account="a", thread="t"),
        deduped_row(2, thread="t"),
        deduped_row(3, repeats=[origin(deduped_row(0, account="b"))]),
        deduped_row(4, account="b"),
        deduped_row(5, linked=[origin(deduped_row(0, account="c"))]),
        deduped_row(6, account="c"),
        deduped_row(7),
        deduped_row(8),
        deduped_row(9, document="d"),
        deduped_row(10, document="d", translation_group="x"),
        deduped_row(11, translation_group="x"),
        deduped_row(12, document="x"),
    ]
    rows.append(deduped_row(13))
    links = links_of(rows, [Pair(8, 7, 0.9, 0.5)], [(13, 12)])
    assert components(len(rows), links) == [[0, 1, 2], [3, 4], [5, 6], [7, 8], [9, 10, 11], [12, 13]]
    assert links["near"] == [(7, 8)], "the earlier row first"
    assert links["text"] == [(12, 13)]


def test_a_giant_component_is_an_error_that_names_its_link() -> None:
    rows = [deduped_row(i, account="shop", thread=f"t{i // 2}") for i in range(10)]
    links = links_of(rows, [])
    check_giant(len(rows), links, 1.0, "colour")
    with pytest.raises(UserError) as raised:
        check_giant(len(rows), links, 0.4, "colour")
    assert "one component holds 10 of 10 rows, more than 40%" in str(raised.value)
    assert "without links by account the largest would hold 2" in str(raised.value)
    assert "set it to null in the traffic" in str(raised.value)

    chain = [Pair(i, i + 1, 0.9, 0.5) for i in range(9)]
    rows = [deduped_row(i) for i in range(10)]
    with pytest.raises(UserError, match=r"without links by near the .* hold 1; raise split.link.meaning and"):
        check_giant(10, links_of(rows, chain), 0.4, "colour")
    alike = [(i, i + 1) for i in range(9)]
    with pytest.raises(UserError, match=r"without links by text the .* hold 1; raise split.link.text_alone"):
        check_giant(10, links_of(rows, [], alike), 0.4, "colour")


def test_hard_slices_are_those_of_the_file_and_those_that_need_the_answer() -> None:
    names = ("email_rows", "empty", "rare_label", "ambiguous", "must_abstain")
    hard = {name: {"fraction": None, "minimum": 0} for name in names}
    chosen = split_params(hard_slices=hard, rare_label=0.2, unsure=0.5, abstain=["none"])
    rows = [
        deduped_row(0, slices=["email_rows"]),
        deduped_row(1, input=" ?! \n"),
        deduped_row(2, label="none"),
        deduped_row(3, agreement=0.5),
        deduped_row(4, confidence=0.4),
        *(deduped_row(i) for i in range(5, 8)),
    ]
    described = rated(rows, chosen, ["email_rows"], "colour")
    assert [row["hard"] for row in described] == [
        ["email_rows"], ["empty"], ["rare_label", "must_abstain"], ["ambiguous"], ["ambiguous"], [], [], [],
    ]  # fmt: skip
    assert all(0 <= row["difficulty"] <= 1 for row in described)
    assert max(row["difficulty"] for row in described[5:]) < min(row["difficulty"] for row in described[:5])
    assert described[3]["difficulty"] == pytest.approx(described[0]["difficulty"] + 0.5 / 3, abs=0.03)
    with pytest.raises(UserError, match=r"colour.split.hard_slices.ambigous: neither .*did you mean ambig"):
        rated(rows, split_params(hard_slices={"ambigous": hard["empty"]}), ["email_rows"], "colour")
