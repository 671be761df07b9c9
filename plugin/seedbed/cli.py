"""The `seedbed` command. What it prints is for people; what it writes to files is for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from seedbed import __version__
from seedbed.commands import commands
from seedbed.commands.common import POLL_SECONDS, say_left_out
from seedbed.commands.common import backend as connect
from seedbed.display import (
    expected_attempts,
    print_derived,
    print_funnel,
    print_plan,
    print_project,
    print_trials,
    progress_line,
)
from seedbed.errors import SeedbedError, ServiceError, UserError

if TYPE_CHECKING:
    from seedbed.recipe import Recipe

FINAL_STATES = ("done", "short", "failed")

USUAL_ORDER = (
    *("init", "import", "seeds", "prompt", "plan", "generate", "status", "report", "explain"),
    *("rescreen", "sync", "reviewers", "gate", "sample", "release", "hold", "audit", "suggest"),
    *("calibrate", "pull", "merge", "export", "verify"),
)
"""The commands of a project, as `seedbed --help` lists them; the others stand below."""

SERVER_SIDE = {
    "up": "start everything on this machine",
    "worker": "start one more worker: generate, filter or judge",
    "db": "create, upgrade or check the store",
}
"""What `seedbed --help` says of the server side's commands: to load them takes seconds."""


class SeedbedGroup(click.Group):
    """Our own commands, and those that installed packages add under `seedbed.commands`.

    Every SeedbedError becomes one sentence and its hint on standard error, and the exit code that it
    carries: 2 where the caller can mend it, 1 where a service is away.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands of a project in their usual order, then all others."""
        others = {*super().list_commands(ctx), *_installed_commands()} - set(USUAL_ORDER)
        return [*USUAL_ORDER, *sorted(others)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands in two lists: those of a project, and those of the machine."""
        names = self.list_commands(ctx)
        n = len(USUAL_ORDER)
        for title, part in (
            ("A project, in the usual order", names[:n]),
            ("The machine", names[n:]),
        ):
            width = formatter.width - 6 - max(map(len, names))
            found = [(name, self._short_help(ctx, name, width)) for name in part]
            with formatter.section(title):
                formatter.write_dl(found, col_max=max(map(len, names)))

    def _short_help(self, ctx: click.Context, name: str, width: int) -> str:
        if name in SERVER_SIDE:
            return SERVER_SIDE[name]
        command = self.get_command(ctx, name)
        return command.get_short_help_str(width) if command else ""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command; one whose package lacks its dependencies says what to install."""
        command = super().get_command(ctx, cmd_name)
        if command or cmd_name not in _installed_commands():
            return command
        try:
            return cast("click.Command", _installed_commands()[cmd_name].load())
        except ModuleNotFoundError as exc:
            return _unavailable(cmd_name, exc.name or "")

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run, turning errors into messages."""
        try:
            return super().main(*args, **kwargs)
        except SeedbedError as exc:
            click.secho(f"Error: {exc.message}", fg="red", err=True)
            if exc.hint:
                click.echo(exc.hint, err=True)
            sys.exit(exc.exit_code)


def _installed_commands() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group="seedbed.commands")}


def _unavailable(name: str, module: str) -> click.Command:
    def fail() -> None:
        raise UserError(
            f"`seedbed {name}` needs the server side ({module} is not installed).",
            hint="docs/operators.md says how to install it: “Installing by hand”.",
        )

    return click.Command(name, callback=fail, help="(server side; not installed here)")


@click.group(cls=SeedbedGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="seedbed")
def main() -> None:
    """Grow fine-tuning data inside Label Studio, with local models only.

    `seedbed COMMAND --help` says more about each.
    """


@main.command(short_help="make a project for a technique")
@click.argument("name")
@click.option(
    "--recipe",
    "recipe_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A YAML file with the project's settings.",
)
@click.option("--technique", help="Use the built-in recipe of this technique instead.")
@click.option("--force", is_flag=True, help="Accept a review fraction outside 0.10 to 0.20.")
@click.option(
    "--seeds",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --technique: derive labels and typed columns from this file (CSV, JSONL).",
)
@click.option("--label", default="", help="With --seeds: the column that holds the class.")
@click.option(
    "--write",
    "written",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --seeds: where the derived recipe is written; NAME.recipe.yaml if not given.",
)
def init(
    name: str,
    recipe_file: Path | None,
    technique: str | None,
    seeds: Path | None,
    label: str,
    written: Path | None,
    force: bool,
) -> None:
    """Make a project called NAME, or bring an existing one up to its recipe.

    Makes two projects in Label Studio, one for sources and one for review, with their labeling
    screens, tabs and connections. Running it again repairs what somebody deleted.

    With --seeds, the recipe is derived from a file of seeds, shown, and written down to be edited:
    the labels, and for records the type, range and values of every column.
    """
    from seedbed import recipe as recipes

    if seeds and (recipe_file or not technique):
        raise UserError(
            "--seeds goes with --technique, and without --recipe.",
            hint="seedbed init bank --technique expand --seeds transactions.csv",
        )
    if seeds and technique:
        recipe = _derived_recipe(name, technique, seeds, label, written)
    elif recipe_file:
        recipe = recipes.load(recipe_file)
        if technique and technique != recipe.technique:
            raise UserError(
                f"--technique {technique} contradicts the recipe, which says {recipe.technique}."
            )
    elif technique:
        recipe = recipes.parse({"technique": technique})
    else:
        raise UserError(
            "Nothing says what to make.", hint="Give --recipe FILE or --technique NAME."
        )
    project = connect().save_project(name, recipe.model_dump(mode="json"), force=force)
    click.echo(f"Project {project['id']} ({recipe.spec.title}) is ready.")
    click.echo(f"  sources: {project['source_url']}")
    click.echo(f"  review:  {project['review_url']}")
    click.echo(f"Next: seedbed import {project['id']} {seeds or 'FILE …'}")


@main.command(short_help="grow candidates, filter them, put them before people")
@click.argument("project")
@click.option("-n", "--target", type=int, help="How many examples should survive the filters.")
@click.option("--resume", "run", metavar="RUN", help="Take up this failed or interrupted run.")
@click.option("--no-wait", is_flag=True, help="Return at once; see `seedbed status`.")
def generate(project: str, target: int | None, run: str | None, no_wait: bool) -> None:
    """Grow candidates for PROJECT until -n of them survive, and put them before people.

    More are generated than wanted (3-5 times), because the filters are strict. A run that falls
    short of its target says so and why.
    """
    backend = connect()
    if run:
        started = backend.resume_run(run)
    elif target:
        started = backend.start_run(project, target)
        say_left_out(started)
    else:
        raise UserError("Nothing says how many examples you want.", hint="Give -n 100.")
    click.echo(f"Run {started['id']} has started.")
    if no_wait:
        return
    try:
        finished = wait_for_run(started["id"])
    except KeyboardInterrupt:
        click.echo(f"\nThe run goes on; see how far it is: seedbed status {project}")
        sys.exit(130)
    print_funnel(finished)
    if finished["state"] == "failed":
        raise ServiceError(
            f"The run failed: {finished['error']}",
            hint=f"Mend it, then: seedbed generate {project} --resume {finished['id']}",
        )
    click.echo(f"Review them: {backend.project(project)['review_url']}")


@main.command(short_help="see what a run would take")
@click.argument("project")
@click.option(
    "-n", "--target", type=int, required=True, help="How many examples should survive the filters."
)
@click.option(
    "--warm-up", is_flag=True, help="First grow the few attempts that a run would begin with."
)
def plan(project: str, target: int, warm_up: bool) -> None:
    """Say what a run for -n survivors of PROJECT would take: attempts, tokens, time, sources.

    What is known comes from earlier runs of the same recipe and model. With --warm-up, up to 40
    attempts are made and filtered first; nothing is published, and the next `seedbed generate`
    begins with them.
    """
    backend = connect()
    if warm_up:
        started = backend.start_warm_up(project, target)
        try:
            _finished(wait_for_run(started["id"]), "warm-up")
        except KeyboardInterrupt:
            click.echo("\nThe warm-up goes on; the next run begins with it.")
            sys.exit(130)
    found = backend.plan(project, target)
    say_left_out(found)
    print_plan(project, found)
    click.echo(f"Start it: seedbed generate {project} -n {target}")


@main.group(short_help="try prompts before a run (prompt try)")
def prompt() -> None:
    """Work on prompts before a run is started with them."""


@prompt.command("try")
@click.argument("project")
@click.option(
    "--prompt",
    "files",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="A YAML file with `system`, `user` or `sampling`; may be given several times.",
)
@click.option("--sources", default=20, show_default=True, help="How many sources to try it on.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def try_(project: str, files: tuple[Path, ...], sources: int, as_json: bool) -> None:
    """Try PROJECT's own prompt, and others, on the same few sources before a run.

    Shows for each source and version how many completions could be read, how many the filters kept,
    how different those are, and the time per survivor. Nothing is published or kept for later.
    """
    from seedbed.recipe import load_prompt

    backend = connect()
    started = backend.start_trials(project, [load_prompt(file) for file in files], sources)
    say_left_out(started)
    try:
        # The bar belongs to a person: it would stand between a program and its JSON.
        for run_id in started["trials"]:
            _finished(_wait_quietly(run_id) if as_json else wait_for_run(run_id), "trial")
    except KeyboardInterrupt:
        sys.exit(130)
    trials = [backend.trial(run_id) for run_id in started["trials"]]
    if as_json:
        click.echo(json.dumps(trials, ensure_ascii=False, indent=2))
    else:
        print_trials(trials)


@main.command(short_help="see how far it is, and where attempts ended")
@click.argument("project", required=False)
def status(project: str | None) -> None:
    """Show how far PROJECT is: runs, what was dropped and why, verdicts. Without it, all projects."""
    backend = connect()
    if project:
        print_project(backend.project(project))
        return
    projects = backend.projects()
    if not projects:
        click.echo("There are no projects yet. Make one: seedbed init NAME --technique paraphrase")
    for summary in projects:
        print_project(summary)


@main.command(short_help="check every moving part, and say what to do")
def doctor() -> None:
    """Check every moving part, and say what to do about each one that is not well."""
    from seedbed.settings import Settings

    settings = Settings.from_environment()
    checks: list[Mapping[str, Any]] = []
    try:
        checks += connect().doctor()
        checks.insert(
            0, {"name": "seedbed server", "is_ok": True, "detail": settings.seedbed_url, "hint": ""}
        )
    except SeedbedError as exc:
        checks.append(
            {"name": "seedbed server", "is_ok": False, "detail": exc.message, "hint": exc.hint}
        )
        checks.append(_check_label_studio(settings.label_studio_url, settings.label_studio_api_key))
    for check in checks:
        mark = click.style("ok  ", fg="green") if check["is_ok"] else click.style("FAIL", fg="red")
        click.echo(f"{mark} {check['name']}: {check['detail']}")
        if not check["is_ok"] and check["hint"]:
            click.echo(f"     → {check['hint']}")
    if not all(check["is_ok"] for check in checks):
        sys.exit(1)


for _command in commands():
    main.add_command(_command)


def _derived_recipe(
    name: str, technique: str, seeds: Path, label: str, written: Path | None
) -> Recipe:
    """Derive a recipe from seeds, say what was found, and write it down; never over another file."""
    from seedbed.first_recipe import first_recipe
    from seedbed.recipe import parse

    file = written or Path(f"{name.lower().replace(' ', '-')}.recipe.yaml")
    found = first_recipe(seeds, technique, label=label)
    recipe = parse(found.recipe, str(seeds))
    print_derived(found)
    again = f"seedbed init {json.dumps(name)} --recipe {file}"
    text = f"# Derived from {seeds.name}. After editing it: {again}\n{found.yaml}"
    try:
        if file.exists() and file.read_text(encoding="utf-8") != text:
            raise UserError(
                f"{file} is there already, and it differs.",
                hint=f"Use it: {again}; or write another one: --write FILE.",
            )
        file.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise UserError(f"Cannot write {file}: {exc.strerror}.", hint="Give --write FILE.") from exc
    click.echo(f"The recipe is in {file}; edit it and give it with --recipe to change it.")
    return recipe


def wait_for_run(run_id: str) -> dict[str, Any]:
    """Wait until a run has ended, showing how far it is and when it ends; return its summary."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    backend = connect()
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns) as progress:
        bar = progress.add_task("generating", total=None)
        while True:
            run = backend.run(run_id)
            progress.update(
                bar,
                total=expected_attempts(run),
                completed=run["funnel"]["n_attempts"],
                description=progress_line(run),
            )
            if run["state"] in FINAL_STATES:
                return run
            time.sleep(POLL_SECONDS)


def _wait_quietly(run_id: str) -> dict[str, Any]:
    backend = connect()
    while (run := backend.run(run_id))["state"] not in FINAL_STATES:
        time.sleep(POLL_SECONDS)
    return run


def _finished(run: dict[str, Any], what: str) -> dict[str, Any]:
    """Return a run that has ended well. Raises ServiceError with its reason where it failed."""
    if run["state"] == "failed":
        raise ServiceError(f"The {what} failed: {run['error']}", hint="Mend it, and try again.")
    return run


def _check_label_studio(url: str, api_key: str) -> dict[str, Any]:
    from seedbed.label_studio import LabelStudioServer

    try:
        info = LabelStudioServer(url, api_key).check()
        detail = f"{url}, version {info.version}, as {info.email}"
        return {"name": "label studio", "is_ok": True, "detail": detail, "hint": ""}
    except SeedbedError as exc:
        return {"name": "label studio", "is_ok": False, "detail": exc.message, "hint": exc.hint}
