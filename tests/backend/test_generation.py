"""Completions are stored in small groups beside the engine; peers are drawn without reading all."""

import time
from collections import Counter
from itertools import count

import pytest

from seedbed import recipe
from seedbed.records import Completion, Message, Prompt, SourceTask
from seedbed_backend import generation
from seedbed_backend.engine.base import (
    GenerationRequest,
    LoadOptions,
    ModelInfo,
    SamplingParams,
)
from seedbed_backend.engine.echo import Echo
from seedbed_backend.feedback import Feedback, FewShot
from seedbed_backend.generation import Peers, build_requests
from seedbed_backend.store import Effort, Project, Store


def completion(n):
    return Completion(str(n), "s", "p", n, "text", "stop", n)


def engine(n, pause=0.0):
    for i in range(n):
        time.sleep(pause)
        yield completion(i), Effort(seconds=1.0, n_tokens=2)


def test_groups_are_small_and_all_is_saved_when_it_returns():
    groups, efforts = [], []

    def save(completions, effort):
        groups.append(len(completions))
        efforts.append(effort)

    generation.in_groups(engine(50), save)
    assert sum(groups) == 50
    assert max(groups) <= generation.GROUP_SIZE
    assert sum(efforts, Effort()) == Effort(seconds=50.0, n_tokens=100)


def test_nothing_waits_longer_than_a_second_even_if_nothing_follows():
    saved = []

    def slow():
        yield completion(0), Effort()
        deadline = time.monotonic() + 5
        while not saved and time.monotonic() < deadline:
            time.sleep(0.02)
        assert saved, "the first completion was not saved while the second was made"
        yield completion(1), Effort()

    started = time.monotonic()
    generation.in_groups(slow(), lambda completions, _: saved.append(len(completions)))
    assert saved == [1, 1]
    assert time.monotonic() - started < 4


def test_a_store_that_fails_ends_the_generation():
    made = []

    def endless():
        for i in count():
            made.append(i)
            time.sleep(0.001)
            yield completion(i), Effort()

    def save(completions, effort):
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        generation.in_groups(endless(), save)
    assert len(made) < 2000


def test_what_was_made_before_the_engine_failed_is_saved():
    saved = []

    def failing():
        yield from engine(5)
        raise ValueError("out of memory")

    with pytest.raises(ValueError, match="out of memory"):
        generation.in_groups(failing(), lambda completions, _: saved.extend(completions))
    assert len(saved) == 5


class Recording:
    """The echo engine, which notes how often it is asked."""

    def __init__(self, context_length):
        self.echo = Echo(LoadOptions(context_length=context_length))
        self.calls = []

    def __getattr__(self, name):
        return getattr(self.echo, name)

    def generate(self, requests):
        self.calls.append([request.prompt.source_id for request in requests])
        return self.echo.generate(requests)


def a_request(source_id, text):
    prompt = Prompt(source_id, (Message("user", text),), {})
    sampling = SamplingParams(0.8, 0.95, 0, 0.05, 1.0, 20)
    return GenerationRequest(prompt, sampling, ((f"{source_id}0", 0, 1), (f"{source_id}1", 1, 2)))


def test_the_engine_gets_all_that_is_missing_and_fits_at_once():
    engine = Recording(context_length=50)
    requests = [
        a_request("a", "Short enough to fit."),
        a_request("b", "word " * 100),
        a_request("c", "This one is done already."),
        a_request("d", "And one more that fits."),
    ]
    made = dict(generation.complete(engine, requests, {"c0", "c1", "d0"}))
    assert engine.calls == [["a", "d"]]
    assert {c.id for c in made} == {"a0", "a1", "b0", "b1", "d1"}
    too_long = [c for c in made if c.finish_reason == "prompt_too_long"]
    assert {c.text for c in too_long} == {"70 tokens too long for a context of 50"}
    assert {c.source_id for c in too_long} == {"b"}
    effort = sum(made.values(), Effort())
    assert effort.n_tokens == engine.usage.n_tokens == sum(c.n_tokens for c in made)


def test_where_nothing_is_missing_the_engine_is_not_asked():
    engine = Recording(context_length=50)
    request = a_request("a", "Done.")
    assert list(generation.complete(engine, [request], {"a0", "a1"})) == []
    assert engine.calls == []


GROUPS = {f"a{i}": "a" for i in range(6)} | {f"b{i}": "b" for i in range(30)}


def test_half_of_the_peers_are_of_the_own_group_and_none_is_the_source_itself():
    peers = Peers(GROUPS, 5).choose("run", "a0", 0)
    assert len(set(peers)) == 5
    assert "a0" not in peers
    assert sum(GROUPS[peer] == "a" for peer in peers) >= 3


def test_peers_are_the_same_again_and_others_later():
    def chosen(index, run="run"):
        return Peers(GROUPS, 9).choose(run, "b3", index)

    assert chosen(0) == chosen(0)
    assert chosen(0) != chosen(4)
    assert chosen(0) != chosen(0, "another run")


def test_few_sources_give_few_peers():
    assert sorted(Peers({"x": "", "y": "", "z": ""}, 9).choose("run", "x", 0)) == ["y", "z"]
    assert Peers({"x": ""}, 9).choose("run", "x", 0) == []
    assert Peers({}, 0).choose("run", "x", 0) == []


def test_every_other_source_is_shown_about_as_often():
    chooser = Peers({f"s{i}": "" for i in range(10)}, 3)
    seen = Counter(peer for i in range(900) for peer in chooser.choose("run", "s0", i))
    assert set(seen) == {f"s{i}" for i in range(1, 10)}
    assert max(seen.values()) < 1.4 * min(seen.values())


def test_a_prompt_says_which_other_sources_it_shows(tmp_path):
    plan = recipe.parse({"technique": "expand", "n_peers": 3})
    store = Store.open(f"sqlite:///{tmp_path}/store.sqlite3")
    store.migrate()
    document = plan.model_dump(mode="json")
    store.save_project(Project("p", "p", "expand", document, plan.hash, "http://ls", 1, 2))
    sources = [SourceTask.of({"seed": f"Seed number {n}."}) for n in range(9)]
    store.add_sources("p", sources)
    corrected = FewShot("c", sources[1].id, sources[1].fields, {"example": "Another one."})
    asked = build_requests(
        store,
        "p",
        "run",
        plan,
        [(sources[0].id, 0, 2)],
        ModelInfo("m", "0" * 64, 4096),
        Feedback((corrected,)),
    )
    [prompt] = [request.prompt for request in asked]
    text = "".join(message.content for message in prompt.messages)
    shown = {s.id for s in sources if s.fields["seed"] in text} - {sources[0].id}
    assert set(prompt.shown_sources) == shown
    assert len(shown) in (3, 4)  # the corrected one may be a peer as well
    made = asked[0].completion(asked[0].wanted[0], "text", "stop")
    assert made.shown_sources == prompt.shown_sources
    store.close()
