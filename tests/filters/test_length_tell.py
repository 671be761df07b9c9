import random

import pytest

from filters.support import candidate, context
from seedbed_backend.filters.length_tell import LengthTell, Tell

FIELDS = {"chosen_field": "chosen", "rejected_field": "rejected"}
FILTER = LengthTell(**FIELDS)


def pair(number, n_chosen, n_rejected):
    return candidate(
        f"c{number:03}",
        {"prompt": "Can I cancel?"},
        chosen="yes " * n_chosen,
        rejected="no " * n_rejected,
    )


def pairs(n_shorter, n_longer, n_equal=0):
    """Make pairs whose difference in length grows with their number."""
    made = [pair(n, 20, 21 + n) for n in range(n_shorter)]
    made += [pair(500 + n, 21 + n, 20) for n in range(n_longer)]
    return made + [pair(900 + n, 20, 20) for n in range(n_equal)]


def screen(candidates, filter_=FILTER):
    return filter_.screen(candidates, context("dpo"))


def dropped(decisions):
    return [d.candidate_id for d in decisions if not d.keep]


def test_drops_the_most_telling_pairs_until_length_says_no_more_than_the_cap():
    decisions = screen(pairs(85, 17))
    gone = dropped(decisions)
    assert gone == [f"c{n:03}" for n in range(85 - len(gone), 85)]
    left = [85 - len(gone), 17]
    assert left[0] / sum(left) <= 0.80 < (left[0] + 1) / (sum(left) + 1)
    drop = next(d for d in decisions if not d.keep)
    assert drop.reason == "length_tell"
    assert drop.evidence["direction"] == "shorter"
    assert drop.evidence["accuracy"] == pytest.approx(85 / 102, abs=1e-4)
    assert drop.evidence["accuracy_after"] <= 0.80
    assert drop.evidence["length_ratio"] < 0.5


def test_longer_chosen_sides_tell_as_much():
    gone = dropped(screen(pairs(17, 85)))
    assert gone
    assert all(name >= "c500" for name in gone)


@pytest.mark.parametrize(
    ("n_shorter", "n_longer", "n_equal"),
    [
        (40, 4, 0),  # too few pairs to say
        (80, 20, 0),  # at the cap
        (70, 0, 60),  # equals count half
        (100, 0, 0),  # nothing to gain
        (96, 4, 0),  # hardly anything to gain within the bound
    ],
)
def test_drops_nothing_where_it_would_not_help(n_shorter, n_longer, n_equal):
    assert not dropped(screen(pairs(n_shorter, n_longer, n_equal)))


def test_never_drops_more_than_its_share():
    decisions = screen(pairs(90, 12))
    assert len(dropped(decisions)) == 20  # of 102
    assert next(d for d in decisions if not d.keep).evidence["accuracy_after"] > 0.80


def test_the_order_of_the_pairs_does_not_matter():
    made = pairs(85, 17)
    shuffled = random.Random(1).sample(made, len(made))
    assert sorted(dropped(screen(made))) == sorted(dropped(screen(shuffled)))


def test_a_set_whose_lengths_say_nothing():
    assert Tell(0, 0, 0).accuracy == 0.5
    assert Tell(10, 10, 0).accuracy == 0.5
    assert Tell(0, 0, 10).accuracy == 0.5
    assert Tell(3, 7, 0).direction == "longer"
