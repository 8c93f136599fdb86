"""Which inputs are read together: similar lengths, few passes, and never more rows than there may be."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from promptstill.models.batches import PADDED, TOKENS_OF_A_PASS, batches


def formed(lengths: Sequence[int], most: int = 48, passes: int = 1) -> list[list[int]]:
    """The lengths of the inputs of each batch."""
    return [[lengths[i] for i in batch] for batch in batches(lengths, lambda longest: most, passes)]


def padding(batch: Sequence[int]) -> int:
    return max(batch) * len(batch) - sum(batch)


def test_long_inputs_are_not_read_with_short_ones() -> None:
    assert formed([400, 20, 390, 25, 21, 380]) == [[380, 390, 400], [20, 21, 25]]


def test_mixed_lengths_are_a_few_batches_with_little_padding() -> None:
    made = formed(range(20, 404, 8))
    assert [len(batch) for batch in made] == [25, 13, 6, 4]
    assert sum(map(padding, made)) < sum(map(sum, made)) / 3
    assert padding(range(20, 404, 8)) > 9_000, "48 inputs in one batch"


def test_short_inputs_of_any_length_share_a_batch() -> None:
    assert formed([1, 5, 9, 13]) == [[1, 5, 9, 13]]


def test_more_passes_allow_more_padding() -> None:
    lengths = [10, 20, 300, 320]
    assert formed(lengths) == [[300, 320], [10, 20]]
    assert formed(lengths, passes=64) == [lengths]


def test_the_most_rows_are_those_of_the_longest_input() -> None:
    lengths = [30, 29, 28, 15, 14, 13, 12]
    made = list(batches(lengths, lambda longest: 60 // longest, passes=1))
    assert made == [[1, 0], [3, 2], [6, 5, 4]]


@given(st.lists(st.integers(1, 500), max_size=120), st.integers(1, 50), st.integers(1, 64))
def test_every_input_is_in_a_batch_once_and_padding_is_bounded(
    lengths: list[int], most: int, passes: int
) -> None:
    made = list(batches(lengths, lambda longest: most, passes))
    assert sorted(i for batch in made for i in batch) == list(range(len(lengths)))
    for batch in made:
        of_batch = [lengths[i] for i in batch]
        assert len(batch) <= most
        assert of_batch == sorted(of_batch)
        assert padding(of_batch) <= max(PADDED * max(of_batch) * len(batch), TOKENS_OF_A_PASS * passes)
    longest = [max(lengths[i] for i in batch) for batch in made]
    assert longest == sorted(longest, reverse=True)
