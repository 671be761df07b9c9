"""The byte-level BPE tokenizer: GPT-2's pattern, every digit alone (llama.cpp: "smollm")."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from grammar import Split
from tasks import TASKS, chat, sample

END_OF_TEXT = "<|endoftext|>"
IM_START = "<|im_start|>"
IM_END = "<|im_end|>"
SPECIAL_TOKENS = (END_OF_TEXT, IM_START, IM_END)
VOCABULARY_SIZE = 4096

# The same layout as `tasks.chat`.
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def _texts(n_samples: int, seed: int) -> Iterator[str]:
    rng = random.Random(seed)
    split: Split = "train"
    for _ in range(n_samples):
        one = sample(rng.choice(list(TASKS)), rng, split)
        prompt = chat(one.prompt)
        for token in SPECIAL_TOKENS:
            prompt = prompt.replace(token, "")
        yield prompt + one.answer


def train_tokenizer(n_samples: int = 12_000, seed: int = 7) -> Tokenizer:
    """Learn the merges from samples of all four tasks; all 256 bytes are in the vocabulary."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(n_samples, seed), trainer)
    return tokenizer


def load_tokenizer(path: Path) -> Tokenizer:
    """Read `tokenizer.json`, or learn and write it where it does not exist."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        train_tokenizer().save(str(path))
    return Tokenizer.from_file(str(path))
