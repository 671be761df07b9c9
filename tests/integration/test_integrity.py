"""Canaries and double review on the real stack: two people judge in a real Label Studio."""

from __future__ import annotations

import json
import math
import time

import httpx
import pytest

import growing
from growing import wait_for
from seedbed import ingest, labeling, recipe, registry
from seedbed.records import Completion, content_id
from seedbed.tabs import SAMPLE_TAB, SECOND_TAB
from seedbed_backend import queues, reviewers
from seedbed_backend.queues import Queues
from seedbed_backend.stack.label_studio import _new_token
from seedbed_backend.store import Batch, Run

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("label_studio")]

NAME = "it-integrity"
N_SOURCES = 30
FILTERS = ("protected_terms", "top_fraction")
SETTINGS = {
    "review_fraction": 0.8,
    "canary_fraction": 0.2,
    "double_review_fraction": 0.6,
    "keep_fraction": 1.0,
    "filters": {n: False for n in registry.technique("paraphrase").filters if n not in FILTERS},
}
SECOND = "second@example.com"
PASSWORD = "a long pass-phrase 1"


class Access(httpx.Auth):
    """What a token gives access by; Label Studio lets it last for 300 s."""

    def __init__(self, url, token):
        self.url, self.token, self.until = f"{url}/api/token/refresh/", token, 0.0

    def auth_flow(self, request):
        if time.monotonic() > self.until:
            self.access = httpx.post(self.url, json={"refresh": self.token}).json()["access"]
            self.until = time.monotonic() + 200
        request.headers["Authorization"] = f"Bearer {self.access}"
        yield request


class Person:
    """Judges over the API as Label Studio's screen does, with an account of their own."""

    def __init__(self, url, token):
        self.http = httpx.Client(base_url=url, auth=Access(url, token), timeout=60)
        self.id = self.http.get("/api/current-user/whoami").json()["id"]
        self.seen = []

    def next(self, project, title):
        """Return the task that "Label Tasks As Displayed" serves in a tab, or None at its end."""
        views = self.http.get("/api/dm/views/", params={"project": project}).json()
        [view] = [view for view in views if view["data"]["title"] == title]
        shown = {key: view["data"][key] for key in ("filters", "ordering")}
        answer = self.http.post(
            "/api/dm/actions/",
            params={"id": "next_task", "project": project, "tabID": view["id"]},
            json={**shown, "project": str(project)},
        )
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        assert answer.is_success, answer.text
        self.seen.append(answer.json())
        return self.seen[-1]

    def judge(self, task, word, seconds):
        """Submit what is shown with a verdict; return the annotation's id."""
        [prediction] = task["predictions"]
        result = [dict(region) for region in prediction["result"]]
        controls = {"verdict": word} | ({"reject_reason": "duplicate"} if word == "reject" else {})
        result += [
            {"from_name": name, "to_name": result[0]["to_name"], "type": "choices",
             "value": {"choices": [choice]}}
            for name, choice in controls.items()
        ]  # fmt: skip
        body = {"result": result, "lead_time": seconds, "parent_prediction": prediction["id"]}
        answer = self.http.post(f"/api/tasks/{task['id']}/annotations/", json=body)
        assert answer.is_success, answer.text
        return answer.json()["id"]


@pytest.fixture(scope="module")
def people(label_studio):
    """The server's owner, and a second person who came by an invitation."""
    first = Person(label_studio.url, label_studio.api_key)
    link = first.http.get("/api/invite").json()["invite_url"]
    with httpx.Client(base_url=label_studio.url, timeout=60) as guest:
        guest.get(link)
        form = {"csrfmiddlewaretoken": guest.cookies["csrftoken"]}
        form |= {"email": SECOND, "password": PASSWORD}
        guest.post(link, data=form, headers={"Referer": f"{label_studio.url}{link}"})
    second = Person(label_studio.url, _new_token(label_studio.url, SECOND, PASSWORD))
    yield first, second
    first.http.close()
    second.http.close()


@pytest.fixture(scope="module")
def project(backend, store, redis_of_stack):
    """Grown by all of the pipeline but a model; nearly all of it is the sample, for there is little."""
    found = ingest.ingest(growing.FILES["paraphrase"], registry.technique("paraphrase"))
    sources = found.sources[:N_SOURCES]
    labels = sorted({source.fields["label"] for source in sources})
    plan = recipe.parse({"technique": "paraphrase", "labels": labels, **SETTINGS})
    backend.save_project(NAME, plan.model_dump(mode="json"), force=True)
    backend.import_rows(NAME, [{"fields": dict(s.fields), "provenance": {}} for s in sources])
    made = store.project(NAME)
    run = Run("integrity1", NAME, made.recipe_hash, target=1, budget=N_SOURCES, wave=1)
    store.create_run(run, {source.id: 0 for source in sources})
    batch = Batch("integrity1-1", run.id, 1, tuple((source.id, 0, 1) for source in sources))
    store.add_batches([batch])
    store.save_completions(run.id, batch.id, [completion(source) for source in sources])
    store.advance_batch(batch.id, "queued", "generated")
    redis_of_stack.enqueue(queues.FILTER, "screen", batch.id)
    ended = growing.run_to_its_end(backend, run.id)
    assert ended["state"] == "done", ended["error"]
    assert ended["funnel"]["n_survivors"] == N_SOURCES
    return backend.project(NAME)


def completion(source):
    """Return what a model could have made of a source, as the store takes it."""
    text = f"It is agreed: {source.fields['original']}"
    id_ = content_id("integrity", source.id)
    made = Completion(id_, source.id, "prompt", 0, text, "stop", int(id_[:6], 16), 200, 40, 0.5)
    return made, {"paraphrase": text}, ""


@pytest.fixture(scope="module")
def redis_of_stack(stack):
    opened = Queues(stack.environment["SEEDBED_REDIS_URL"])
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def canaries(store, project):
    return {canary.id: canary for canary in store.canaries_of_project(project["id"])}


@pytest.fixture(scope="module")
def tasks(server, project):
    return {task["data"]["cid"]: task for task in server.tasks(project["review_project"])}


@pytest.fixture(scope="module")
def judged(backend, store, server, people, project, canaries, tasks):
    """The first person judges the sample, the second what is offered to them; all of it is read.

    Everything with an even draw (in its last digit) is rejected by the first, with a third by the
    second; one canary is missed. The first three judgements take no time.
    """
    first, second = people
    review, said = project["review_project"], {}
    missed = min(canaries)

    def word(cid, draw, n):
        if cid in canaries:
            return "accept" if cid == missed else "reject"
        return "reject" if round(draw * 1e6) % n == 0 else "accept"

    for person, title, n in ((first, SAMPLE_TAB, 2), (second, SECOND_TAB, 3)):
        assert person is first or first.next(review, SECOND_TAB) is None  # never one's own
        while task := person.next(review, title):
            cid = task["data"]["cid"]
            chosen = word(cid, task["data"]["draw"], n)
            seconds = 0.5 if person is first and len(said) < 3 else 60.0
            said[cid, person.id] = (chosen, seconds, person.judge(task, chosen, seconds))
            assert len(said) < 200
    n_on_canaries = sum(cid in canaries for cid, _ in said)
    wait_for(
        lambda: (
            len(store.last_words(project["id"])) == len(said) - n_on_canaries
            and len(store.canary_verdicts(project["id"])) == n_on_canaries
        ),
        60,
        "reading all verdicts",
    )
    return said


def hits(said, canaries, person):
    words = [
        word for (cid, id_), (word, _, _) in said.items() if cid in canaries and id_ == person.id
    ]
    return len(words), words.count("reject")


def test_canaries_are_a_share_of_the_sample_and_look_like_it(store, project, canaries, tasks):
    survivors = store.candidates(project_id=project["id"], states=("survivor",))
    n_sampled = sum(s.draw < 0.8 for s in survivors)
    assert len(canaries) == math.ceil(round(0.2 * n_sampled, 9)) > 1
    assert tasks.keys() == {s.candidate.id for s in survivors} | canaries.keys()
    assert len({tuple(sorted(task["data"])) for task in tasks.values()}) == 1
    assert len({tuple(task["data"]["provenance"]) for task in tasks.values()}) <= 2
    in_order = sorted(tasks.values(), key=lambda task: task["id"])
    draws = [task["data"]["draw"] for task in in_order]
    assert draws == sorted(draws)
    for cid, canary in canaries.items():
        origin = store.candidate(canary.made_of).candidate
        assert canary.fields != origin.fields
        assert tasks[cid]["data"]["original"] == origin.source.fields["original"]
        assert tasks[cid]["data"]["candidate"] == canary.fields["paraphrase"]
        assert tasks[cid]["data"]["seal"] == labeling.seal(cid, is_canary=True)


def test_only_the_doubled_part_asks_for_two(server, project, tasks):
    overlaps = {cid: server.task(task["id"])["overlap"] for cid, task in tasks.items()}
    limit = 0.8 * 0.6
    assert {cid for cid, n in overlaps.items() if n == 2} == {
        cid for cid, task in tasks.items() if task["data"]["draw"] < limit
    }
    assert set(overlaps.values()) == {1, 2}


def test_the_second_person_is_served_that_part_in_order_and_blind(people, judged, tasks):
    first, second = people
    doubled = sorted(
        (task for task in tasks.values() if task["data"]["draw"] < 0.48),
        key=lambda task: task["data"]["draw"],
    )
    assert [task["id"] for task in second.seen] == [task["id"] for task in doubled]
    assert all(task["annotations"] == [] and task["drafts"] == [] for task in second.seen)
    assert len(first.seen) == sum(task["data"]["draw"] < 0.8 for task in tasks.values())


def test_hit_rates_are_as_counted_by_hand(backend, people, judged, canaries, label_studio):
    rows = {row["reviewer"]: row for row in backend.reviewers(NAME)["reviewers"]}
    for person, email in zip(people, (label_studio.user, SECOND), strict=True):
        row = rows[person.id]
        assert row["name"] == email
        n, n_caught = hits(judged, canaries, person)
        assert (row["canaries"]["n"], row["canaries"]["n_caught"]) == (n, n_caught)
        own = [
            said for (cid, id_), said in judged.items() if id_ == person.id and cid not in canaries
        ]
        assert row["n_judged"] == len(own)
        assert row["n_rejected"] == sum(word == "reject" for word, _, _ in own)
        assert row["n_accepted"] == sum(word == "accept" for word, _, _ in own)
        assert row["median_seconds"] == 60.0
    told = backend.reviewers(NAME)["canaries"]
    assert (told["n"], told["n_shown"]) == (len(canaries), len(canaries))
    assert told["n_caught"] == len(canaries) - 1


def test_judging_in_half_a_second_is_flagged(backend, people, judged, canaries, tasks):
    [row, *_] = backend.reviewers(NAME)["reviewers"]
    assert row["reviewer"] == people[0].id
    fast = {
        tasks[cid]["id"]
        for (cid, _), (_, seconds, _) in judged.items()
        if seconds < reviewers.MIN_SECONDS and cid not in canaries
    }
    assert set(row["too_fast"]["tasks"]) == fast


def test_agreement_is_as_counted_by_hand(backend, people, judged, canaries):
    first, second = (person.id for person in people)
    both = [
        (judged[cid, first][0], judged[cid, second][0])
        for cid, id_ in judged
        if id_ == second and cid not in canaries
    ]
    n, n_agreed = len(both), sum(a == b for a, b in both)
    told = backend.reviewers(NAME)
    found = told["agreement"]
    assert (found["n_double"], found["n_agreed"]) == (n, n_agreed)
    shares = [[a for a, _ in both].count("accept") / n, [b for _, b in both].count("accept") / n]
    chance = shares[0] * shares[1] + (1 - shares[0]) * (1 - shares[1])
    [kappa] = found["kappa"]
    assert (kappa["a"], kappa["b"], kappa["n"]) == (first, second, n)
    assert kappa["kappa"] == pytest.approx((n_agreed / n - chance) / (1 - chance))
    n_accept = sum(word == "accept" for pair in both for word in pair)
    expected = 2 * n_accept * (2 * n - n_accept) / (2 * n * (2 * n - 1))
    assert found["alpha"] == pytest.approx(1 - (1 - n_agreed / n) / expected)
    assert len(told["disagreements"]) == n - n_agreed > 0
    assert all(row["url"].endswith(f"task={row['task']}") for row in told["disagreements"])


def test_canaries_count_nowhere(run_seedbed, backend, store, judged, project, canaries, tmp_path):
    said = {cid for cid, _ in judged if cid not in canaries}
    summary = backend.project(NAME)
    assert sum(summary["verdicts"].values()) == len(said)
    survivors = summary["funnel"]["n_survivors"]
    assert survivors == len(store.candidates(project_id=project["id"], states=("survivor",)))
    gate = backend.gate(NAME)
    assert gate["overall"]["n_judged"] == len(said)
    rows = tmp_path / "approved.jsonl"
    run_seedbed("pull", NAME, "-o", rows)
    pulled = {json.loads(line)["id"] for line in rows.read_text().splitlines()}
    current = {v.candidate_id: v.status for v in store.current_verdicts(project["id"])}
    assert pulled == {cid for cid, status in current.items() if status != "REJECTED"}
    assert not pulled & canaries.keys()


def test_a_manager_reads_it_in_words(run_seedbed, judged, canaries, label_studio):
    told = run_seedbed("reviewers", NAME).stdout
    for part in (label_studio.user, SECOND, "Krippendorff's alpha", "To be settled", "too fast"):
        assert part in told
    assert json.loads(run_seedbed("reviewers", NAME, "--json").stdout)["canaries"]["n"] == len(
        canaries
    )
    refused = run_seedbed("explain", min(canaries), code=2).stderr
    assert "is a canary" in refused
    unknown = run_seedbed("reviewers", "nobody", code=2).stderr
    assert "nobody" in unknown


def test_deleting_an_annotation_takes_back_what_it_said(backend, people, judged, canaries):
    first, _ = people
    before = hits(judged, canaries, first)[0]
    annotation = next(
        id_ for (cid, who), (_, _, id_) in judged.items() if cid in canaries and who == first.id
    )
    assert first.http.delete(f"/api/annotations/{annotation}/").is_success

    def n_met():
        [row] = [r for r in backend.reviewers(NAME)["reviewers"] if r["reviewer"] == first.id]
        return row["canaries"]["n"]

    wait_for(lambda: n_met() == before - 1, 30, "taking it back")


def test_saving_again_repairs_the_second_review(backend, server, project, tasks):
    [doubled] = [task for task in tasks.values() if task["data"]["draw"] < 0.48][:1]
    server._sdk.tasks.update(str(doubled["id"]), overlap=1)
    backend.save_project(NAME, backend.project(NAME)["recipe"], force=True)
    assert server.task(doubled["id"])["overlap"] == 2


def test_without_a_second_review_its_tab_goes(backend, server, project):
    recipe = backend.project(NAME)["recipe"]
    review = backend.project(NAME)["review_project"]
    titles = {view.data["title"] for view in server._sdk.views.list(project=review)}
    assert SECOND_TAB in titles
    backend.save_project(NAME, {**recipe, "double_review_fraction": 0.0}, force=True)
    left = {view.data["title"] for view in server._sdk.views.list(project=review)}
    assert left == titles - {SECOND_TAB}
    backend.save_project(NAME, recipe, force=True)
