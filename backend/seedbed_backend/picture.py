"""A picture of real and synthetic texts side by side: their vectors, flattened to two dimensions."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed_backend.insights.base import ReportData
from seedbed_backend.insights.sets import Sets, compare
from seedbed_backend.topics import Topics, find_topics

MAX_POINTS = 1500
"""Most points of a set in the picture; more are sampled."""

REAL, SYNTHETIC = "#0072B2", "#D55E00"
"""Blue and vermillion of Okabe and Ito (2008), told apart by colour-blind people too."""

_N_NAMES = 8  # the largest topics are named
_APART = (0.15, 0.04)  # of the picture's width and height, that names need


def draw(data: ReportData, path: Path) -> bool:
    """Draw sources and survivors as an SVG, PNG or PDF (by the ending of `path`).

    A principal component analysis of both sets together, each with the same weight, gives the axes,
    which say how much of the variance they show; nearness in the picture is only a hint where that
    is little. Returns False, and writes nothing, where there are no survivors or fewer than three
    distinct texts. Works offline, without a screen; the same data give the same file.
    """
    sets = compare(data, MAX_POINTS)
    if sets is None:
        return False
    flattened = flatten(sets)
    if flattened is None:
        return False
    _render(sets, *flattened, path)
    return True


def flatten(
    sets: Sets,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the points of the real and of the synthetic texts, shape (n, 2), and the axes' shares.

    A share is that of the variance which an axis shows. The direction of an axis is fixed by its
    largest weight, which is positive. None below three distinct texts.
    """
    both = np.concatenate([sets.real_vectors, sets.synthetic_vectors]).astype(np.float64)
    if len(np.unique(np.round(both, 4), axis=0)) < 3:
        return None
    n_real, n_synthetic = len(sets.real_vectors), len(sets.synthetic_vectors)
    weights = np.concatenate(
        [np.full(n_real, 0.5 / n_real), np.full(n_synthetic, 0.5 / n_synthetic)]
    )
    centred = both - weights @ both
    variances, axes = np.linalg.eigh((centred * weights[:, None]).T @ centred)
    axes = axes[:, :-3:-1]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), range(2)])
    shown = variances[:-3:-1] / max(float(variances.sum()), 1e-12)
    points = centred @ axes
    return points[:n_real], points[n_real:], shown


def _render(
    sets: Sets,
    real: NDArray[np.float64],
    synthetic: NDArray[np.float64],
    shown: NDArray[np.float64],
    path: Path,
) -> None:
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    nouns = ("real", "synthetic") if sets.is_same_kind else ("source", "synthetic")
    options: Any = {"svg.hashsalt": "seedbed", "svg.fonttype": "none", "font.size": 9}
    with mpl.rc_context(options), warnings.catch_warnings():
        # A script that the drawing font lacks: an SVG names the font, and its viewer has the letters.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        figure = Figure(figsize=(8, 6), layout="constrained")
        FigureCanvasAgg(figure)
        axes: Any = figure.add_subplot()
        size = 42 if len(real) + len(synthetic) < 400 else 18
        axes.scatter(
            *real.T,
            s=size,
            c="none",
            edgecolors=REAL,
            linewidths=1.0,
            marker="o",
            label=f"{nouns[0]} ({sets.n_real})",
        )
        axes.scatter(
            *synthetic.T,
            s=size,
            c=SYNTHETIC,
            alpha=0.6,
            linewidths=0,
            marker="^",
            label=f"{nouns[1]} ({sets.n_synthetic})",
        )
        _name_topics(axes, find_topics(sets.real, sets.real_vectors), real)
        axes.set_xlabel(f"first component, {100 * shown[0]:.0f} % of the variance")
        axes.set_ylabel(f"second component, {100 * shown[1]:.0f} % of the variance")
        axes.set_xticks([])
        axes.set_yticks([])
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        own = "Your examples" if sets.is_same_kind else "Your sources"
        title = f"{own} and what was grown from them, by meaning\n{_note(sets, shown)}"
        axes.set_title(title, loc="left", fontsize=9)
        axes.legend(loc="best", framealpha=0.9)
        metadata = (
            {"Title": "Real and synthetic texts", "Date": None} if path.suffix == ".svg" else {}
        )
        figure.savefig(path, dpi=150, metadata=metadata)


def _note(sets: Sets, shown: NDArray[np.float64]) -> str:
    note = f"principal components; {100 * (1 - shown.sum()):.0f} % of the variance is not shown"
    if sets.is_sampled:
        note += f"; a sample of {len(sets.real)} and {len(sets.synthetic)}"
    return note


def _name_topics(axes: Any, topics: Topics, points: NDArray[np.float64]) -> None:
    """Write the names of the largest topics over their middles, but for those that would collide."""
    extent = np.maximum(np.ptp(points, axis=0), 1e-9)
    written: list[NDArray[np.float64]] = []
    for topic, name in enumerate(topics.names[:_N_NAMES]):
        middle = np.median(points[topics.of_text == topic], axis=0)
        if any((np.abs(middle - other) / extent < _APART).all() for other in written):
            continue
        written.append(middle)
        axes.annotate(
            name.split(", ")[0],
            tuple(middle),
            ha="center",
            va="center",
            fontsize=8,
            color="#222222",
            bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.75},
        )
