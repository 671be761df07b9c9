"""Fits the weights of the grounding filter; prints them with what they are worth on unseen texts.

    python benchmarks/grounding_weights.py --data DIR

DIR holds grounding.jsonl. A ridge-regularised logistic regression on the features of
`filters.grounding.examine`, cross-validated in five folds by source text. Rows labelled by people
count 65 %, constructed ones 20 %, and those that their length alone solves 15 %.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from filters import read
from seedbed_backend.filters.grounding import WEIGHTS, examine

SHARES = {"human": 0.65, "constructed": 0.20, "artefact": 0.15}
"""What each group of rows counts; equal parts for its slices and labels."""
RIDGE = 0.3
"""Inverse strength of the regularisation, on standardised features."""
N_ROUNDS = 5


@click.command(help=__doc__.split("\n", maxsplit=1)[0])
@click.option("--data", required=True, type=click.Path(exists=True, path_type=Path))
def main(data: Path) -> None:
    """Print weights and AUROC."""
    rows = read(data / "grounding.jsonl")
    supports = [examine(row["answer"], row["source_text"]) for row in rows]
    x = np.array([[support.features[name] for name in WEIGHTS] for support in supports])
    labels = np.array([bool(row["grounded"]) for row in rows])
    groups = np.unique([row["source_text"] for row in rows], return_inverse=True)[1]
    shares = row_weights([(row["group"], row["slice"]) for row in rows])
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-9
    scores = cross_validated((x - mean) / spread, labels, groups, shares)
    human = np.array([row["group"] == "human" for row in rows])
    click.echo(
        f"AUROC on unseen texts: {roc_auc_score(labels, scores):.3f}, "
        f"labelled by people {roc_auc_score(labels[human], scores[human]):.3f}"
    )
    model = fit((x - mean) / spread, labels, shares)
    weights = model.coef_[0] / spread
    click.echo(f"BIAS = {model.intercept_[0] - weights @ mean:.2f}")
    for name, weight in zip(WEIGHTS, weights, strict=True):
        click.echo(f'    "{name}": {weight:.2f},')


def row_weights(kinds: list[tuple[str, str]]) -> NDArray[np.float64]:
    """Return the weight of each row, given its group and slice; their mean is 1."""
    slices = set(kinds)
    made = []
    for kind in kinds:
        n_slices = sum(group == kind[0] for group, _ in slices)
        made.append(SHARES[kind[0]] / n_slices / kinds.count(kind))
    weights = np.array(made)
    return weights / weights.mean()


def cross_validated(
    x: NDArray[np.float64],
    labels: NDArray[np.bool_],
    groups: NDArray[np.intp],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return log-odds from models that have not seen the row's source text; mean of the rounds."""
    total = np.zeros(len(x))
    for seed in range(N_ROUNDS):
        order = np.random.default_rng(seed).permutation(groups.max() + 1)
        for seen, unseen in GroupKFold(5).split(x, labels, order[groups]):
            model = fit(x[seen], labels[seen], weights[seen])
            total[unseen] += model.decision_function(x[unseen])
    return total / N_ROUNDS


def fit(
    x: NDArray[np.float64], labels: NDArray[np.bool_], weights: NDArray[np.float64]
) -> LogisticRegression:
    """Fit one model on standardised features."""
    return LogisticRegression(C=RIDGE, max_iter=1000).fit(x, labels, sample_weight=weights)


if __name__ == "__main__":
    main()
