"""Every registered engine keeps the protocol's promises; none is listed here."""

from __future__ import annotations

import json

import jsonschema
import pytest

from engine.tiny_gguf import write
from growing import MODEL
from seedbed import registry
from seedbed.errors import SourceError
from seedbed.records import SourceTask
from seedbed_backend.engine import engines, open_engine
from seedbed_backend.engine.base import GenerationRequest, SamplingParams
from servers.model_servers import start_llama_server

SAMPLING = SamplingParams(
    temperature=0.8, top_p=0.95, top_k=0, min_p=0.05, repeat_penalty=1.0, max_tokens=600
)


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    return write(tmp_path_factory.mktemp("contract") / "tiny.gguf")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """What an engine without a model file asks; its own parser refuses what random weights write."""
    longer = ("--override-kv", "llama.context_length=int:2048")
    server = start_llama_server(MODEL, tmp_path_factory.mktemp("server"), *longer, n_context=2048)
    yield server
    server.stop()


@pytest.fixture(scope="module", params=engines())
def engine(request, model_path, server):
    engine = open_engine(
        request.param, model_path=model_path, context_length=2048, endpoints=(server.url,)
    )
    yield engine
    engine.close()


def request_for(text: str, n: int = 4) -> GenerationRequest:
    spec = registry.technique("paraphrase")
    prompt = spec.prompt(SourceTask.of({"original": text}))
    return GenerationRequest(prompt, SAMPLING, tuple((f"id{i}", i, i * 7) for i in range(n)))


def test_says_what_it_is(engine):
    assert engines()[engine.name] is type(engine)
    assert engine.name == type(engine).__module__.rpartition(".")[2]
    assert engine.help.endswith((".", "U"))
    assert len(engine.model.sha256) == 64
    assert int(engine.model.sha256, 16)
    assert engine.model.name
    assert engine.model.context_length == 2048
    assert engine.model == engine.model


def test_one_completion_for_each_wanted_id(engine):
    requests = [
        request_for("The shop opens at 9."),
        request_for("Das Café ist zu. 漢字"),
    ]
    wanted = {(r.prompt.source_id, *w) for r in requests for w in r.wanted}
    completions = list(engine.generate(requests))
    assert {(c.source_id, c.id, c.index, c.rng_seed) for c in completions} == wanted
    assert len(completions) == len(wanted)
    assert {c.prompt_hash for c in completions} == {r.prompt.hash for r in requests}
    assert all(c.n_prompt_tokens > 0 and c.n_tokens > 0 and c.seconds >= 0 for c in completions)


def test_finished_completions_fit_the_schema(engine):
    request = request_for("The shop opens at 9.", 30)
    finished = [c for c in engine.generate([request]) if c.finish_reason == "stop"]
    assert finished
    for completion in finished:
        jsonschema.validate(json.loads(completion.text), dict(request.prompt.schema))
        completion.text.encode()


def test_same_request_same_text(engine):
    def ask():
        return {c.id: c.text for c in engine.generate([request_for("The shop opens at 9.")])}

    first = ask()
    list(engine.generate([request_for("Something else altogether.", 1)]))
    assert ask() == first


def test_longer_prompts_count_more_and_too_long_ones_are_refused(engine):
    short, long = request_for("one two"), request_for("one two " * 3000)
    assert 0 < engine.count_tokens(short.prompt) < engine.count_tokens(long.prompt)
    with pytest.raises(SourceError, match=long.prompt.source_id):
        engine.generate([short, long])


def test_says_what_it_chose_for_this_machine(engine):
    assert engine.describe()
    assert all(line.strip() == line for line in engine.describe())


def test_nothing_wanted_nothing_made(engine):
    assert list(engine.generate([])) == []
    assert list(engine.generate([request_for("x", 0)])) == []
