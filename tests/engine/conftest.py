"""A tiny model for the real llama.cpp, and requests to put to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.tiny_gguf import write
from seedbed.records import Message, Prompt
from seedbed_backend.engine import open_engine
from seedbed_backend.engine.base import Engine, GenerationRequest, SamplingParams

SCHEMA = {
    "type": "object",
    "properties": {
        "question": {"type": "string", "minLength": 1, "maxLength": 400},
        "label": {"type": "string", "enum": ["billing", "Zürich", 'a "b"\\c']},
    },
    "required": ["question", "label"],
    "additionalProperties": False,
}


def sampling(**changes) -> SamplingParams:
    values = {
        "temperature": 0.9, "top_p": 0.95, "top_k": 0, "min_p": 0.02, "repeat_penalty": 1.0,
        "max_tokens": 400,
    }  # fmt: skip
    return SamplingParams(**{**values, **changes})


def request_for(user: str, n: int = 4, *, schema=SCHEMA, system="Answer as JSON.", **changes):
    prompt = Prompt(
        f"source-{user[:8]}", (Message("system", system), Message("user", user)), schema
    )
    wanted = tuple((f"{user[:8]}-{i}", i, 100 + i) for i in range(n))
    return GenerationRequest(prompt, sampling(**changes), wanted)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture(scope="module")
def engine(tiny_model) -> Engine:
    engine = open_engine("llama_cpp", model_path=tiny_model, n_threads=1, context_length=2048)
    yield engine
    engine.close()
