"""Trains the demo model on generated text for a fixed time, on the CPU.

python train.py --minutes 70        # writes checkpoints to run/, the curve to loss.csv
"""

from __future__ import annotations

import csv
import logging
import math
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from grammar import Values
from model import Llama, ModelConfig
from tasks import TASKS, Sample, chat, sample
from tokenizer import END_OF_TEXT, IM_END, load_tokenizer

logger = logging.getLogger(__name__)
HERE = Path(__file__).parent

IGNORED = -100
LENGTH_STEP = 32
"""Batches are padded to a multiple of it, so that oneDNN meets few different shapes."""

PROMPT_WEIGHT = 0.1
"""Loss weight of a token of the user's turn; the answer weighs 1, the system prompt nothing."""

FIRST_WEIGHT, N_FIRST = 3.0, 12
"""Loss weight of an answer's first tokens, which choose the wording: else copying is easiest."""

SLOT_WEIGHT = 3.0
"""Loss weight of the values that an answer repeats: a wrong one spoils it."""

WEIGHTS = {"paraphrase": 0.55, "qa": 0.28, "dpo": 0.09, "expand": 0.08}
"""Share of each task in the samples."""

WARM_UP_WEIGHTS = {"echo": 0.05, "values": 0.15, "paraphrase": 0.55, "qa": 0.1, "dpo": 0.15}
"""Shares at the beginning: short samples, from which copying is learnt soonest."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of a sample: the user speaks from `user_start` on, the answer begins at `start`.

    `slots` are the token ranges of values that the answer repeats.
    """

    ids: list[int]
    start: int
    user_start: int = 1
    slots: tuple[tuple[int, int], ...] = ()


def encode(tokenizer: Tokenizer, one: Sample, *, with_slots: bool = False) -> Encoded:
    """Tokenize prompt and answer apart, as the product does; the answer ends with <|im_end|>."""
    prompt = tokenizer.encode(chat(one.prompt)).ids
    answer = tokenizer.encode(one.answer)
    ids = [*prompt, *answer.ids, tokenizer.token_to_id(IM_END)]
    slots: list[tuple[int, int]] = []
    if with_slots:
        for value in one.values:
            for match in re.finditer(re.escape(value), one.answer):
                at, stop = match.span()
                inside = [i for i, (a, b) in enumerate(answer.offsets) if b > at and a < stop]
                slots.append((len(prompt) + inside[0], len(prompt) + inside[-1] + 1))
    user_start = len(tokenizer.encode(chat(one.prompt).split("<|im_start|>user")[0]).ids)
    return Encoded(ids, len(prompt), user_start, tuple(slots))


def echo(rng: random.Random, vocabulary_size: int) -> Encoded:
    """Make random tokens, said twice or three times: the plainest lesson in copying."""
    n = rng.randint(24, 56)
    ids = [rng.randrange(3, vocabulary_size) for _ in range(n)]
    return Encoded(ids * rng.choice((2, 3)), start=n + 1, user_start=n)


def shuffled_values(tokenizer: Tokenizer, rng: random.Random) -> Encoded:
    """Make a list of slot values, then the same in another order: copying by choice."""
    values = Values(rng)
    kinds = ("supplier", "customer", "system", "city", "country", "money", "period", "date", "pct")
    made = [values.of_kind(kind) for kind in rng.sample(kinds, rng.randint(3, 7))]
    first = tokenizer.encode(" " + ", ".join(made) + ".\n").ids
    rng.shuffle(made)
    second = tokenizer.encode(" " + ", ".join(made) + ".\n").ids
    return Encoded([*first, *second], start=len(first), user_start=len(first) - 1)


def _example(task: str, tokenizer: Tokenizer, rng: random.Random) -> Encoded:
    if task == "echo":
        return echo(rng, tokenizer.get_vocab_size())
    if task == "values":
        return shuffled_values(tokenizer, rng)
    return encode(tokenizer, sample(task, rng), with_slots=True)


def batches(
    tokenizer: Tokenizer, rng: random.Random, n_tokens: int, weights: dict[str, float], length: int
) -> Iterator[list[Encoded]]:
    """Yield batches of samples of like length, about `n_tokens` each, from one generated pool."""
    names, shares = list(weights), list(weights.values())
    pool = [_example(task, tokenizer, rng) for task in rng.choices(names, shares, k=1536)]
    pool = sorted((e for e in pool if len(e.ids) <= length), key=lambda e: len(e.ids))
    grouped: list[list[Encoded]] = [[]]
    for one in pool:
        if len(one.ids) * (len(grouped[-1]) + 1) > n_tokens and grouped[-1]:
            grouped.append([])
        grouped[-1].append(one)
    rng.shuffle(grouped)
    yield from grouped


def to_tensors(batch: list[Encoded], padding: int) -> tuple[Tensor, Tensor, Tensor]:
    """Pad a batch: inputs, targets and loss weights, shape (batch, length) each."""
    longest = max(len(e.ids) for e in batch) - 1
    length = -(-longest // LENGTH_STEP) * LENGTH_STEP
    inputs = torch.full((len(batch), length), padding)
    targets = torch.full((len(batch), length), IGNORED)
    weights = torch.zeros(len(batch), length)
    for row, one in enumerate(batch):
        n = len(one.ids) - 1
        inputs[row, :n] = torch.tensor(one.ids[:-1])
        targets[row, :n] = torch.tensor(one.ids[1:])
        weights[row, one.user_start : n] = PROMPT_WEIGHT
        weights[row, one.start - 1 : n] = 1.0
        weights[row, one.start - 1 : min(n, one.start + N_FIRST)] = FIRST_WEIGHT
        for begin, end in one.slots:
            weights[row, begin - 1 : end - 1] = SLOT_WEIGHT
    return inputs, targets, weights


def weighted_loss(model: Llama, batch: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Return the weighted mean loss, and the loss of the answer tokens alone (no gradient)."""
    inputs, targets, weights = batch
    keep = weights.flatten() > 0
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model.logits(model.hidden(inputs).flatten(0, 1)[keep])
    losses = F.cross_entropy(logits.float(), targets.flatten()[keep], reduction="none")
    flat = weights.flatten()[keep]
    answer = losses.detach()[flat >= 1.0].mean()
    return (losses * flat).sum() / flat.sum(), answer


def optimizers(model: Llama) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for the embeddings and norms."""
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and n.startswith("blk")]
    others = [p for n, p in model.named_parameters() if not (p.ndim == 2 and n.startswith("blk"))]
    return [
        torch.optim.Muon(
            matrices, lr=0.003, weight_decay=0.05, momentum=0.95, adjust_lr_fn="match_rms_adamw"
        ),
        torch.optim.AdamW(others, lr=0.002, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def schedule(done: float) -> float:
    """Return the factor on the learning rate when the fraction `done` of the time has passed."""
    if done < 0.01:
        return max(0.05, done / 0.01)
    if done < 0.55:
        return 1.0
    return max(0.02, 0.5 * (1 + math.cos(math.pi * (done - 0.55) / 0.45)))


@torch.no_grad()
def evaluate(model: Llama, tokenizer: Tokenizer, n_samples: int = 24) -> dict[str, float]:
    """Return, per task, how many held-out slot values are copied without a mistake.

    The text before each value is given; the value itself is predicted greedily, token by token.
    """
    model.eval()
    rng = random.Random(99)
    padding = tokenizer.token_to_id(END_OF_TEXT)
    scores: dict[str, float] = {}
    for task in TASKS:
        batch = [
            encode(tokenizer, sample(task, rng, "demo"), with_slots=True) for _ in range(n_samples)
        ]
        batch = [e for e in batch if len(e.ids) <= model.config.context_length]
        inputs, targets, _ = to_tensors(batch, padding)
        right = model(inputs).argmax(-1) == targets
        hits = [
            bool(right[row, a - 1 : b - 1].all()) for row, e in enumerate(batch) for a, b in e.slots
        ]
        scores[task] = sum(hits) / max(1, len(hits))
    model.train()
    return scores


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of a run: tokens in a batch, seed, share of the time with short samples."""

    n_tokens: int
    seed: int
    warm_up_fraction: float


@dataclass(slots=True)
class Clock:
    """Wall time of a run, in seconds."""

    total: float
    begun: float

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.begun

    @property
    def done(self) -> float:
        """Fraction of the time that has passed."""
        return self.elapsed / self.total


def train(model: Llama, tokenizer: Tokenizer, clock: Clock, out: Path, plan: Plan) -> None:
    """Train until the time is over; write checkpoints and the loss curve beside them."""
    rng = random.Random(plan.seed)
    padding = tokenizer.token_to_id(END_OF_TEXT)
    optimisers = optimizers(model)
    base_rates = [[g["lr"] for g in o.param_groups] for o in optimisers]
    step = seen = 0
    saved = logged = clock.elapsed
    evaluated = 0.0
    mean = 0.0
    with (out / "loss.csv").open("w", newline="", encoding="utf-8") as file:
        log = csv.writer(file)
        log.writerow(["seconds", "step", "tokens", "answer_loss", *(f"slots_{t}" for t in TASKS)])
        while clock.done < 1:
            weights = WARM_UP_WEIGHTS if clock.done < plan.warm_up_fraction else WEIGHTS
            for batch in batches(
                tokenizer, rng, plan.n_tokens, weights, model.config.context_length
            ):
                factor = schedule(clock.done)
                for optimiser, rates in zip(optimisers, base_rates, strict=True):
                    for group, rate in zip(optimiser.param_groups, rates, strict=True):
                        group["lr"] = rate * factor
                loss, answer = weighted_loss(model, to_tensors(batch, padding))
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                for optimiser in optimisers:
                    optimiser.step()
                    optimiser.zero_grad(set_to_none=True)
                step += 1
                seen += sum(len(e.ids) for e in batch)
                mean = float(answer) if step == 1 else 0.95 * mean + 0.05 * float(answer)
                if clock.elapsed - logged > 15:
                    logged = clock.elapsed
                    scores: dict[str, float] = {}
                    if clock.elapsed - evaluated > 180:
                        evaluated = clock.elapsed
                        scores = evaluate(model, tokenizer)
                    cells = [f"{scores[t]:.3f}" if scores else "" for t in TASKS]
                    log.writerow([f"{clock.elapsed:.0f}", step, seen, f"{mean:.4f}", *cells])
                    file.flush()
                    logger.info("%.0f s, step %d, loss %.4f %s", clock.elapsed, step, mean, scores)
                if clock.elapsed - saved > 150:
                    saved = clock.elapsed
                    save(model, out / "checkpoint.pt")
                if clock.done >= 1:
                    break
    save(model, out / "checkpoint.pt")
    logger.info("end: step %d, %d tokens, slots %s", step, seen, evaluate(model, tokenizer))


def save(model: Llama, path: Path) -> None:
    """Write the weights, first beside the old ones."""
    draft = path.with_suffix(".tmp")
    torch.save(model.state_dict(), draft)
    draft.replace(path)


@click.command()
@click.option("--minutes", default=70.0, help="Wall time of the training.")
@click.option("--out", default=HERE / "run", type=click.Path(path_type=Path), help="Output folder.")
@click.option("--resume", default=None, type=click.Path(path_type=Path), help="Start from weights.")
@click.option("--tokens", default=4096, help="Tokens in a batch.")
@click.option("--warm-up", default=0.1, help="Share of the time with short samples and echoes.")
@click.option("--seed", default=11, help="Seed of the generated text.")
def main(
    minutes: float, out: Path, resume: Path | None, tokens: int, warm_up: float, seed: int
) -> None:
    """Train the demo model."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(2)
    torch.manual_seed(1)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = load_tokenizer(HERE / "tokenizer.json")
    model = Llama(ModelConfig(vocabulary_size=tokenizer.get_vocab_size()))
    if resume:
        model.load_state_dict(torch.load(resume, weights_only=True))
    logger.info("%d parameters", sum(p.numel() for p in model.parameters()))
    plan = Plan(tokens, seed, warm_up)
    train(model, tokenizer, Clock(minutes * 60, time.monotonic()), out, plan)


if __name__ == "__main__":
    main()
