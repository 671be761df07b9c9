"""Many completions side by side: each comes out as it would alone, and nothing is left behind."""

from __future__ import annotations

import gc
import json
import random
from pathlib import Path

import pytest

from engine.conftest import SCHEMA, request_for
from engine.tiny_gguf import write
from seedbed.errors import ModelError
from seedbed_backend.engine import memory, open_engine

pytestmark = pytest.mark.integration

DEMO_MODEL = Path(__file__).parents[2] / "demo/model/seedbed-demo.gguf"


def load(path, **options):
    return open_engine(
        "llama_cpp", model_path=path, **{"context_length": 2048, "n_threads": 1, **options}
    )


def texts_by_id(engine, requests) -> dict[str, str]:
    return {c.id: c.text for c in engine.generate(requests)}


def varied_requests(n: int, seed: int = 0, most_tokens: int = 120):
    """Prompts from a few tokens to several pieces, with and without a common start."""
    rng = random.Random(seed)
    requests = []
    for i in range(n):
        system = "A system prompt that many share. " * rng.choice((0, 1, 12))
        user = f"{i:04} " + "some words " * rng.choice((0, 1, 9, 40))
        requests.append(
            request_for(
                user,
                rng.randint(1, 6),
                system=system,
                schema=rng.choice(({}, SCHEMA)),
                max_tokens=rng.randint(1, most_tokens),
                temperature=rng.choice((0.0, 0.7, 1.2)),
                repeat_penalty=rng.choice((1.0, 1.1)),
                min_p=rng.choice((0.0, 0.05)),
                top_k=rng.choice((0, 40)),
            )
        )
    return requests


@pytest.mark.parametrize("model", ["tiny", "demo"])
def test_text_does_not_depend_on_what_is_generated_beside_it(model, tiny_model):
    path = tiny_model if model == "tiny" else DEMO_MODEL
    requests = varied_requests(12) if model == "tiny" else varied_requests(8, most_tokens=60)
    options = {"context_length": 2048 if model == "tiny" else 1024}
    alone = load(path, n_slots=1, **options)
    expected = texts_by_id(alone, requests)
    alone.close()
    assert len(set(expected.values())) > len(requests)
    for n_slots in (2, 5, 16):
        engine = load(path, n_slots=n_slots, **options)
        assert texts_by_id(engine, requests) == expected
        assert texts_by_id(engine, requests[::-1]) == expected
        engine.close()


def test_engines_side_by_side_do_not_meet(tiny_model, tmp_path):
    other_model = write(tmp_path / "other.gguf", rng_seed=7)
    one, other = load(tiny_model), load(other_model)
    requests = varied_requests(6)
    expected = texts_by_id(one, requests), texts_by_id(other, requests)
    ones, others = {}, {}
    iterators = [(one.generate(requests), ones), (other.generate(requests), others)]
    while iterators:
        for iterator, found in list(iterators):
            completion = next(iterator, None)
            if completion is None:
                iterators.remove((iterator, found))
            else:
                found[completion.id] = completion.text
    assert (ones, others) == expected
    one.close()
    assert texts_by_id(other, requests) == expected[1]
    other.close()


def test_500_mixed_requests_with_cancellations_and_a_model_that_never_stops(tmp_path):
    engine = load(write(tmp_path / "endless.gguf", leaning=""), n_slots=7)
    requests = varied_requests(500, most_tokens=40)
    rng = random.Random(1)
    cancelled, finished = 0, {}
    while requests:
        call, requests = requests[: rng.randint(1, 60)], requests[60:]
        iterator = engine.generate(call)
        n_wanted = sum(len(r.wanted) for r in call)
        n_taken = rng.choice((n_wanted, n_wanted, rng.randint(0, n_wanted)))
        for _ in range(n_taken):
            completion = next(iterator)
            finished[completion.id] = completion
        cancelled += n_wanted - n_taken
        if n_taken == n_wanted:
            assert next(iterator, None) is None
        iterator.close()
    assert cancelled > 50
    assert len(finished) > 300
    asked = {r.wanted[0][0].rsplit("-", 1)[0]: r for r in varied_requests(500, most_tokens=40)}
    for completion in finished.values():
        sampling = asked[completion.id.rsplit("-", 1)[0]].sampling
        assert completion.n_tokens <= sampling.max_tokens
        assert completion.finish_reason in {"stop", "length"}
        if completion.finish_reason == "length":
            assert completion.n_tokens == sampling.max_tokens
    assert sum(c.finish_reason == "length" for c in finished.values()) > 200
    engine.close()


def test_engine_closed_in_the_middle_says_so(tiny_model):
    engine = load(tiny_model)
    running = engine.generate(varied_requests(9))
    next(running)
    engine.close()
    with pytest.raises(ModelError, match="is closed"):
        list(running)


def test_many_completions_of_a_prompt_come_out_the_same_again(tiny_model):
    engine = load(tiny_model)
    requests = [request_for(f"{i} text " * 60, 20, max_tokens=30) for i in range(4)]
    expected = texts_by_id(engine, requests)
    assert engine._contexts[0].is_shared
    other = varied_requests(4)
    assert texts_by_id(engine, other) == texts_by_id(engine, other)
    assert not engine._contexts[0].is_shared
    assert texts_by_id(engine, requests) == expected
    assert texts_by_id(engine, requests) == expected
    assert len(set(expected.values())) > 70
    # Short and long prompts, short and long answers, in one call.
    mixed = [
        request_for(f"{i:08}" + "x" * (i % 7 * 50), 8 + i % 5, max_tokens=5 + i) for i in range(20)
    ]
    assert len(texts_by_id(engine, mixed)) == sum(len(r.wanted) for r in mixed)
    engine.close()


def test_abandoned_iterator_frees_the_engine(tiny_model):
    engine = load(tiny_model)
    next(engine.generate(varied_requests(3)))
    gc.collect()
    assert len(texts_by_id(engine, varied_requests(3))) > 3
    engine.close()


def test_completions_come_as_they_finish(tiny_model):
    engine = load(tiny_model, n_slots=4)
    requests = [request_for("long", 2, schema={}, max_tokens=300, temperature=2.0, min_p=0.0)]
    requests.append(request_for("short", 2, max_tokens=3))
    order = [c.id for c in engine.generate(requests)]
    assert {id_[:5] for id_ in order[:2]} == {"short"}
    engine.close()


def test_request_for_nothing_gives_nothing(tiny_model):
    engine = load(tiny_model)
    assert list(engine.generate([])) == []
    assert list(engine.generate([request_for("x", 0)])) == []
    engine.close()


def test_every_answer_that_ended_by_itself_parses(tiny_model):
    engine = load(tiny_model)
    schema = {**SCHEMA, "properties": {**SCHEMA["properties"], "note": {"type": "string"}}}
    schema["properties"]["question"] = {"type": "string", "minLength": 1, "maxLength": 40}
    schema["required"] = list(schema["properties"])
    wild = {"temperature": 1.0, "min_p": 0.0, "max_tokens": 600, "schema": schema}
    found = list(engine.generate([request_for(f"{i} text", 8, **wild) for i in range(15)]))
    finished = [c for c in found if c.finish_reason == "stop"]
    assert len(found) == 120
    assert len(finished) > 50
    for completion in finished:
        answer = json.loads(completion.text)
        assert list(answer) == schema["required"]
        assert "\x7f" not in completion.text
    engine.close()


@pytest.mark.slow
def test_memory_stays_flat_over_5000_completions(tiny_model):
    engine = load(tiny_model)
    resident = []
    for i in range(50):
        requests = [request_for(f"{i} {j} text", 10, max_tokens=24) for j in range(10)]
        assert len(texts_by_id(engine, requests)) == 100
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        resident.append(pages * 4096)
    # The first calls fill caches; from then on 4,500 completions may not take 4 MB.
    assert resident[-1] - resident[4] < 4e6
    engine.close()


def test_closing_gives_the_memory_back(tiny_model):
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    for i in range(24):
        engine = load(tiny_model)
        texts_by_id(engine, [request_for("x", 20, max_tokens=4)])
        engine.close()
        del engine
        if i == 3:
            before = resident()
    assert resident() - before < 8e6


def test_context_that_does_not_fit_says_what_would(tiny_model, monkeypatch):
    # 2 layers x 4 heads x 16 values, keys and values, 2 bytes each: 512 bytes a token.
    monkeypatch.setattr(memory, "available_bytes", lambda: 1_000_000)
    with pytest.raises(Exception, match="does not fit into memory") as error:
        load(tiny_model, context_length=2048)
    assert "SEEDBED_CONTEXT_LENGTH=768" in str(error.value)
    load(tiny_model, context_length=768).close()


def test_fewer_slots_where_memory_is_short(tiny_model, monkeypatch):
    requests = varied_requests(6)
    engine = load(tiny_model)
    expected = texts_by_id(engine, requests)
    engine.close()
    monkeypatch.setattr(memory, "available_bytes", lambda: 4_000_000)
    engine = load(tiny_model)
    assert texts_by_id(engine, requests) == expected
    assert engine._contexts[0].n_slots < 8
    engine.close()
