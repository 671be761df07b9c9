"""A small llama: RMSNorm, rotary attention, SwiGLU, one matrix for input and output embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Sizes of the model. All dimensions are multiples of 32, the block size of Q8_0."""

    vocabulary_size: int = 4096
    width: int = 256
    n_layers: int = 6
    n_heads: int = 4
    feed_forward_width: int = 704
    context_length: int = 1024
    rope_base: float = 10_000.0
    norm_epsilon: float = 1e-5

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.width // self.n_heads


def rotary_angles(config: ModelConfig) -> tuple[Tensor, Tensor]:
    """Return cosine and sine, shape (context_length, head_width / 2) each."""
    exponents = torch.arange(0, config.head_width, 2).float() / config.head_width
    angles = torch.outer(torch.arange(config.context_length).float(), config.rope_base**-exponents)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate neighbouring pairs (x0, x1), (x2, x3), … of `x`, shape (batch, heads, length, width).

    This is llama.cpp's own order for the llama architecture, so that the exported query and key
    matrices need no permutation.
    """
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2)


class Block(nn.Module):
    """One layer: attention and feed-forward, each behind a norm."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        d, f = config.width, config.feed_forward_width
        self.config = config
        self.attn_norm = nn.RMSNorm(d, eps=config.norm_epsilon)
        self.attn_q = nn.Linear(d, d, bias=False)
        self.attn_k = nn.Linear(d, d, bias=False)
        self.attn_v = nn.Linear(d, d, bias=False)
        self.attn_output = nn.Linear(d, d, bias=False)
        self.ffn_norm = nn.RMSNorm(d, eps=config.norm_epsilon)
        self.ffn_gate = nn.Linear(d, f, bias=False)
        self.ffn_up = nn.Linear(d, f, bias=False)
        self.ffn_down = nn.Linear(f, d, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Map (batch, length, width) to the same shape."""
        batch, length, width = x.shape
        shape = (batch, length, self.config.n_heads, self.config.head_width)
        h = self.attn_norm(x)
        q = rotate(self.attn_q(h).view(shape).transpose(1, 2), cos, sin)
        k = rotate(self.attn_k(h).view(shape).transpose(1, 2), cos, sin)
        v = self.attn_v(h).view(shape).transpose(1, 2)
        mixed = F.scaled_dot_product_attention(q, k, v.to(q.dtype), is_causal=True)
        x = x + self.attn_output(mixed.transpose(1, 2).reshape(batch, length, width))
        h = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(h)) * self.ffn_up(h))


class Llama(nn.Module):
    """The whole model."""

    cos: Tensor
    sin: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embd = nn.Embedding(config.vocabulary_size, config.width)
        self.blk = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.output_norm = nn.RMSNorm(config.width, eps=config.norm_epsilon)
        cos, sin = rotary_angles(config)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self.apply(self._initialise)

    def _initialise(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)

    def hidden(self, tokens: Tensor) -> Tensor:
        """Map token ids (batch, length) to the normed last layer (batch, length, width)."""
        length = tokens.shape[1]
        x = self.token_embd(tokens)
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        cos, sin = self.cos[:length].to(dtype), self.sin[:length].to(dtype)
        for block in self.blk:
            x = block(x, cos, sin)
        return self.output_norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """Score the vocabulary for hidden states (…, width)."""
        return F.linear(hidden, self.token_embd.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map token ids (batch, length) to logits (batch, length, vocabulary_size)."""
        return self.logits(self.hidden(tokens))


def load_model(checkpoint: Path) -> Llama:
    """Read the weights that train.py wrote."""
    state = torch.load(checkpoint, weights_only=True)
    model = Llama(ModelConfig(vocabulary_size=state["token_embd.weight"].shape[0]))
    model.load_state_dict(state)
    return model.eval()
