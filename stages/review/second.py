"""Second looks: which decided rows another person should see without the decision, and where two people
disagree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from promptstill.answers.schema.compare import same
from promptstill.answers.spec import AnswerSpec
from promptstill.reviews.decisions import Review


def gets_second_look(digest: str) -> bool:
    """Whether a row with this hash of its text is one of the sixteenth that another person decides too. The
    last digit says so: the first ones order the random choice, which second looks must not follow."""
    return digest.endswith("0")


@dataclass
class Looks:
    """The decisions about one text in their order, and whether each was a blind second look."""

    reviews: list[Review] = field(default_factory=list)

    @property
    def pair(self) -> tuple[Review, Review] | None:
        """The last blind look, behind the decision that was in force when it was made."""
        for place in range(len(self.reviews) - 1, -1, -1):
            if self.reviews[place].blind:
                before = [review for review in self.reviews[:place] if not review.blind]
                if before and before[-1].decision != "withdraw":
                    return before[-1], self.reviews[place]
        return None

    @property
    def is_settled(self) -> bool:
        """Whether somebody decided after the last blind look."""
        return not self.reviews[-1].blind

    def wanted(self, digest: str, spec: AnswerSpec) -> bool:
        """Whether the row belongs in the queue: it waits for a second look, or for a third person."""
        pair = self.pair
        if pair is not None:
            return not self.is_settled and not agree(*pair, spec)
        return gets_second_look(digest) and self.reviews[-1].decision != "withdraw"


def looks(reviews: Iterable[Review]) -> dict[str, Looks]:
    """All lines about each text, by its hash."""
    by_hash: dict[str, Looks] = defaultdict(Looks)
    for review in reviews:
        by_hash[review.input_hash].reviews.append(review)
    return by_hash


def agree(left: Review, right: Review, spec: AnswerSpec) -> bool:
    """Whether two decisions say the same."""
    if "reject" in (left.decision, right.decision):
        return left.decision == right.decision
    return same(left.answer, right.answer, spec)
