"""What Seedbed relies on in Label Studio, on the real server, so that upgrades are noticed."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import httpx
import pytest

from growing import ROOT
from samples import LABELS, review_task
from seedbed import labeling, registry
from seedbed.errors import LabelStudioError, NotFoundError, UserError
from seedbed.label_studio import SECRET_HEADER, LabelStudioServer
from seedbed.tabs import WITHDRAWN_DRAW, review_tabs
from seedbed_backend.stack.label_studio import LabelStudioProcess, ensure_template
from seedbed_backend.stack.processes import free_port, is_listening

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("label_studio")]

TECHNIQUES = sorted(registry.techniques())


def verdict_region(value, to_name):
    return {
        "from_name": "verdict",
        "to_name": to_name,
        "type": "choices",
        "value": {"choices": [value]},
    }


class Human:
    """Annotates over the API as the editor does, with the token of the server's owner."""

    def __init__(self, label_studio):
        self.url = label_studio.url
        answer = httpx.post(
            f"{self.url}/api/token/refresh/", json={"refresh": label_studio.api_key}
        )
        self.headers = {"Authorization": f"Bearer {answer.json()['access']}"}

    def post(self, path, body):
        answer = httpx.post(f"{self.url}{path}", json=body, headers=self.headers, timeout=30)
        assert answer.is_success, answer.text
        return answer.json()

    def patch(self, path, body):
        answer = httpx.patch(f"{self.url}{path}", json=body, headers=self.headers, timeout=30)
        assert answer.is_success, answer.text

    def annotate(self, task, *, verdict="", edits=None, cancelled=False, reasons=()):
        """Submit the task's prediction, edited by region id, with the verdict."""
        shown = task["predictions"][0]
        result = [
            dict(r, value=r["value"] | (edits or {}).get(r["id"], {})) for r in shown["result"]
        ]
        to_name = result[0]["to_name"]
        if verdict:
            result.append(verdict_region(verdict, to_name))
        if reasons:
            region = verdict_region("", to_name) | {"from_name": "reject_reason"}
            result.append(region | {"value": {"choices": list(reasons)}})
        body = {"result": result, "was_cancelled": cancelled, "lead_time": 3.5}
        body["parent_prediction"] = shown["id"]
        return self.post(f"/api/tasks/{task['id']}/annotations/", body)


@pytest.fixture(scope="module")
def human(label_studio):
    return Human(label_studio)


def wait_for(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def test_check_tells_version_and_owner(server, label_studio):
    info = server.check()
    assert info.version.startswith("1.")
    assert info.email == label_studio.user


@pytest.mark.parametrize("key", ["0" * 40, "not-a-token"])
def test_a_wrong_key_is_named(label_studio, key):
    with (
        LabelStudioServer(label_studio.url, key) as server,
        pytest.raises(UserError, match="does not accept the API key") as caught,
    ):
        server.check()
    assert "LABEL_STUDIO_API_KEY" in caught.value.hint
    assert not caught.value.retryable


def test_an_access_token_is_renewed_before_it_ends(label_studio):
    with LabelStudioServer(label_studio.url, label_studio.api_key) as server:
        server.check()
        tokens = server._sdk._client_wrapper._tokens_client
        first = tokens._access_token
        server.check()
        assert tokens._access_token == first
        time.sleep(1.1)  # tokens of one second are equal
        tokens._access_token_expiration = datetime.now(timezone.utc) + timedelta(seconds=59)
        server.check()
        assert tokens._access_token != first


def test_an_absent_server_is_named():
    with (
        LabelStudioServer("http://localhost:9", "0" * 40) as server,
        pytest.raises(LabelStudioError, match="cannot be reached at http://localhost:9") as caught,
    ):
        server.check()
    assert caught.value.retryable


def test_a_token_is_kept_for_its_owner_alone(label_studio):
    process = label_studio.process
    assert process.mint_token() == label_studio.api_key
    assert (process.data_dir / "access-token").stat().st_mode & 0o777 == 0o600


def test_a_second_server_from_start_to_stop(label_studio, label_studio_bin, tmp_path):
    def process(port):
        return LabelStudioProcess(
            label_studio_bin,
            tmp_path / "data",
            port,
            "a@example.com",
            "p4ss-word-1",
            tmp_path / "log",
        )

    with pytest.raises(UserError, match=f"Port {label_studio.process.port} is taken"):
        process(label_studio.process.port).start()

    second = process(free_port(0))
    second.start(template=ensure_template(label_studio_bin, ROOT / ".cache"))
    try:
        second.wait_ready()
        lost = second.mint_token()
        (second.data_dir / "access-token").unlink()
        token = second.mint_token()
        assert token != lost
        with LabelStudioServer(second.url, token) as server:
            assert server.check().email == "a@example.com"
        with (
            LabelStudioServer(second.url, lost) as server,
            pytest.raises(UserError, match="does not accept the API key"),
        ):
            server.check()
        second.password = "wrong"
        (second.data_dir / "access-token").unlink()
        with pytest.raises(LabelStudioError, match="does not accept the password of a@example"):
            second.mint_token()
    finally:
        second.stop()
    assert not second.is_alive
    assert not is_listening(second.port)


def test_a_missing_label_studio_is_named(tmp_path):
    absent = LabelStudioProcess(tmp_path / "bin" / "python", tmp_path, 1, "a@b.c", "x", tmp_path)
    with pytest.raises(UserError, match="no Label Studio at"):
        absent.start()


@pytest.mark.parametrize("name", TECHNIQUES)
def test_label_studio_accepts_both_configs(server, new_project, name):
    technique = registry.technique(name)
    for labels in (LABELS, ()):
        project = new_project(name, labeling.review_config(technique, labels))
        labeling.check_config(server.label_config(project), technique, labels)
        server.update_config(project, labeling.source_config(technique, labels))
        labeling.check_config(server.label_config(project), technique, labels, is_review=False)


def test_a_broken_config_is_refused_with_its_reason(new_project):
    with pytest.raises(LabelStudioError, match="label_config"):
        new_project("qa", "<View><TextArea name='x' toName='nothing'/></View>")


def test_a_project_that_is_not_there_is_told(server, new_project):
    assert server.project_exists(new_project("qa"))
    assert not server.project_exists(10**6)
    with pytest.raises(NotFoundError):
        server.label_config(10**6)


@pytest.mark.parametrize("name", TECHNIQUES)
def test_imported_predictions_are_shown(server, new_project, name):
    project = new_project(name)
    candidate, task = review_task(name)
    (task_id,) = server.import_tasks(project, [task])
    assert server.tasks_by_cid(project, [candidate.id, "unknown"]) == {candidate.id: task_id}
    shown = server.task(task_id)
    assert shown["data"] == task["data"]
    (predicted,) = shown["predictions"]
    assert predicted["model_version"] == labeling.MODEL_VERSION
    technique = registry.technique(name)
    assert labeling.values(predicted["result"], technique, task["data"]) == candidate.fields


def test_import_keeps_order_over_chunks_and_cids_are_found(server, new_project):
    project = new_project("paraphrase")
    made = [review_task("paraphrase", number) for number in range(130)]
    ids = server.import_tasks(project, [task for _, task in made], chunk=50)
    cids = [candidate.id for candidate, _ in made]
    assert server.tasks_by_cid(project, cids) == dict(zip(cids, ids, strict=True))
    assert [task["data"]["cid"] for task in server.tasks(project)] == cids


def test_an_invalid_prediction_is_refused(server, new_project):
    project = new_project("paraphrase")
    _, task = review_task("paraphrase")
    task["predictions"][0]["result"][0]["from_name"] = "nobody"
    with pytest.raises(LabelStudioError, match="nobody"):
        server.import_tasks(project, [task])
    assert list(server.tasks(project)) == []


def test_verdicts_from_annotations(server, new_project, human):
    technique = registry.technique("qa")
    project = new_project("qa")
    kinds = ["accepted", "fixed", "moved", "rejected", "skipped", "bulk"]
    made = {kind: review_task("qa", number) for number, kind in enumerate(kinds)}
    ids = server.import_tasks(project, [task for _, task in made.values()])
    tasks = {kind: server.task(task) for kind, task in zip(kinds, ids, strict=True)}
    human.annotate(tasks["accepted"], verdict="accept", edits={"answer": {"text": ["25 EUR\n"]}})
    human.annotate(tasks["fixed"], verdict="accept", edits={"answer": {"text": ["25 euros"]}})
    human.annotate(tasks["moved"], verdict="accept", edits={"quote": {"start": 0, "end": 4}})
    human.annotate(tasks["rejected"], verdict="reject", reasons=["not grounded"])
    human.annotate(tasks["skipped"], cancelled=True)
    human.post(
        f"/api/dm/actions/?id=predictions_to_annotations&project={project}",
        {"selectedItems": {"all": False, "included": [ids[-1]]}, "model_version": "seedbed"},
    )

    read = {task["id"]: task for task in server.annotated_tasks(project)}
    assert tasks["skipped"]["id"] not in read
    assert tasks["bulk"]["id"] in read
    verdicts = {
        kind: [labeling.verdict(task, a, technique) for a in task["annotations"]]
        for kind in kinds
        if (task := read.get(tasks[kind]["id"]))
    }
    assert {kind: v[0] and v[0].status for kind, v in verdicts.items()} == {
        "accepted": "ACCEPTED",
        "fixed": "FIXED",
        "moved": "FIXED",
        "rejected": "REJECTED",
        "bulk": None,
    }
    rejected = verdicts["rejected"][0]
    assert rejected.candidate_id == made["rejected"][0].id
    assert rejected.reasons == ("not grounded",)
    assert rejected.lead_time_seconds == 3.5
    assert rejected.reviewer == server.check().user_id
    assert rejected.decided_at
    assert verdicts["fixed"][0].fields["answer"] == "25 euros"
    assert verdicts["moved"][0].fields["quote"] == "Loan"


def test_annotated_tasks_can_be_read_incrementally(server, new_project, human):
    project = new_project("paraphrase")
    ids = server.import_tasks(project, [review_task("paraphrase", n)[1] for n in range(2)])
    first = human.annotate(server.task(ids[0]), verdict="accept")
    time.sleep(0.1)
    between = datetime.now(timezone.utc)
    human.annotate(server.task(ids[1]), verdict="accept")
    assert [task["id"] for task in server.annotated_tasks(project)] == ids
    assert [task["id"] for task in server.annotated_tasks(project, between)] == [ids[1]]
    between = datetime.now(timezone.utc)
    assert list(server.annotated_tasks(project, between)) == []
    human.patch(f"/api/annotations/{first['id']}/", {"result": first["result"]})
    assert [task["id"] for task in server.annotated_tasks(project, between)] == [ids[0]]


def test_tabs_are_exactly_ours_and_the_sample_can_be_enlarged(server, new_project, human):
    technique = registry.technique("paraphrase")
    project = new_project("paraphrase")
    ids = server.import_tasks(project, [review_task("paraphrase", n)[1] for n in range(40)])
    tabs = review_tabs(technique, 0.1)
    views = server.set_tabs(project, tabs)
    assert server.set_tabs(project, tabs) == views  # the second time updates

    def count(position):
        answer = httpx.get(
            f"{human.url}/api/tasks",
            params={"project": project, "view": views[position], "page_size": 100},
            headers=human.headers,
            timeout=30,
        )
        assert answer.is_success, answer.text
        return [task["id"] for task in answer.json()["tasks"]]

    assert count(0) == ids[:10]
    server.set_review_fraction(project, 0.2)
    assert count(0) == ids[:20]
    human.annotate(server.task(ids[0]), verdict="accept")
    human.annotate(server.task(ids[1]), verdict="reject", reasons=["duplicate"])
    human.annotate(server.task(ids[2]), cancelled=True)
    assert count(0) == ids[3:20]
    assert len(count(1)) == 37
    # which verdict it is, Seedbed's server says once it has compared the values
    assert [count(n) for n in (2, 3, 4, 5)] == [[], [], [], [ids[2]]]
    server.change_data(ids[0], verdict="ACCEPTED")
    server.change_data(ids[1], verdict="REJECTED")
    assert [count(n) for n in (2, 3, 4, 5)] == [[ids[1]], [], [ids[0]], [ids[2]]]
    server.change_data(ids[0], verdict="FIXED")
    assert [count(n) for n in (3, 4)] == [[ids[0]], []]
    # what was annotated without a verdict is served by no queue any more
    human.annotate(server.task(ids[4]))
    assert ids[4] not in count(0)
    assert count(6) == [ids[4]]
    # Label Studio loses count of annotations that are made while a task is written
    server._request("PATCH", f"api/tasks/{ids[0]}", body={"total_annotations": 0})
    server._request("PATCH", f"api/tasks/{ids[2]}", body={"cancelled_annotations": 0})
    assert count(0)[:2] == [ids[0], ids[2]]
    server.change_data(ids[0], verdict="FIXED")
    server.change_data(ids[2], verdict="")
    assert not {ids[0], ids[2]} & set(count(0))
    assert count(5) == [ids[2]]
    # what a later screening took back leaves the sample, and nothing else of it changes
    before = server.task(ids[3])
    server.change_data(ids[3], draw=WITHDRAWN_DRAW)
    after = server.task(ids[3])
    assert after["data"] == {**before["data"], "draw": WITHDRAWN_DRAW}
    assert [p["result"] for p in after["predictions"]] == [
        p["result"] for p in before["predictions"]
    ]
    assert count(0) == ids[5:20]
    assert ids[3] not in count(1)
    assert count(7) == [ids[3]]


def test_backend_is_connected_once_and_its_webhook_tightened(
    server, new_project, recording_backend
):
    project = new_project("paraphrase")
    for _ in range(2):
        first = server.connect_backend(project, recording_backend.url, "seedbed", "secret")
    assert server.connect_backend(project, recording_backend.url, "seedbed", "secret") == first
    hook = server.set_webhook(project, f"{recording_backend.url}/webhook", "s3cret")
    assert server.set_webhook(project, f"{recording_backend.url}/webhook", "s3cret") == hook
    # Seedbed's address has changed: the webhook moves along, and none is left at the old one.
    assert server.set_webhook(project, "http://localhost:9/webhook", "s3cret") == hook
    assert server.set_webhook(project, f"{recording_backend.url}/webhook", "s3cret") == hook
    assert server.remove_webhooks(project, f"{recording_backend.url}/webhook") == 1
    setup = next(body for path, _, body in recording_backend.requests if path == "/setup")
    assert setup["project"].startswith(f"{project}.")


def test_a_wrong_password_is_named(server, new_project, recording_backend):
    project = new_project("paraphrase")
    with pytest.raises(LabelStudioError, match=r"401|authentication") as caught:
        server.connect_backend(project, recording_backend.url, "seedbed", "wrong")
    assert "BASIC_AUTH_PASS" in caught.value.hint


def test_a_blocked_address_names_the_setting(server, new_project):
    project = new_project("paraphrase")
    for call in (
        lambda: server.connect_backend(project, "http://10.0.0.1:9090", "seedbed", "x"),
        lambda: server.set_webhook(project, "http://10.0.0.1:9090/webhook", "x"),
    ):
        with pytest.raises(LabelStudioError, match="reserved network address") as caught:
            call()
        assert "USER_ADDITIONAL_BANNED_SUBNETS" in caught.value.hint


def test_an_absent_backend_is_named(server, new_project):
    project = new_project("paraphrase")
    with pytest.raises(LabelStudioError, match="connecting http://localhost:9 ") as caught:
        server.connect_backend(project, "http://localhost:9", "seedbed", "x")
    assert caught.value.hint


def test_webhook_carries_the_secret_and_stops_when_removed(
    server, new_project, recording_backend, human
):
    project = new_project("paraphrase")
    url = f"{recording_backend.url}/webhook"
    server.set_webhook(project, url, "s3cret")
    ids = server.import_tasks(project, [review_task("paraphrase", n)[1] for n in range(2)])
    human.annotate(server.task(ids[0]), verdict="accept")
    assert wait_for(recording_backend.webhooks)
    headers, body = recording_backend.webhooks()[0]
    assert len(recording_backend.webhooks()) == 1  # nothing was sent for the import
    assert headers[SECRET_HEADER] == "s3cret"
    assert body["action"] == "ANNOTATION_CREATED"
    technique = registry.technique("paraphrase")
    predicted = review_task("paraphrase")[0].fields
    verdict = labeling.verdict(body["task"], body["annotation"], technique, predicted)
    assert verdict.status == "ACCEPTED"

    server.remove_webhooks(project, url)
    human.annotate(server.task(ids[1]), verdict="accept")
    time.sleep(1.0)
    assert len(recording_backend.webhooks()) == 1


def test_redis_answers(redis_url):
    from redis import Redis

    with Redis.from_url(redis_url) as client:
        assert client.ping()
