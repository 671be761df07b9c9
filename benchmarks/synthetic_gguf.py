"""Writes GGUF models with random weights in the shapes of well-known small models.

Speed depends on shapes, quantization and vocabulary, not on what the weights say, so that anyone can
measure without downloading a model. Weights are Q4_0, the embedding Q8_0, norms and biases F32.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np

VERSION = 1
"""Changes when the same shape gives another file."""

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
LETTERS = "etaoinshrdlucmfwypvbgkqjxz"
_BLOCK = 32
_SHARPNESS = 6.0
"""Factor on the logits: a spread of about 4, as trained models have it, instead of 0.6."""

_SCALE = 0.02
"""Standard deviation of the weights, about what small models are initialised with."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes that decide how fast a model is."""

    name: str
    architecture: str
    n_layers: int
    width: int
    n_heads: int
    n_kv_heads: int
    n_hidden: int
    n_vocab: int
    has_bias: bool = False


SMALL = Shape("360M-32k", "llama", 32, 960, 15, 5, 2560, 32_000)
"""SmolLM2-360M with a vocabulary of 32,000."""

WIDE = Shape("0.5B-152k", "qwen2", 24, 896, 14, 2, 4864, 151_936, has_bias=True)
"""Qwen2.5-0.5B with its vocabulary of 151,936."""


def write(path: Path, shape: Shape, *, n_context: int = 32_768, rng_seed: int = 0) -> Path:
    """Write the model, which takes a few seconds; the same arguments give the same bytes."""
    rng = np.random.default_rng(rng_seed)
    writer = gguf.GGUFWriter(path, shape.architecture)
    writer.add_name(shape.name)
    writer.add_context_length(n_context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.n_layers)
    writer.add_feed_forward_length(shape.n_hidden)
    writer.add_head_count(shape.n_heads)
    writer.add_head_count_kv(shape.n_kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(shape.width // shape.n_heads)
    writer.add_chat_template(CHATML)
    _add_vocabulary(writer, shape.n_vocab)

    def q4(name: str, n_rows: int, n_columns: int) -> None:
        n_blocks = n_rows * n_columns // _BLOCK
        blocks = np.empty((n_blocks, 18), np.uint8)
        # A nibble is 0-15 around 8, so uniform with a standard deviation of 4.6.
        blocks[:, :2] = np.frombuffer(np.float16(_SCALE / 4.6).tobytes(), np.uint8)
        blocks[:, 2:] = rng.integers(0, 256, (n_blocks, 16), np.uint8)
        data = blocks.reshape(n_rows, -1)
        writer.add_tensor(name, data, raw_dtype=gguf.GGMLQuantizationType.Q4_0)

    def q8(name: str, n_rows: int, n_columns: int) -> None:
        n_blocks = n_rows * n_columns // _BLOCK
        blocks = np.empty((n_blocks, 34), np.uint8)
        # Uniform in -127..127 has a standard deviation of 73.
        blocks[:, :2] = np.frombuffer(np.float16(_SCALE / 73).tobytes(), np.uint8)
        blocks[:, 2:] = rng.integers(-127, 128, (n_blocks, 32), np.int8).view(np.uint8)
        data = blocks.reshape(n_rows, -1)
        writer.add_tensor(name, data, raw_dtype=gguf.GGMLQuantizationType.Q8_0)

    n_kv = shape.width // shape.n_heads * shape.n_kv_heads
    q8("token_embd.weight", shape.n_vocab, shape.width)
    writer.add_tensor("output_norm.weight", np.full(shape.width, _SHARPNESS, np.float32))
    for i in range(shape.n_layers):
        q4(f"blk.{i}.attn_q.weight", shape.width, shape.width)
        q4(f"blk.{i}.attn_k.weight", n_kv, shape.width)
        q4(f"blk.{i}.attn_v.weight", n_kv, shape.width)
        q4(f"blk.{i}.attn_output.weight", shape.width, shape.width)
        q4(f"blk.{i}.ffn_gate.weight", shape.n_hidden, shape.width)
        q4(f"blk.{i}.ffn_up.weight", shape.n_hidden, shape.width)
        q4(f"blk.{i}.ffn_down.weight", shape.width, shape.n_hidden)
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{i}.{norm}.weight", np.ones(shape.width, np.float32))
        if shape.has_bias:
            for part, size in (("q", shape.width), ("k", n_kv), ("v", n_kv)):
                writer.add_tensor(f"blk.{i}.attn_{part}.bias", np.zeros(size, np.float32))
    partial = path.with_suffix(".partial")
    writer.write_header_to_file(partial)
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return partial.rename(path)


def _add_vocabulary(writer: gguf.GGUFWriter, n_vocab: int) -> None:
    """Bytes, then letters in growing strings, with and without a leading space, as BPE makes them."""
    tokens = _byte_letters()
    space = tokens[ord(" ")]
    merges = []
    n_words = n_vocab - len(tokens) - len(SPECIALS)
    known = set(tokens)
    for length in itertools.count(2):
        for letters in itertools.product(LETTERS, repeat=length - 1):
            tail = "".join(letters)
            for head in (space, *LETTERS):
                word = head + tail
                if word[:-1] in known and len(merges) < n_words:
                    merges.append(f"{word[:-1]} {word[-1]}")
                    known.add(word)
                    tokens.append(word)
        if len(merges) >= n_words:
            break
    n_normal = len(tokens)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([*tokens, *SPECIALS])
    writer.add_token_types([gguf.TokenType.NORMAL] * n_normal + [gguf.TokenType.CONTROL] * 3)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(n_normal)
    writer.add_eos_token_id(n_normal + 2)
    writer.add_add_bos_token(False)


def _byte_letters() -> list[str]:
    """GPT-2's printable stand-in for each of the 256 bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    return [chr(b) if b in printable else chr(next(spare)) for b in range(256)]
