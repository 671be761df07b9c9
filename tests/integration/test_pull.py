"""What is pulled out of a real Label Studio: by Python, by the command, by the plain SDK."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from growing import ROOT, wait_for
from samples import PASSAGE, SAMPLES
from seedbed import Client, gate_notice, labeling, registry
from seedbed.client import moment
from seedbed.errors import LabelStudioError, NotFoundError, UserError
from seedbed.gate_notice import RunNotice
from seedbed.recipe import parse
from seedbed.records import Candidate, SourceTask
from seedbed.tabs import WITHDRAWN_DRAW
from seedbed_backend.stack.processes import free_port
from seedbed_backend.store import Project, Store

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("label_studio")]

QA = registry.technique("qa")
SOURCE, FIELDS = SAMPLES["qa"]
SPAN = (PASSAGE.index(FIELDS["quote"]), PASSAGE.index(FIELDS["quote"]) + len(FIELDS["quote"]))
PROVENANCE = {
    "source_id": SourceTask.of(SOURCE).id, "document": "loan.pdf", "page": 4, "page_end": 5,
    "char_start": 1000, "char_end": 1000 + len(PASSAGE),
    "page_spans": [[4, 0, 60], [5, 0, len(PASSAGE) - 60]],
    "evidence": {"start": SPAN[0], "end": SPAN[1], "char_start": 1000 + SPAN[0],
                 "char_end": 1000 + SPAN[1], "page": 4},
    "model": "m.gguf", "sampling": {"temperature": 0.8}, "rng_seed": 3,
}  # fmt: skip
NOTICE = gate_notice.write(
    [
        RunNotice(run, state, target=0.8, n_sampled=9, n_judged=9, rate=0.9, low=0.8, high=0.95)
        for run, state in (("r-passed", "passed"), ("r-held", "held"))
    ]
)


def review_task(cid: str, run: str, *, draw: float = 0.5, is_canary: bool = False) -> dict:
    candidate = Candidate(cid, SourceTask.of(SOURCE), FIELDS)
    data = labeling.review_data(
        QA, candidate, draw=draw, score=0.8, scores={"grounding": 0.9}, run=run,
        stratum="qa/-/high", provenance=PROVENANCE, is_canary=is_canary,
    )  # fmt: skip
    predicted = labeling.prediction(QA, FIELDS, 0.8, SPAN, source_text=PASSAGE)
    return {"data": data, "predictions": [predicted]}


@dataclass
class World:
    """A review project in which everything has happened that can happen to a candidate."""

    project: int
    url: str
    api_key: str
    tasks: dict[str, int]
    headers: dict[str, str]

    def client(self) -> Client:
        return Client(self.url, self.api_key)

    def judge(self, cid: str, choice: str, **edits: Any) -> None:
        """Submit what a person leaves: the prediction, edited, with the verdict."""
        task = httpx.get(
            f"{self.url}/api/tasks/{self.tasks[cid]}", headers=self.headers, timeout=60
        ).json()
        (shown,) = task["predictions"]
        result = [r | {"value": r["value"] | edits.get(r["id"], {})} for r in shown["result"]]
        if choice in ("accept", "reject"):
            result.append(
                {"id": "verdict", "from_name": "verdict", "to_name": "passage", "type": "choices",
                 "value": {"choices": [choice]}}
            )  # fmt: skip
        body = {
            "result": result, "was_cancelled": choice == "skip", "lead_time": 9.0,
            "parent_prediction": shown["id"],
        }  # fmt: skip
        answer = httpx.post(
            f"{self.url}/api/tasks/{self.tasks[cid]}/annotations/",
            json=body,
            headers=self.headers,
            timeout=60,
        )
        assert answer.is_success, answer.text


@pytest.fixture(scope="module")
def world(server, label_studio):
    config = labeling.review_config(QA)
    project = server.create_project("pull test", config, f"Loans of 2026.\n\n{NOTICE}")
    made = {
        "accepted": review_task("accepted", "r-passed"),
        "fixed": review_task("fixed", "r-held"),
        "moved": review_task("moved", "r-held"),
        "changed_mind": review_task("changed_mind", "r-passed"),
        "rejected": review_task("rejected", "r-passed"),
        "skipped": review_task("skipped", "r-passed"),
        "canary": review_task("canary", "r-passed", is_canary=True),
        "unjudged_canary": review_task("unjudged_canary", "r-passed", is_canary=True),
        "unjudged": review_task("unjudged", "r-passed"),
        "held": review_task("held", "r-held"),
        "withdrawn": review_task("withdrawn", "r-passed", draw=WITHDRAWN_DRAW + 0.5),
        "older": review_task("older", "r-passed"),
    }
    del made["older"]["data"]["shown"], made["older"]["data"]["seal"]
    ids = server.import_tasks(project, list(made.values()))
    token = httpx.post(
        f"{label_studio.url}/api/token/refresh/", json={"refresh": label_studio.api_key}, timeout=60
    ).json()["access"]
    world = World(
        project,
        label_studio.url,
        label_studio.api_key,
        dict(zip(made, ids, strict=True)),
        {"Authorization": f"Bearer {token}"},
    )
    world.judge("accepted", "accept")
    world.judge("fixed", "accept", answer={"text": ["25 euros"]})
    world.judge("moved", "accept", quote={"start": 0, "end": 4, "text": "Loan"})
    world.judge("changed_mind", "accept")
    world.judge("changed_mind", "reject")
    world.judge("rejected", "reject")
    world.judge("skipped", "skip")
    world.judge("canary", "accept")
    yield world
    server.delete_project(project)


def ids_of(rows) -> set[str]:
    return {row.id for row in rows}


def test_reviewed_is_what_people_accepted_or_fixed(world):
    with world.client() as client:
        pull = client.pull(world.project)
        rows = {row.id: row for row in pull}
    assert set(rows) == {"accepted", "fixed", "moved"}
    assert {id_: row.provenance["verdict"] for id_, row in rows.items()} == {
        "accepted": "ACCEPTED", "fixed": "FIXED", "moved": "FIXED",
    }  # fmt: skip
    assert rows["fixed"].output == FIELDS | {"answer": "25 euros"}
    assert pull.why_left_out() == "2 rejected, 1 skipped, 5 not judged, 1 other"


def test_gated_adds_the_unjudged_of_runs_that_passed(world):
    with world.client() as client:
        pull = client.pull(world.project, policy="gated")
        rows = {row.id: row for row in pull}
    assert set(rows) == {"accepted", "fixed", "moved", "unjudged", "older"}
    assert {id_: row.provenance["gate"] for id_, row in rows.items()} == {
        "accepted": "passed", "fixed": "held", "moved": "held", "unjudged": "passed",
        "older": "passed",
    }  # fmt: skip
    for id_ in ("unjudged", "older"):
        assert rows[id_].output == FIELDS
        assert not {"verdict", "reviewer", "decided_at"} & rows[id_].provenance.keys()
    assert pull.left_out == {
        "rejected": 2, "skipped": 1, "not_released": 1, "withdrawn": 1, "others": 2,
    }  # fmt: skip


def test_any_number_of_runs_may_have_passed(world, server):
    runs = [f"run-{n:04}" for n in range(250)]
    tasks = server.unjudged_tasks(world.project, [*runs[:130], "r-held", *runs[130:]])
    assert [task["id"] for task in tasks] == [world.tasks["held"]]


def test_the_gates_word_is_read_anew_with_every_pull(world, server):
    before = server.description(world.project)
    server.set_description(world.project, "somebody emptied it")
    try:
        with world.client() as client:
            rows = list(client.pull(world.project, policy="gated"))
        assert ids_of(rows) == {"accepted", "fixed", "moved"}
        assert {row.provenance["gate"] for row in rows} == {"unknown"}
    finally:
        server.set_description(world.project, before)


def test_rows_say_where_they_came_from(world):
    with world.client() as client:
        rows = {row.id: row.provenance for row in client.pull(world.project)}
    own = {key: value for key, value in PROVENANCE.items() if key != "page_spans"}
    assert own.items() <= rows["accepted"].items()
    assert rows["moved"]["evidence"] == {
        "start": 0, "end": 4, "char_start": 1000, "char_end": 1004, "page": 4,
    }  # fmt: skip
    assert rows["accepted"]["review_task"] == world.tasks["accepted"]
    assert rows["accepted"]["scores"] == {"grounding": 0.9}


def test_reviewers_have_pseudonyms_that_last(world, server):
    with world.client() as client:
        first, second, by_id = (
            {row.provenance["reviewer"] for row in client.pull(world.project, reviewers=how)}
            for how in ("pseudonyms", "pseudonyms", "ids")
        )
    assert first == second
    assert all(re.fullmatch(r"reviewer-[0-9a-f]{8}", name) for name in first)
    assert by_id == {server.check().user_id}


def test_a_pull_can_go_on_where_an_earlier_one_ended(world, server):
    (late,) = server.import_tasks(world.project, [review_task("late", "r-held")])
    world.tasks["late"] = late
    with world.client() as client:
        newest = max(row.provenance["decided_at"] for row in client.pull(world.project))
        time.sleep(0.05)
        since = datetime.now(timezone.utc)
        assert list(client.pull(world.project, since=since)) == []
        world.judge("late", "accept")
        assert ids_of(client.pull(world.project, since=since)) == {"late"}
        assert "late" in ids_of(client.pull(world.project, since=moment(newest)))
    server._sdk.tasks.delete(str(late))


def test_what_was_fixed_is_a_preference_pair(world):
    with world.client() as client:
        pull = client.preferences(world.project)
        (pair,) = pull
    assert pair.output == {"chosen": "25 euros", "rejected": "25 EUR"}
    assert pair.source["prompt"].endswith(FIELDS["question"])
    assert (pair.provenance["candidate"], pair.provenance["made_of"]) == ("fixed", "correction")
    assert pull.left_out["unchanged"] == 1  # only the evidence was moved


# --- the command ---------------------------------------------------------------------------------


def seedbed(world, *arguments, code=0, **environment):
    home = {"SEEDBED_HOME": "/nowhere", "SEEDBED_URL": "http://localhost:9"}
    done = subprocess.run(
        [sys.executable, "-m", "seedbed", "pull", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ
        | home
        | {"LABEL_STUDIO_URL": world.url, "LABEL_STUDIO_API_KEY": world.api_key}
        | environment,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def test_the_command_needs_label_studio_alone(world, tmp_path):
    out = tmp_path / "rows.jsonl"
    done = seedbed(world, "--label-studio-project", world.project, "--policy", "gated", "-o", out)
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert {row["id"] for row in rows} == {"accepted", "fixed", "moved", "unjudged", "older"}
    assert "5 examples" in done.stdout
    assert "Left out: 2 rejected, 1 skipped, 1 not judged, of runs" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["--label-studio-project", "999999"], {}, "reading project 999999"),
        ([], {}, "Nothing says which project"),
        (["--label-studio-project", "1", "--real"], {}, "--technique"),
        (["--label-studio-project", "1", "--real", "--chunks"], {}, "different files"),
        (["--label-studio-project", "1", "--preferences", "--policy", "gated"], {}, "--policy"),
        (["--label-studio-project", "1", "--since", "last week"], {}, "no point in time"),
        (["--label-studio-project", "1"], {"LABEL_STUDIO_API_KEY": "0" * 40}, "API key"),
    ],
)
def test_bad_input_is_named_and_leaves_no_file(world, tmp_path, arguments, environment, said):
    out = tmp_path / "rows.jsonl"
    out.write_text("earlier")
    done = seedbed(world, *arguments, "-o", out, code=2, **environment)
    assert said in done.stderr
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("rows.jsonl", "earlier")]


def test_source_and_review_projects_are_not_confused(world, server):
    sources = server.create_project("sources", labeling.source_config(QA))
    try:
        with world.client() as client:
            with pytest.raises(UserError, match=r"\(sources\) is no review project"):
                client.pull(sources)
            with pytest.raises(UserError, match="is a review project"):
                client.real(world.project, "qa")
            with pytest.raises(NotFoundError, match="project 999999"):
                client.chunks(999999)
    finally:
        server.delete_project(sources)


class _Failing(BaseHTTPRequestHandler):
    """Passes calls on to Label Studio until the nth list of tasks, and dies there."""

    target = ""
    n_left = 0

    def do_GET(self) -> None:
        if "/api/tasks" in self.path:
            type(self).n_left -= 1
            if self.n_left < 0:
                self.connection.close()
                return
        self._pass(b"")

    def do_POST(self) -> None:
        self._pass(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def _pass(self, body: bytes) -> None:
        wanted = {"authorization", "content-type"}
        headers = {k: v for k, v in self.headers.items() if k.lower() in wanted}
        answer = httpx.request(
            self.command, self.target + self.path, content=body, headers=headers, timeout=60
        )
        self.send_response(answer.status_code)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet."""


@contextlib.contextmanager
def failing_after(url: str, n_lists: int):
    """Give the address of a Label Studio that goes away after so many lists of tasks."""
    handler = type("Handler", (_Failing,), {"target": url, "n_left": n_lists})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield f"http://localhost:{http.server_address[1]}"
        http.shutdown()
        thread.join()


def test_a_server_that_goes_away_in_the_middle_leaves_no_file(world, tmp_path):
    out = tmp_path / "rows.jsonl"
    with failing_after(world.url, 1) as url:
        with Client(url, world.api_key) as client:
            pull = client.pull(world.project, policy="gated")
            with pytest.raises(LabelStudioError, match="cannot be reached"):
                list(pull)
        assert pull.n > 0
    with failing_after(world.url, 1) as url:
        done = seedbed(
            world, "--label-studio-project", world.project, "--policy", "gated", "-o", out,
            code=1, LABEL_STUDIO_URL=url,
        )  # fmt: skip
    assert "cannot be reached" in done.stderr
    assert list(tmp_path.iterdir()) == []


# --- label-studio-sdk alone ----------------------------------------------------------------------


def plain_sdk_snippet() -> str:
    """Return the documentation's own code for people without Seedbed."""
    page = ROOT / "docs" / "training-data.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    (snippet,) = (block for block in blocks if "data.approved" in block)
    assert "seedbed" not in snippet.lower()
    return snippet


def run_snippet(url: str, api_key: str, project: int) -> dict[str, str]:
    """Run it, and return its lines by candidate."""
    snippet = plain_sdk_snippet().replace("http://localhost:8080", url)
    snippet = snippet.replace("a personal access token", api_key)
    snippet = snippet.replace("project=2", f"project={project}")
    done = subprocess.run(
        [sys.executable, "-c", snippet], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {line.split(" ", 1)[0]: line for line in done.stdout.splitlines()}


def test_the_documented_plain_sdk_code_finds_what_is_marked_approved(world, server):
    for cid in ("accepted", "fixed", "moved"):  # as Seedbed's server marks them
        server.change_data(world.tasks[cid], approved="yes", verdict="ACCEPTED")
    lines = run_snippet(world.url, world.api_key, world.project)
    assert set(lines) == {"accepted", "fixed", "moved"}
    assert "'answer': {'text': ['25 euros']}" in lines["fixed"]


# --- the web API ---------------------------------------------------------------------------------

PASSWORD = ("seedbed", "secret")


@pytest.fixture(scope="module")
def sources(server):
    """A source project of one passage and, beside it, what a person wrote."""
    project = server.create_project("pull test sources", labeling.source_config(QA))
    meta = {"provenance": {"file": "loan.pdf", "char_start": 5, "char_end": 5 + len(PASSAGE)}}
    server.import_tasks(project, [{"data": SOURCE, "meta": meta}])
    yield project
    server.delete_project(project)


@pytest.fixture(scope="module")
def home(world, sources, tmp_path_factory):
    """Where the web process keeps its books: it knows one project."""
    folder = tmp_path_factory.mktemp("web")
    recipe = parse({"technique": "qa"})
    with contextlib.closing(Store.open(f"sqlite:///{folder / 'seedbed.sqlite3'}")) as store:
        store.migrate()
        store.save_project(
            Project(
                id="loans",
                name="loans",
                technique="qa",
                recipe=recipe.model_dump(mode="json"),
                recipe_hash=recipe.hash,
                label_studio_url=world.url,
                source_project=sources,
                review_project=world.project,
            )
        )
    return folder


@contextlib.contextmanager
def web_process(home, label_studio_url: str, api_key: str):
    """Run the server as `seedbed up` does; give its address."""
    port = free_port(0)
    own = {
        "SEEDBED_HOME": str(home),
        "LABEL_STUDIO_URL": label_studio_url,
        "LABEL_STUDIO_API_KEY": api_key,
        "BASIC_AUTH_PASS": PASSWORD[1],
        "SEEDBED_WEBHOOK_SECRET": "s",
    }
    command = [
        *(sys.executable, "-m", "gunicorn", "_wsgi:app", "--chdir", ROOT / "backend"),
        *("--bind", f"127.0.0.1:{port}", "--worker-class", "gthread", "--threads", "4"),
        "--no-control-socket",
    ]
    log = home / f"web-{port}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=os.environ | own, stdout=file, stderr=file)
    try:
        url = f"http://localhost:{port}"
        wait_for(lambda: _answers(url), 120, "the web process's answer")
        yield url, log
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{url}/health", timeout=5).is_success
    return False


@pytest.fixture(scope="module")
def web(home, world):
    with web_process(home, world.url, world.api_key) as (url, _):
        yield url


def get(web: str, query: str = "", project: str = "loans") -> httpx.Response:
    return httpx.get(f"{web}/api/projects/{project}/examples{query}", auth=PASSWORD, timeout=60)


@pytest.mark.parametrize("policy", ["reviewed", "gated"])
def test_the_web_api_gives_what_python_gives(web, world, policy):
    answer = get(web, f"?policy={policy}")
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    rows = [json.loads(line) for line in answer.text.splitlines()]
    with world.client() as client:
        assert rows == [example.to_dict() for example in client.pull(world.project, policy)]
    assert len(rows) >= 3


def test_the_web_api_gives_every_kind(web, world, sources):
    rows = {
        kind: [json.loads(line) for line in get(web, f"?kind={kind}").text.splitlines()]
        for kind in ("real", "preferences", "chunks")
    }
    assert [row["output"]["chosen"] for row in rows["preferences"]] == ["25 euros"]
    assert rows["real"] == []  # a bare passage is no example
    assert rows["chunks"] == [
        {
            "text": PASSAGE, "document": SOURCE["document"], "page": -1, "page_end": -1,
            "char_start": 5, "char_end": 5 + len(PASSAGE), "source_id": SourceTask.of(SOURCE).id,
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("?kind=all", 400, "Known: approved, real"),
        ("?policy=any", 400, "Known: reviewed, gated"),
        ("?since=lately", 400, "no point in time"),
        ("?limit=3", 400, "no argument"),
        ("?since=2026-01-31T08:30:00+01:00&reviewers=ids", 200, '"reviewer": 1,'),
    ],
)
def test_the_web_api_checks_what_it_is_asked(web, query, status, said):
    answer = get(web, query)
    assert answer.status_code == status
    assert said in answer.text


def test_the_web_api_needs_a_project_and_a_password(web):
    assert get(web, project="nobody").status_code == 404
    assert httpx.get(f"{web}/api/projects/loans/examples").status_code == 401


def test_http_1_0_could_not_tell_a_broken_stream(web):
    address = ("127.0.0.1", int(web.rsplit(":", 1)[1]))
    password = base64.b64encode(":".join(PASSWORD).encode()).decode()
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(
            "GET /api/projects/loans/examples HTTP/1.0\r\n"
            f"Authorization: Basic {password}\r\n\r\n".encode()
        )
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b" 400 " in answer.splitlines()[0]
    assert b"HTTP/1.1" in answer.split(b"\r\n\r\n")[1]


def test_a_stream_that_breaks_off_is_no_whole_one(home, world):
    with (
        failing_after(world.url, 1) as label_studio,
        web_process(home, label_studio, world.api_key) as (url, log),
    ):
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
            get(url, "?policy=gated")
        said = log.read_text(encoding="utf-8")
    assert "examples of project loans were broken off" in said


# --- beside the whole stack ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def judged(grown, server, backend, label_studio):
    """The project of the grown questions, three of which are judged, and its world."""
    project = grown("qa")
    tasks = {t["data"]["cid"]: t["id"] for t in server.tasks(project["review_project"])}
    token = httpx.post(
        f"{label_studio.url}/api/token/refresh/",
        json={"refresh": label_studio.api_key},
        timeout=60,
    ).json()["access"]
    world = World(
        project["review_project"], label_studio.url, label_studio.api_key, tasks,
        {"Authorization": f"Bearer {token}"},
    )  # fmt: skip
    first, second, third = list(tasks)[:3]
    world.judge(first, "accept")
    world.judge(second, "accept", answer={"text": ["As a person put it."]})
    world.judge(third, "reject")
    backend.sync(project["id"])
    return project, world, (first, second, third)


class TestWhatWasGrown:
    def test_the_documented_plain_sdk_code_finds_what_the_server_marked(self, judged):
        _, world, (first, second, third) = judged
        with world.client() as client:
            approved = ids_of(client.pull(world.project))

        def found():
            lines = run_snippet(world.url, world.api_key, world.project)
            return lines if set(lines) == approved else None

        lines = wait_for(found, 60, "the mark on every approved task")
        assert {first, second} <= set(lines)
        assert third not in lines
        assert "As a person put it." in lines[second]

    def test_the_command_takes_a_projects_name(self, judged, run_seedbed, tmp_path):
        project, _, (first, second, _) = judged
        out = tmp_path / "rows.jsonl"
        done = run_seedbed("pull", project["id"], "-o", out)
        rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
        assert {first, second} <= {row["id"] for row in rows}
        assert "rejected" in done.stdout
        drawn = {"temperature", "top_p", "top_k", "min_p", "repeat_penalty", "max_tokens"}
        for row in rows:
            said = row["provenance"]
            assert said["sampling"].keys() == drawn | {"thinking"}
            assert said["document"].endswith(".md")
            assert said["source_id"]
            assert len(said["model_sha256"]) == 64
            if marked := said.get("evidence"):
                passage = row["source"]["passage"]
                assert passage[marked["start"] : marked["end"]] == row["output"]["quote"]
                assert marked["char_start"] - said["char_start"] == marked["start"]
