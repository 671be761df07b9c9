"""`seedbed merge`: real and approved examples to one data set."""

from __future__ import annotations

from pathlib import Path

import click

from seedbed.commands.common import output_option


@click.command(short_help="mix it with real data")
@click.option(
    "--real",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Real examples, as `seedbed pull --real` writes them.",
)
@click.option(
    "--synthetic",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Approved examples, as `seedbed pull` writes them.",
)
@output_option
@click.option(
    "--synthetic-fraction",
    default=0.30,
    show_default=True,
    help="Share of synthetic rows in the result, 0.20 to 0.40.",
)
@click.option(
    "--test-fraction",
    default=0.0,
    show_default=True,
    help="Share of the real rows to hold out for testing, in OUTPUT's name plus .test.",
)
@click.option("--seed", "rng_seed", default=1, show_default=True, help="Makes it reproducible.")
def merge(
    real: Path,
    synthetic: Path,
    output: Path,
    synthetic_fraction: float,
    test_fraction: float,
    rng_seed: int,
) -> None:
    """Mix real and approved synthetic examples at a set share; nothing held out leaks into train."""
    from seedbed.export import read_examples, write_jsonl
    from seedbed.merge import merge as merge_examples

    merged = merge_examples(
        read_examples(real),
        read_examples(synthetic),
        synthetic_fraction=synthetic_fraction,
        test_fraction=test_fraction,
        rng_seed=rng_seed,
    )
    write_jsonl(output, (example.to_dict() for example in merged.train))
    if merged.test:
        write_jsonl(
            output.with_suffix(f".test{output.suffix}"),
            (example.to_dict() for example in merged.test),
        )
    click.echo(str(merged.report))


COMMANDS = (merge,)
