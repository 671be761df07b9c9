"""The gate's word in Label Studio: one line a run, in the description of the review project.

    Made by Seedbed. Review gate:
    run 1a2b… passed: 93.3 % of 60 accepted (95 % interval 84.1-97.4 %, target 80 %)

There, people can read it, and a program that reaches Label Studio alone learns which runs it may
take. It fails closed: a run that is not named, or is named twice with different states, is not
released. It is a notice and no lock: who may edit the project's settings may edit it, until the
server writes it again.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

GateState = Literal["open", "needs_review", "passed", "held", "released"]
"""open: not all of the sample is judged. passed, held, needs_review: the whole interval is above the
target, below it, or neither. released: a manager said so; held may be a manager's word as well."""

RELEASED: frozenset[GateState] = frozenset({"passed", "released"})
"""The states in which rows that nobody has judged may be handed out."""

MAX_UNRELEASED = 50
"""How many runs are listed that are not released: the newest ones. All released ones are."""

_MADE_BY = "Made by Seedbed."
_HEADER = f"{_MADE_BY} Review gate:"
_STATES = "|".join(state.replace("_", " ") for state in get_args(GateState))
_LINE = re.compile(rf"run (?P<run>[\w-]+) (?P<state>{_STATES})(?: by a manager)?: .+")
_REST = re.compile(r"and \d+ older runs? that (?:is|are) not released")


@dataclass(frozen=True, slots=True)
class RunNotice:
    """What is said about one run. `run` is its full id; `rate`, `low`, `high`, `target` are in 0-1."""

    run: str
    state: GateState
    target: float
    n_sampled: int
    n_judged: int
    rate: float | None
    low: float
    high: float
    is_by_manager: bool = False


def write(runs: Sequence[RunNotice]) -> str:
    """Return the notice of the runs, given newest first; without any, only who made the project."""
    if not runs:
        return _MADE_BY
    shown = {run.run for run in runs if run.state in RELEASED}
    shown |= {run.run for run in [run for run in runs if run.run not in shown][:MAX_UNRELEASED]}
    listed = [run for run in runs if run.run in shown]
    lines = [_HEADER, *map(_line, listed)]
    if n := len(runs) - len(listed):
        lines.append(f"and {n} older run{'s that are' if n > 1 else ' that is'} not released")
    return "\n".join(lines)


def parse(description: str) -> dict[str, GateState]:
    """Return the state of each run that the description names; all else in it is ignored."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for line in description.splitlines():
        if match := _LINE.fullmatch(line.strip()):
            found[match["run"]].add(match["state"].replace(" ", "_"))
    return {
        run: cast("GateState", states.pop()) for run, states in found.items() if len(states) == 1
    }


def update(description: str, runs: Sequence[RunNotice]) -> str:
    """Return the description with the notice brought up to date below what people wrote."""
    lines = description.splitlines()
    own = "\n".join(line for line in lines if not _is_ours(line.strip())).strip()
    return f"{own}\n\n{write(runs)}" if own else write(runs)


def _line(run: RunNotice) -> str:
    by = " by a manager" if run.is_by_manager else ""
    return f"run {run.run} {run.state.replace('_', ' ')}{by}: {_figures(run)}"


def _figures(run: RunNotice) -> str:
    target = f"target {run.target * 100:.4g} %"
    if run.rate is None:
        return f"none of {run.n_sampled} judged yet ({target})"
    is_whole = run.n_judged >= run.n_sampled
    judged = f"{run.n_judged}" if is_whole else f"{run.n_judged} judged of {run.n_sampled}"
    interval = f"95 % interval {run.low * 100:.1f}-{run.high * 100:.1f} %"
    return f"{run.rate * 100:.1f} % of {judged} accepted ({interval}, {target})"


def _is_ours(line: str) -> bool:
    return line in {_MADE_BY, _HEADER} or bool(_LINE.fullmatch(line) or _REST.fullmatch(line))
