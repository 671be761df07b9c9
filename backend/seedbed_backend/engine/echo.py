"""An engine without weights: it answers out of the user's own words.

Registered like any other, so that the whole pipeline runs in tests, demos and dry runs without a
model file and without patching. Its answers fit the schema and quote the source; they are no
training data.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar

from seedbed.records import Completion, Prompt
from seedbed_backend.engine.base import (
    GenerationRequest,
    LoadOptions,
    ModelInfo,
    Usage,
    check_fits,
)

DEFAULT_CONTEXT = 8192
_TOKEN = re.compile(r"\w+|[^\w\s]")
_BULLET = re.compile(r"^- (?:\[.*?\] )?(.+)$", re.MULTILINE)
_SHORT_WORDS = 80
_OPENERS = frozenset(
    (
        "a",
        "an",
        "the",
        "this",
        "that",
        "these",
        "if",
        "in",
        "on",
        "at",
        "by",
        "for",
        "it",
        "all",
        "my",
        "our",
        "your",
        "each",
        "either",
        "every",
    )
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_LEADS = ("In other words", "Put differently", "To say it once more")
# A clause that begins with one of these can stand first.
_TURN = re.compile(
    r",?\s(?=(?:within|after|before|until|unless|during|when|if|in|at|on|with|by|for)\s)"
)
_SYNONYMS = {
    "pays": "settles clears", "each": "every", "invoice": "bill", "receiving": "getting",
    "get": "receive", "end": "terminate cancel", "ends": "terminates", "contract": "agreement",
    "answers": "handles", "report": "message notice", "kept": "stored held", "erased": "deleted",
    "send": "deliver", "buy": "purchase", "need": "require", "want": "wish", "help": "assist",
    "charged": "billed", "goods": "items articles", "payment": "sum", "returned": "refunded",
    "arrived": "come", "parcel": "package", "money": "funds", "critical": "severe serious",
    "writing": "text", "either": "any", "thirty": "30", "three": "3", "four": "4",
    "ninety": "90",
}  # fmt: skip
_EXCHANGED = 0.7
_LOSSY = 0.2


class Echo:
    """Words drawn from the user message; deterministic in the prompt and the rng seed."""

    name: ClassVar[str] = "echo"
    help: ClassVar[str] = "Answers out of the source's own words, without a model: for tests."

    def __init__(self, options: LoadOptions) -> None:
        self._context_length = options.context_length or DEFAULT_CONTEXT
        self._usage = Usage()

    @property
    def model(self) -> ModelInfo:
        """Identify the engine itself; the hash is of its name."""
        return ModelInfo(
            self.name, hashlib.sha256(self.name.encode()).hexdigest(), self._context_length
        )

    def count_tokens(self, prompt: Prompt) -> int:
        """Count words and punctuation marks."""
        return sum(len(_TOKEN.findall(message.content)) for message in prompt.messages)

    def excess_tokens(self, request: GenerationRequest) -> int:
        """Return by how many tokens the prompt and its `max_tokens` exceed the context; 0 fits."""
        n_tokens = self.count_tokens(request.prompt) + request.sampling.max_tokens
        return max(0, n_tokens - self._context_length)

    @property
    def usage(self) -> Usage:
        """Return what was done since the engine was made."""
        return self._usage

    def describe(self) -> list[str]:
        """Say that there is nothing to choose."""
        return ["no model: answers are made of the source's own words"]

    def generate(self, requests: Sequence[GenerationRequest]) -> Iterator[Completion]:
        """Yield the completions in the order in which they are wanted."""
        check_fits(self, requests)
        return self._generate(requests)

    def _generate(self, requests: Sequence[GenerationRequest]) -> Iterator[Completion]:
        for request in requests:
            n_prompt_tokens = self.count_tokens(request.prompt)
            done = Usage(n_prompt_tokens=n_prompt_tokens)
            for wanted in request.wanted:
                started = time.perf_counter()
                completion = _complete(request, wanted, n_prompt_tokens)
                seconds = time.perf_counter() - started
                self._usage += done + Usage(n_tokens=completion.n_tokens, token_seconds=seconds)
                done = Usage()
                yield completion

    def close(self) -> None:
        """Do nothing: there is nothing to free."""


def _complete(
    request: GenerationRequest, wanted: tuple[str, int, int], n_prompt_tokens: int
) -> Completion:
    text = _answer(request.prompt, random.Random(f"{request.prompt.hash}:{wanted[2]}"))  # noqa: S311
    n_tokens = len(_TOKEN.findall(text))
    is_cut = n_tokens > request.sampling.max_tokens
    if is_cut:
        n_tokens = request.sampling.max_tokens
        last = next(islice(_TOKEN.finditer(text), n_tokens, None))
        text = text[: last.start()]
    return request.completion(
        wanted,
        text,
        "length" if is_cut else "stop",
        n_prompt_tokens=n_prompt_tokens,
        n_tokens=n_tokens,
    )


def _answer(prompt: Prompt, rng: random.Random) -> str:
    text = next((m.content for m in reversed(prompt.messages) if m.role == "user"), "")
    # Of a list of examples, the last is the source itself.
    text = (_BULLET.findall(text) or [text])[-1]
    sentences = [s.strip() for s in _SENTENCE_END.split(text) if _TOKEN.search(s)] or ["Nothing."]
    sentence = rng.choice([s for s in sentences if len(s.split()) > 4] or sentences)
    # A short text is answered as a whole, so that its numbers and names survive.
    whole = " ".join(text.split()) if len(text.split()) <= _SHORT_WORDS else sentence
    properties: Mapping[str, Any] = prompt.schema.get("properties", {})
    if not properties:
        return _reword(whole, rng)
    record = _record(text)
    answer = {
        name: _typed(schema, record[name], rng)
        if name in record and "enum" not in schema
        else rng.choice(schema["enum"])
        if "enum" in schema
        else _write(name, whole, sentence, rng)[: schema.get("maxLength")]
        for name, schema in properties.items()
    }
    return json.dumps(answer, ensure_ascii=False)


def _record(text: str) -> Mapping[str, Any]:
    """Return the record that the source is, where it is one."""
    try:
        record = json.loads(text)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _typed(schema: Mapping[str, Any], own: object, rng: random.Random) -> object:
    """Change a record's value a little, so that the schema still takes it."""
    if isinstance(own, bool):
        return rng.random() < 0.5
    if isinstance(own, int | float):
        number = own * rng.uniform(0.7, 1.3)
        number = min(schema.get("maximum", number), max(schema.get("minimum", number), number))
        return round(number) if "integer" in schema.get("type", ()) else round(number, 2)
    if not isinstance(own, str):
        return own
    if "pattern" in schema:
        place = next((i for i in range(len(own) - 1, -1, -1) if own[i] in "123456789"), -1)
        return own if place < 0 else f"{own[:place]}{rng.randrange(1, 10)}{own[place + 1 :]}"
    words = own.split()
    start = rng.randrange(len(words))
    turned = [*words[start:], *words[:start]]
    return " ".join(turned[rng.randrange(2) if len(turned) > 3 else 0 :])


def _write(name: str, whole: str, sentence: str, rng: random.Random) -> str:
    if name in _WRITERS:
        return _WRITERS[name](sentence, rng)
    return _reword(whole, rng)


def _reword(sentence: str, rng: random.Random) -> str:
    """Say it in other words and another order; one time in five words get lost, for the filters."""
    words = [
        rng.choice(_SYNONYMS[word].split(" "))
        if word in _SYNONYMS and rng.random() < _EXCHANGED
        else word
        for word in sentence.rstrip(".").split(" ")
    ]
    if rng.random() < _LOSSY:
        kept = [w for w in words if len(w) < 5 or not w.isalpha() or rng.random() < 0.6]
        return f"{rng.choice(_LEADS)}: {' '.join(kept)}"
    said = _uncapitalised(" ".join(words))
    turns = [turn for turn in _TURN.finditer(said) if turn.start() > 8]
    if turns:
        turn = rng.choice(turns)
        said = f"{said[turn.end() :]}, {said[: turn.start()]}"
        return f"{said[0].upper()}{said[1:]}."
    return f"{rng.choice(_LEADS)}, {said}."


def _uncapitalised(text: str) -> str:
    first = text.split(" ", 1)[0]
    return text[0].lower() + text[1:] if first.lower() in _OPENERS else text


def _ask(sentence: str, rng: random.Random) -> str:
    words = [word for word in re.findall(r"\w+", sentence) if len(word) > 3] or ["it"]
    start = rng.randrange(len(words))
    return f"What is agreed about {' '.join(words[start : start + 4])}?"


def _quote(sentence: str, _rng: random.Random) -> str:
    return sentence


def _ramble(sentence: str, rng: random.Random) -> str:
    greeting = rng.choice(
        ("Thank you so much for your message!", "Great question!", "Hello there!")
    )
    return (
        f"{greeting} We are always happy to help, and we promise that all will be well. {sentence}"
    )


# Answers that a filter looks at closely are written to suit it; all others are reworded.
_WRITERS = {"question": _ask, "quote": _quote, "answer": _quote, "rejected": _ramble}

ENGINE = Echo
