"""The aligned sequences are held against rapidfuzz, which the light package does without."""

import random

import pytest
from rapidfuzz.distance import OSA, LCSseq, Levenshtein

from seedbed.alignment import changes, is_one_edit, n_common


def pairs(n: int):
    rng = random.Random(1)
    for _ in range(n):
        size, alphabet = rng.choice([4, 9, 40, 90]), rng.choice([2, 3, 9, 60])
        a = [str(rng.randrange(alphabet)) for _ in range(rng.randrange(size))]
        b = [item for item in a if rng.random() > 0.15]
        for _ in range(rng.randrange(4)):
            b.insert(rng.randint(0, len(b)), str(rng.randrange(alphabet)))
        yield a, b


def differences(a, b):
    at_a = at_b = 0
    for same in Levenshtein.opcodes(a, b).as_matching_blocks():
        if same.a > at_a or same.b > at_b:
            yield at_a, same.a, at_b, same.b
        at_a, at_b = same.a + same.size, same.b + same.size


def test_changes_are_those_of_the_shortest_edit():
    for a, b in pairs(2000):
        assert list(changes(a, b)) == list(differences(a, b))


def test_the_longest_common_subsequence_is_counted():
    for a, b in pairs(2000):
        assert n_common(a, b) == LCSseq.similarity(a, b)


def test_one_edit_is_one_letter_or_a_swap():
    for first, second in pairs(3000):
        a, b = "".join(first[:9]), "".join(second[:9])
        assert is_one_edit(a, b) == (OSA.distance(a, b) == 1)


@pytest.mark.parametrize(("a", "b"), [("", ""), ("", "one two"), ("one two", ""), ("x", "x")])
def test_nothing_is_a_sequence_too(a, b):
    assert list(changes(a.split(), b.split())) == (
        [] if a == b else [(0, len(a.split()), 0, len(b.split()))]
    )
    assert n_common(a.split(), b.split()) == (a == b == "x")
