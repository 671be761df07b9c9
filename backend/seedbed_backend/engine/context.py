"""llama.cpp's context: the memory of several sequences side by side, and the evaluation of tokens.

Floating point gives the same logits only for the same operations. On the CPU, llama.cpp takes other
kernels for fewer than 8 tokens than for more (for some quantizations: fewer than 2), and another
attention kernel for fewer than 64 tokens of one sequence; whatever else is in the batch makes no
difference (measured: benchmarks/README.md). So a step is filled up to 8 tokens, and a prompt is
evaluated in pieces of at least 64. Then a completion does not depend on what is beside it.

That is so where each sequence has cells of its own. In a common pool (`is_shared`), a token looks at
the cells of all sequences at once: wasteful for many prompts, and 1.5 to 3 times faster for many
completions of one. There, sums are taken over cells in the order in which these were filled, so that
the same text comes from the same calls only.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import llama_cpp as api
import numpy as np
from numpy.typing import NDArray

from seedbed.errors import ModelError
from seedbed_backend.engine.llama_model import LlamaModel
from seedbed_backend.engine.sampling import Logits

MIN_PIECE = 64
"""Tokens of a prompt below which llama.cpp's flash attention takes another kernel (Q tile)."""

MAX_PIECE = 512
"""Tokens of a prompt that are evaluated at once."""

MIN_STEP = 8
"""Tokens of a step below which llama.cpp takes other kernels for K-quantized weights."""

GRANULE = 256
"""llama.cpp rounds the length of a sequence up to a multiple of this."""

_ON, _OFF, _AUTO = (
    api.LLAMA_FLASH_ATTN_TYPE_ENABLED,
    api.LLAMA_FLASH_ATTN_TYPE_DISABLED,
    api.LLAMA_FLASH_ATTN_TYPE_AUTO,
)


class Context:
    """Sequences 0 to n_slots - 1 for completions, and one more, `prompt_sequence`, for a prompt.

    `length` is the most tokens of one sequence, or of all together with `is_shared`. Raises
    ModelError when llama.cpp cannot make it.
    """

    def __init__(
        self,
        model: LlamaModel,
        *,
        n_slots: int,
        length: int,
        n_threads: int,
        is_shared: bool = False,
    ) -> None:
        self.n_slots = n_slots
        self.is_shared = is_shared
        self.length = rounded(length)
        self.prompt_sequence = n_slots
        self._model = model
        self._n_sequences = n_slots + 1
        self._evaluated: list[int] = []
        self._stack = ExitStack()
        # Flash attention does not see that many sequences look at the same cells.
        attempts = (_OFF,) if is_shared else (_ON, _AUTO)
        handle = next(filter(None, (self._open(fa, n_threads) for fa in attempts)), None)
        if handle is None:
            of = "sharing" if is_shared else "of"
            raise model.refused(
                f"llama.cpp cannot make a context of {n_slots} sequences {of} {self.length} tokens",
                hint="Free some memory, or lower SEEDBED_CONTEXT_LENGTH or SEEDBED_SLOTS.",
            )
        self._handle = handle
        self._stack.callback(api.llama_free, handle)
        self._memory = api.llama_get_memory(handle)
        if not self._memory:
            self.close()
            raise model.is_no_generator()
        self._step = self._new_batch(self._n_sequences)
        self._piece = self._new_batch(MAX_PIECE)
        for i in range(self._n_sequences):
            self._step.seq_id[i][0] = i
        for i in range(MAX_PIECE):
            self._piece.seq_id[i][0] = self.prompt_sequence
        self._step_tokens, self._step_positions, self._step_outputs = _views(
            self._step, self._n_sequences
        )
        self._piece_tokens, self._piece_positions, self._piece_outputs = _views(
            self._piece, MAX_PIECE
        )

    def _open(self, flash_attention: int, n_threads: int) -> Any:
        params = api.llama_context_default_params()
        params.n_ctx = self.length * (1 if self.is_shared else self._n_sequences)
        params.n_batch = params.n_ubatch = MAX_PIECE
        params.n_seq_max = self._n_sequences
        params.kv_unified = self.is_shared
        params.flash_attn_type = flash_attention
        params.n_threads = params.n_threads_batch = n_threads
        params.no_perf = True
        return api.llama_init_from_model(self._model.handle, params)

    def _new_batch(self, size: int) -> Any:
        batch = api.llama_batch_init(size, 0, 1)
        self._stack.callback(api.llama_batch_free, batch)
        for i in range(size):
            batch.n_seq_id[i] = 1
        return batch

    def keep_common(self, prompt: Sequence[int]) -> int:
        """Keep what the prompt sequence has in common with `prompt`; return how many tokens."""
        n_kept = 0
        if len(self._evaluated) >= MIN_PIECE:
            for ours, theirs in zip(self._evaluated, prompt, strict=False):
                if ours != theirs:
                    break
                n_kept += 1
        n_kept = max(0, min(n_kept, len(prompt) - MIN_PIECE))
        # A recurrent model cannot go back to the middle: it starts over.
        if not api.llama_memory_seq_rm(self._memory, self.prompt_sequence, n_kept, -1):
            api.llama_memory_seq_rm(self._memory, self.prompt_sequence, -1, -1)
            n_kept = 0
        del self._evaluated[n_kept:]
        return n_kept

    def evaluate(self, tokens: Sequence[int], *, is_last: bool) -> Logits | None:
        """Append up to `MAX_PIECE` tokens to the prompt sequence; return the last one's logits."""
        batch, n = self._piece, len(tokens)
        start = len(self._evaluated)
        batch.n_tokens = n
        self._piece_tokens[:n] = tokens
        self._piece_positions[:n] = range(start, start + n)
        self._piece_outputs[:n] = 0
        self._piece_outputs[n - 1] = is_last
        self._evaluated.extend(tokens)
        self._decode(batch)
        return self._logits(1)[0].copy() if is_last else None

    def step(self, tokens: Sequence[int], positions: Sequence[int]) -> NDArray[np.float32]:
        """Append one token each to sequences 0, 1, …; return their logits: (sequences, tokens).

        The array is llama.cpp's own, valid until the next evaluation.
        """
        n = len(tokens)
        self._step_tokens[:n] = tokens
        self._step_positions[:n] = positions
        self._step.n_tokens = n
        self._step_outputs[:n] = 1
        padding = self._pad(n)
        self._decode(self._step)
        for sequence, position in padding:
            api.llama_memory_seq_rm(self._memory, sequence, position, -1)
        return self._logits(n)

    def _pad(self, n: int) -> list[tuple[int, int]]:
        """Append a token to idle sequences; return which, and where, for it to be taken away."""
        if self._model.is_recurrent:
            return []
        padding = []
        for sequence in range(n, min(MIN_STEP, self._n_sequences)):
            position = api.llama_memory_seq_pos_max(self._memory, sequence) + 1
            self._step_tokens[sequence] = self._step_tokens[0]
            self._step_positions[sequence] = position
            self._step_outputs[sequence] = 0
            padding.append((sequence, position))
        self._step.n_tokens = n + len(padding)
        return padding

    def start(self, slot: int) -> None:
        """Begin a sequence, which must be empty, with the prompt."""
        api.llama_memory_seq_cp(self._memory, self.prompt_sequence, slot, -1, -1)

    def move(self, source: int, target: int) -> None:
        """Put one sequence in the place of an empty one."""
        api.llama_memory_seq_cp(self._memory, source, target, -1, -1)
        self.drop(source)

    def drop(self, slot: int) -> None:
        """Empty a sequence; nothing is left to empty once the context is closed."""
        if self._memory:
            api.llama_memory_seq_rm(self._memory, slot, -1, -1)

    def clear(self) -> None:
        """Empty all sequences, the prompt included."""
        self._evaluated.clear()
        api.llama_memory_clear(self._memory, False)

    def _decode(self, batch: Any) -> None:
        code = api.llama_decode(self._handle, batch)
        if code != 0:
            self.clear()
            raise self._model.refused(f"llama.cpp stopped with code {code} while evaluating")

    def _logits(self, n: int) -> NDArray[np.float32]:
        pointer = api.llama_get_logits(self._handle)
        if not pointer:
            raise ModelError(f"llama.cpp computed no logits for {self._model.path}.")
        return np.ctypeslib.as_array(
            ctypes.cast(pointer, ctypes.POINTER(ctypes.c_float)), (n, self._model.n_vocab)
        )

    def close(self) -> None:
        """Free the memory."""
        self._memory = None
        self._stack.close()


def rounded(length: int) -> int:
    """Return the tokens that llama.cpp makes of a length: the next multiple of 256."""
    return -(-length // GRANULE) * GRANULE


def _views(batch: Any, size: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return a batch's tokens, positions, and which outputs are wanted, as arrays."""
    tokens, positions, outputs = (
        np.ctypeslib.as_array(pointer, (size,))
        for pointer in (batch.token, batch.pos, batch.logits)
    )
    return tokens, positions, outputs
