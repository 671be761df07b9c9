"""Draws loss.csv as curve.svg: the loss of the answers, and the share of values copied right."""

from __future__ import annotations

import csv
from pathlib import Path

import click

from tasks import TASKS

HERE = Path(__file__).parent
WIDTH, HEIGHT, MARGIN = 640, 260, 40
COLOURS = {"paraphrase": "#1f77b4", "qa": "#2ca02c", "dpo": "#9467bd", "expand": "#d62728"}


def points(values: list[tuple[float, float]], end: float, top: float) -> str:
    """Place (seconds, value) pairs in the drawing; `top` is the value at its upper edge."""
    return " ".join(
        f"{MARGIN + x / end * (WIDTH - 2 * MARGIN):.1f},"
        f"{HEIGHT - MARGIN - min(y / top, 1) * (HEIGHT - 2 * MARGIN):.1f}"
        for x, y in values
    )


def draw(rows: list[dict[str, str]]) -> str:
    """Return the drawing."""
    end = float(rows[-1]["seconds"])
    losses = [(float(r["seconds"]), float(r["answer_loss"])) for r in rows]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<polyline fill="none" stroke="black" points="{points(losses, end, 4.0)}"/>',
        f'<text x="{MARGIN}" y="20">loss of the answers (black, 0-4); '
        "held-out values copied right (0-1): "
        + "".join(f'<tspan fill="{COLOURS[task]}">{task} </tspan>' for task in TASKS)
        + "</text>",
    ]
    for task in TASKS:
        scored = [
            (float(r["seconds"]), float(r[f"slots_{task}"])) for r in rows if r[f"slots_{task}"]
        ]
        lines.append(
            f'<polyline fill="none" stroke="{COLOURS[task]}" points="{points(scored, end, 1.0)}"/>'
        )
    for fraction in (0.0, 0.5, 1.0):
        x = MARGIN + fraction * (WIDTH - 2 * MARGIN)
        lines.append(
            f'<text x="{x:.0f}" y="{HEIGHT - 15}" text-anchor="middle">'
            f"{fraction * end / 60:.0f} min</text>"
        )
    return "\n".join([*lines, "</svg>"]) + "\n"


@click.command()
@click.argument("log", type=click.Path(exists=True, path_type=Path), default=HERE / "loss.csv")
def main(log: Path) -> None:
    """Draw LOG."""
    with log.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    (HERE / "curve.svg").write_text(draw(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
