"""Which inputs a model reads together: their numbers of tokens in, batches of their positions out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

# The share of a batch's tokens that may be padding. Padding costs as much time as tokens, so inputs of very
# different lengths are quicker in two batches.
PADDED = 1 / 4
# A pass has costs of its own: it reads all weights, even for few tokens. By estimate, a processor computes
# about this number of tokens in that time, so a batch may have this much padding for each of its passes.
TOKENS_OF_A_PASS = 64


def batches(lengths: Sequence[int], most_rows: Callable[[int], int], passes: int) -> Iterator[list[int]]:
    """Batches of positions in `lengths`, those of the longest inputs first; a batch has its longest last.

    `most_rows` gives the most rows of a batch whose longest input has a number of tokens; it is at least 1.
    `passes` is the number of passes that answer a batch.
    """
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    while order:
        # The next input is the longest one that waits, so no other needs more tokens.
        longest = lengths[order[-1]]
        most, rows, padding = most_rows(longest), 1, 0
        while rows < min(most, len(order)):
            padding += longest - lengths[order[-rows - 1]]
            if padding > max(PADDED * longest * (rows + 1), TOKENS_OF_A_PASS * passes):
                break
            rows += 1
        yield order[-rows:]
        order = order[:-rows]
