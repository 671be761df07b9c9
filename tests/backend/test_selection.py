import itertools

import numpy as np
import pytest

from seedbed_backend import selection
from seedbed_backend.selection import apportion, cosines, nearest, spread_out, stand_for

RNG = np.random.default_rng(7)


def signs(n, n_topics=20, d=64):
    """Unit rows whose cosines are exact multiples of 1/32, in topics."""
    topics = RNG.normal(size=(n_topics, d))
    rows = topics[RNG.integers(0, n_topics, n)] + RNG.normal(size=(n, d))
    return (np.sign(rows) / np.sqrt(d)).astype(np.float32)


def plain_greedy(vectors, qualities, n, spread):
    worth = (1 - spread) * np.asarray(qualities)
    similar, nearest_so_far, order = cosines(vectors, vectors), np.zeros(len(worth)), []
    for _ in range(n):
        values = worth - spread * nearest_so_far
        values[order] = -np.inf
        order.append(int(np.argmax(values)))
        nearest_so_far = np.maximum(nearest_so_far, similar[order[-1]])
    return order


@pytest.mark.parametrize("spread", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("block", [1, 7, 512])
def test_working_in_blocks_gives_what_the_plain_greedy_way_gives(spread, block, monkeypatch):
    monkeypatch.setattr(selection, "_BLOCK", block)
    vectors, qualities = signs(300), np.round(RNG.beta(8, 2, 300), 2)
    assert spread_out(vectors, qualities, 195, spread) == plain_greedy(
        vectors, qualities, 195, spread
    )


def test_more_spread_leaves_less_alike():
    vectors, qualities = signs(400), RNG.beta(8, 2, 400)
    alike = []
    for spread in (0.0, 0.3, 0.6):
        chosen = vectors[spread_out(vectors, qualities, 100, spread)]
        alike.append(nearest(chosen, chosen, range(100))[1].mean())
    assert alike[0] > alike[1] > alike[2]


def test_of_nothing_nothing_is_chosen():
    none = np.zeros((0, 8), dtype=np.float32)
    assert spread_out(none, [], 3, 0.5) == []
    assert nearest(none, none)[0].tolist() == []
    assert nearest(signs(1), signs(1), [0])[0].tolist() == [-1]


def choose(vectors, n, quotas=None, groups=None, qualities=None, candidates=None):
    rows = range(len(vectors))
    groups = groups or [""] * len(vectors)
    return stand_for(
        vectors,
        n,
        candidates=list(rows) if candidates is None else candidates,
        qualities=qualities or [1.0] * len(vectors),
        groups=groups,
        quotas=quotas or dict.fromkeys(groups, n),
    )


def covered(vectors, chosen):
    return nearest(vectors, vectors[list(chosen)])[1].sum()


def test_facility_location_is_near_the_best_choice_there_is():
    vectors = signs(14, n_topics=4)
    best = max(covered(vectors, c) for c in itertools.combinations(range(14), 4))
    # Nemhauser, Wolsey and Fisher, 1978: never below 1 - 1/e of it.
    assert covered(vectors, choose(vectors, 4)) >= 0.9 * best


def test_facility_location_takes_the_best_next_one_each_time():
    vectors = signs(60)
    chosen = choose(vectors, 10)
    for n in range(10):
        gains = [covered(vectors, [*chosen[:n], i]) for i in range(60) if i not in chosen[:n]]
        assert covered(vectors, chosen[: n + 1]) == pytest.approx(max(gains), abs=1e-3)


def test_quotas_and_candidates_are_kept_to():
    vectors = signs(40)
    groups = ["rare"] * 4 + ["common"] * 36
    chosen = choose(vectors, 10, {"rare": 2, "common": 8}, groups, candidates=list(range(1, 40)))
    assert sum(groups[i] == "rare" for i in chosen) == 2
    assert len(chosen) == len(set(chosen)) == 10
    assert 0 not in chosen


def test_a_poor_one_does_not_stand_for_its_topic():
    vectors = np.repeat(signs(1), 3, axis=0)
    assert choose(vectors, 1, qualities=[0.2, 0.9, 0.9]) == [1]


@pytest.mark.parametrize(
    ("sizes", "n", "seats"),
    [
        ([10, 10], 13, [7, 6]),
        ([100, 1, 1], 66, [64, 1, 1]),
        ([1, 1, 1, 1], 2, [1, 1, 0, 0]),
        ([3, 3], 9, [3, 3]),
        ([], 5, []),
        ([4, 4], 0, [0, 0]),
    ],
)
def test_seats_are_in_proportion(sizes, n, seats):
    assert apportion(sizes, n) == seats


def test_ties_go_to_the_better_group():
    assert apportion([1, 1, 1], 1, [0.2, 0.9, 0.5]) == [0, 1, 0]


@pytest.mark.parametrize("n", range(0, 60, 7))
def test_all_seats_are_given_and_none_has_more_than_it_holds(n):
    sizes = [1, 2, 3, 5, 8, 13, 21]
    seats = apportion(sizes, n)
    assert sum(seats) == min(n, sum(sizes))
    assert all(seat <= size for seat, size in zip(seats, sizes, strict=True))
