"""Fits the weights of the answerable filter; prints them with what they are worth on unseen texts.

    python benchmarks/answerable_weights.py --data DIR [--encoder FOLDER]

DIR holds answerability.jsonl. A ridge-regularised logistic regression on the features of
`filters.answerable.look` and the cosine, cross-validated in five folds by source text.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from grounding_weights import cross_validated, fit
from sklearn.metrics import roc_auc_score

from filters import demo_encoder, read
from seedbed_backend.embeddings import SentenceEncoder
from seedbed_backend.filters.answerable import WEIGHTS, best_cosine, look


@click.command(help=__doc__.split("\n", maxsplit=1)[0])
@click.option("--data", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--encoder", type=click.Path(exists=True, path_type=Path))
def main(data: Path, encoder: Path | None) -> None:
    """Print weights and AUROC."""
    rows = read(data / "answerability.jsonl")
    views = [look(row["question"], row["source_text"]) for row in rows]
    local = SentenceEncoder(encoder or demo_encoder(), threads=1)
    texts = list(dict.fromkeys(t for v in views for t in v.texts))
    vectors, place = local.encode(texts), {text: row for row, text in enumerate(texts)}
    cosines = [best_cosine(view, vectors, place) for view in views]
    found = [{**v.features, "cosine": c} for v, c in zip(views, cosines, strict=True)]
    x = np.array([[features[name] for name in WEIGHTS] for features in found])
    labels = np.array([bool(row["answerable"]) for row in rows])
    groups = np.unique([row["source_text"] for row in rows], return_inverse=True)[1]
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-9
    equal = np.ones(len(rows))
    scores = cross_validated((x - mean) / spread, labels, groups, equal)
    cross = np.array([row["slice"] == "squad_cross" for row in rows])
    click.echo(
        f"AUROC on unseen texts: {roc_auc_score(labels, scores):.3f}, "
        f"without questions from another paragraph "
        f"{roc_auc_score(labels[~cross], scores[~cross]):.3f}"
    )
    model = fit((x - mean) / spread, labels, equal)
    weights = model.coef_[0] / spread
    click.echo(f"BIAS = {model.intercept_[0] - weights @ mean:.2f}")
    for name, weight in zip(WEIGHTS, weights, strict=True):
        click.echo(f'    "{name}": {weight:.2f},')


if __name__ == "__main__":
    main()
