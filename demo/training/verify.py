"""Compares a GGUF file in llama.cpp with the PyTorch model: token ids and logits on ten prompts."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch
from llama_cpp import Llama as LlamaCpp

from model import load_model
from tasks import TASKS, chat, sample
from tokenizer import load_tokenizer

logger = logging.getLogger(__name__)
HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two models agree on one text."""

    same_tokens: bool
    largest_difference: float
    mean_difference: float
    same_argmax_fraction: float


def texts(n: int) -> list[str]:
    """Make chats of all tasks, with answers, from held-out values."""
    rng = random.Random(5)
    made = [sample(task, rng, "demo") for task in list(TASKS) * n][:n]
    return [chat(one.prompt) + one.answer for one in made]


def compare(checkpoint: Path, gguf_path: Path, n: int = 10) -> list[Agreement]:
    """Run both models on `n` texts and compare the logits of every position."""
    ours = load_model(checkpoint)
    tokenizer = load_tokenizer(HERE / "tokenizer.json")
    theirs = LlamaCpp(
        str(gguf_path), n_ctx=ours.config.context_length, n_batch=1024, logits_all=True,
        verbose=False, n_threads=1,
    )  # fmt: skip
    results = []
    for text in texts(n):
        ids = tokenizer.encode(text).ids
        other_ids = theirs.tokenize(text.encode(), add_bos=False, special=True)
        theirs.reset()
        theirs.eval(ids)
        b = theirs.scores[: len(ids)].astype(np.float64)
        with torch.no_grad():
            a = ours(torch.tensor([ids]))[0].double().numpy()
        results.append(
            Agreement(
                same_tokens=ids == other_ids,
                largest_difference=float(np.abs(a - b).max()),
                mean_difference=float(np.abs(a - b).mean()),
                same_argmax_fraction=float((a.argmax(-1) == b.argmax(-1)).mean()),
            )
        )
    return results


@click.command()
@click.argument("checkpoint", type=click.Path(exists=True, path_type=Path))
@click.argument("gguf_path", type=click.Path(exists=True, path_type=Path))
def main(checkpoint: Path, gguf_path: Path) -> None:
    """Compare CHECKPOINT with the GGUF file made of it."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    results = compare(checkpoint, gguf_path)
    for i, one in enumerate(results):
        logger.info("%2d: %s", i, one)
    logger.info(
        "token ids equal in %d of %d; largest difference %.5f; mean %.5f; same argmax %.4f",
        sum(one.same_tokens for one in results),
        len(results),
        max(one.largest_difference for one in results),
        float(np.mean([one.mean_difference for one in results])),
        float(np.mean([one.same_argmax_fraction for one in results])),
    )


if __name__ == "__main__":
    main()
