"""Writes a checkpoint as GGUF, for llama.cpp: matrices in Q8_0 (or F16, F32), norms in F32."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import click
import gguf
import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter
from tokenizers import Tokenizer

from model import Llama, ModelConfig, load_model
from tokenizer import CHAT_TEMPLATE, END_OF_TEXT, IM_END, SPECIAL_TOKENS, load_tokenizer

logger = logging.getLogger(__name__)
HERE = Path(__file__).parent

FORMATS = {
    "q8_0": (GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
    "f16": (GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    "f32": (GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32),
}
DESCRIPTION = (
    "A very small model for Seedbed's demo and tests, trained from scratch on generated service-"
    "contract clauses. It knows four tasks and nothing else."
)


def add_metadata(writer: GGUFWriter, config: ModelConfig) -> None:
    """Say what the model is and how large its parts are."""
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name("Seedbed demo")
    writer.add_author("The Seedbed authors")
    writer.add_license("apache-2.0")
    writer.add_description(DESCRIPTION)
    writer.add_languages(["en"])
    writer.add_context_length(config.context_length)
    writer.add_embedding_length(config.width)
    writer.add_block_count(config.n_layers)
    writer.add_feed_forward_length(config.feed_forward_width)
    writer.add_head_count(config.n_heads)
    writer.add_head_count_kv(config.n_heads)
    writer.add_layer_norm_rms_eps(config.norm_epsilon)
    writer.add_rope_freq_base(config.rope_base)
    writer.add_rope_dimension_count(config.head_width)
    writer.add_vocab_size(config.vocabulary_size)


def add_tokenizer(writer: GGUFWriter, tokenizer: Tokenizer) -> None:
    """Write the vocabulary, the merges and the chat template."""
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    model = tokenizer.to_str()
    merges = _merges(model)
    kinds = [
        gguf.TokenType.CONTROL if token in SPECIAL_TOKENS else gguf.TokenType.NORMAL
        for token, _ in vocabulary
    ]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list([token for token, _ in vocabulary])
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(tokenizer.token_to_id(END_OF_TEXT))
    writer.add_eos_token_id(tokenizer.token_to_id(IM_END))
    writer.add_eot_token_id(tokenizer.token_to_id(IM_END))
    writer.add_pad_token_id(tokenizer.token_to_id(END_OF_TEXT))
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def _merges(tokenizer_json: str) -> list[str]:
    pairs = json.loads(tokenizer_json)["model"]["merges"]
    return [pair if isinstance(pair, str) else " ".join(pair) for pair in pairs]


def export(model: Llama, tokenizer: Tokenizer, path: Path, kind: str) -> None:
    """Write the GGUF file."""
    matrix_type, file_type = FORMATS[kind]
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    writer = GGUFWriter(draft, "llama")
    add_metadata(writer, model.config)
    writer.add_file_type(file_type)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    add_tokenizer(writer, tokenizer)
    for name, tensor in model.state_dict().items():
        values = tensor.float().numpy()
        quantisation = matrix_type if values.ndim == 2 else GGMLQuantizationType.F32
        data: np.ndarray = gguf.quants.quantize(values, quantisation)
        writer.add_tensor(name, data, raw_dtype=quantisation)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    draft.replace(path)
    logger.info("%s: %.2f MB, %s", path.name, path.stat().st_size / 1e6, kind)


@click.command()
@click.argument("checkpoint", type=click.Path(exists=True, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--format", "kind", type=click.Choice(list(FORMATS)), default="q8_0")
def main(checkpoint: Path, out: Path, kind: str) -> None:
    """Write CHECKPOINT as the GGUF file OUT."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    export(load_model(checkpoint), load_tokenizer(HERE / "tokenizer.json"), out, kind)


if __name__ == "__main__":
    main()
