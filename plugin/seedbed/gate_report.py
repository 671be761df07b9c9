"""What the acceptance gate says, in words and tables: for the gate's own screen, status and report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seedbed.review import MAX_FRACTION, MIN_FRACTION
from seedbed.sections import Section
from seedbed.tabs import SAMPLE_TAB

N_STRATA = 15
N_REASONS = 15
N_RUNS = 3
"""How many rows of a table are shown on one screen; `--json` has all."""

STATES: Mapping[str, str] = {
    "open": "open",
    "needs_review": "needs more review",
    "passed": "passed",
    "held": "held",
    "released": "released",
}


def sections(found: Mapping[str, Any]) -> list[Section]:
    """Put what the gate says of a project into sections: all runs, then one of them in detail."""
    runs = found["runs"]
    if not runs:
        line = "No run has put anything before people yet: seedbed generate."
        return [Section(f"Review gate of {found['project']}", [line], warnings=_warnings(found))]
    run = next((run for run in runs if not run["is_released"]), runs[0])
    listed = [overview(found)] if len(runs) > 1 else []
    return [*listed, _run(found, run), *_details(run)]


def overview(found: Mapping[str, Any]) -> Section:
    """Return all runs in one table, for the report as well."""
    rows = [
        (
            run["run"][:8],
            _state(run),
            f"{run['n_judged']} of {run['n_sampled']}",
            run["n_survivors"],
            _rate(run),
        )
        for run in found["runs"]
    ]
    lines = [
        _sample_line(found),
        f"Of all that was judged in it {_rate(found['overall'])} was accepted or fixed; "
        f"target {_percent(found['target'])}.",
    ]
    columns = ("run", "gate", "#judged", "#survivors", "accepted [95 % interval]")
    return Section("Review gate", lines, columns, rows, _warnings(found))


def sample(found: Mapping[str, Any]) -> Section:
    """Return the review sample: how large it is, and how far people are, stratum by stratum."""
    strata: dict[str, list[Mapping[str, Any]]] = {}
    for run in found["runs"]:
        for stratum in run["strata"]:
            strata.setdefault(stratum["stratum"], []).append(stratum)
    rows: list[tuple[str, int, int, int, int]] = [
        (name, *(sum(each[key] for each in of_it) for key in _SAMPLE_KEYS))
        for name, of_it in sorted(strata.items())
    ]
    overall = found["overall"]
    lines = [
        _sample_line(found),
        f"{overall['n_judged']} of {overall['n_sampled']} are judged, {overall['n_waiting']} wait"
        f"{_skipped(overall)}.",
    ]
    columns = ("stratum", "#survivors", "#in the sample", "#judged", "#waiting")
    title = f"Review sample of {found['project']}"
    return Section(title, lines, columns, _first(rows, N_STRATA, lines), _warnings(found))


def status_lines(found: Mapping[str, Any]) -> list[str]:
    """Return a few lines for the status: the newest runs, and what is unusual about the sample."""
    return [*map(run_line, found["runs"][:N_RUNS]), *_warnings(found)]


def run_line(run: Mapping[str, Any]) -> str:
    """Say in one line what the gate says of a run."""
    judged = f"{run['n_judged']} of {run['n_sampled']} judged"
    return f"gate of run {run['run'][:8]}: {_state(run)}; {judged}, {_rate(run)} accepted"


def advice(found: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    """Say what to do next about a run."""
    project, id_ = found["project"], run["run"][:8]
    overrule = f"seedbed release {project} {id_} --reason …, or seedbed hold"
    state = run["state"]
    if run["decision"]:
        return f"To take that back: seedbed {run['decision']['decision']} {project} {id_} --undo"
    if state == "open":
        return _open(run)
    if state == "passed":
        return f"All of its rows may be handed out. To hold it: seedbed hold {project} {id_}"
    if state == "held":
        return (
            "The whole interval is below the target. Mend prompt, sources or filters by the reasons "
            f"(seedbed calibrate {project} proposes a threshold) and grow it anew; or overrule it: "
            f"seedbed release {project} {id_} --reason …"
        )
    fraction = run["next_fraction"]
    if fraction:
        force = "" if fraction <= MAX_FRACTION else " --force"
        n_passed = sum(other["computed"] == "passed" for other in found["runs"])
        also = f" (opens {n_passed} that passed again, for theirs)" if n_passed else ""
        return (
            f"The interval holds the target. {run['n_more']} more verdicts decide, if they go on "
            f"like this: seedbed sample {project} --fraction {fraction:.2f}{force}{also}"
        )
    if not run["n_judged"]:
        return (
            f"Nothing of it is in the sample. Decide yourself ({overrule}), or enlarge the sample."
        )
    why = (
        "the rate is exactly the target"
        if run["rate"] == found["target"]
        else f"there are only {run['n_survivors'] - run['n_sampled']} more survivors"
    )
    return (
        f"More verdicts like these would not decide: {why}. Decide yourself: {overrule} "
        "(what people judged is handed out in any case)."
    )


_SAMPLE_KEYS = ("n_survivors", "n_sampled", "n_judged", "n_waiting")


def _open(run: Mapping[str, Any]) -> str:
    worst = run["worst_case"]
    if not worst:
        return (
            f"{run['n_waiting']} are still to be judged{_skipped(run)}: tab {SAMPLE_TAB}. The gate "
            "decides when the whole sample is judged, and not at a good moment before."
        )
    then = f"{_percent(worst['rate'])} [{_percent(worst['low'])}, {_percent(worst['high'])}]"
    return (
        f"Only the {run['n_waiting']} that were skipped are undecided (tab Skipped). Were all of "
        f"them rejected, it would be {then}: {STATES[worst['state']]}."
    )


def _run(found: Mapping[str, Any], run: Mapping[str, Any]) -> Section:
    lines = [
        f"{_state(run).capitalize()}: {_rate(run)} of {run['n_judged']} accepted or fixed, target "
        f"{_percent(found['target'])}; {run['n_judged']} of {run['n_sampled']} in the sample are "
        f"judged, of {run['n_survivors']} survivors.",
    ]
    if said := run["decision"]:
        lines.append(
            f"{STATES[run['state']].capitalize()} by {said['author']} on "
            f"{said['decided_at'][:16].replace('T', ' ')} UTC: {said['reason']} "
            f"(By the verdicts alone: {STATES[run['computed']]}.)"
        )
    lines += [advice(found, run), f"Review: {found['review_url']} (tab {SAMPLE_TAB})"]
    title = f"Review gate of {found['project']}, run {run['run'][:8]}"
    return Section(title, [*lines, _sample_line(found)], warnings=_warnings(found))


def _details(run: Mapping[str, Any]) -> list[Section]:
    judged = [stratum for stratum in run["strata"] if stratum["n_sampled"]]
    judged.sort(key=lambda s: (1.0 if s["rate"] is None else s["rate"], s["stratum"]))
    rows = [
        (
            each["stratum"],
            each["n_survivors"],
            f"{each['n_judged']} of {each['n_sampled']}",
            each["n_accepted"],
            each["n_fixed"],
            each["n_rejected"],
            _rate(each),
        )
        for each in judged
    ]
    lines: list[str] = []
    columns = ("stratum", "#survivors", "#judged", "#accepted", "#fixed", "#rejected", "rate")
    strata = Section("Stratum by stratum", lines, columns, _first(rows, N_STRATA, lines))
    return [strata, _rejected(judged)] if any(s["reasons"] for s in judged) else [strata]


def _rejected(strata: Sequence[Mapping[str, Any]]) -> Section:
    counted = [(each, reason) for each in strata for reason in each["reasons"]]
    counted.sort(key=lambda pair: (-pair[1]["n"], pair[0]["stratum"], pair[1]["reason"]))
    rows = []
    for each, reason in counted:
        example = next(iter(reason["examples"]), None)
        said = f"{example['id'][:8]}: {example['text']}" if example else ""
        note = f" (“{example['note']}”)" if example and example["note"] else ""
        why = reason["reason"].replace("_", " ") or "no reason given"
        rows.append((each["stratum"], why, reason["n"], said + note))
    lines: list[str] = []
    columns = ("stratum", "rejected because", "#n", "for example")
    return Section("What was rejected", lines, columns, _first(rows, N_REASONS, lines))


def _first(rows: list[Any], n: int, lines: list[str]) -> list[Any]:
    """Return the first rows, and say where there are more."""
    if len(rows) > n:
        lines.append(f"The first {n} of {len(rows)}; all of them: --json.")
    return rows[:n]


def _warnings(found: Mapping[str, Any]) -> list[str]:
    warnings = []
    if found["is_forced"]:
        warnings.append(
            f"The review fraction of {found['review_fraction']:g} is outside {MIN_FRACTION:.2f} to "
            f"{MAX_FRACTION:.2f}, because somebody insisted."
        )
    if n := found["overall"]["n_outside"]:
        verdicts = "1 verdict is" if n == 1 else f"{n} verdicts are"
        warnings.append(
            f"{verdicts} on survivors outside of the random sample. People chose them, so they do "
            "not count here; they are handed out like the others."
        )
    return warnings


def _sample_line(found: Mapping[str, Any]) -> str:
    overall = found["overall"]
    return (
        f"The review sample is {overall['n_sampled']} of {overall['n_survivors']} survivors, drawn "
        f"at random ({found['review_fraction']:.0%})."
    )


def _skipped(counts: Mapping[str, Any]) -> str:
    return f", {counts['n_skipped']} of them skipped" if counts["n_skipped"] else ""


def _state(run: Mapping[str, Any]) -> str:
    by = " by a manager" if run["decision"] else ""
    return f"{STATES[run['state']]}{by}"


def _rate(counts: Mapping[str, Any]) -> str:
    if counts["rate"] is None:
        return "-"
    low, high = _percent(counts["low"]), _percent(counts["high"])
    return f"{_percent(counts['rate'])} [{low}, {high}]"


def _percent(share: float) -> str:
    """Write a share with one decimal: bounds that are compared with a target must not be rounded."""
    return f"{share * 100:.1f}".removesuffix(".0") + "%"
