"""`seedbed merge`: real and approved examples to one data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import click

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command(short_help="mix it with real data")
@click.option(
    "--real",
    required=True,
    multiple=True,
    type=_FILE,
    help="Real rows: what `seedbed pull --real` writes, or your own JSONL or CSV; several may be given.",
)
@click.option(
    "--synthetic",
    required=True,
    multiple=True,
    type=_FILE,
    help="Approved examples, as `seedbed pull` writes them; several may be given.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="The folder to write; one that merge wrote before is replaced.",
)
@click.option(
    "--synthetic-fraction",
    default=0.30,
    show_default=True,
    help="Share of synthetic rows in train, 0.20 to 0.40.",
)
@click.option(
    "--test-fraction",
    default=0.0,
    show_default=True,
    help="Share of the real rows to hold out for testing, up to 0.5.",
)
@click.option(
    "--validation-fraction",
    default=0.0,
    show_default=True,
    help="Share of the real rows to hold out for validation, up to 0.5.",
)
@click.option(
    "--test",
    multiple=True,
    type=_FILE,
    help="Your own test set instead of --test-fraction: real rows, as for --real.",
)
@click.option(
    "--split-by",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "document", "source"]),
    help="What is held out as a whole; auto takes documents where there are enough.",
)
@click.option(
    "--near",
    default=0.40,
    show_default=True,
    help="Jaccard of letters from which texts of 120 characters and more are near, 0.3 to 1.",
)
@click.option(
    "--allow-shown",
    "allows_shown",
    is_flag=True,
    help="Also use rows whose prompt showed a held-out seed beside their own.",
)
@click.option("--seed", "rng_seed", default=1, show_default=True, help="Makes it reproducible.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def merge(
    real: tuple[Path, ...],
    synthetic: tuple[Path, ...],
    output: Path,
    synthetic_fraction: float,
    test_fraction: float,
    validation_fraction: float,
    test: tuple[Path, ...],
    split_by: Literal["auto", "document", "source"],
    near: float,
    allows_shown: bool,
    rng_seed: int,
    as_json: bool,
) -> None:
    """Mix real and approved synthetic examples at a set share; nothing held out leaks into train.

    Writes a folder with train.jsonl, and where asked for validation.jsonl and test.jsonl, of real
    rows only; merge.json says what was left out and why.
    """
    from seedbed.merging.files import merge_files
    from seedbed.merging.folder import check_replaceable

    check_replaceable(output)
    merged = merge_files(
        real,
        synthetic,
        test,
        synthetic_fraction=synthetic_fraction,
        test_fraction=test_fraction,
        validation_fraction=validation_fraction,
        split_by=split_by,
        near=near,
        allows_shown=allows_shown,
        rng_seed=rng_seed,
    )
    merged.write(output)
    report = merged.report
    if as_json:
        click.echo(json.dumps(report.to_dict(), ensure_ascii=False, indent=2))
        return
    click.echo(str(report))
    click.echo(f"Written to {output}; merge.json says more.")
    click.echo(f"Next: seedbed export {output} --format FORMAT -o FOLDER")


COMMANDS = (merge,)
