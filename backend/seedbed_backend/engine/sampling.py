"""Draws the next token of one sequence: llama.cpp's samplers on the few tokens that have a chance.

Most of a vocabulary of 150,000 is far below `min_p`. Those tokens are left out with one vectorised
comparison before llama.cpp's chain (top_k, top_p, temperature, draw) sorts what remains: min_p,
top_k and top_p each keep the head of the same order, so which of min_p and top_k comes first
changes nothing; `top_p` counts what `min_p` left.
"""

from __future__ import annotations

import ctypes
import math
from collections import deque
from typing import Any

import llama_cpp as api
import numpy as np
from numpy.typing import NDArray

from seedbed_backend.engine.base import SamplingParams

Logits = NDArray[np.float32]
Bits = NDArray[np.uint32]
Tokens = NDArray[np.intp]

PENALTY_WINDOW = 64
"""Tokens back to which the repeat penalty looks, as in llama.cpp."""

_N_SEEDS = 0xFFFFFFFF  # the last 32-bit seed asks llama.cpp for a random one
_TOKEN_DATA = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


class Sampler:
    """One sequence's samplers and random numbers; `close` frees them."""

    def __init__(self, sampling: SamplingParams, rng_seed: int) -> None:
        self._sampling = sampling
        self._recent: deque[int] = deque(maxlen=PENALTY_WINDOW)
        # llama.cpp keeps a token whose probability is at least min_p of the likeliest one's.
        self._margin = math.log(sampling.min_p) if sampling.min_p > 0 else -math.inf
        self._chain = api.llama_sampler_chain_init(api.llama_sampler_chain_default_params())
        for link in (
            api.llama_sampler_init_top_k(sampling.top_k),
            api.llama_sampler_init_top_p(sampling.top_p, 1),
            api.llama_sampler_init_temp(sampling.temperature or 1.0),
            api.llama_sampler_init_dist(rng_seed % _N_SEEDS),
        ):
            api.llama_sampler_chain_add(self._chain, link)

    def sample(self, logits: Logits, allowed: Bits | None) -> int:
        """Draw a token from `logits` (one for each token; may be changed) among the allowed ones."""
        if self._sampling.repeat_penalty != 1.0:
            self._penalise(logits)
        ids = self._likely(logits, allowed)
        token = int(ids[0]) if len(ids) == 1 else self._draw(ids, logits[ids])
        self._recent.append(token)
        return token

    def close(self) -> None:
        """Free llama.cpp's samplers."""
        api.llama_sampler_free(self._chain)

    def _penalise(self, logits: Logits) -> None:
        recent = np.array(sorted(set(self._recent)), np.intp)
        found = logits[recent]
        penalty = self._sampling.repeat_penalty
        logits[recent] = np.where(found > 0, found / penalty, found * penalty)

    def _likely(self, logits: Logits, allowed: Bits | None) -> Tokens:
        """Return the tokens that may be drawn."""
        if self._sampling.temperature == 0.0:
            likely = np.array([logits.argmax()])
        else:
            likely = np.flatnonzero(logits >= logits.max() + self._margin)
        if allowed is None:
            return likely
        is_allowed = (allowed[likely >> 5] >> (likely & 31).astype(np.uint32)) & 1
        kept: Tokens = likely[is_allowed.astype(bool)]
        # The margin counts from the likeliest token: right only if that one is allowed.
        if len(kept) and logits[kept].max() == logits[likely].max():
            return kept
        bits = np.unpackbits(allowed.view(np.uint8), bitorder="little")[: len(logits)]
        possible: Tokens = np.flatnonzero(bits)
        found = logits[possible]
        margin = 0.0 if self._sampling.temperature == 0.0 else self._margin
        head: Tokens = possible[found >= found.max() + margin]
        return head[:1] if self._sampling.temperature == 0.0 else head

    def _draw(self, ids: Tokens, logits: Logits) -> int:
        data = np.zeros(len(ids), _TOKEN_DATA)
        data["id"] = ids
        data["logit"] = logits
        pointer = data.ctypes.data_as(ctypes.POINTER(api.llama_token_data))
        array: Any = api.llama_token_data_array(
            data=pointer, size=len(ids), selected=-1, sorted=False
        )
        api.llama_sampler_apply(self._chain, ctypes.byref(array))
        return int(array.data[array.selected].id)
