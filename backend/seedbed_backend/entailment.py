"""The optional NLI model: does a passage imply a statement? A CrossEncoder folder, never a download."""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.errors import ModelError

CACHE_SIZE = 50_000
"""Pairs whose probability is remembered, least recently used first out."""

Pair = tuple[str, str]


class EntailmentModel:
    """Scores pairs (premise, statement); implements `filters.base.Entailer`.

    A sentence-transformers `CrossEncoder` folder. Models with several labels must name one of them
    "entailment" in their config's id2label; the order does not matter. A model with one output (a
    consistency score) is read through a sigmoid. It is loaded at the first use. Pairs longer than
    its window are cut at the end of the longer text.
    """

    def __init__(
        self, folder: Path, *, threads: int = 0, batch_size: int = 16, cache_size: int = CACHE_SIZE
    ) -> None:
        self.folder = Path(folder)
        self.threads = threads
        self.batch_size = batch_size
        self.cache_size = cache_size
        self._model: Any = None
        self._place = -1
        self._known: OrderedDict[Pair, float] = OrderedDict()
        self._lock = Lock()
        if not (self.folder / "config.json").is_file():
            raise ModelError(
                f"{self.folder} is not a cross-encoder: it has no config.json.", hint=_HINT
            )

    @property
    def name(self) -> str:
        """Name the model by its folder."""
        return self.folder.absolute().name

    def describe(self) -> list[str]:
        """Load the model and say which labels it has. Raises ModelError."""
        with self._lock:
            model = self._load()
        labels = [str(label) for _, label in sorted(_labels(model).items())]
        return [f"labels: {', '.join(labels)}" if len(labels) > 1 else "one score"]

    def entailment(self, pairs: Sequence[Pair]) -> NDArray[np.float32]:
        """Return shape (n,): the probability in [0, 1] that the first text implies the second.

        Each distinct pair is computed once. Raises ModelError where the folder cannot be used.
        """
        with self._lock:
            new = [pair for pair in dict.fromkeys(pairs) if pair not in self._known]
            found = {pair: self._known[pair] for pair in pairs if pair in self._known}
            if new:
                found.update(zip(new, map(float, self._compute(new)), strict=True))
            for pair, probability in found.items():
                self._known[pair] = probability
                self._known.move_to_end(pair)
            while len(self._known) > self.cache_size:
                self._known.popitem(last=False)
        return np.array([found[pair] for pair in pairs], dtype=np.float32)

    def close(self) -> None:
        """Give the model's memory back; the next call loads it again."""
        with self._lock:
            self._model = None
            self._known.clear()

    def _compute(self, pairs: Sequence[Pair]) -> NDArray[np.float32]:
        import torch

        model = self._load()
        # Lone surrogates, which no tokenizer takes, become question marks.
        clean = [tuple(t.encode("utf-8", "replace").decode() for t in pair) for pair in pairs]
        try:
            logits = np.asarray(
                model.predict(
                    clean,
                    batch_size=self.batch_size,
                    show_progress_bar=False,
                    activation_fn=torch.nn.Identity(),
                    convert_to_numpy=True,
                ),
                dtype=np.float32,
            ).reshape(len(pairs), -1)
        except Exception as exc:  # whatever the model's own code raises: one boundary
            raise ModelError(
                f"The entailment model in {self.folder} does not score: {exc}.", hint=_HINT
            ) from exc
        if logits.shape[1] == 1:
            return np.asarray(1.0 / (1.0 + np.exp(-logits[:, 0].clip(-60, 60))), dtype=np.float32)
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(shifted[:, self._place] / shifted.sum(axis=1), dtype=np.float32)

    def _load(self) -> Any:
        if self._model is not None:
            return self._model
        # Both libraries read these when imported; nothing here may reach for a network.
        os.environ["HF_HUB_OFFLINE"] = "1"
        os.environ["TRANSFORMERS_OFFLINE"] = "1"
        try:
            import torch
            from sentence_transformers import CrossEncoder

            if self.threads:
                torch.set_num_threads(self.threads)
            model = CrossEncoder(str(self.folder), device="cpu", local_files_only=True)
        except Exception as exc:  # whatever the model's own code raises: one boundary
            raise ModelError(
                f"The entailment model in {self.folder} cannot be loaded: {exc}.", hint=_HINT
            ) from exc
        self._place = _place_of_entailment(_labels(model), self.folder)
        self._model = model
        return model


def _labels(model: Any) -> dict[int, str]:
    return {int(place): str(label) for place, label in model.config.id2label.items()}


def _place_of_entailment(labels: dict[int, str], folder: Path) -> int:
    """Return the output that means "implied". Raises ModelError where no label says so."""
    if len(labels) == 1:
        return 0
    for place, label in labels.items():
        if re.fullmatch(r"entail\w*", label.strip(), re.IGNORECASE):
            return place
    raise ModelError(
        f"The model in {folder} has the labels {', '.join(labels.values())}: none is entailment.",
        hint="Take a model trained for natural language inference, with id2label in config.json.",
    )


_HINT = (
    "Point SEEDBED_NLI_MODEL at a folder saved by sentence-transformers' CrossEncoder or "
    "transformers, with config.json, tokenizer and model.safetensors."
)
