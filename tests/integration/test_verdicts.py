"""Every way to judge, to change one's mind and to lose a message, on the real Label Studio."""

from __future__ import annotations

import copy
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import httpx
import pytest
from rq.serializers import JSONSerializer
from werkzeug.serving import make_server

from filters.support import HashingEncoder
from seedbed import recipe
from seedbed.records import Completion, Decision, SourceTask
from seedbed.tabs import SUGGESTION_TAB, VERDICT_TABS
from seedbed_backend import jobs, periodic, projects, publishing, queues, suggestions, verdicts
from seedbed_backend.app import create_app
from seedbed_backend.services import Services
from seedbed_backend.settings import Settings
from seedbed_backend.stack.processes import free_port
from seedbed_backend.store import Analysis, Batch, Run, StateChange
from seedbed_backend.worker import Worker

pytestmark = [
    pytest.mark.integration,
    pytest.mark.xdist_group("label_studio"),
    pytest.mark.timeout(300),
]

PASSAGE = "The fee is 25 EUR. It is due in May. Students pay nothing at all."
N_TASKS = 30
SECRET = "a secret of the tests"


@pytest.fixture(scope="module")
def services(label_studio, redis_url, tmp_path_factory):
    """A server that Label Studio talks to, over a store of its own; its jobs wait for `work`."""
    port = free_port(0)
    settings = Settings.from_environment(
        {
            "SEEDBED_HOME": str(tmp_path_factory.mktemp("verdicts")),
            "SEEDBED_REDIS_URL": redis_url,
            "SEEDBED_URL": f"http://localhost:{port}",
            "BASIC_AUTH_PASS": "p4ssword",
            "SEEDBED_WEBHOOK_SECRET": SECRET,
            "LABEL_STUDIO_URL": label_studio.url,
            "LABEL_STUDIO_API_KEY": label_studio.api_key,
            "LOG_LEVEL": "WARNING",
        }
    )
    opened = Services(settings)
    opened.store.migrate()
    web = make_server("127.0.0.1", port, create_app(settings), threaded=True)
    thread = threading.Thread(target=web.serve_forever, daemon=True)
    thread.start()
    jobs.attach(opened)
    yield opened
    web.shutdown()
    thread.join()
    opened.queues.redis.flushdb()
    opened.close()


def work(services):
    """Do the jobs that wait, as a filter worker does."""
    served = [queues.REVIEW]
    Worker(served, connection=services.queues.redis, serializer=JSONSerializer).work(
        burst=True, logging_level="WARNING"
    )


@pytest.fixture(scope="module")
def project(services):
    """Questions about a passage, published as a run publishes them."""
    plan = recipe.parse({"technique": "qa"})
    made = projects.save(services, "Verdicts", plan)
    quote = "The fee is 25 EUR."
    fields = [
        {"question": f"What is fee {n}?", "answer": "25 EUR", "quote": quote}
        for n in range(N_TASKS)
    ]
    evidence = {"start": 0, "end": len(quote)}
    assert publish(services, made, {"passage": PASSAGE}, fields, evidence) == N_TASKS
    return made


def publish(services, project, source_fields, candidates, evidence=None):
    """Put candidates before people, as the end of a run does."""
    store, source = services.store, SourceTask.of(source_fields)
    store.add_sources(project.id, [source])
    n, name = len(candidates), project.id
    run = Run(f"run-{name}", name, project.recipe_hash, target=1, budget=n, state="done")
    store.create_run(run, {source.id: 0})
    store.add_batches([Batch(f"batch-{name}", run.id, 1, ((source.id, 0, n),), "screened")])
    ids = [f"{name}-{number:02}" for number in range(n)]
    rows = [
        (Completion(id_, source.id, "prompt", number, "{}", "stop", 1), fields, "")
        for number, (id_, fields) in enumerate(zip(ids, candidates, strict=True))
    ]
    store.save_completions(run.id, f"batch-{name}", rows)
    store.save_decisions([Decision(i, "grounding", True, evidence=evidence or {}) for i in ids])
    store.set_states([StateChange(id_, "survivor", score=0.5) for id_ in ids])
    store.set_draws({id_: (number / n, "qa/-/middle") for number, id_ in enumerate(ids)})
    return publishing.publish_survivors(services, run)


@pytest.fixture(scope="module")
def unjudged(project, services):
    """Candidates that no test has used yet."""
    return iter(services.store.candidates(project_id=project.id, states=("survivor",)))


@pytest.fixture
def stored(unjudged):
    return next(unjudged)


@pytest.fixture(scope="module")
def api(label_studio):
    """Label Studio's API, as its screens use it."""
    answer = httpx.post(
        f"{label_studio.url}/api/token/refresh/", json={"refresh": label_studio.api_key}
    )
    headers = {"Authorization": f"Bearer {answer.json()['access']}"}
    with httpx.Client(base_url=label_studio.url, headers=headers, timeout=60) as client:

        def call(method, path, body=None):
            answer = client.request(method, path, json=body)
            assert answer.is_success, answer.text
            return answer.json() if answer.content else None

        yield call


@pytest.fixture
def no_webhook(project, server, services):
    """Messages are lost while the test runs."""
    hook = f"{services.settings.url}/webhook"
    assert server.remove_webhooks(project.review_project, hook) == 1
    yield
    server.set_webhook(project.review_project, hook, SECRET)


def choice(name, *values):
    value = {"choices": list(values)}
    return {"id": name, "from_name": name, "to_name": "doc", "type": "choices", "value": value}


def regions(server, task, verdict="", reasons=(), **edits):
    """Return the prediction's regions with edits by name, and a verdict."""
    (prediction,) = server.task(task)["predictions"]
    shown = copy.deepcopy(prediction["result"])
    to_name = shown[0]["to_name"]
    for region in shown:
        region["value"] |= edits.get(region["from_name"], {})
    shown += [choice("verdict", verdict)] if verdict else []
    shown += [choice("reject_reason", *reasons)] if reasons else []
    return [{**region, "to_name": to_name} for region in shown]


def annotate(api, task, result, **more):
    body = {"result": result, "was_cancelled": False, "lead_time": 4.2, **more}
    return api("POST", f"/api/tasks/{task}/annotations/", body)["id"]


def stands(services, stored):
    return services.store.candidate(stored.candidate.id).verdict


def status(services, stored):
    found = stands(services, stored)
    return found.status if found else ""


def becomes(services, stored, expected):
    """See that a verdict stands once the jobs are done that Label Studio's messages queued."""
    work(services)
    assert status(services, stored) == expected


def shows(services, stored, expected, approved):
    work(services)
    data = services.label_studio.task(stored.review_task)["data"]
    assert (data["verdict"], data["approved"]) == (expected, approved)


def in_tab(server, project, title):
    review = project.review_project
    views = {v.data["title"]: v.id for v in server._sdk.views.list(project=review)}
    asked = {"project": review, "view": views[title], "page_size": 100}
    return {task["id"] for task in server._request("GET", "api/tasks", params=asked)["tasks"]}


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ({}, "ACCEPTED"),
        ({"answer": {"text": ["25 EUR \n"]}}, "ACCEPTED"),
        ({"answer": {"text": ["25 euros"]}}, "FIXED"),
        ({"quote": {"start": 19, "end": 36}}, "FIXED"),
    ],
)
def test_what_stands_is_shown_in_the_task_and_by_its_tab(
    api, server, services, project, stored, edits, expected
):
    task = stored.review_task
    result = regions(server, task, "accept", **edits)
    for region in result:  # also where nothing is left of a change
        region["origin"] = "prediction-changed"
    annotate(api, task, result)
    becomes(services, stored, expected)
    shows(services, stored, expected, "yes")
    tabs = {title: task in in_tab(server, project, title) for title in VERDICT_TABS}
    assert tabs == {title: of == expected for title, of in VERDICT_TABS.items()}


def test_marked_words_that_are_taken_out_or_added_are_a_correction(api, server, services, unjudged):
    without, more = next(unjudged), next(unjudged)
    kept = [r for r in regions(server, without.review_task, "accept") if r["from_name"] != "quote"]
    annotate(api, without.review_task, kept)
    added = regions(server, more.review_task, "accept")
    quote = next(r for r in added if r["from_name"] == "quote")
    second = {**copy.deepcopy(quote), "id": "q2"}
    second["value"] |= {"start": 19, "end": 36, "text": PASSAGE[19:36]}
    annotate(api, more.review_task, [*added, second])
    becomes(services, without, "FIXED")
    becomes(services, more, "FIXED")
    assert stands(services, without).fields["quote"] == ""
    assert stands(services, more).fields["quote"] == "The fee is 25 EUR. … It is due in May."


def test_a_changed_mind_replaces_the_verdict_and_the_history_stays(api, server, services, stored):
    task = stored.review_task
    result = regions(server, task, "reject", ("trivial", "duplicate"))
    made = annotate(api, task, result)
    becomes(services, stored, "REJECTED")
    shows(services, stored, "REJECTED", "")
    assert server.task(task)["data"]["reasons"] == "trivial, duplicate"
    before = server.task(task)["annotations"]
    api("PATCH", f"/api/annotations/{made}/", {"result": regions(server, task, "accept")})
    becomes(services, stored, "ACCEPTED")
    shows(services, stored, "ACCEPTED", "yes")
    assert server.task(task)["data"]["reasons"] == ""
    said = [v.status for v in services.store.verdicts(stored.candidate.id)]
    assert said == ["REJECTED", "ACCEPTED"]
    after = server.task(task)["annotations"]
    assert [a["id"] for a in after] == [a["id"] for a in before]
    # setting it as ground truth says nothing new
    api("PATCH", f"/api/annotations/{made}/", {"ground_truth": True})
    services_sync = verdicts.sync(services, stored.project_id)
    assert status(services, stored) == "ACCEPTED"
    assert services_sync.n_withdrawn == 0
    # and a submitted verdict that is turned into a skip is none any more
    api("PATCH", f"/api/annotations/{made}/", {"was_cancelled": True})
    becomes(services, stored, "")
    shows(services, stored, "", "")


def test_what_decides_nothing(api, server, services, project, unjudged):
    skipped, empty, drafted, bulk, half = (next(unjudged) for _ in range(5))
    annotate(api, skipped.review_task, regions(server, skipped.review_task), was_cancelled=True)
    annotate(api, empty.review_task, [])
    draft = {"result": regions(server, drafted.review_task, "accept"), "lead_time": 1.0}
    api("POST", f"/api/tasks/{drafted.review_task}/drafts", draft)
    api(
        "POST",
        f"/api/dm/actions/?id=predictions_to_annotations&project={project.review_project}",
        {
            "selectedItems": {"all": False, "included": [bulk.review_task]},
            "model_version": "seedbed",
        },
    )
    erased = [r for r in regions(server, half.review_task, "accept") if r["from_name"] != "answer"]
    annotate(api, half.review_task, erased)
    verdicts.sync(services, project.id)
    for stored in (skipped, empty, drafted, bulk, half):
        assert stands(services, stored) is None
    assert skipped.review_task in in_tab(server, project, "Skipped")
    # a person who opens the copy and decides is heard
    (copied,) = server.task(bulk.review_task)["annotations"]
    judged = {"result": regions(server, bulk.review_task, "accept")}
    api("PATCH", f"/api/annotations/{copied['id']}/", judged)
    becomes(services, bulk, "ACCEPTED")


def test_of_two_people_the_later_one_stands_until_it_is_deleted(api, server, services, stored):
    task = stored.review_task
    first = annotate(api, task, regions(server, task, "accept"))
    becomes(services, stored, "ACCEPTED")
    second = annotate(api, task, regions(server, task, "reject", ("trivial",)))
    becomes(services, stored, "REJECTED")
    api("DELETE", f"/api/annotations/{second}/")
    becomes(services, stored, "ACCEPTED")
    assert stands(services, stored).annotation_id == first
    api("DELETE", f"/api/annotations/{first}/")
    becomes(services, stored, "")
    shows(services, stored, "", "")


def test_messages_may_come_twice_late_or_about_nothing(api, server, services, project, stored):
    task = stored.review_task
    made = annotate(api, task, regions(server, task, "accept"))
    becomes(services, stored, "ACCEPTED")
    headers = {"X-Seedbed-Secret": SECRET}
    about = {"project": {"id": project.review_project}}

    def message(action, **body):
        answer = httpx.post(
            f"{services.settings.url}/webhook",
            json={"action": action, **about, **body},
            headers=headers,
        )
        assert answer.status_code == 200

    for _ in range(2):
        message("ANNOTATION_CREATED", annotation={"id": made}, task={"id": task})
    message("ANNOTATIONS_DELETED", annotations=[{"id": 10**7}])
    message("ANNOTATION_UPDATED", annotation={"id": 1}, task={"id": 10**7})
    api("DELETE", f"/api/annotations/{made}/")
    becomes(services, stored, "")
    message("ANNOTATION_CREATED", annotation={"id": made}, task={"id": task})  # late
    work(services)
    verdicts.read_task(services, project.id, task)
    assert stands(services, stored) is None
    assert len(services.store.verdicts(stored.candidate.id)) == 1


def test_lost_messages_are_found_by_the_next_sync(
    api, server, services, project, unjudged, no_webhook
):
    kept, deleted, emptied, gone = (next(unjudged) for _ in range(4))
    made = {
        s.review_task: annotate(api, s.review_task, regions(server, s.review_task, "accept"))
        for s in (deleted, emptied, gone)
    }
    first = verdicts.sync(services, project.id)
    assert [status(services, s) for s in (deleted, emptied, gone)] == ["ACCEPTED"] * 3
    assert first.n_changed == 3
    for s in (deleted, emptied, gone):
        shows(services, s, "ACCEPTED", "yes")
    newest = datetime.fromisoformat(
        verdicts.sync(services, project.id).newest.replace("Z", "+00:00")
    )
    assert abs((datetime.now(timezone.utc) - newest).total_seconds()) < 120
    # all lost: a new one, a deleted one, one that became a skip
    annotate(api, kept.review_task, regions(server, kept.review_task, "reject", ("trivial",)))
    api("DELETE", f"/api/annotations/{made[deleted.review_task]}/")
    api("PATCH", f"/api/annotations/{made[emptied.review_task]}/", {"was_cancelled": True})
    report = verdicts.sync_since(services, project.id, newest)
    assert (report.n_changed, report.n_withdrawn) == (1, 2)
    assert [status(services, s) for s in (kept, deleted, emptied)] == ["REJECTED", "", ""]
    # a task that somebody deleted is found when all is read
    server._sdk.tasks.delete(str(gone.review_task))
    found = verdicts.sync(services, project.id)
    is_sampled = gone.draw < project.sampled_fraction
    assert (found.n_withdrawn, found.n_published_again) == (1, int(is_sampled))
    assert status(services, gone) == ""
    again = services.store.candidate(gone.candidate.id).review_task
    assert (again != gone.review_task) == is_sampled
    assert server.tasks_by_cid(project.review_project, [gone.candidate.id]) == (
        {gone.candidate.id: again} if is_sampled else {}
    )
    second = verdicts.sync(services, project.id)
    assert (second.n_changed, second.n_published_again) == (0, 0)
    work(services)
    assert not services.store.marks_due(project.id)


def test_a_mark_that_label_studio_lost_is_made_again(api, server, services, project, stored):
    annotate(api, stored.review_task, regions(server, stored.review_task, "accept"))
    becomes(services, stored, "ACCEPTED")
    shows(services, stored, "ACCEPTED", "yes")
    server.change_data(stored.review_task, verdict="", approved="")
    verdicts.sync(services, project.id)
    shows(services, stored, "ACCEPTED", "yes")


def test_the_periodic_sync_reads_what_changed_and_now_and_then_all(
    api, server, services, project, unjudged, no_webhook, monkeypatch
):
    redis = services.queues.redis
    redis.delete(f"seedbed:synced:{project.id}")
    asked = []
    for name in ("sync", "sync_since"):
        plain = getattr(verdicts, name)
        monkeypatch.setattr(
            verdicts, name, lambda *a, _n=name, _p=plain: (asked.append(_n), _p(*a))[1]
        )
    monkeypatch.setattr(periodic, "WHOLE_EVERY", 2)
    stored = next(unjudged)
    for _ in range(4):
        periodic.sync(services, project.id)
    annotate(api, stored.review_task, regions(server, stored.review_task, "accept"))
    periodic.sync(services, project.id)
    assert asked == ["sync", "sync_since", "sync", "sync_since", "sync"]
    assert status(services, stored) == "ACCEPTED"


def test_of_many_workers_one_queues_the_sync(services, project):
    every = 3600.0
    settings = Settings.from_environment(
        os.environ
        | {
            "SEEDBED_REDIS_URL": services.settings.redis_url.rpartition("/")[0] + "/7",
            "SEEDBED_STORE_URL": services.settings.store_url,
            "SEEDBED_SYNC_SECONDS": str(every),
        }
    )
    workers = [Services(settings) for _ in range(6)]
    barrier = threading.Barrier(6)

    def ask(worker):
        barrier.wait()
        return periodic.queue_sync(worker)

    try:
        with ThreadPoolExecutor(6) as pool:
            assert sorted(pool.map(ask, workers)) == [False] * 5 + [True]
        first = workers[0].queues
        assert first.is_waiting(queues.REVIEW, "sync", project.id)
        assert 0 < first.redis.pttl("seedbed:sync") <= every * 1000
    finally:
        workers[0].queues.redis.flushdb()
        for worker in workers:
            worker.close()


def test_a_label_that_is_changed_is_a_correction(services, server, api):
    plan = recipe.parse({"technique": "expand", "labels": ["fee", "term"]})
    made = projects.save(services, "Verdicts on labels", plan)
    fields = {"example": "It ends in May.", "label": "fee"}
    assert publish(services, made, {"seed": "It costs 5 EUR.", "label": "fee"}, [fields]) == 1
    (stored,) = services.store.candidates(project_id=made.id, states=("survivor",))
    task = stored.review_task
    annotate(api, task, regions(server, task, "accept", label={"choices": ["term"]}))
    becomes(services, stored, "FIXED")
    assert stands(services, stored).fields == {"example": "It ends in May.", "label": "term"}


def test_what_is_like_a_rejected_one_stands_in_a_tab_the_nearest_first(
    services, server, api, monkeypatch
):
    monkeypatch.setitem(services.__dict__, "encoder", HashingEncoder())
    plan = recipe.parse({"technique": "expand"})
    made = projects.save(services, "Verdicts on likes", plan)
    texts = [
        "The fee for a late payment is five euros.",
        "The fee for a late payment is five euros each time.",
        "The fee for a payment is five.",
        "Our office is closed on Sundays and holidays.",
        "Our office is closed on Sundays and on holidays too.",
    ]
    publish(services, made, {"seed": "It costs 5 EUR."}, [{"example": text} for text in texts])
    stored = services.store.candidates(project_id=made.id, states=("survivor",))
    for one, choice_ in ((stored[0], "reject"), (stored[3], "accept")):
        reasons = ("unrealistic",) if choice_ == "reject" else ()
        annotate(api, one.review_task, regions(server, one.review_task, choice_, reasons))
    work(services)
    services.store.add_analysis(Analysis("likes", made.id, "suggestions", {"n": 5}))
    found = suggestions.perform(services, services.store.analysis("likes"))
    assert [s["id"] for s in found["suggestions"]] == [s.candidate.id for s in stored[1:3]]
    views = {v.data["title"]: v.id for v in server._sdk.views.list(project=made.review_project)}
    asked = {"project": made.review_project, "view": views[SUGGESTION_TAB], "page_size": 10}

    def in_order():
        return [task["id"] for task in server._request("GET", "api/tasks", params=asked)["tasks"]]

    assert list(views)[-1] == SUGGESTION_TAB
    assert in_order() == [s.review_task for s in stored[1:3]]
    annotate(api, stored[1].review_task, regions(server, stored[1].review_task, "accept"))
    assert in_order() == [stored[2].review_task]
