from __future__ import annotations

import random
from collections import Counter

import pytest

from seedbed.errors import UserError
from seedbed.merge import merge, source_of
from seedbed.records import Example


def real(i: int, label: str = "a", text: str = "", source: str = "") -> Example:
    text = text or f"real text {i} {label}"
    return Example(
        f"r{label}{i:04}", "paraphrase", "real", {"original": text, "label": label},
        {"paraphrase": text}, label, {"source_id": source or f"s{label}{i}"},
    )  # fmt: skip


def synthetic(i: int, label: str = "a", source: str = "s?", text: str = "") -> Example:
    output = {"paraphrase": text or f"synthetic text {i} {label}"}
    return Example(
        f"x{label}{i:04}", "paraphrase", "synthetic", {"original": "o", "label": label}, output,
        label, {"source_id": source},
    )  # fmt: skip


def labels_of(examples, origin: str) -> Counter[str]:
    return Counter(e.label for e in examples if e.origin == origin)


@pytest.mark.parametrize("fraction", [0.20, 0.25, 0.30, 0.40])
def test_share_is_met_overall_and_per_label(fraction):
    reals = [*map(real, range(90)), *(real(i, "b") for i in range(30))]
    synthetics = [*map(synthetic, range(100)), *(synthetic(i, "b") for i in range(100))]
    merged = merge(reals, synthetics, fraction)
    assert merged.report.is_met
    assert merged.report.synthetic_fraction == pytest.approx(fraction, abs=0.005)
    for label, n in labels_of(merged.train, "real").items():
        n_synthetic = labels_of(merged.train, "synthetic")[label]
        assert n_synthetic / (n + n_synthetic) == pytest.approx(fraction, abs=0.02)
    assert merged.test == ()


def test_shortfall_is_said_and_not_filled_from_elsewhere():
    reals = [*map(real, range(70)), *(real(i, "b") for i in range(70))]
    synthetics = [*map(synthetic, range(100)), *(synthetic(i, "b") for i in range(10))]
    report = merge(reals, synthetics, 0.30).report
    assert not report.is_met
    by_label = {g.label: (g.n_wanted, g.n_usable, g.n_used) for g in report.groups}
    assert by_label == {"a": (30, 100, 30), "b": (30, 10, 10)}
    assert report.synthetic_fraction == pytest.approx(40 / 180)
    assert "Too few for paraphrase/b: 10 of 30 wanted." in str(report)
    assert "22.2%; 30% wanted" in str(report)


def test_label_without_real_rows_is_left_out_and_counted():
    report = merge([real(i) for i in range(10)], [synthetic(0, "new")], 0.30).report
    assert [(g.label, g.n_wanted, g.n_usable) for g in report.groups] == [
        ("a", 4, 0),
        ("new", 0, 1),
    ]
    assert report.n_surplus == 1


@pytest.mark.parametrize("fraction", [0.0, 0.19, 0.41, 1.0])
def test_share_out_of_range_is_refused(fraction):
    with pytest.raises(UserError, match=r"synthetic_fraction is .*; it must lie in 0\.20-0\.40"):
        merge([real(1)], [], fraction)


def test_test_fraction_out_of_range_is_refused():
    with pytest.raises(UserError, match=r"test_fraction is 0\.6"):
        merge([real(1)], [], test_fraction=0.6)


def test_no_real_rows_is_refused():
    with pytest.raises(UserError, match="no real examples"):
        merge([], [synthetic(1)])


def test_rows_on_the_wrong_side_are_refused():
    with pytest.raises(UserError, match="xa0001 is synthetic, but stands among the real"):
        merge([real(1), synthetic(1)], [])
    with pytest.raises(UserError, match="ra0001 is real, but stands among the synthetic"):
        merge([real(1)], [real(1)])


def test_repeats_are_dropped_and_counted():
    reals = [real(1, text="Hello you"), real(2, text="hello  YOU"), real(3)]
    synthetics = [
        synthetic(1, text=" HELLO you "),
        synthetic(2),
        synthetic(3, text="synthetic text 2 a"),
    ]
    merged = merge(reals, synthetics, 0.40)
    report = merged.report
    assert (report.n_real, report.n_real_duplicates) == (2, 1)
    assert (report.n_synthetic, report.n_duplicates) == (1, 2)


def test_nothing_of_a_held_out_source_is_in_train():
    reals = [real(i, label) for label in "ab" for i in range(50)]
    synthetics = [synthetic(i, label, f"s{label}{i % 50}") for label in "ab" for i in range(200)]
    merged = merge(reals, synthetics, 0.30, rng_seed=3, test_fraction=0.20)
    assert labels_of(merged.test, "real") == {"a": 10, "b": 10}
    assert labels_of(merged.test, "synthetic") == {}
    held_out = set(map(source_of, merged.test))
    assert held_out.isdisjoint(map(source_of, merged.train))
    assert merged.report.n_held_out == 2 * 10 * 4
    assert merged.report.is_met
    assert merged.report.synthetic_fraction == pytest.approx(0.30, abs=0.01)


def test_real_rows_of_one_source_stay_on_one_side():
    reals = [real(i, source=f"s{i // 5}") for i in range(50)]
    merged = merge(reals, [], 0.30, test_fraction=0.30)
    assert len(merged.test) == 15
    assert set(map(source_of, merged.test)).isdisjoint(map(source_of, merged.train))


def test_every_row_is_accounted_for():
    reals = [real(i) for i in range(40)]
    synthetics = [synthetic(i, source=f"sa{i % 40}") for i in range(90)] + [
        synthetic(99, text="o p")
    ]
    report = merge(reals, synthetics, 0.25, test_fraction=0.10).report
    n_dropped = report.n_duplicates + report.n_held_out + report.n_surplus
    assert report.n_synthetic + n_dropped == len(synthetics)
    assert report.n_real + report.n_test + report.n_real_duplicates == len(reals)


def test_order_of_the_input_does_not_matter_but_the_seed_does():
    reals, synthetics = [real(i) for i in range(40)], [synthetic(i) for i in range(90)]
    merged = merge(reals, synthetics, rng_seed=5, test_fraction=0.2)
    rng = random.Random(0)
    rng.shuffle(reals)
    rng.shuffle(synthetics)
    assert merge(iter(reals), iter(synthetics), rng_seed=5, test_fraction=0.2) == merged
    assert merge(reals, synthetics, rng_seed=6, test_fraction=0.2).train != merged.train


def test_unlabelled_rows_are_one_group():
    reals = [real(i, label="") for i in range(70)]
    merged = merge(reals, [synthetic(i, label="") for i in range(50)], 0.30)
    assert merged.report.n_synthetic == 30
    assert merged.report.groups[0].name == "paraphrase"
