from __future__ import annotations

import json

import pytest

from engine.conftest import request_for, sampling
from seedbed import registry
from seedbed.errors import NotFoundError, SourceError
from seedbed.records import SourceTask
from seedbed_backend.engine import open_engine
from seedbed_backend.engine.base import GenerationRequest

PASSAGE = "The buyer may return the goods within 14 days. A refund needs the receipt. Call us."


def answers(technique: str, n: int = 6) -> list[dict[str, str]]:
    spec = registry.technique(technique)
    source = SourceTask.of({spec.text_field: PASSAGE})
    request = GenerationRequest(
        spec.prompt(source, labels=("refund", "delivery")),
        sampling(),
        tuple((f"c{i}", i, i) for i in range(n)),
    )
    return [json.loads(c.text) for c in open_engine("echo").generate([request])]


@pytest.mark.parametrize("name", registry.techniques())
def test_answers_fit_the_schema_and_vary(name):
    spec = registry.technique(name)
    wanted = [f.name for f in spec.outputs(("refund", "delivery"))]
    found = answers(name)
    assert all(list(answer) == wanted for answer in found)
    assert len({json.dumps(answer) for answer in found}) > 2


def test_quotes_are_verbatim():
    assert all(answer["quote"] in PASSAGE for answer in answers("qa"))


def test_cut_at_max_tokens():
    (completion,) = open_engine("echo").generate([request_for(PASSAGE, 1, max_tokens=9)])
    assert (completion.finish_reason, completion.n_tokens) == ("length", 9)


def test_overflow_is_refused_at_once():
    engine = open_engine("echo", context_length=10)
    with pytest.raises(SourceError, match="tokens too long"):
        engine.generate([request_for(PASSAGE, 1)])


def test_unknown_engine_names_the_known():
    with pytest.raises(NotFoundError, match="echo, llama_cpp"):
        open_engine("nope")
