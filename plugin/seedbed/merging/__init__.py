"""Real and synthetic examples → one data set at a set share, with nothing held out in train.

files ──▶ real ──▶ parts that belong together ──▶ test, validation │ train
          synthetic ──▶ without leakage ──▶ without repeats ──▶ each label's share ──▶ train ──▶ folder

The result depends on the examples and the rng seed, not on their order.
"""

from __future__ import annotations

from seedbed.merging.dataset import MergedDataset, merge
from seedbed.merging.lineage import source_of
from seedbed.merging.report import MergeReport

__all__ = ["MergeReport", "MergedDataset", "merge", "source_of"]
