"""What a server answers to one chat completion request, put together from its events."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Choice:
    """One completion as far as it has come. `n_pieces` counts the events that carried text.

    `n_tokens` is None until the server has counted; `finish_reason` is empty until it has ended.
    """

    pieces: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    n_pieces: int = 0
    finish_reason: str = ""
    n_tokens: int | None = None
    has_begun: bool = False

    @property
    def text(self) -> str:
        """Return the answer alone."""
        return _joined(self.pieces)

    @property
    def reasoning(self) -> str:
        """Return what a thinking model thought before, where the server tells it."""
        return _joined(self.thoughts)

    def take(self, part: Mapping[str, Any]) -> None:
        """Take in what an event says of this choice."""
        self.has_begun = True
        delta = part.get("delta") or part.get("message") or {}
        # llama-server says `reasoning_content`, vLLM and Ollama `reasoning`
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if delta.get("content") or thought:
            self.n_pieces += 1
        if delta.get("content"):
            self.pieces.append(str(delta["content"]))
        if thought:
            self.thoughts.append(str(thought))
        if part.get("finish_reason"):
            self.finish_reason = str(part["finish_reason"])


def _joined(pieces: Sequence[str]) -> str:
    # halves of a character may come in two pieces; one half alone is no text
    raw = "".join(pieces).encode("utf-16", "surrogatepass")
    return raw.decode("utf-16", "replace")


class Reply:
    """The choices of one request, with the counts that the server gives, if it does.

    `n_prompt_tokens` is the prompt's length, `n_evaluated` leaves out what came from the server's
    cache; both are None where the server does not say. `is_complete` once it said it was done.
    """

    def __init__(self, n_choices: int) -> None:
        self.choices = [Choice() for _ in range(n_choices)]
        self.n_prompt_tokens: int | None = None
        self.n_evaluated: int | None = None
        self.is_complete = False

    @property
    def has_begun(self) -> bool:
        """Tell whether the server has said anything for any choice."""
        return any(choice.has_begun for choice in self.choices)

    def take(self, event: Mapping[str, Any]) -> None:
        """Take in one event of the stream, or the whole answer of a request without a stream."""
        parts = event.get("choices") or ()
        for part in parts:
            index = int(part.get("index") or 0)
            if index < len(self.choices):
                self.choices[index].take(part)
        # Some servers count along; only what they say at an end is meant here.
        usage = event.get("usage")
        if usage and (not parts or parts[-1].get("finish_reason")):
            self._take_usage(usage)

    def _take_usage(self, usage: Mapping[str, Any]) -> None:
        n_prompt = int(usage.get("prompt_tokens") or 0)
        details = usage.get("prompt_tokens_details") or {}
        n_cached = int(details.get("cached_tokens") or 0)
        self.n_prompt_tokens = max(n_prompt, self.n_prompt_tokens or 0)
        self.n_evaluated = (self.n_evaluated or 0) + max(0, n_prompt - n_cached)
        # llama-server counts each choice as it ends, others all of them at once.
        self._share_out(int(usage.get("completion_tokens") or 0))

    def _share_out(self, n_tokens: int) -> None:
        """Give the tokens to the ended choices that have no count, in proportion to their events."""
        ended = [c for c in self.choices if c.finish_reason and c.n_tokens is None]
        n_pieces = sum(max(1, choice.n_pieces) for choice in ended)
        for choice in ended:
            choice.n_tokens = round(n_tokens * max(1, choice.n_pieces) / n_pieces)


async def read_events(
    chunks: AsyncIterator[bytes],
) -> AsyncGenerator[dict[str, Any] | None, None]:
    """Read server-sent events; None stands for the `[DONE]` that ends them.

    Lines end at line feeds alone: texts hold U+2028 and its like unescaped. Raises ValueError for
    data that is no JSON.
    """
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            # llama-server once named the field of an error `error`
            name, _, value = line.strip().partition(b":")
            if name not in (b"data", b"error"):
                continue
            if value.strip() == b"[DONE]":
                yield None
                continue
            event = json.loads(value.decode(errors="replace"))
            if isinstance(event, dict):
                yield event if name == b"data" else {"error": event}
