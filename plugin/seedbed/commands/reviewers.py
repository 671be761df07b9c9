"""`seedbed reviewers`: how reviewers do, and how far they agree."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from seedbed.commands.common import backend
from seedbed.display import duration, in_words
from seedbed.sections import Section, show

N_FEW = 30
"""Below that many, a rate is known so badly that the report says so."""

N_LISTED = 20
"""How many tasks a list names; --json has them all."""

_ALPHA_HELP = (
    "Kappa and alpha: 1 is full agreement, 0 what chance would give, below 0 less than that. As a "
    "rule of thumb, conclusions rest on 0.80 and more, tentative ones on 0.67 (Krippendorff)."
)


@click.command(short_help="see how reviewers do, and how far they agree")
@click.argument("project")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def reviewers(project: str, as_json: bool) -> None:
    """Say how PROJECT's reviewers do: canaries noticed, time taken, agreement where two judged.

    It is reported, not judged: no verdict counts less because of it.
    """
    found = backend().reviewers(project)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    show(sections(found))


def sections(found: Mapping[str, Any]) -> list[Section]:
    """Return the report's parts in words and tables."""
    return [_people(found), _canaries(found), _agreement(found), *_lists(found)]


def _people(found: Mapping[str, Any]) -> Section:
    columns = (
        "reviewer", "#judged", "accepted or fixed", "#fixed", "#rejected", "#median",
        "canaries noticed", "#too fast",
    )  # fmt: skip
    rows = [
        (
            _name(row),
            row["n_judged"],
            _share(row),
            row["n_fixed"],
            row["n_rejected"],
            "-" if row["median_seconds"] is None else duration(row["median_seconds"]),
            _hits(row["canaries"]),
            f"{row['too_fast']['n']} of {row['too_fast']['n_timed']}",
        )
        for row in found["reviewers"]
    ]
    if not rows:
        return Section("Reviewers", ["Nobody has judged anything yet."])
    rule = found["rule"]
    lines = [
        "In brackets: the 95 % interval, which is wide while numbers are small.",
        f"Too fast: less time than it takes to read what was shown at {rule['words_per_minute']} "
        f"words a minute (people read about 240), or than {rule['min_seconds']:g} seconds.",
        "Reported, not judged: people may know a source already, and lower rates may come from "
        "harder tasks.",
    ]
    few = [_name(row) for row in found["reviewers"] if 0 < row["canaries"]["n"] < N_FEW]
    warnings = []
    if few:
        warnings = [
            f"Fewer than {N_FEW} canaries, so compare intervals, not rates: {', '.join(few)}."
        ]
    return Section("Reviewers", lines, columns, rows, warnings)


def _canaries(found: Mapping[str, Any]) -> Section:
    told = found["canaries"]
    if not told["n"]:
        return Section(
            "Canaries",
            ["None. `canary_fraction` in the recipe mixes known-bad candidates in (next run)."],
        )
    line = f"{told['n']} mixed in, {told['n_shown']} judged so far, {told['n_caught']} noticed"
    rows = [(in_words(kind["kind"]), kind["n"], _hits(kind)) for kind in told["kinds"]]
    noticed = f": {_share(told)}." if told["n_shown"] else "."
    return Section("Canaries", [line + noticed], ("spoilt by", "#judged", "noticed"), rows)


def _agreement(found: Mapping[str, Any]) -> Section:
    told = found["agreement"]
    if not told["n_double"]:
        return Section(
            "Agreement",
            [
                "Nothing was judged by two people. `double_review_fraction` in the recipe lets a part "
                "of the sample be."
            ],
        )
    names = {row["reviewer"]: _name(row) for row in found["reviewers"]}
    lines = [
        f"{told['n_double']} judged by two people or more; {told['n_agreed']} of them alike in "
        f"accepting or rejecting, {_share(told)}; {told['n_same_status']} alike also in fixing.",
        f"Krippendorff's alpha, accept or reject: {_value(told, 'alpha')}",
        f"Krippendorff's alpha, accepted, fixed or rejected: {_value(told, 'alpha_status')}",
        _ALPHA_HELP,
    ]
    rows = [
        (
            names.get(pair["a"], str(pair["a"])),
            names.get(pair["b"], str(pair["b"])),
            pair["n"],
            _value(pair, "kappa"),
            _value(pair, "kappa_status"),
        )
        for pair in told["kappa"]
    ]
    columns = ("reviewer", "and", "#both", "Cohen's kappa, accept or reject", "all three")
    few = told["n_double"] < N_FEW
    warnings = [f"{told['n_double']} is few: one more disagreement moves all of it."] if few else []
    return Section("Agreement", lines, columns, rows, warnings)


def _lists(found: Mapping[str, Any]) -> Iterator[Section]:
    waiting = [row for row in found["disagreements"] if not row["is_settled"]]
    if waiting:
        lines = ["The newest verdict stands. A third person's settles the matter: open the task."]
        said = [(_said(row["verdicts"]), row["url"]) for row in waiting[:N_LISTED]]
        yield Section("To be settled", lines + _rest(waiting), ("what they said", "task"), said)
    flagged = [
        (_name(row), each) for row in found["reviewers"] for each in row["too_fast"]["details"]
    ]
    if flagged:
        rows = [
            (
                name,
                f"{each['seconds']:.1f} s",
                f"{each['least_seconds']:.1f} s for {each['n_words']} words",
                each["url"],
            )
            for name, each in flagged[:N_LISTED]
        ]
        columns = ("reviewer", "#took", "reading takes", "task")
        yield Section("Judged faster than it can be read", _rest(flagged), columns, rows)


def _rest(listed: Sequence[Any]) -> list[str]:
    more = len(listed) - N_LISTED
    return [f"The first {N_LISTED}; {more} more with --json."] if more > 0 else []


def _said(verdicts: Sequence[Mapping[str, Any]]) -> str:
    return "; ".join(f"{_name(said)} {said['status'].lower()}" for said in verdicts)


def _name(row: Mapping[str, Any]) -> str:
    return row["name"] or (f"user {row['reviewer']}" if row["reviewer"] else "unknown")


def _share(row: Mapping[str, Any]) -> str:
    if row["rate"] is None:
        return "-"
    return f"{row['rate']:.0%} [{row['low']:.0%}, {row['high']:.0%}]"


def _hits(row: Mapping[str, Any]) -> str:
    return f"{row['n_caught']} of {row['n']}, {_share(row)}" if row["n"] else "none met"


def _value(row: Mapping[str, Any], name: str) -> str:
    value = row[name]
    return f"{value:.2f}" if value is not None else f"not known ({row[f'{name}_reason']})"


COMMANDS = (reviewers,)
