"""JSON schema → which tokens may come next (llguidance).

The answer is spelled as `json.dumps` spells it. Text is free Unicode; only the escapes that JSON
demands are allowed, so that no control character and no half of a surrogate pair gets in.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

import llama_cpp as api
import numpy as np
from llguidance import LLMatcher, LLTokenizer
from numpy.typing import NDArray

from seedbed.errors import RecipeError
from seedbed.records import content_id
from seedbed_backend.engine.llama_model import LlamaModel

SPELLING = {
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
    "json_allowed_escapes": 'nrt"\\',
}
DELETE = b"\x7f"
_IGNORED = ("description", "title", "examples", "default", "$comment")


class Constraints:
    """The compiled schemas of one model; a schema is compiled once."""

    def __init__(self, model: LlamaModel) -> None:
        self._model = model
        self._tokenizer: Any = None
        self._harmless: NDArray[np.uint32] = np.zeros(0, np.uint32)
        self._compiled: dict[str, Any] = {}

    def start(self, schema: Mapping[str, Any]) -> Constraint:
        """Return the constraint at the beginning of an answer. Raises RecipeError naming the schema.

        The first call for a model takes up to a second for a vocabulary of 150,000.
        """
        key = content_id(dict(schema), list(schema.get("properties", ())))
        if key not in self._compiled:
            self._compiled[key] = self._compile(schema)
        return Constraint(self._compiled[key].deep_copy(), self._harmless)

    def _compile(self, schema: Mapping[str, Any]) -> Any:
        if self._tokenizer is None:
            self._tokenizer = self._open_tokenizer()
            self._harmless = self._harmless_tokens()
        grammar = LLMatcher.grammar_from_json_schema(_plain(schema), overrides=SPELLING)
        matcher = LLMatcher(self._tokenizer, grammar, log_level=0)
        if matcher.is_error():
            raise RecipeError(
                f"No answer can be held to the schema {dict(schema)}: {matcher.get_error()}.",
                hint="Use plain JSON Schema: objects, arrays, strings, numbers, enums.",
            )
        return matcher

    def _open_tokenizer(self) -> Any:
        model = self._model
        # llguidance knows a control token by a first byte that no text can have.
        tokens = [
            b"\xff" + model.bytes_of([token], with_control=True)
            if api.llama_vocab_is_control(model.vocab, token)
            else model.bytes_of([token])
            for token in range(model.n_vocab)
        ]
        tokenize = ctypes.cast(api.llama_cpp._lib.llama_tokenize, ctypes.c_void_p).value
        return LLTokenizer.from_llamacpp(
            tokens=tokens,
            vocab_ptr=model.vocab,
            tokenize_fptr=tokenize,
            eos_token=sorted(model.end_tokens) or None,
            slices=LLTokenizer.json_slices(),
        )

    def _harmless_tokens(self) -> NDArray[np.uint32]:
        """Return the tokens without DEL, one bit each: the one control character that JSON allows."""
        n_vocab = self._model.n_vocab
        is_harmless = np.ones((n_vocab + 31) // 32 * 32, np.uint8)
        is_harmless[[t for t in range(n_vocab) if DELETE in self._model.bytes_of([t])]] = 0
        return np.packbits(is_harmless, bitorder="little").view(np.uint32)


class Constraint:
    """Where one answer is within its schema."""

    def __init__(self, matcher: Any, harmless: NDArray[np.uint32]) -> None:
        self._matcher = matcher
        self._harmless = harmless
        self._bits = np.zeros_like(harmless)
        self._address = self._bits.ctypes.data

    def allowed(self) -> NDArray[np.uint32]:
        """Return which tokens may come next, one bit each, lowest first; valid until the next call."""
        self._matcher.unsafe_compute_mask_ptr(self._address, self._bits.nbytes)
        self._bits &= self._harmless
        return self._bits

    def accept(self, token: int) -> bool:
        """Go on by one token; true when the answer is complete."""
        self._matcher.consume_token(token)
        return bool(self._matcher.is_stopped())


def _plain(schema: Any) -> Any:
    """Return the schema without the words that are for people, and with no room for more fields."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    plain = {
        key: _plain(value)
        for key, value in schema.items()
        if key not in _IGNORED or not isinstance(value, (str, list))
    }
    return {"additionalProperties": False, **plain} if "properties" in plain else plain
