import numpy as np
import pytest

from filters.support import context, screen_one
from seedbed.errors import RecipeError
from seedbed.recipe import Recipe
from seedbed.records import Candidate, SourceTask
from seedbed_backend.filters import configure
from seedbed_backend.filters.label_neighbours import LabelNeighbours

FILTER = LabelNeighbours(fields=("paraphrase",), source_field="original")
LABELS = ("payment", "term", "liability", "data")


class TopicEncoder:
    """One direction a label named in the text; the number in it turns the vector a little."""

    def __init__(self):
        self.calls = []

    def encode(self, texts):
        self.calls.append(list(texts))
        rows = []
        for text in texts:
            row = [float(label in text) for label in LABELS]
            place = sum(map(int, filter(str.isdigit, text)))
            rows.append([*row, 0.01 * place, 0.1])
        vectors = np.asarray(rows, dtype=np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def sources(n=8, labels=LABELS):
    return [
        SourceTask.of({"original": f"{label} clause {place}", "label": label})
        for label in labels
        for place in range(n)
    ]


def decide(text, source, known, filter_=FILTER, technique="paraphrase", **fields):
    made = Candidate("c1", source, {"paraphrase": text, **fields})
    given = context(technique, TopicEncoder())
    return screen_one(filter_, made, type(given)(given.recipe, given.encoder, sources=known))


def test_keeps_what_lies_among_its_own_label():
    known = sources()
    decision = decide("a payment clause 3", known[0], known)
    assert decision.keep
    assert decision.score == 1.0
    assert decision.evidence["vote"] == {"payment": 1.0}


def test_drops_what_lies_among_another_label_and_names_the_neighbours():
    known = sources()
    decision = decide("a liability clause 3", known[0], known)
    assert decision.reason == "label_disagrees"
    assert decision.score == 0.0
    assert decision.evidence["label"] == "payment"
    assert decision.evidence["reliability"] == 1.0
    assert len(decision.evidence["neighbours"]) == 5
    assert {n["label"] for n in decision.evidence["neighbours"]} == {"liability"}
    assert {n["source"] for n in decision.evidence["neighbours"]} <= {s.id for s in known}


def test_the_own_source_has_no_vote():
    known = sources()
    decision = decide(known[0].fields["original"], known[0], known)
    assert known[0].id not in {n["source"] for n in decision.evidence["neighbours"]}


def test_the_label_may_be_one_that_the_model_gave():
    known = sources()
    named = LabelNeighbours(fields=("example",), source_field="seed", label_field="label")
    seeds = [
        SourceTask.of({"seed": s.fields["original"], "label": s.fields["label"]}) for s in known
    ]
    for label, reason in (("data", ""), ("term", "label_disagrees")):
        decision = decide(
            "", seeds[0], seeds, named, "expand", example="a data clause 4", label=label
        )
        assert decision.reason == reason


@pytest.mark.parametrize(
    ("known", "label"),
    [
        (sources(n=4), "payment"),  # 16 labelled sources
        (sources()[7:], "payment"),  # one of that label
        (sources(), "unheard of"),
        (sources(), ""),
        ([], "payment"),
    ],
)
def test_says_nothing_where_too_little_is_labelled(known, label):
    source = SourceTask("own", {"original": "payment clause", "label": label})
    decision = decide("a liability clause", source, known)
    assert decision.keep
    assert decision.score is None


def test_an_outlier_among_the_sources_excuses_its_rewrites():
    known = sources()
    outlier = SourceTask.of({"original": "liability clause 9", "label": "payment"})
    decision = decide("a liability clause 3", outlier, [*known, outlier])
    assert decision.keep
    assert decision.evidence["source_disagrees_too"] is True
    assert decision.score == 0.0


def test_labels_that_do_not_lie_together_are_no_evidence():
    mixed = [
        SourceTask.of({"original": f"payment clause {n}", "label": LABELS[n % 4]})
        for n in range(40)
    ]
    decision = decide("payment clause 7", mixed[0], mixed)
    assert decision.keep
    assert decision.evidence["reliability"] < 0.8


def test_a_rare_label_is_judged_by_fewer_neighbours():
    known = [*sources(), *sources(n=3, labels=("rare",))]
    own = known[-1]
    decision = decide("a rare clause 1", own, known)
    assert decision.keep
    assert len(decision.evidence["neighbours"]) == 5
    strict = FILTER.model_copy(update={"min_of_label": 2})
    fewer = [*sources(), *sources(n=2, labels=("rare",))]
    assert len(decide("rare 1", fewer[-1], fewer, strict).evidence["neighbours"]) == 3


def test_the_sources_are_encoded_once():
    encoder = TopicEncoder()
    known = sources()
    given = context("paraphrase", encoder)
    given = type(given)(given.recipe, encoder, sources=known)
    for n in range(3):
        FILTER.screen([Candidate("c", known[n], {"paraphrase": f"term {n}"})], given)
    assert sum(len(call) == len(known) for call in encoder.calls) == 1


def test_a_technique_without_labels_is_refused():
    options = {"fields": ["answer"], "source_field": "passage"}
    with pytest.raises(RecipeError, match="the sources of qa have no label"):
        configure(Recipe(technique="qa", filters={"label_neighbours": options}))


def test_keeps_what_is_nearest_to_an_example_of_its_label():
    # One payment clause says nearly the same; the topic around it is liability.
    known = [
        *sources(labels=("term", "data", "liability")),
        *sources(n=8, labels=("payment",)),
        SourceTask.of({"original": "liability clause 8 0", "label": "payment"}),
    ]
    text = "a liability clause 8 0"
    [nearest] = decide(text, known[30], known).evidence["neighbours"][:1]
    assert nearest["label"] == "payment"
    assert decide(text, known[30], known).keep
    assert not decide("a liability clause 3", known[30], known).keep


def test_a_majority_is_needed_to_outvote_a_label():
    known = sources(labels=("liability",))
    around = [SourceTask.of({"original": f"data 9{n}", "label": label})
              for n, label in enumerate(("term", "payment", "data", "term", "term"))]  # fmt: skip
    several = [*known, *sources(labels=("term", "payment", "data")), *around[:3]]
    one = [*known, *sources(labels=("term", "payment")), around[0], *around[3:]]
    filter_ = LabelNeighbours(fields=("paraphrase",), source_field="original", k=3)
    split = decide("data 91", known[0], several, filter_)
    assert set(split.evidence["vote"]) == {"term", "payment", "data"}
    assert split.keep
    assert decide("data 91", known[0], one, filter_).reason == "label_disagrees"
