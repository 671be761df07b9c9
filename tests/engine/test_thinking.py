"""Models that think before they answer: what they think is never part of the answer."""

from __future__ import annotations

import json

import pytest

from engine.conftest import request_for
from engine.tiny_gguf import CHATML, write
from seedbed_backend.engine import open_engine
from seedbed_backend.parsing import parse

pytestmark = pytest.mark.integration

# As Qwen3's: thinks unless told otherwise.
SWITCHED = CHATML.replace(
    "<|im_start|>assistant\n",
    "<|im_start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}"
    "<think>\n\n</think>\n\n{% endif %}",
)
# As DeepSeek-R1's: the thought is always opened.
OPENED = CHATML.replace("<|im_start|>assistant\n", "<|im_start|>assistant\n<think>\n")
# Names the tags only to leave earlier thoughts out.
STRIPPING = CHATML.replace("{{ m.content }}", "{{ m.content.split('</think>')[-1] }}")
TEMPLATES = {"switched": SWITCHED, "opened": OPENED, "stripping": STRIPPING}


@pytest.fixture(scope="module", params=TEMPLATES)
def thinker(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("thinker") / "m.gguf"
    write(path, template=TEMPLATES[request.param], more_specials=("<think>", "</think>"))
    engine = open_engine("llama_cpp", model_path=path, n_threads=1)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def closer(tmp_path_factory):
    """A model that likes to close its thoughts."""
    path = tmp_path_factory.mktemp("closer") / "m.gguf"
    write(path, template=SWITCHED, more_specials=("<think>", "</think>"), leaning="</think>")
    engine = open_engine("llama_cpp", model_path=path, n_threads=1)
    yield engine
    engine.close()


def prompt_text(engine, is_thinking: bool) -> str:
    tokens = engine._tokenize(request_for("hello").prompt, is_thinking)
    return engine._model.bytes_of(tokens, with_control=True).decode()


def test_off_closes_the_thought_before_it_began(thinker):
    assert prompt_text(thinker, False).endswith("assistant\n<think>\n\n</think>\n\n")
    found = list(thinker.generate([request_for("hello", 8)]))
    assert all(c.text.startswith('{"question": "') for c in found)
    assert {c.reasoning for c in found} == {""}


def test_allowed_thought_is_opened_once(thinker):
    assert prompt_text(thinker, True).endswith("assistant\n<think>\n")


def test_budget_closes_the_thought_and_the_answer_follows(thinker):
    request = request_for("hello", 8, max_thought_tokens=20)
    for completion in thinker.generate([request]):
        assert len(completion.reasoning) <= 20
        assert "think>" not in completion.text
        if completion.finish_reason == "stop":
            assert list(json.loads(completion.text)) == ["question", "label"]
            assert completion.n_tokens > 20


def test_thought_that_is_never_closed_is_a_reason_of_its_own(thinker):
    request = request_for("hello", 4, max_thought_tokens=30, closes_thoughts=False)
    for completion in thinker.generate([request]):
        assert (completion.finish_reason, completion.text) == ("unclosed_thought", "")
        assert completion.reasoning
        assert parse(completion, request.prompt.schema) == (None, "unclosed_thought")


def test_thought_that_closes_by_itself_is_kept_apart(closer):
    request = request_for("hello", 20, max_thought_tokens=300, closes_thoughts=False)
    found = list(closer.generate([request]))
    finished = [c for c in found if c.text]
    assert len(finished) > 15
    for completion in finished:
        assert completion.text.startswith('{"question": "')
        assert "</think>" not in completion.text + completion.reasoning


def test_free_text_is_kept_apart_too(closer):
    request = request_for("hello", 8, schema={}, max_tokens=5, max_thought_tokens=300)
    for completion in closer.generate([request]):
        assert "</think>" not in completion.text
        assert completion.n_tokens > 0


def test_thought_counts_towards_what_must_fit(thinker):
    fits = request_for("hello", 1, max_tokens=1000)
    thinking = request_for("hello", 1, max_tokens=1000, max_thought_tokens=1000)
    assert thinker.excess_tokens(fits) == 0
    assert thinker.excess_tokens(thinking) > 0


def test_model_that_does_not_think_answers_at_once(engine):
    request = request_for("hello", 4, max_thought_tokens=50)
    assert all(c.text.startswith('{"question": "') for c in engine.generate([request]))
