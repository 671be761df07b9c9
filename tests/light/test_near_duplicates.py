"""The join finds every pair that comparing all with all finds, and no other."""

import random

import pytest

from seedbed.merging import near_duplicates
from seedbed.merging.near_duplicates import Nearness, near_pairs, near_pairs_within
from seedbed.sameness import near_threshold
from seedbed.text import letter_similarity


def texts(seed: int, n: int) -> list[str]:
    """Return texts of 0 to 60 words out of a small vocabulary, most of them changed copies."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("abcdef", k=rng.randint(1, 8))) for _ in range(70)]
    found = [" ".join(rng.choices(words, k=rng.randint(0, 60))) for _ in range(n // 3)]
    while len(found) < n:
        copy = rng.choice(found).split()
        for _ in range(rng.randint(0, 1 + len(copy) // 2)):
            at = rng.randint(0, len(copy))
            copy[at : at + rng.randint(0, 2)] = rng.choices(words, k=rng.randint(0, 2))
        found.append(" ".join(copy))
    return found


def naive(probes, known, nearness):
    for i, a in enumerate(probes):
        for j, b in enumerate(known):
            limit = near_threshold(min(len(a), len(b)), nearness.short, nearness.long)
            if (similarity := letter_similarity(a, b)) >= limit:
                yield i, j, similarity


@pytest.mark.parametrize(
    "nearness", [Nearness(), Nearness(0.9, 0.8), Nearness(0.7, 0.3), Nearness(1, 1)]
)
@pytest.mark.parametrize("block", [16_384, 37])
class TestEveryPair:
    def test_between_two_lists(self, nearness, block, monkeypatch):
        monkeypatch.setattr(near_duplicates, "_BLOCK", block)
        probes, known = texts(1, 90), texts(1, 200)[60:]
        assert sorted(near_pairs(probes, known, nearness)) == sorted(naive(probes, known, nearness))

    def test_within_one_list(self, nearness, block, monkeypatch):
        monkeypatch.setattr(near_duplicates, "_BLOCK", block)
        own = texts(2, 180)
        found = list(near_pairs_within(own, nearness))
        assert sorted(found) == sorted(p for p in naive(own, own, nearness) if p[1] < p[0])
        assert len(found) > 9

    def test_what_an_earlier_text_is_near_to_is_known_before_it_is_met(
        self, nearness, block, monkeypatch
    ):
        monkeypatch.setattr(near_duplicates, "_BLOCK", block)
        met: set[int] = set()
        for later, earlier, _ in near_pairs_within(texts(3, 150), nearness):
            assert later not in met
            met.add(earlier)


def test_many_texts_with_the_same_letters_are_counted(monkeypatch):
    own = [f"the same beginning of every text, and number {n} at its end" for n in range(300)]
    assert sorted(near_pairs_within(own, Nearness())) == sorted(
        p for p in naive(own, own, Nearness()) if p[1] < p[0]
    )


@pytest.mark.parametrize("known", [[], [""], ["abc"], ["", "abc", "abcd"]])
def test_short_texts_are_near_where_they_are_equal(known):
    found = [(p.probe, p.known) for p in near_pairs(["", "abc", "abcdef"], known, Nearness())]
    assert found == [
        (i, j) for i, a in enumerate(["", "abc", "abcdef"]) for j, b in enumerate(known) if a == b
    ]
