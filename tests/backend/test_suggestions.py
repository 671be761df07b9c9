"""What is suggested for review: what is nearer to a rejected candidate than to an accepted one."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from backend import grown
from over_wsgi import client_of
from seedbed.commands import suggest as suggest_command
from seedbed.errors import SeedbedError, UserError
from seedbed.records import Verdict
from seedbed_backend import analyses, neighbours, suggestions
from seedbed_backend.routes import reports
from seedbed_backend.routes import suggestions as routes
from seedbed_backend.store import Analysis


def unit(*degrees: float):
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_what_is_nearest_to_a_rejected_one_comes_first():
    found = suggestions.like_rejected(unit(5, 50, 20), rejected=unit(0), accepted=unit(90))
    assert [(row, other) for row, other, _ in found] == [(0, 0), (2, 0)]
    assert [cosine for *_, cosine in found] == pytest.approx([0.9962, 0.9397], abs=1e-4)


def test_without_accepted_ones_everything_is_nearer_to_a_rejected_one():
    found = suggestions.like_rejected(unit(80, 10), unit(0, 85), np.zeros((0, 2), np.float32))
    assert [(row, other) for row, other, _ in found] == [(0, 1), (1, 0)]


def test_one_flaw_does_not_fill_the_list():
    near = [(row, 0, 0.9) for row in range(9)] + [(9, 1, 0.5)]
    chosen = suggestions.spread(near, 7)
    assert [row for row, *_ in chosen] == [0, 1, 2, 3, 4, 9]
    assert len(suggestions.spread(near, 3)) == 3


@pytest.fixture
def project(tmp_path):
    neighbours._loaded.clear()
    services, project, _ = grown.grow(
        f"sqlite:///{tmp_path}/store.db", n_sources=8, keep_fraction=1.0, review_fraction=0.2
    )
    yield services, project
    services.store.close()


def suggest(services, n=20, name="a1"):
    services.store.add_analysis(Analysis(name, "p1", "suggestions", {"n": n}))
    return suggestions.perform(services, services.store.analysis(name))


def judge(services, stored, status, reasons=()):
    verdict = Verdict(
        stored.candidate.id, status, dict(stored.candidate.fields), reasons,
        annotation_id=stored.review_task, decided_at="2026-01-01T00:00:00Z",
    )  # fmt: skip
    services.store.save_verdict(verdict)


def survivors(services):
    return services.store.candidates(project_id="p1", states=("survivor",))


def test_nothing_rejected_is_said(project):
    services, _ = project
    with pytest.raises(UserError, match="Nothing was rejected in Clauses yet"):
        suggest(services)


def test_siblings_of_a_rejected_one_are_suggested_and_marked(project):
    services, _ = project
    by_source = {}
    for stored in survivors(services):
        by_source.setdefault(stored.candidate.source.id, []).append(stored)
    bad, good = [group for group in by_source.values() if len(group) >= 3][:2]
    judge(services, bad[0], "REJECTED", ("meaning changed",))
    judge(services, good[0], "ACCEPTED")
    found = suggest(services, n=3)
    shown = found["suggestions"]
    assert found["n_waiting"] == len(survivors(services)) - 2
    assert found["n_near"] >= len(shown) > 0
    # words are made up, so that only what came of one source is alike
    assert {s["id"] for s in shown[:2]} <= {s.candidate.id for s in bad}
    assert shown[0]["is_same_source"]
    assert shown[0]["rejected"]["id"] == bad[0].candidate.id
    assert shown[0]["rejected"]["reasons"] == ["meaning changed"]
    assert not {s["id"] for s in shown} & {s.candidate.id for s in good}
    similar = [s["similarity"] for s in shown]
    assert similar == sorted(similar, reverse=True)
    tasks = services.label_studio.stored
    marked = {id_: task["data"].get("like_rejected", 0) for id_, task in tasks.items()}
    assert {id_ for id_, value in marked.items() if value} == {s["task"] for s in shown}
    assert [marked[s["task"]] for s in shown] == pytest.approx(similar, abs=1e-4)


def test_the_next_time_the_marks_are_those_of_the_next_time(project):
    services, _ = project
    first, second = (group[0] for group in _groups(services)[:2])
    judge(services, first, "REJECTED")
    before = {s["task"] for s in suggest(services, n=2)["suggestions"]}
    services.store.withdraw_verdict(first.review_task)
    judge(services, second, "REJECTED")
    after = {s["task"] for s in suggest(services, n=2, name="a2")["suggestions"]}
    assert before != after
    tasks = services.label_studio.stored
    assert {i for i, task in tasks.items() if task["data"].get("like_rejected")} == after


def _groups(services):
    by_source = {}
    for stored in survivors(services):
        by_source.setdefault(stored.candidate.source.id, []).append(stored)
    return [group for group in by_source.values() if len(group) >= 2]


def test_what_the_index_lacks_is_encoded(project):
    services, _ = project
    judge(services, survivors(services)[0], "REJECTED")
    with_index = suggest(services)
    neighbours._loaded.clear()
    (services.settings.home / "neighbours" / "p1.npz").unlink()
    assert suggest(services, name="a2") == with_index


@pytest.fixture
def command(project, monkeypatch):
    """`seedbed suggest`, with the web process's routes and a worker's job done at once."""
    services, _ = project

    def enqueue(queue, job, *ids, **_):
        assert (queue, job) == ("filter", "analyse")
        try:
            analyses.perform(services, *ids)
        except SeedbedError as exc:  # as `jobs.analyse` does
            analyses.fail(services, *ids, str(exc))

    monkeypatch.setattr(services.queues, "enqueue", enqueue)
    monkeypatch.setattr(services.queues, "count_workers", lambda queue: 1, raising=False)
    client = client_of(services, reports.blueprint, routes.blueprint)
    monkeypatch.setattr(suggest_command, "connect", lambda: client)
    return lambda *arguments: CliRunner().invoke(suggest_command.suggest, ["p1", *arguments])


def test_the_command_says_what_is_like_what_and_why(project, command):
    services, _ = project
    bad = next(group for group in _groups(services))[0]
    judge(services, bad, "REJECTED", ("meaning changed",))
    done = command("-n", "2")
    assert done.exit_code == 0, done.output
    assert "are nearer to a rejected one than to an accepted one" in done.output
    assert f"like {bad.candidate.id[:8]}, of the same source (meaning changed)" in done.output
    found = json.loads(command("--json").output)
    assert [s["similarity"] for s in found["suggestions"]] == sorted(
        (s["similarity"] for s in found["suggestions"]), reverse=True
    )


def test_the_command_refuses_what_cannot_be(command):
    none = command()
    assert isinstance(none.exception, SeedbedError)
    assert "Nothing was rejected in Clauses yet" in str(none.exception)
    many = command("-n", "1000")
    assert "n must be a whole number from 1 to 200, not 1000" in str(many.exception)


def test_where_nothing_is_near_it_says_so(project, command):
    services, _ = project
    waiting = survivors(services)
    judge(services, waiting[0], "REJECTED")
    for stored in waiting[1:]:
        judge(services, stored, "ACCEPTED")
    assert "Of 0 survivors that nobody has judged, none is nearer" in command().output
