"""A GGUF file opened by llama.cpp: weights, or the vocabulary alone; tokens, metadata, template."""

from __future__ import annotations

import ctypes
import logging
import os
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from seedbed.errors import ModelError
from seedbed_backend.engine import hardware, model_file

# llama.cpp loads OpenMP, which reads its environment once.
hardware.limit_spinning(os.environ)
import llama_cpp as api  # noqa: E402

logger = logging.getLogger(__name__)

_ERROR_LEVEL = 4  # ggml.h; llama-cpp-python's own table is out of date
_ALL_LAYERS = 0x7FFFFFFF
_BYTES_PER_VALUE = 2
"""The key-value cache is kept in 16-bit floats."""

_errors: deque[str] = deque(maxlen=8)


def _log(level: int, text: bytes, _user_data: Any) -> None:
    message = text.decode(errors="replace").rstrip()
    if level == _ERROR_LEVEL and message:
        _errors.append(message)
    if message.strip("."):
        logger.debug("llama.cpp: %s", message)


# llama.cpp writes to stderr unless told otherwise; the reference keeps the callback alive.
_log_callback = api.llama_log_callback(_log)


def supports_gpu() -> bool:
    """Tell whether this build of llama.cpp can put layers on a GPU."""
    return bool(api.llama_supports_gpu_offload())


class LlamaModel:
    """One opened model file; `handle` and `vocab` are llama.cpp's own pointers.

    Raises ModelError when the file cannot be read, or holds a model that does not generate text.
    """

    def __init__(self, path: Path, *, n_gpu_layers: int = 0, vocab_only: bool = False) -> None:
        model_file.check(path)
        self.path = path
        self._stack = ExitStack()
        try:
            self._load(n_gpu_layers, vocab_only)
        except BaseException:
            self.close()
            raise
        self._pieces: dict[tuple[int, bool], bytes] = {}

    def _load(self, n_gpu_layers: int, vocab_only: bool) -> None:
        api.llama_log_set(_log_callback, ctypes.c_void_p(0))
        api.llama_backend_init()
        _errors.clear()
        params = api.llama_model_default_params()
        params.vocab_only = vocab_only
        params.n_gpu_layers = n_gpu_layers if n_gpu_layers >= 0 else _ALL_LAYERS
        self.handle = api.llama_model_load_from_file(str(self.path).encode(), params)
        if not self.handle:
            raise self.refused("llama.cpp cannot load it")
        self._stack.callback(api.llama_model_free, self.handle)
        self.vocab = api.llama_model_get_vocab(self.handle)
        self.n_vocab = int(api.llama_vocab_n_tokens(self.vocab))
        architecture = self.metadata("general.architecture")
        is_encoder = not api.llama_model_has_decoder(self.handle)
        is_bidirectional = self.metadata(f"{architecture}.attention.causal") == "false"
        if is_encoder or is_bidirectional or api.llama_model_has_encoder(self.handle):
            raise self.is_no_generator()
        if not api.llama_vocab_type(self.vocab):
            raise self.refused("it carries no vocabulary")
        self.n_trained = int(self.metadata(f"{architecture}.context_length") or 0)
        if not self.n_trained:
            raise self.refused("it does not say how long its context is")
        control = [t for t in range(self.n_vocab) if api.llama_vocab_is_control(self.vocab, t)]
        self.control_texts = tuple(t for t in map(self.token_text, control) if len(t) > 1)
        ends = [t for t in range(self.n_vocab) if api.llama_vocab_is_eog(self.vocab, t)]
        self.end_tokens = frozenset(ends)
        """The tokens that end a completion."""

    @property
    def name(self) -> str:
        """Return the name in the metadata, or the file's."""
        return self.metadata("general.name") or self.path.stem

    @property
    def is_recurrent(self) -> bool:
        """Tell whether (part of) its memory is a state that cannot go back to an earlier token."""
        return bool(
            api.llama_model_is_recurrent(self.handle) or api.llama_model_is_hybrid(self.handle)
        )

    @property
    def chat_template(self) -> str:
        """Return the chat template in the metadata, '' where there is none."""
        template = api.llama_model_chat_template(self.handle, None)
        return template.decode(errors="replace") if template else ""

    @property
    def bos_text(self) -> str:
        """Return the text of the token with which texts begin, '' where there is none."""
        return self.token_text(api.llama_vocab_bos(self.vocab))

    @property
    def eos_text(self) -> str:
        """Return the text of the token with which texts end, '' where there is none."""
        return self.token_text(api.llama_vocab_eos(self.vocab))

    @property
    def cache_bytes_per_token(self) -> int:
        """Return the memory that one token of context takes: keys and values of all layers.

        An upper bound for models whose layers see a sliding window only.
        """
        architecture = self.metadata("general.architecture")
        n_heads = api.llama_model_n_head(self.handle)
        default = api.llama_model_n_embd(self.handle) // max(1, n_heads)
        key = int(self.metadata(f"{architecture}.attention.key_length") or default)
        value = int(self.metadata(f"{architecture}.attention.value_length") or default)
        n_layers, n_kv = (
            api.llama_model_n_layer(self.handle),
            api.llama_model_n_head_kv(self.handle),
        )
        return int(n_layers * n_kv * (key + value) * _BYTES_PER_VALUE)

    def tokenize(self, text: str) -> list[int]:
        """Return the tokens of a text; control tokens are recognised, and it begins as it should."""
        raw = text.encode(errors="replace")
        array = (api.llama_token * (len(raw) + 2))()
        n_tokens = api.llama_tokenize(self.vocab, raw, len(raw), array, len(array), False, True)
        if n_tokens < 0:
            raise self.refused("llama.cpp cannot tokenize the prompt")
        return list(array[:n_tokens])

    def tokenize_prompt(self, text: str) -> list[int]:
        """Return the tokens of a whole prompt, which begins as the model expects."""
        tokens = self.tokenize(text)
        bos = api.llama_vocab_bos(self.vocab)
        has_bos = bool(self.bos_text) and text.startswith(self.bos_text)
        if bos < 0 or has_bos or not api.llama_vocab_get_add_bos(self.vocab):
            return tokens
        return [bos, *tokens]

    def bytes_of(self, tokens: Sequence[int], *, with_control: bool = False) -> bytes:
        """Return the exact bytes of tokens; llama.cpp's own detokenizer may tidy spaces.

        Control tokens have none, unless they are asked for.
        """
        return b"".join(self._piece(token, with_control) for token in tokens)

    def _piece(self, token: int, with_control: bool) -> bytes:
        key = (token, with_control)
        if key not in self._pieces:
            buffer = ctypes.create_string_buffer(64)
            n = self._write_piece(token, buffer, with_control)
            if n < 0:
                buffer = ctypes.create_string_buffer(-n)
                n = self._write_piece(token, buffer, with_control)
            self._pieces[key] = buffer.raw[:n]
        return self._pieces[key]

    def _write_piece(self, token: int, buffer: Any, with_control: bool) -> int:
        return int(
            api.llama_token_to_piece(self.vocab, token, buffer, len(buffer), 0, with_control)
        )

    def token_text(self, token: int) -> str:
        """Return a token's text as the vocabulary spells it, '' for a token that does not exist."""
        if token < 0:
            return ""
        return str(api.llama_vocab_get_text(self.vocab, token).decode(errors="replace"))

    def metadata(self, key: str) -> str:
        """Return one value of the file's metadata as text, '' where it is missing."""
        buffer = ctypes.create_string_buffer(4096)
        n = api.llama_model_meta_val_str(self.handle, key.encode(), buffer, len(buffer))
        return buffer.value.decode(errors="replace") if n >= 0 else ""

    def refused(
        self, problem: str, hint: str = "Copy the file again, or use another."
    ) -> ModelError:
        """Make the error that names the file, the problem, and what llama.cpp said last."""
        said = _errors[0] if _errors else ""
        detail = f" (llama.cpp: {' '.join(said.split())})" if said else ""
        return ModelError(f"The model {self.path} cannot be used: {problem}{detail}.", hint=hint)

    def is_no_generator(self) -> ModelError:
        """Make the error for a model of another kind."""
        return self.refused(
            "it computes embeddings or is an encoder-decoder; it does not generate text",
            hint="Use a causal language model, best an instruction-tuned one.",
        )

    def close(self) -> None:
        """Free the weights; a second call does nothing."""
        self._stack.close()
