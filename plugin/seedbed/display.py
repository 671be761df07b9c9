"""What the `seedbed` command prints about projects, runs, plans and trials: for people, in words."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from seedbed import gate_report

if TYPE_CHECKING:
    from seedbed.first_recipe import FirstRecipe

UNFINISHED = ("generating", "publishing")


def print_project(summary: Mapping[str, Any]) -> None:
    """Print a project's numbers as a person reads them."""
    click.secho(f"\n{summary['name']} ({summary['technique']})", bold=True)
    click.echo(f"  sources {summary['n_sources']}   review: {summary['review_url']}")
    for run in summary["runs"][:3]:
        _print_run(run)
    for run in summary.get("warm_ups", [])[:1]:
        click.echo(
            f"  warm-up {run['id'][:8]}: {run['outlook']['stage']}, {run['funnel']['n_attempts']} "
            "attempts; the next run begins with it"
        )
    print_funnel(summary)
    acceptance, verdicts = summary["acceptance"], summary["verdicts"]
    counts = ", ".join(f"{n} {name.lower()}" for name, n in sorted(verdicts.items()) if n)
    click.echo(f"  verdicts: {counts or 'none yet'}")
    if acceptance["n_judged"]:
        click.echo(
            f"  acceptance rate {acceptance['rate']:.0%} of {acceptance['n_judged']} in the review "
            f"sample (95 % interval {acceptance['low']:.0%} to {acceptance['high']:.0%}, "
            f"target {acceptance['target']:.0%})"
        )
    for line in gate_report.status_lines(summary["gate"]):
        click.echo(f"  {line}")


def print_derived(found: FirstRecipe) -> None:
    """Print what a file of seeds says: its labels, and the columns of its records."""
    what = "columns of records" if found.columns else "plain texts"
    click.echo(f"{found.n_rows} seeds, {what}." if found.n_rows else "Plain texts without labels.")
    width = max((len(column.name) for column in found.columns), default=0)
    for column in found.columns:
        click.echo(f"  {column.name:<{width}}  {column.describe()}")
    if found.counts:
        listed = ", ".join(f"{label} {n}" for label, n in found.counts.items())
        click.echo(f"Seeds per label: {listed}.")
    for note in found.notes:
        click.secho(note, fg="yellow", err=True)


def print_funnel(summary: Mapping[str, Any]) -> None:
    """Print where every attempt ended: the counts add up to the attempts."""
    from rich.console import Console
    from rich.table import Table

    funnel = summary["funnel"]
    if not funnel["n_attempts"]:
        return
    table = Table(title=f"Funnel: {funnel['n_attempts']} attempts", title_justify="left")
    table.add_column("stage")
    table.add_column("reason")
    table.add_column("n", justify="right")
    table.add_column("share", justify="right")

    def add(stage: str, reason: str, n: int) -> None:
        table.add_row(stage, in_words(reason), str(n), f"{n / funnel['n_attempts']:.0%}")

    for row in funnel["dropped"]:
        add(row["stage"], row["reason"], row["n"])
    if funnel["n_pending"]:
        add("not yet screened", "", funnel["n_pending"])
    table.add_section()
    add("survivors", "", funnel["n_survivors"])
    Console().print(table)


def print_plan(project: str, plan: Mapping[str, Any]) -> None:
    """Print what a run would take, and from what that is known."""
    ahead, pace = plan["forecast"], plan["pace"]
    click.secho(f"Plan for {plan['target']} survivors of {project}", bold=True)
    _line("budget", f"{plan['budget']} attempts at most; the first {plan['warm_up']} are a warm-up")
    left_out = f"; {plan['n_left_out']} left out, too long" if plan["n_left_out"] else ""
    if learned := shown_feedback(plan["feedback"]):
        _line("prompts show", learned)
    if not ahead:
        _line("sources", f"{plan['n_sources']}{left_out}")
        click.echo(
            "  Nothing is known yet of this recipe with this model, so there is no forecast.\n"
            f"  A warm-up tells: seedbed plan {project} -n {plan['target']} --warm-up"
        )
        return
    n_attempts = ahead["attempts"]["expected"]
    each = n_attempts / plan["n_sources"]
    _line("sources", f"{plan['n_sources']}, about {each:.1f} attempts each{left_out}")
    _line("attempts", f"about {n_attempts:.0f} ({_range(ahead['attempts'], number)})")
    _line("over-generation", f"{n_attempts / plan['target']:.1f} attempts per survivor")
    if ahead["chance"] < 0.95:
        _line(
            "survivors",
            f"about {ahead['survivors']['expected']:.0f} ({_range(ahead['survivors'], number)}); "
            f"the chance of {plan['target']} is {ahead['chance']:.0%}",
        )
    if pace:
        n_tokens = n_attempts * (pace["tokens_per_attempt"] or 0)
        _line("tokens", f"about {number(n_tokens)} generated; {_rates(pace)}")
    if ahead["seconds"]:
        workers = f"{plan['n_workers']} worker{'s' if plan['n_workers'] > 1 else ''}"
        _line("time", f"{_time(ahead['seconds'])}, with {workers} and nothing else to do")
    _line("known from", _known_from(plan))
    seen = plan["seen"]
    asked = seen["n_attempts"] / seen["n_sources"] if seen["n_sources"] else each
    if each > 2 * asked:
        click.echo(
            f"  Each source will be asked about {each:.0f} times, and was so far only {asked:.0f}: "
            "expect a lower yield."
        )


def shown_feedback(feedback: Mapping[str, Any]) -> str:
    """Say how many corrected and rejected candidates prompts show; "" where none was chosen."""
    counts = ((len(feedback["few_shot"]), "corrected"), (len(feedback["avoid"]), "rejected"))
    said = " and ".join(f"{n} {what}" for n, what in counts if n)
    n_left_out = feedback["n_left_out"]
    if not said:
        return f"none of {n_left_out} judged candidates: no room beside the sources" * bool(
            n_left_out
        )
    no_room = f"; {n_left_out} more had no room beside the longest source" if n_left_out else ""
    return f"{said} candidate{'s' if sum(n for n, _ in counts) > 1 else ''}{no_room}"


def print_trials(trials: Sequence[Mapping[str, Any]]) -> None:
    """Print prompt versions side by side: totals, one row a source, an example of each kind."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(title="Prompt versions", title_justify="left")
    for column in ("version", "attempts", "parsed", "kept", "diversity", "s per survivor"):
        table.add_column(column, justify="left" if column == "version" else "right")
    for trial in trials:
        total = trial["total"]
        table.add_row(trial["name"], *(_cells(total) if total else ["0", *["-"] * 4]))
    console.print(table)
    table = Table(
        title="By source: kept / parsed / attempts, diversity, seconds per survivor",
        title_justify="left",
    )
    table.add_column("source", max_width=40, no_wrap=True)
    for trial in trials:
        table.add_column(trial["name"])
    rows = [{row["source"]: row for row in trial["sources"]} for trial in trials]
    for source, first in rows[0].items():
        cells = [_seed_cell(found[source]) if source in found else "-" for found in rows]
        table.add_row(f"{first['task'] or source[:8]}  {first['text']}", *cells)
    console.print(table)
    for trial in trials:
        for which in ("best", "worst"):
            example = trial[which]
            if example:
                end = in_words(f"{example['stage']} {example['reason']}").strip()
                click.secho(f"\n{trial['name']}, {which} source: {end or 'kept'}", bold=True)
                click.echo(f"  {example['text'][:600]}")
    click.echo(
        "\nkept: by all filters but the final ranking, which keeps a fixed share. Diversity: mean "
        "cosine distance\nbetween the kept candidates of one source, by the encoder; 0 is the same "
        "text. Nothing was published."
    )


def progress_line(run: Mapping[str, Any]) -> str:
    """Say in a few words what a run does, and how long it will."""
    told = f"{run['outlook']['stage']}, {run['funnel']['n_survivors']} survivors"
    ahead = run["outlook"]["forecast"]
    return f"{told}, {_time(ahead['seconds'])} left" if ahead and ahead["seconds"] else told


def expected_attempts(run: Mapping[str, Any]) -> int:
    """Return how many attempts a run will have made at its end, as far as is known."""
    ahead = run["outlook"]["forecast"]
    return max(int(run["n_planned"]), round(ahead["attempts"]["expected"]) if ahead else 0)


def duration(seconds: float) -> str:
    """Write a duration with the precision that a person needs."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def in_words(code: str) -> str:
    """Write a reason code, or another name in snake_case, as people read it."""
    return code.replace("_", " ")


def number(value: float) -> str:
    """Write a whole number with separators."""
    return f"{value:,.0f}"


def _print_run(run: Mapping[str, Any]) -> None:
    told, ahead, pace = run["outlook"], run["outlook"]["forecast"], run["outlook"]["pace"]
    line = f"  run {run['id'][:8]}: {told['stage']}, {run['funnel']['n_survivors']} survivors"
    click.echo(f"{line} of {run['target']} wanted, {run['funnel']['n_attempts']} attempts")
    if run["n_left_out"]:
        click.echo(f"    {run['n_left_out']} sources are left out: too long for the model")
    if judged := run.get("judge"):
        told_of = f"    the judge looked at {judged['n_judged']}"
        without = f" and gave no verdict on {judged['n_no_verdict']}, which were kept"
        click.echo(told_of + (without if judged["n_no_verdict"] else ""))
    if run["error"]:
        click.secho(f"    {run['error']}", fg="red")
    if run["state"] not in UNFINISHED:
        return
    seen = told["seen"]
    kept = f"{seen['n_kept'] / seen['n_attempts']:.0%} kept so far; " if seen["n_attempts"] else ""
    if pace:
        click.echo(f"    {kept}{_rates(pace)}")
    if ahead:
        attempts = ahead["attempts"]
        click.echo(
            f"    about {attempts['expected']:.0f} attempts in all ({_range(attempts, number)}), "
            f"chance of {run['target']} survivors {ahead['chance']:.0%}"
        )
        if ahead["seconds"]:
            end = time.localtime(time.time() + ahead["seconds"]["expected"])
            click.echo(f"    {_time(ahead['seconds'])} left: about {time.strftime('%H:%M', end)}")
    elif run["state"] == "generating":
        click.echo("    its end is not known yet: the warm-up tells")


def _known_from(plan: Mapping[str, Any]) -> str:
    seen, n_runs = plan["seen"], plan["n_earlier_runs"]
    runs = f"{n_runs} earlier run{'s' if n_runs > 1 else ''} of this recipe and model"
    what = "the warm-up, with which the run begins" if plan["n_begun"] else runs
    return (
        f"{what}: {seen['n_attempts']:.0f} attempts, {seen['n_kept'] / seen['n_attempts']:.0%} "
        f"kept before the final ranking, which keeps {plan['final_share']:.0%}"
    )


def _time(seconds: Mapping[str, float]) -> str:
    return f"about {duration(seconds['expected'])} ({_range(seconds, duration)})"


def _range(interval: Mapping[str, float], write: Any) -> str:
    return f"80 %: {write(interval['low'])} to {write(interval['high'])}"


def _rates(pace: Mapping[str, Any]) -> str:
    parts = []
    if pace["prompt_tokens_per_second"]:
        parts.append(f"{number(pace['prompt_tokens_per_second'])} prompt tokens/s")
    if pace["tokens_per_second"]:
        parts.append(f"{number(pace['tokens_per_second'])} tokens/s")
    if pace["tokens_per_attempt"]:
        parts.append(f"{pace['tokens_per_attempt']:.0f} tokens an attempt")
    return ", ".join([*parts, f"{pace['seconds_per_attempt']:.2g} s an attempt"])


def _cells(counts: Mapping[str, Any]) -> list[str]:
    n = counts["n_attempts"]
    return [
        str(n),
        f"{counts['n_parsed'] / n:.0%}",
        f"{counts['n_kept'] / n:.0%}",
        _optional(counts["diversity"], ".2f"),
        _optional(counts["seconds_per_survivor"], ".2g"),
    ]


def _seed_cell(row: Mapping[str, Any]) -> str:
    counts = f"{row['n_kept']}/{row['n_parsed']}/{row['n_attempts']}"
    diversity, seconds = (
        _optional(row["diversity"], ".2f"),
        _optional(row["seconds_per_survivor"], ".2g"),
    )
    return f"{counts}  {diversity}  {seconds}"


def _optional(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _line(name: str, text: str) -> None:
    click.echo(f"  {name:16}{text}")
