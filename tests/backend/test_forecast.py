"""A forecast's 80 % interval holds about 80 % of what simulated runs do."""

from dataclasses import replace

import numpy as np
import pytest

from seedbed_backend import forecast, planner
from seedbed_backend.planner import Goal, Progress, Yield
from seedbed_backend.store import Batch, Effort

N_RUNS = 300


def goal(target=100, over_generation=3.0, share=0.65):
    return Goal(target, planner.budget(target), over_generation, share)


def play(rng, wanted, share_kept, seen=None):
    """Run on from what was seen to the end, as the planner decides; return every wave's size.

    From there on fewer are kept, because they must differ from those that were.
    """
    at, sizes = seen or Progress(), []
    share_kept *= 1 - rng.uniform(0, forecast.MAX_FALL)
    while size := planner.wave_size(wanted, at):
        at = at.after(Yield(size, int(rng.binomial(size, share_kept))))
        sizes.append(size)
    return at.done, sizes


def warmed(n_attempts, n_kept):
    return Progress().after(Yield(n_attempts, n_kept))


def batch(n_attempts, seconds, n_prompts=None, **effort):
    items = tuple((f"s{i}", 0, 1) for i in range(n_prompts or n_attempts))
    first = ("s0", 0, n_attempts - len(items) + 1)
    return Batch("b", "r", 1, (first, *items[1:]), "generated", Effort(seconds, **effort))


def test_nothing_is_said_where_nothing_is_known():
    assert forecast.forecast(goal(), Progress()) is None
    assert forecast.measure([]) is None
    assert forecast.measure([Batch("b", "r", 1, (("s", 0, 5),), "generated")]) is None
    assert forecast.measure([Batch("b", "r", 1, (("s", 0, 5),), "queued", Effort(3.0))]) is None
    known = forecast.forecast(goal(), warmed(40, 20))
    assert known is not None
    assert known.seconds is None


@pytest.mark.parametrize("target", [40, 100, 1000])
def test_the_interval_of_attempts_and_survivors_covers_80_percent(target):
    rng = np.random.default_rng(target)
    wanted = goal(target)
    hits = {"attempts": 0, "survivors": 0}
    for _ in range(N_RUNS):
        share = rng.uniform(0.35, 0.8)
        seen = warmed(40, int(rng.binomial(40, share)))
        said = forecast.forecast(wanted, seen, n_sources=100)
        ended, _ = play(rng, wanted, share, seen)
        hits["attempts"] += said.attempts.low <= ended.n_attempts <= said.attempts.high
        n_survivors = int(ended.n_kept * wanted.final_share + 1e-9)
        hits["survivors"] += said.survivors.low <= n_survivors <= said.survivors.high
    assert 0.72 <= hits["attempts"] / N_RUNS <= 0.88
    # Most runs end within a few survivors of the target: whole numbers make it more than 80 %.
    assert 0.72 <= hits["survivors"] / N_RUNS <= 0.97


def test_the_interval_of_seconds_covers_80_percent():
    rng = np.random.default_rng(7)
    wanted, scatter, hits = goal(300), 0.2, 0
    for _ in range(N_RUNS):
        share, cost, speed = rng.uniform(0.4, 0.8), rng.uniform(0.2, 0.6), rng.uniform(0.05, 0.5)
        luck = lambda: np.exp(rng.normal(0, scatter))  # noqa: E731
        spent = (40 * cost + 40 * speed) * luck()
        warm_up = batch(40, spent, prompt_seconds=spent * speed / (cost + speed))
        seen = warmed(40, int(rng.binomial(40, share)))
        said = forecast.forecast(wanted, seen, pace=forecast.measure([warm_up]), n_sources=100)
        _, sizes = play(rng, wanted, share, seen)
        seconds = 0.0
        for size in sizes:
            n = planner.n_batches(size)
            for _ in range(n):
                seconds += (size / n * cost + min(size, 100) / n * speed) * luck()
        hits += said.seconds.low <= seconds <= said.seconds.high
    assert 0.72 <= hits / N_RUNS <= 0.90


def test_the_chance_is_how_often_runs_reach_their_target():
    rng = np.random.default_rng(3)
    wanted, said, reached = goal(100), [], []
    for _ in range(N_RUNS):
        share = rng.uniform(0.2, 0.5)
        seen = warmed(40, int(rng.binomial(40, share)))
        said.append(forecast.forecast(wanted, seen).chance)
        reached.append(play(rng, wanted, share, seen)[0].n_kept >= wanted.n_wanted)
    assert np.mean(said) == pytest.approx(np.mean(reached), abs=0.07)


def test_what_is_seen_narrows_it():
    def width(seen):
        told = forecast.forecast(goal(1000), seen).attempts
        return (told.high - told.low) / told.expected

    assert width(warmed(40, 20)) > 1.4 * width(warmed(400, 200))


def test_earlier_runs_count_as_100_attempts_at_most():
    few = forecast.forecast(goal(), Progress(), earlier=Yield(100, 50))
    many = forecast.forecast(goal(), Progress(), earlier=Yield(10_000, 5_000))
    assert few == many
    own = forecast.forecast(goal(), warmed(40, 10), earlier=Yield(100, 90))
    assert own == forecast.forecast(goal(), warmed(40, 10))  # its own warm-up knows better
    # 154 are wanted of every second one; a tenth more falls to their likeness, and some to spare.
    assert few.attempts.expected == pytest.approx(345, rel=0.1)


def test_the_pace_tells_prompts_from_completions():
    pace = forecast.measure([batch(100, 60.0, n_prompts=20, prompt_seconds=10.0)])
    assert pace.seconds_per_prompt == pytest.approx(0.5)
    assert pace.seconds_per_attempt == pytest.approx(0.5)
    assert pace.seconds(n_prompts=10, n_attempts=1000) == pytest.approx(505)


def test_batches_that_differ_make_it_less_sure():
    steady = forecast.measure([batch(100, 50.0)] * 8)
    uneven = forecast.measure([batch(100, 25.0), batch(100, 100.0)] * 4)
    assert steady.scatter < 0.2 < uneven.scatter


def test_what_is_generated_already_takes_no_more_time():
    pace = forecast.measure([batch(40, 40.0)])
    arguments = {"n_planned": 200, "pace": pace, "n_sources": 50}
    start = forecast.forecast(goal(), warmed(40, 30), **arguments).seconds
    later = forecast.forecast(goal(), warmed(40, 30), n_generated=150, **arguments).seconds
    two = forecast.forecast(goal(), warmed(40, 30), n_workers=2, **arguments).seconds
    assert later.expected < start.expected / 2
    assert two.expected == pytest.approx(start.expected / 2, rel=0.01)


def test_a_forecast_is_the_same_again():
    arguments = (goal(), warmed(40, 17))
    assert forecast.forecast(*arguments) == forecast.forecast(*arguments)


def test_what_is_not_judged_yet_takes_its_time():
    judged = replace(batch(40, 20.0), state="judged", judge_seconds=80.0)
    pace = forecast.measure([judged])
    assert pace.judge_seconds == 2.0
    assert forecast.measure([batch(40, 20.0)]).judge_seconds == 0.0

    def seconds(n_judged):
        told = forecast.forecast(
            goal(40), warmed(40, 20), n_planned=60, n_generated=60, n_judged=n_judged, pace=pace
        )
        return told.seconds.expected

    # 60 of 2 s each; the medians of two noisy sums differ by a little less or more
    assert seconds(0) - seconds(60) == pytest.approx(120.0, rel=0.1)
