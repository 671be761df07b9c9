"""Writes GGUF models with random weights: real files for the real llama.cpp."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

U32, F32, BOOL, STRING, ARRAY = 4, 6, 7, 8, 9
I32 = 5
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def byte_letters() -> list[str]:
    """GPT-2's printable stand-in for each of the 256 bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    return [chr(b) if b in printable else chr(next(spare)) for b in range(256)]


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(kind: int, value) -> bytes:
    if kind == STRING:
        return _string(value)
    return struct.pack({U32: "<I", I32: "<i", F32: "<f", BOOL: "<?"}[kind], value)


def _pair(key: str, kind: int, value) -> bytes:
    head = _string(key) + struct.pack("<I", kind)
    if kind != ARRAY:
        return head + _value(kind, value)
    item_kind, items = value
    body = b"".join(_value(item_kind, item) for item in items)
    return head + struct.pack("<IQ", item_kind, len(items)) + body


def write(
    path: Path,
    *,
    architecture: str = "llama",
    template: str | None = CHATML,
    vocabulary: str = "gpt2",
    n_context: int = 2048,
    name: str = "tiny",
    n_layers: int = 2,
    extra: tuple[tuple[str, int, object], ...] = (),
    rng_seed: int = 0,
    leaning: str = '"',
    more_specials: tuple[str, ...] = (),
) -> Path:
    """Write a byte-level model that has a leaning to one token: to close strings, so that answers end.

    `more_specials` are further control tokens; `leaning` "" makes a model that hardly ever ends.
    """
    letters = byte_letters()
    tokens = [*letters, *SPECIALS, *more_specials]
    width, n_hidden, n_heads = 64, 128, 4
    arch = architecture
    pairs = [
        ("general.architecture", STRING, arch),
        ("general.name", STRING, name),
        (f"{arch}.context_length", U32, n_context),
        (f"{arch}.embedding_length", U32, width),
        (f"{arch}.block_count", U32, n_layers),
        (f"{arch}.feed_forward_length", U32, n_hidden),
        (f"{arch}.attention.head_count", U32, n_heads),
        (f"{arch}.attention.head_count_kv", U32, n_heads),
        (f"{arch}.attention.layer_norm_rms_epsilon", F32, 1e-5),
        (f"{arch}.rope.dimension_count", U32, width // n_heads),
        ("tokenizer.ggml.model", STRING, vocabulary),
        ("tokenizer.ggml.pre", STRING, "gpt-2"),
        ("tokenizer.ggml.tokens", ARRAY, (STRING, tokens)),
        ("tokenizer.ggml.token_type", ARRAY, (I32, [1] * 256 + [3] * (len(tokens) - 256))),
        # llama.cpp wants at least one merge
        ("tokenizer.ggml.merges", ARRAY, (STRING, [f"{letters[0]} {letters[1]}"])),
        ("tokenizer.ggml.bos_token_id", U32, 256),
        ("tokenizer.ggml.eos_token_id", U32, 258),
        ("tokenizer.ggml.add_bos_token", BOOL, False),
        *extra,
    ]
    if template is not None:
        pairs.append(("tokenizer.chat_template", STRING, template))
    rng = np.random.default_rng(rng_seed)

    def matrix(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.25, shape).astype(np.float32)

    embedding, output = matrix(len(tokens), width), matrix(len(tokens), width)
    embedding[:, 0] = 4.0  # a constant that survives the layers ...
    output[:, 0] = 0.0
    if leaning:
        output[tokens.index(leaning), 0] = 1.6  # ... and leans towards the closing quote
    tensors = {"token_embd.weight": embedding, "output.weight": output}
    tensors["output_norm.weight"] = np.ones(width, np.float32)
    for i in range(n_layers):
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            tensors[f"blk.{i}.{part}.weight"] = matrix(width, width)
        tensors[f"blk.{i}.ffn_gate.weight"] = matrix(n_hidden, width)
        tensors[f"blk.{i}.ffn_up.weight"] = matrix(n_hidden, width)
        tensors[f"blk.{i}.ffn_down.weight"] = matrix(width, n_hidden)
        tensors[f"blk.{i}.attn_norm.weight"] = np.ones(width, np.float32)
        tensors[f"blk.{i}.ffn_norm.weight"] = np.ones(width, np.float32)
    path.write_bytes(_file(pairs, tensors))
    return path


def _file(pairs, tensors) -> bytes:
    infos, data = b"", b""
    for name, tensor in tensors.items():
        shape = tensor.shape[::-1]
        infos += _string(name) + struct.pack("<I", len(shape))
        infos += struct.pack(f"<{len(shape)}Q", *shape) + struct.pack("<IQ", 0, len(data))
        data += tensor.tobytes()
        data += b"\0" * (-len(data) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs))
    head += b"".join(_pair(*pair) for pair in pairs) + infos
    return head + b"\0" * (-len(head) % 32) + data
