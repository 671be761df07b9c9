"""Completions are stored in small groups beside the engine; peers are drawn without reading all."""

import time
from collections import Counter
from itertools import count

import pytest

from seedbed.records import Completion
from seedbed_backend import generation
from seedbed_backend.generation import Peers
from seedbed_backend.store import Effort


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
