import numpy as np
import pytest

from filters.support import HashingEncoder
from insights.grown import DELIVERIES, DISPUTES, LOGINS
from seedbed_backend.topics import find_topics, n_topics, name_groups

TEXTS = DISPUTES + LOGINS[:6] + DELIVERIES[:5]


def topics(texts, n=None):
    return find_topics(texts, HashingEncoder().encode(texts), n)


def test_texts_of_one_topic_are_together_the_largest_first():
    found = topics(TEXTS, 3)
    assert found.count(found.of_text) == [8, 6, 5]
    assert set(found.of_text[:8].tolist()) == {0}
    assert [place in range(8) for place in found.examples] == [True, False, False]


def test_topics_are_named_by_what_sets_them_apart():
    names = topics(TEXTS, 3).names
    assert "invoice" in names[0] or "disputed" in names[0]
    assert "password" in names[1] or "login" in names[1]
    assert "parcel" in names[2] or "warehouse" in names[2]


def test_phrases_win_over_their_words():
    texts = ["The credit note is late"] * 3 + ["The site visit is planned"] * 3
    assert name_groups(texts, [0, 0, 0, 1, 1, 1], 2) == ["credit note, late", "site visit, planned"]


def test_a_topic_without_telling_words_has_a_number():
    assert name_groups(["1 2", "3"], [0, 1], 2) == ["topic 1", "topic 2"]


def test_new_texts_go_to_the_nearest_topic():
    found = topics(TEXTS, 3)
    said = [
        "The invoice of Monday is disputed because the amount charged is wrong",
        "A parcel with pens arrived late at our warehouse",
    ]
    assert found.place(HashingEncoder().encode(said)).tolist() == [0, 2]


def test_texts_about_something_else_are_of_no_topic():
    found = topics(TEXTS, 3)
    places = found.place(HashingEncoder().encode(["Nobody likes rainy Sundays", DISPUTES[0]]))
    assert places.tolist() == [-1, 0]
    assert found.count(places) == [1, 0, 0]


def test_nearly_all_texts_are_within_reach_of_their_topics():
    found = topics(TEXTS, 3)
    assert (found.place(HashingEncoder().encode(TEXTS)) >= 0).mean() >= 0.9


def test_there_are_no_more_topics_than_distinct_texts():
    assert len(topics(["the same"] * 50).names) == 1
    assert len(topics(["a", "b"], 9).names) == 2


@pytest.mark.parametrize(("n", "k"), [(1, 1), (8, 2), (40, 4), (500, 16), (100_000, 30)])
def test_their_number_grows_with_the_root(n, k):
    assert n_topics(n) == k


def test_no_texts_have_no_topics():
    with pytest.raises(ValueError, match="no texts"):
        find_topics([], np.zeros((0, 3), dtype=np.float32))
