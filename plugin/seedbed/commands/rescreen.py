"""`seedbed rescreen`: other settings for what was generated before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from seedbed.commands.common import backend as connect
from seedbed.commands.common import wait_for_analysis
from seedbed.display import in_words
from seedbed.errors import UserError
from seedbed.sections import Section, show

N_EXAMPLES = 5


@click.command(short_help="screen again with other settings; nothing is generated")
@click.argument("project")
@click.option("--run", help="Only this run (the beginning of its id will do).")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting of the recipe, e.g. filters.similarity.minimum=0.75.",
)
@click.option(
    "--recipe",
    "recipe_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Take the screening settings of this recipe file.",
)
@click.option("--apply", "is_applied", is_flag=True, help="Make the changes; else only show them.")
@click.option(
    "--fresh", is_flag=True, help="Run every filter again, also those that are as they were."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def rescreen(
    project: str,
    run: str | None,
    settings: tuple[str, ...],
    recipe_file: Path | None,
    is_applied: bool,
    fresh: bool,
    as_json: bool,
) -> None:
    """Screen what PROJECT has generated again, with other settings; nothing is generated anew.

    Without --apply it only shows what would change. With it, new survivors are published, and what
    is now dropped leaves the review sample, unless a person has judged it: that stays. Earlier
    decisions are kept (`seedbed explain`). Without --set and --recipe, the project's own recipe is
    used, which may have changed since its runs.
    """
    if settings and recipe_file:
        raise UserError("--set and --recipe cannot be given together.")
    backend = connect()
    recipe = None
    if recipe_file:
        from seedbed import recipe as recipes

        recipe = recipes.load(recipe_file).model_dump(mode="json")
    started = backend.start_rescreen(
        project,
        changes=read_settings(settings),
        recipe=recipe,
        run=run,
        apply=is_applied,
        fresh=fresh,
    )
    found = wait_for_analysis(backend, started, "screening again")
    if as_json:
        click.echo(json.dumps(found["result"], ensure_ascii=False, indent=2))
        return
    if left := found["options"].get("left"):
        click.secho(
            f"Not about screening, so left as it is: {', '.join(left)}.", fg="yellow", err=True
        )
    show(sections(found["result"]))
    _print_end(project, found["result"], is_whole=found["options"].get("run") is None)


def read_settings(settings: Sequence[str]) -> dict[str, Any]:
    """Read `a.b.c=value` as nested mappings; values are YAML. Raises UserError."""
    import yaml

    changes: dict[str, Any] = {}
    for text in settings:
        key, separator, value = text.partition("=")
        names = key.strip().split(".")
        if not separator or not all(names):
            raise UserError(
                f"--set {text} is not KEY=VALUE.", hint="Write --set keep_fraction=0.6."
            )
        try:
            read = yaml.safe_load(value)
        except yaml.YAMLError as exc:
            raise UserError(f"--set {text}: the value cannot be read as YAML.") from exc
        inner = changes
        for name in names[:-1]:
            inner = inner.setdefault(name, {})
            if not isinstance(inner, dict):
                raise UserError(f"--set {text} contradicts another --set.")
        inner[names[-1]] = read
    return changes


def sections(result: Mapping[str, Any]) -> list[Section]:
    """Put what a re-screening changes into sections."""
    before, after = result["funnel"]["before"], result["funnel"]["after"]
    is_done = result["applied"] is not None
    lines = [
        f"{result['n_candidates']} attempts: {before['n_survivors']} survivors "
        f"{'were' if is_done else 'now'}, {after['n_survivors']} {'are' if is_done else 'then'}."
    ]
    warnings = list(result["left_out"])
    if result["n_not_judged"]:
        warnings.append(
            f"{result['n_not_judged']} that would pass the filters were never judged, and are "
            "dropped for that: only a new run asks the judge."
        )
    found: list[Section | None] = [
        Section("Screened again" if is_done else "What would change", lines, warnings=warnings),
        _filters(result),
    ]
    for key, title in (
        ("newly_kept", "Newly kept (before: dropped for)"),
        ("newly_dropped", "Newly dropped (now for)"),
        ("kept_by_verdict", "Kept because people judged them (filters now say)"),
    ):
        found.append(_moved(result[key], title))
    return [section for section in found if section is not None]


def _filters(result: Mapping[str, Any]) -> Section:
    rows = [
        (
            row["filter"],
            row["before"]["n_seen"],
            row["before"]["n_dropped"],
            row["after"]["n_seen"],
            row["after"]["n_dropped"],
            _signed(row["after"]["n_dropped"] - row["before"]["n_dropped"]),
        )
        for row in result["filters"]
    ]
    before, after = result["funnel"]["before"], result["funnel"]["after"]
    n, n_after = before["n_survivors"], after["n_survivors"]
    rows.append(("survivors", n, "", n_after, "", _signed(n_after - n)))
    columns = ("filter", "#saw before", "#dropped", "#sees after", "#drops", "#change")
    return Section("Filter by filter", (), columns, rows)


def _moved(moved: Mapping[str, Any], title: str) -> Section | None:
    if not moved["n"]:
        return None
    reasons = ", ".join(
        f"{row['n']} {row['stage']}: {in_words(row['reason'])}" for row in moved["reasons"]
    )
    lines = [f"{moved['n']}: {reasons}."]
    if moved["verdicts"]:
        counts = ", ".join(f"{n} {name.lower()}" for name, n in moved["verdicts"].items())
        lines.append(f"People had judged some of them: {counts}.")
    rows = [
        (e["id"][:12], f"{e['stage']}: {in_words(e['reason'])}", e["text"])
        for e in moved["examples"][:N_EXAMPLES]
    ]
    return Section(title, lines, ("id", "why", "text"), rows)


def _print_end(project: str, result: Mapping[str, Any], *, is_whole: bool) -> None:
    applied = result["applied"]
    if applied is None:
        n_publish, n_withdraw = result["n_to_publish"], result["n_to_withdraw"]
        click.echo(
            f"\nNothing was changed. With --apply, {n_publish} would be put before people, and "
            f"{n_withdraw} that nobody has judged would leave the review project's sample."
        )
        return
    click.echo(
        f"\nDone: {result['n_to_publish']} put before people, {applied['n_withdrawn']} withdrawn "
        f"from the sample, {applied['n_restored']} put back."
    )
    if applied["n_judged_meanwhile"]:
        click.echo(f"Judged in the meantime, so these stay: {applied['n_judged_meanwhile']}.")
    if is_whole:
        click.echo(f"The project's recipe is now {result['recipe_hash']}; new runs use it.")
    click.echo(f"See where everything is: seedbed report {project}")


def _signed(n: int) -> str:
    return f"{n:+d}" if n else "0"


COMMANDS = (rescreen,)
