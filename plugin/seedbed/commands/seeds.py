"""`seedbed seeds`: the few sources that stand for all, and what they cover."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from seedbed.commands.common import backend as connect
from seedbed.commands.common import say_left_out, wait_for_analysis
from seedbed.display import in_words

_N_SHOWN = 10


@click.command(short_help="select the sources that stand for all")
@click.argument("project")
@click.option("--select", "n", default=40, show_default=True, help="How many seeds to select.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write them to this JSONL file, which `seedbed import` reads.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def seeds(project: str, n: int, output: Path | None, as_json: bool) -> None:
    """Select seeds from PROJECT's sources that stand for all of them, and show what they cover.

    Each label has its share, at least one; within that, the seeds are those that bring all sources
    nearest to a seed in meaning, length and form. Broken texts, near duplicates and examples whose
    neighbours carry another label are left out and named. The same sources give the same seeds.
    """
    backend = connect()
    started = backend.start_seeds(project, n)
    say_left_out(started)
    report = wait_for_analysis(backend, started, "selecting seeds")["result"]
    if output:
        from seedbed.export import write_jsonl

        write_jsonl(output, (seed["fields"] for seed in report["seeds"]))
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False, indent=2))
        return
    print_seeds(report)
    if output:
        click.echo(f"\n{len(report['seeds'])} seeds written to {output}.")
        click.echo(f"Next: seedbed import NEW-PROJECT {output}")


def print_seeds(report: Mapping[str, Any]) -> None:
    """Print a selection: the seeds, what they cover, and what was avoided."""
    from rich.console import Console
    from rich.table import Table

    found = report["seeds"]
    has_labels = bool(report["labels"])
    console = Console()
    columns = ("stands for", "words", *(["label"] if has_labels else []), "topic", "text")
    table = Table(title="Seeds, the most telling first", title_justify="left")
    for column in columns:
        is_number = column in {"stands for", "words"}
        table.add_column(column, justify="right" if is_number else "left", no_wrap=True)
    labels = {row["name"] for row in report["labels"]}
    rows = [(seed, *_text_and_label(seed["fields"], labels)) for seed in found]
    taken = (
        20
        + 13
        + sum(
            max((len(cell[:20]) for cell in cells), default=0)
            for cells in ([_topic(seed) for seed, _, _ in rows], [label for _, _, label in rows])
        )
    )
    for seed, text, label in rows:
        row = [str(seed["stands_for"]), str(seed["n_words"]), *([label[:20]] if has_labels else [])]
        table.add_row(*row, _topic(seed)[:20], text[: max(10, console.width - taken)])
    console.print(table)
    click.echo(
        f"{len(found)} of {report['n_sources']} sources selected; {report['n_sound']} of "
        f"{report['n_seen']} looked at are fit to be seeds."
    )
    _print_coverage(report)
    _print_avoided(report)


def _print_coverage(report: Mapping[str, Any]) -> None:
    coverage = report["coverage"]
    if report["seeds"]:
        click.echo(
            f"  meaning   every source has a seed at cosine {coverage['nearest_similarity']:.2f} on "
            f"average; {coverage['random_similarity']:.2f} with as many drawn at random"
        )
    click.echo(f"  topics    {coverage['n_topics_covered']} of {coverage['n_topics']}")
    for name in ("labels", "lengths", "forms"):
        if report[name]:
            click.echo(f"  {name:10}{_shares(report[name])}")


def _print_avoided(report: Mapping[str, Any]) -> None:
    if not report["avoided"]:
        return
    counts = ", ".join(f"{n} {in_words(reason)}" for reason, n in report["avoided"].items())
    click.echo(f"Left out: {counts}.")
    for item in report["avoided_sources"][:_N_SHOWN]:
        detail = f" ({item['detail']})" if item["detail"] else ""
        place = f"task {item['task']}" if item["task"] else item["id"][:8]
        click.echo(f"  {place}: {in_words(item['reason'])}{detail}: {item['text'][:70]}")
    if len(report["avoided_sources"]) > _N_SHOWN:
        click.echo("  … and more; --json names up to 200.")


def _shares(rows: Sequence[Mapping[str, Any]]) -> str:
    shown = ", ".join(f"{r['name']} {r['n_seeds']} of {r['n_sources']}" for r in rows[:_N_SHOWN])
    return shown + (f", … {len(rows)} in all" if len(rows) > _N_SHOWN else "")


def _topic(seed: Mapping[str, Any]) -> str:
    """Return the first word or phrase of a topic's name."""
    return str(seed["topic"]).split(", ", maxsplit=1)[0]


def _text_and_label(fields: Mapping[str, str], labels: set[str]) -> tuple[str, str]:
    label = next((value for value in fields.values() if value in labels), "")
    texts = [value for value in fields.values() if value != label]
    return " ".join(" ".join(texts or fields.values()).split()), label


COMMANDS = (seeds,)
