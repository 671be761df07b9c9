import json
from collections import Counter

import pytest

from filters.support import HashingEncoder
from insights.grown import DELIVERIES, DISPUTES, LOGINS, VARIED, source
from seedbed.errors import SourceError
from seedbed.recipe import Recipe
from seedbed_backend.seeds import near_earlier, neighbours, quarters, quotas_of, select

EXPAND = Recipe(technique="expand")


def seed(text, label=""):
    return source("expand", seed=text, **({"label": label} if label else {}))


def labelled(label, texts):
    return [seed(text, label) for text in texts]


def choose(sources, n, recipe=EXPAND):
    return select(recipe, sources, HashingEncoder(), n)


def texts(selection):
    return [s.fields["seed"] for s in selection.seeds]


def avoided(selection):
    return {item.source.fields["seed"]: (item.reason, item.detail) for item in selection.avoided}


SOURCES = (
    labelled("billing", DISPUTES)
    + labelled("access", LOGINS)
    + labelled("shipping", DELIVERIES[:2])
)


def test_every_label_has_its_share_and_at_least_one():
    found = choose(SOURCES, 6)
    shares = {"access": 3, "billing": 2, "shipping": 1}
    assert Counter(s.fields["label"] for s in found.seeds) == shares
    assert {row["name"]: row["n_seeds"] for row in found.report["labels"]} == shares


def test_where_labels_outnumber_seeds_no_label_has_two():
    many = [seed(f"{text} {n}", f"label {n}") for n, text in enumerate(VARIED)]
    found = choose(many, 5)
    assert len({s.fields["label"] for s in found.seeds}) == 5


def test_seeds_cover_more_than_as_many_drawn_at_random():
    found = choose([seed(t) for t in DISPUTES + LOGINS + DELIVERIES + VARIED], 8)
    coverage = found.report["coverage"]
    assert coverage["nearest_similarity"] > coverage["random_similarity"] + 0.02
    assert sum(s["stands_for"] for s in found.report["seeds"]) == 36


def test_lengths_and_forms_are_covered():
    short = [f"Is my refund {word}?" for word in ("late", "wrong", "missing", "double", "partial")]
    listed = [f"We need:\n- one {a}\n- two {a}s for the office" for a in ("desk", "lamp", "phone")]
    found = choose([seed(t) for t in DISPUTES + LOGINS + short + listed], 8)
    assert {row["name"]: row["n_seeds"] > 0 for row in found.report["forms"]} == {
        "fragment": True,
        "question": True,
        "list": True,
    }
    assert all(row["n_seeds"] for row in found.report["lengths"])


def test_the_same_sources_give_the_same_seeds_in_any_order():
    assert texts(choose(SOURCES, 7)) == texts(choose(SOURCES[::-1], 7))


def test_broken_texts_are_avoided_and_named():
    broken = "The cafÃ© near the office canâ€™t take cards"
    found = choose([seed(t) for t in [*DISPUTES, broken]], 9)
    assert broken not in texts(found)
    assert avoided(found)[broken][0] == "mojibake"
    assert found.report["avoided"] == {"mojibake": 1}
    assert found.report["n_sound"] == 8


def test_what_most_sources_have_is_their_style_and_no_defect():
    marked = [f"## Ticket\n\n{text}." for text in DISPUTES]
    found = choose([seed(t) for t in marked], 4)
    assert len(found.seeds) == 4
    assert found.avoided == []


def test_a_near_duplicate_is_avoided_and_names_the_other():
    first, second = seed(f"{DISPUTES[0]} {VARIED[0]}"), seed(f"{DISPUTES[0]} {VARIED[0]} !")
    found = choose([first, second, *(seed(t) for t in LOGINS)], 10)
    [item] = found.avoided
    assert item.reason == "near_duplicate"
    assert {item.source.id, item.detail} == {first.id, second.id}
    assert found.report["avoided_sources"][0]["detail"] == f"of {item.detail[:8]}"


def test_the_same_text_with_two_labels_is_a_conflict():
    text = f"{VARIED[0]} {VARIED[1]}"
    first, second = seed(text, "leave"), seed(f"{text}!", "orders")
    found = choose([first, second, *SOURCES], 6)
    [item] = [i for i in found.avoided if i.source.id in {first.id, second.id}]
    other = second if item.source.id == first.id else first
    assert (item.reason, item.detail) == ("label_conflict", other.id)
    told = next(a for a in found.report["avoided_sources"] if a["id"] == item.source.id)
    assert told["detail"] == f"{other.id[:8]} is {other.fields['label']}"


def test_texts_that_differ_in_a_fact_are_no_duplicates():
    long = f"{DISPUTES[0]}. {VARIED[0]} {VARIED[1]} {VARIED[2]} Refund EUR"
    found = choose([seed(f"{long} {amount}") for amount in (40, 50)], 2)
    assert len(found.seeds) == 2


def test_texts_that_share_their_form_alone_are_no_duplicates():
    assert choose([seed(t) for t in DISPUTES], 8).avoided == []


def test_a_label_that_its_neighbours_contradict_is_avoided():
    wrong = seed(
        "The invoice of September is disputed because the amount charged is wrong", "access"
    )
    found = choose([*SOURCES, wrong], 10)
    assert avoided(found)[wrong.fields["seed"]] == ("label_doubtful", "billing and not access")


def test_a_label_among_others_far_away_is_not_doubted():
    odd = seed("Which cost centre pays for the summer party?", "events")
    found = choose([*SOURCES, odd], 10)
    assert odd.fields["seed"] in texts(found)


def test_a_text_much_shorter_than_the_others_is_avoided():
    found = choose([seed(t) for t in [*DISPUTES, "Invoice wrong"]], 9)
    assert avoided(found)["Invoice wrong"] == ("too_short", "2 words; 12 in the middle")


def test_short_texts_among_short_ones_are_kept():
    short = [f"{text} {n}" for n, text in enumerate(("card lost", "pin blocked", "late fee"))]
    assert choose([seed(t) for t in short], 3).avoided == []


def test_documents_can_be_selected_too():
    passages = [source("qa", passage=f"{t}. It is due.", document="d") for t in DISPUTES + LOGINS]
    found = select(Recipe(technique="qa"), passages, HashingEncoder(), 4)
    assert len(found.seeds) == 4
    assert found.report["labels"] == []


def test_asking_for_more_than_there_are_gives_all_that_are_sound():
    assert len(choose([seed(t) for t in VARIED], 100).seeds) == 12


@pytest.mark.parametrize("n_sources", [1, 2, 6])
def test_few_sources_are_enough(n_sources):
    found = choose([seed(t, "x") for t in VARIED[:n_sources]], 2)
    assert len(found.seeds) == min(2, n_sources)
    assert json.loads(json.dumps(found.report)) == found.report


def test_nothing_sound_selects_nothing_and_says_why():
    found = choose([seed("?!"), *(seed("...") for _ in range(1))], 2)
    assert len(found.seeds) + len(found.avoided) == 2


def test_no_sources_are_an_error_that_says_what_to_do():
    with pytest.raises(SourceError, match="no sources") as caught:
        choose([], 4)
    assert "Import" in caught.value.hint


@pytest.mark.parametrize("block", [1, 2, 500])
def test_near_rows_are_found_in_and_across_blocks(block, monkeypatch):
    monkeypatch.setattr("seedbed_backend.seeds._ROWS_AT_ONCE", block)
    rows = HashingEncoder().encode([VARIED[0], VARIED[1], VARIED[0], VARIED[2], VARIED[1]])
    assert near_earlier(rows, 0.95, lambda a, b: True) == {2: 0, 4: 1}
    assert near_earlier(rows, 0.95, lambda a, b: {a, b} == {1, 4}) == {4: 1}


@pytest.mark.parametrize(
    ("counts", "sound", "n", "quotas"),
    [
        ({"a": 90, "b": 9, "c": 1}, {}, 10, {"a": 8, "b": 1, "c": 1}),
        ({"a": 2, "b": 2}, {}, 10, {"a": 2, "b": 2}),
        ({}, {}, 10, {}),
        ({"a": 20, "b": 40}, {"a": 2}, 9, {"b": 7, "a": 2}),
        ({"a": 20, "b": 40}, {"a": 1, "b": 3}, 9, {"b": 3, "a": 1}),
    ],
)
def test_quotas_follow_the_numbers(counts, sound, n, quotas):
    assert quotas_of(counts, {**counts, **sound}, n) == quotas


def test_quarters_hold_every_length():
    names = quarters([1, 2, 3, 4, 50])
    assert names[0].startswith("1")
    assert names[-1].endswith("50 words")
    assert set(quarters([7, 7])) == {"7 words"}


def test_neighbours_are_others():
    places, values = neighbours(HashingEncoder().encode(DISPUTES), 3)
    assert all(n not in row for n, row in enumerate(places.tolist()))
    assert (values[:, 0] >= values[:, 2]).all()
