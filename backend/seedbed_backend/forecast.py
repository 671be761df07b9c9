"""Where a run will end and when: the rest of it is played through, many times over (pure).

What is uncertain is the yield, how it falls while the run grows, the filters' luck, and the pace of
the machine. Each play draws them all and lets the planner decide as it will; the shortest interval
with 80 % of the plays is told. It holds as long as the machine does nothing else, and sources are
not asked far more often than before: they begin to repeat themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from seedbed_backend import planner
from seedbed_backend.planner import Goal, Progress, Yield
from seedbed_backend.store import Batch, Effort

N_PLAYS = 800
COVERAGE = 0.8

EARLIER_ATTEMPTS = 100
"""What earlier runs weigh at most, in attempts. They are alike, not the same: a new run must not
repeat them (a power prior: Ibrahim and Chen, Stat. Sci. 15 (2000) 46)."""

MAX_FALL = 0.2
"""By how much the share that is kept may fall after what was seen, evenly between none and this:
what is made must differ from all that was kept. In 20 runs with the demo's model and sources the
main wave kept 0 to 30 % less than the warm-up, and 10 % less in the middle."""

SCATTER = 0.2
SCATTER_WEIGHT = 4
"""Batches of one machine are assumed to differ by 20 %, as if four had been seen that do."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast one model works on one recipe and machine, over the batches it was measured on.

    `seconds_per_prompt` is what a source takes before its first token, `seconds_per_attempt` the
    rest of each completion, `screen_seconds` the filters that look at one candidate, and
    `judge_seconds` the judge, 0 without one: wall seconds, many completions being under way at
    once. `scatter` is the standard deviation of the logarithm of a batch's real ÷ expected seconds.
    `effort` sums the batches up.
    """

    seconds_per_prompt: float
    seconds_per_attempt: float
    screen_seconds: float
    judge_seconds: float
    scatter: float
    n_batches: int
    n_attempts: int
    n_prompts: int
    effort: Effort

    def seconds(self, n_prompts: float, n_attempts: float) -> float:
        """Return the expected wall seconds of generating."""
        return n_prompts * self.seconds_per_prompt + n_attempts * self.seconds_per_attempt


@dataclass(frozen=True, slots=True)
class Interval:
    """The median, and the shortest interval in which the outcome lies with a chance of 80 %.

    The shortest, because a run never makes fewer attempts than the wave it has planned: many plays
    end at exactly that number, which is then the lower end.
    """

    expected: float
    low: float
    high: float

    @staticmethod
    def of(values: NDArray[np.float64]) -> Interval:
        """Sum up what the plays gave."""
        ordered = np.sort(values)
        n_inside = math.ceil(COVERAGE * len(ordered))
        lows, highs = ordered[: len(ordered) - n_inside + 1], ordered[n_inside - 1 :]
        place = int(np.argmin(highs - lows))
        return Interval(float(np.median(ordered)), float(lows[place]), float(highs[place]))


@dataclass(frozen=True, slots=True)
class Forecast:
    """How a run will end. `chance` is that of reaching the target within the budget, 0-1.

    `attempts` and `survivors` are of the whole run, `seconds` what is left of it: None where no
    pace is known.
    """

    attempts: Interval
    survivors: Interval
    chance: float
    seconds: Interval | None


def measure(batches: Sequence[Batch]) -> Pace | None:
    """Measure the pace over batches that were generated; None where none was.

    Both prices are ratios of sums, so that a large batch counts for more than a small one. The
    scatter is the posterior mean of a variance under a scaled inverse-χ² prior (Gelman et al.,
    Bayesian Data Analysis, 2.6): few batches alone would seem too sure.
    """
    measured = [b for b in batches if b.state != "queued" and b.effort.seconds > 0 and b.n_attempts]
    if not measured:
        return None
    effort = sum((b.effort for b in measured), Effort())
    n_prompts = sum(len(b.items) for b in measured)
    n_attempts = sum(b.n_attempts for b in measured)
    # An engine may report more seconds for its parts than the clock showed.
    prompt_seconds = min(effort.prompt_seconds, effort.seconds)
    per_prompt = prompt_seconds / n_prompts
    per_attempt = (effort.seconds - prompt_seconds) / n_attempts
    deviations = [
        math.log(b.effort.seconds / (len(b.items) * per_prompt + b.n_attempts * per_attempt))
        for b in measured
    ]
    screened = [b for b in measured if b.screen_seconds > 0]
    judged = [b for b in measured if b.judge_seconds > 0]
    variance = (SCATTER_WEIGHT * SCATTER**2 + math.fsum(d * d for d in deviations)) / (
        SCATTER_WEIGHT + len(measured) - 1
    )
    return Pace(
        seconds_per_prompt=per_prompt,
        seconds_per_attempt=per_attempt,
        screen_seconds=sum(b.screen_seconds for b in screened)
        / max(1, sum(b.n_attempts for b in screened)),
        judge_seconds=sum(b.judge_seconds for b in judged)
        / max(1, sum(b.n_attempts for b in judged)),
        scatter=math.sqrt(variance),
        n_batches=len(measured),
        n_attempts=n_attempts,
        n_prompts=n_prompts,
        effort=effort,
    )


def forecast(
    goal: Goal,
    progress: Progress,
    *,
    n_planned: int = 0,
    n_generated: int = 0,
    n_judged: int = 0,
    earlier: Yield = Yield(),  # noqa: B008 - frozen
    pace: Pace | None = None,
    n_sources: int = 1,
    n_workers: int = 1,
) -> Forecast | None:
    """Play the rest of a run through; None where nothing is known of its yield.

    `progress` counts the waves that are closed. `n_planned` attempts are under way beyond them, of
    which `n_generated` are made, and `n_judged` judged, where there is a judge. `earlier` is the
    yield of earlier runs of the same recipe and model, which counts as long as the run has no wave
    of its own, as 100 attempts at most. `n_workers` generate side by side.
    """
    evidence = progress.evidence if progress.done.n_attempts else earlier.at_most(EARLIER_ATTEMPTS)
    if not evidence.n_attempts:
        return None
    plays = _play(goal, progress, evidence, n_planned, n_sources)
    survivors = np.floor(plays.kept * goal.final_share + 1e-9)
    seconds = None
    if pace is not None:
        left = plays.attempts - progress.done.n_attempts - n_generated
        # What is under way is half done when half of its completions are there, prompts included.
        prompts = plays.prompts - min(n_planned, n_sources) * n_generated / max(1, n_planned)
        unjudged = left + max(0, n_generated - n_judged)
        seconds = Interval.of(_seconds(pace, left, prompts, plays.waited, unjudged, n_workers))
    return Forecast(
        attempts=Interval.of(plays.attempts),
        survivors=Interval.of(survivors),
        chance=float(np.mean(plays.kept >= goal.n_wanted)),
        seconds=seconds,
    )


@dataclass(frozen=True, slots=True)
class _Plays:
    """One entry a play: totals of the run, and what is left of it.

    `waited` counts completions whose screening nothing overlaps: those of each wave's last batch.
    """

    attempts: NDArray[np.float64]
    kept: NDArray[np.float64]
    prompts: NDArray[np.float64]
    waited: NDArray[np.float64]


@lru_cache(maxsize=256)
def _play(
    goal: Goal, progress: Progress, evidence: Yield, n_planned: int, n_sources: int
) -> _Plays:
    rng = np.random.default_rng(1)
    falls = rng.uniform(0.0, MAX_FALL, N_PLAYS)
    shares = rng.beta(*planner.posterior(goal, evidence), N_PLAYS) * (1 - falls)
    rows = np.zeros((N_PLAYS, 4))
    for row, share in zip(rows, shares, strict=True):
        at, size = progress, n_planned or planner.wave_size(goal, progress)
        while size:
            n_asked = min(size, n_sources)
            at = at.after(Yield(size, int(rng.binomial(size, share)), n_asked))
            row[2:] += n_asked, size / planner.n_batches(size)
            size = planner.wave_size(goal, at)
        row[:2] = at.done.n_attempts, at.done.n_kept
    return _Plays(*rows.T)


def _seconds(
    pace: Pace,
    n_attempts: NDArray[np.float64],
    n_prompts: NDArray[np.float64],
    n_waited: NDArray[np.float64],
    n_unjudged: NDArray[np.float64],
    n_workers: int,
) -> NDArray[np.float64]:
    """Return what is left, in seconds: generating, and after each wave the last batch's screening.

    The workers that generate also judge, when nothing is left to generate.
    The pace is lognormal: it was measured on few batches, and those to come differ as well.
    """
    n_batches = np.maximum(1.0, n_attempts / planner.ATTEMPTS_PER_BATCH)
    width = pace.scatter * np.sqrt(1 / pace.n_batches + 1 / n_batches)
    noise = np.exp(np.random.default_rng(2).standard_normal(len(n_attempts)) * width)
    generating = n_prompts * pace.seconds_per_prompt + n_attempts * pace.seconds_per_attempt
    generating += n_unjudged * pace.judge_seconds
    seconds: NDArray[np.float64] = generating * noise / n_workers + n_waited * pace.screen_seconds
    return seconds
