"""The main job on the real services: Label Studio, Redis, llama.cpp with the demo model, MiniLM.

One stack serves all tests. Nothing is patched.
"""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from growing import FILES, run_to_its_end, wait_for
from seedbed import Client, labeling, recipe, registry
from seedbed.errors import LabelStudioError, NotFoundError, UserError
from seedbed.label_studio import LabelStudioServer

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("label_studio")]


@pytest.mark.parametrize("technique", sorted(registry.techniques()))
class TestEveryTechnique:
    def test_every_attempt_is_accounted_for(self, grown, technique):
        funnel = grown(technique)["funnel"]
        n_dropped = sum(row["n"] for row in funnel["dropped"])
        assert funnel["n_attempts"] == n_dropped + funnel["n_survivors"]
        assert funnel["n_pending"] == 0
        assert funnel["n_survivors"] > 0
        assert all(row["reason"] for row in funnel["dropped"])

    def test_every_survivor_is_one_pre_annotated_review_task(self, grown, server, store, technique):
        from label_studio_sdk.label_interface import LabelInterface

        project = grown(technique)
        tasks = list(server.tasks(project["review_project"]))
        survivors = store.candidates(project_id=project["id"], states=("survivor",))
        assert {t["data"]["cid"] for t in tasks} == {s.candidate.id for s in survivors}
        assert {t["id"] for t in tasks} == {s.review_task for s in survivors}
        interface = LabelInterface(server.label_config(project["review_project"]))
        for task in tasks[:5]:
            (prediction,) = server.task(task["id"])["predictions"]
            assert prediction["model_version"] == "seedbed"
            shown = {k: prediction[k] for k in ("result", "score", "model_version")}
            assert not interface.validate_prediction(shown, return_errors=True)
            assert not any(r["from_name"] == "verdict" for r in prediction["result"])

    def test_every_candidate_can_be_traced(self, grown, server, store, technique):
        project = grown(technique)
        task = next(iter(server.tasks(project["review_project"])))
        provenance = task["data"]["provenance"]
        source = store.source(project["id"], provenance["source_id"])
        assert source is not None
        assert server.task(source.label_studio_task)["data"]["cid"] == source.id
        assert provenance["recipe"] == project["recipe_hash"]
        assert len(provenance["model_sha256"]) == 64

    def test_set_up_twice_is_set_up_once(self, grown, backend, server, store, technique):
        project = grown(technique)
        before = store.project(project["id"])
        again = backend.save_project(project["name"], dict(before.recipe))
        assert again["review_project"] == project["review_project"]
        assert again["source_project"] == project["source_project"]
        views = server._sdk.views.list(project=project["review_project"])
        titles = [view.data["title"] for view in views]
        assert titles[0] == "Review sample"
        assert len(titles) == len(set(titles))

    def test_importing_again_adds_nothing(self, grown, backend, store, technique):
        project = grown(technique)
        sources = store.sources(project["id"])
        rows = [{"fields": dict(s.fields)} for s in sources]
        report = backend.import_rows(project["id"], rows)
        assert (report["n_new"], report["n_duplicates"]) == (0, len(rows))


def annotate(server, task, technique, *, text=None, choice="accept", **extra):
    """Submit an annotation as the labeling screen does: the prediction's regions and a verdict."""
    (prediction,) = server.task(task)["predictions"]
    regions = json.loads(json.dumps(prediction["result"]))
    first = next(region for region in regions if region["type"] == "textarea")
    if text is not None:
        first["value"]["text"] = [text]
    regions.append(
        {
            "id": "v",
            "from_name": "verdict",
            "to_name": first["to_name"],
            "type": "choices",
            "value": {"choices": [choice]},
        }
    )
    if choice == "reject":
        regions.append(
            {
                "id": "w",
                "from_name": "reject_reason",
                "to_name": first["to_name"],
                "type": "choices",
                "value": {"choices": [technique.reject_reasons[0]]},
            }
        )
    return server._sdk.annotations.create(
        task, result=regions, parent_prediction=prediction["id"], **extra
    ).id


class TestVerdicts:
    @pytest.fixture
    def tasks(self, grown, server, store):
        project = grown("paraphrase")
        free = [
            s.review_task
            for s in store.candidates(project_id=project["id"], states=("survivor",))
            if s.verdict is None
        ]
        assert len(free) >= 2, "the demo model leaves too few survivors for this test"
        return free

    def verdict(self, store, server, task):
        return store.candidate(server.task(task)["data"]["cid"]).verdict

    def test_an_accepted_text_that_was_changed_is_fixed_by_webhook(
        self, grown, server, store, tasks
    ):
        annotate(server, tasks[0], registry.technique("paraphrase"), text="Said quite otherwise.")
        found = wait_for(lambda: self.verdict(store, server, tasks[0]), what="the verdict")
        assert found.status == "FIXED"
        assert found.fields["paraphrase"] == "Said quite otherwise."

    def test_deleting_the_annotation_takes_the_verdict_back(self, server, store, tasks):
        made = annotate(server, tasks[0], registry.technique("paraphrase"))
        wait_for(lambda: self.verdict(store, server, tasks[0]), what="the verdict")
        server._sdk.annotations.delete(made)
        wait_for(lambda: self.verdict(store, server, tasks[0]) is None, what="the withdrawal")

    def test_without_the_webhook_sync_finds_it(self, grown, stack, server, backend, store, tasks):
        project = grown("paraphrase")
        hook = f"{stack.url}/webhook"
        assert server.remove_webhooks(project["review_project"], hook) == 1
        try:
            annotate(server, tasks[0], registry.technique("paraphrase"), choice="reject")
            time.sleep(1.5)
            assert self.verdict(store, server, tasks[0]) is None
            assert backend.sync(project["id"])["n_changed"] == 1
            found = self.verdict(store, server, tasks[0])
            assert (found.status, found.reasons) == ("REJECTED", ("meaning changed",))
            assert backend.sync(project["id"])["n_changed"] == 0
        finally:
            secret = stack.environment["SEEDBED_WEBHOOK_SECRET"]
            server.set_webhook(project["review_project"], hook, secret)

    def test_a_skip_decides_nothing(self, grown, server, backend, store, tasks):
        annotate(server, tasks[0], registry.technique("paraphrase"), was_cancelled=True)
        backend.sync(grown("paraphrase")["id"])
        assert self.verdict(store, server, tasks[0]) is None

    def test_approved_examples_are_pulled_merged_and_exported(
        self, grown, server, stack, backend, tasks, run_seedbed, tmp_path
    ):
        project = grown("paraphrase")
        annotate(server, tasks[0], registry.technique("paraphrase"))
        with Client(stack.label_studio_url, stack.environment["LABEL_STUDIO_API_KEY"]) as client:
            pulled = list(client.pull(project["review_project"]))
        assert pulled
        assert all(example.origin == "synthetic" for example in pulled)

        def seedbed(*arguments):
            return run_seedbed(*arguments).stdout

        synthetic, real = tmp_path / "synthetic.jsonl", tmp_path / "real.jsonl"
        merged, out = tmp_path / "merged", tmp_path / "out"
        seedbed("pull", project["id"], "-o", synthetic)
        seedbed("pull", project["id"], "--real", "-o", real)
        seedbed("merge", "--real", real, "--synthetic", synthetic, "-o", merged)
        seedbed("export", merged, "--format", "openai-messages", "-o", out)
        rows = [json.loads(line) for line in (out / "train.jsonl").read_text().splitlines()]
        assert {row["metadata"]["origin"] for row in rows} == {"real", "synthetic"}
        assert all(row["messages"][-1]["role"] == "assistant" for row in rows)


class TestOpeningASourceTask:
    def test_a_task_that_was_grown_shows_its_candidates_worst_first(self, grown, server, store):
        project = grown("paraphrase")
        survivors = store.candidates(project_id=project["id"], states=("survivor",))
        task = survivors[0].candidate.source.label_studio_task
        predictions = server.task(task)["predictions"]
        scores = [p["score"] for p in sorted(predictions, key=lambda p: p["id"])]
        assert scores
        assert scores == sorted(scores)

    def test_a_new_task_is_grown_while_the_person_waits(self, grown, server, store, backend):
        project = grown("dpo")
        text = json.loads(FILES["dpo"][0].read_text().splitlines()[0])["prompt"]
        (task,) = server.import_tasks(
            project["source_project"], [{"data": {"prompt": f"Please answer. {text}"}}]
        )
        server.task(task)  # opening it asks the backend, which queues what is missing

        def grown_source():
            source = store.source_by_task(project["id"], task)
            return source and [
                c
                for c in store.candidates(project_id=project["id"])
                if c.completion.source_id == source.id
            ]

        assert wait_for(grown_source, 60, "a completion for the opened task")


class TestSafety:
    def test_a_generate_worker_killed_in_the_middle_loses_nothing(self, backend, stack, store):
        worker = next(w for w, (role, _) in stack._workers.items() if role == "generate")
        project = backend.save_project(
            "it-killed", recipe.parse({"technique": "dpo"}).model_dump(mode="json")
        )
        rows = [json.loads(line) for line in FILES["dpo"][0].read_text().splitlines()]
        backend.import_rows("it-killed", [{"fields": row} for row in rows])
        run = backend.start_run("it-killed", 10)
        wait_for(
            lambda: backend.run(run["id"])["funnel"]["n_attempts"] >= 3, 60, "the first completions"
        )
        os.killpg(worker._process.pid, signal.SIGKILL)
        wait_for(lambda: not worker.is_alive, what="the worker's end")
        before = {c.completion.id: c.completion.text for c in store.candidates(run_id=run["id"])}
        assert stack.revive_workers() == ["the generate worker"]
        ended = run_to_its_end(backend, run["id"])
        assert ended["state"] in {"done", "short"}, ended["error"]
        after = {c.completion.id: c.completion.text for c in store.candidates(run_id=run["id"])}
        assert before.items() <= after.items()
        assert ended["funnel"]["n_attempts"] == ended["n_planned"] == len(after)
        assert project["id"] == "it-killed"

    def test_a_job_that_runs_twice_changes_nothing(self, grown, stack, store, server):
        from seedbed_backend import pipeline
        from seedbed_backend.services import Services
        from seedbed_backend.settings import Settings

        project = grown("expand")
        before = store.candidates(project_id=project["id"])
        n_tasks = len(list(server.tasks(project["review_project"])))
        services = Services(Settings.from_environment(os.environ | stack.environment))
        try:
            run = store.runs(project["id"])[0]
            for batch in store.batches(run.id):
                pipeline.generate(services, batch.id)
                pipeline.screen(services, batch.id)
            pipeline.close_wave(services, run.id, run.wave)
            pipeline.publish(services, run.id)
        finally:
            services.close()
        assert store.candidates(project_id=project["id"]) == before
        assert len(list(server.tasks(project["review_project"]))) == n_tasks

    def test_a_label_config_that_lost_a_control_is_named_and_the_run_can_go_on(
        self, backend, server, store
    ):
        plan = recipe.parse({"technique": "dpo"}).model_dump(mode="json")
        project = backend.save_project("it-edited", plan)
        xml = server.label_config(project["review_project"])
        broken = xml.replace('name="chosen"', 'name="preferred"')
        server.update_config(project["review_project"], broken)
        rows = [json.loads(line) for line in FILES["dpo"][0].read_text().splitlines()]
        backend.import_rows("it-edited", [{"fields": row} for row in rows])
        run = run_to_its_end(backend, backend.start_run("it-edited", 4)["id"])
        assert run["state"] == "failed"
        assert "chosen" in run["error"]
        n_survivors = run["funnel"]["n_survivors"]
        assert n_survivors > 0
        backend.save_project("it-edited", plan)  # mends the config
        backend.resume_run(run["id"])
        mended = run_to_its_end(backend, run["id"])
        assert mended["state"] in {"done", "short"}
        assert len(list(server.tasks(project["review_project"]))) == n_survivors
        labeling.check_config(
            server.label_config(project["review_project"]), registry.technique("dpo")
        )

    def test_sources_imported_by_hand_count_and_bad_ones_are_named(self, backend, server):
        plan = recipe.parse({"technique": "dpo"}).model_dump(mode="json")
        project = backend.save_project("it-by-hand", plan)
        assert backend.import_rows("it-by-hand", [{"fields": {"prompt": "  "}}])["problems"] == [
            "row 1: the field 'prompt' (the instruction, with the text it is about) is missing or "
            "empty. Found: prompt."
        ]
        with pytest.raises(UserError, match="no sources"):
            backend.start_run("it-by-hand", 5)
        row = json.loads(FILES["dpo"][0].read_text().splitlines()[0])
        server.import_tasks(project["source_project"], [{"data": row}])
        run = backend.start_run("it-by-hand", 1)
        assert run["source_problems"] == []
        assert run_to_its_end(backend, run["id"])["state"] in {"done", "short"}

    def test_unknown_things_are_named_with_the_known_ones(self, backend, grown):
        grown("paraphrase")
        with pytest.raises(NotFoundError, match="it-paraphrase"):
            backend.project("nope")

    def test_a_wrong_token_is_named(self, label_studio):
        with pytest.raises((LabelStudioError, UserError), match=r"token|key"):
            LabelStudioServer(label_studio.url, "wrong").check()

    @pytest.mark.parametrize(
        ("setting", "value", "code", "words"),
        [
            ("LABEL_STUDIO_API_KEY", "wrong", 2, "API key"),
            ("LABEL_STUDIO_URL", "http://localhost:9", 1, "localhost:9"),
            ("BASIC_AUTH_PASS", "wrong", 2, "password"),
        ],
    )
    def test_a_wrong_setting_gives_one_sentence(
        self, grown, stack, tmp_path, setting, value, code, words
    ):
        project = grown("paraphrase")
        done = subprocess.run(
            [sys.executable, "-m", "seedbed", "pull", project["id"], "-o", str(tmp_path / "x")],
            capture_output=True,
            text=True,
            env=os.environ | stack.environment | {setting: value},
            check=False,
        )
        assert done.returncode == code
        assert words in done.stderr
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "x").exists()

    def test_doctor_finds_everything_well(self, backend, stack):
        checks = {check["name"]: check for check in backend.doctor()}
        assert all(check["is_ok"] for check in checks.values()), checks
        assert {"model loads", "encoder loads", "ml backend allowed"} <= set(checks)
