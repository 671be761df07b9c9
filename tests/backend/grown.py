"""A project grown by the pipeline itself over a real store, with a Label Studio that only remembers."""

from __future__ import annotations

import itertools
import random
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from filters.support import HashingEncoder
from seedbed import labeling, registry
from seedbed.errors import LabelStudioError, NotFoundError
from seedbed.recipe import parse
from seedbed.records import Completion, SourceTask, content_id
from seedbed_backend import pipeline
from seedbed_backend.engine import open_engine
from seedbed_backend.settings import Settings
from seedbed_backend.store import Batch, Project, Run, Store

FILTERS = ("similarity", "dedup", "top_fraction")
"""Those that the tests are about; what they decide on made-up words is easy to foresee."""


class RememberingQueues:
    """Notes what would be queued."""

    def __init__(self) -> None:
        self.queued: list[tuple[str, ...]] = []

    def enqueue(self, queue: str, job: str, *ids: Any, **_: Any) -> None:
        self.queued.append((queue, job, *map(str, ids)))

    def is_waiting(self, queue: str, job: str, *ids: Any) -> bool:
        return (queue, job, *map(str, ids)) in self.queued

    def project_lock(self, project_id: str) -> Any:
        return nullcontext()


class RememberingLabelStudio:
    """Keeps tasks as Label Studio does; `is_away` makes every import fail."""

    def __init__(self, xml: str) -> None:
        self.xml, self.is_away, self.notice = xml, False, ""
        self.stored: dict[int, dict[str, Any]] = {}
        self.numbers = itertools.count(1)

    def label_config(self, project: int) -> str:
        return self.xml

    def tasks_by_cid(self, project: int, cids: Any) -> dict[str, int]:
        found = {task["data"]["cid"]: id_ for id_, task in self.stored.items()}
        return {cid: found[cid] for cid in cids if cid in found}

    def import_tasks(self, project: int, tasks: Any) -> list[int]:
        if self.is_away:
            raise LabelStudioError("Label Studio cannot be reached.", retryable=True)
        ids = []
        for task in tasks:
            ids.append(next(self.numbers))
            self.stored[ids[-1]] = {"id": ids[-1], "annotations": [], **task}
        return ids

    def task(self, task: int) -> dict[str, Any]:
        if task not in self.stored:
            raise NotFoundError("Label Studio does not have it.")
        return self.stored[task]

    def annotated_tasks(self, project: int) -> list[dict[str, Any]]:
        return [task for task in self.stored.values() if task["annotations"]]

    def judged_tasks(self, project: int) -> list[dict[str, Any]]:
        return self.annotated_tasks(project)

    def annotation(self, annotation: int) -> dict[str, Any]:
        for task in self.stored.values():
            for each in task["annotations"]:
                if each["id"] == annotation:
                    return dict(each)
        raise NotFoundError("Label Studio does not have it.")

    def change_data(self, task: int, **changes: Any) -> None:
        self.task(task)["data"] |= changes

    def data_of(self, project: int, tasks: Any) -> dict[int, dict[str, Any]]:
        return {id_: dict(self.stored[id_]["data"]) for id_ in tasks if id_ in self.stored}

    def set_data(self, task: int, data: Any) -> None:
        self.task(task)["data"] = dict(data)

    def description(self, project: int) -> str:
        if self.is_away:
            raise LabelStudioError("Label Studio cannot be reached.", retryable=True)
        return self.notice

    def set_description(self, project: int, text: str) -> None:
        self.notice = text

    def tasks_above(self, project: int, column: str, limit: float) -> list[int]:
        key = column.removeprefix("data.")
        return [id_ for id_, t in self.stored.items() if (t["data"].get(key) or 0) > limit]

    def tasks_below(self, project: int, column: str, limit: float) -> set[int]:
        key = column.removeprefix("data.")
        return {id_ for id_, task in self.stored.items() if task["data"].get(key, 1) < limit}

    def set_tab(self, project: int, tab: Any) -> int:
        return 0

    def set_tabs(self, project: int, tabs: Any) -> list[int]:
        return []

    def skipped_tasks(self, project: int) -> list[dict[str, Any]]:
        return []

    def judge(self, task: int, choice: str) -> None:
        """Annotate as a person does who leaves the texts as they are."""
        result = [dict(r) for r in self.stored[task]["predictions"][0]["result"]]
        result.append(
            {
                "from_name": "verdict",
                "to_name": "source",
                "type": "choices",
                "value": {"choices": [choice]},
            }
        )
        self.stored[task]["annotations"] = [
            {"id": 1000 + task, "result": result, "created_at": "2026-01-01T00:00:00Z",
             "updated_at": "2026-01-01T00:00:00Z", "completed_by": 1, "was_cancelled": False,
             "lead_time": 3.0, "parent_prediction": None}
        ]  # fmt: skip


class GrownServices:
    """What the pipeline works with here."""

    def __init__(self, store: Store, xml: str) -> None:
        self.store, self.encoder, self.entailment = store, HashingEncoder(), None
        home = Path(store.url.removeprefix("sqlite:///")).parent
        environment = {"SEEDBED_HOME": str(home), "SEEDBED_ENGINE": "echo"}
        self.settings = Settings.from_environment(environment)
        self.judge = open_engine("echo")
        self.queues, self.label_studio = RememberingQueues(), RememberingLabelStudio(xml)


def grow(url: str, *, n_sources: int = 12, **settings: Any) -> tuple[Any, Project, Run]:
    """Make a paraphrase project and run it once.

    Every source has four candidates with 11, 8, 6 and 3 of its 14 words, the first one again, and a
    completion that is no JSON.
    """
    store = Store.open(url)
    store.migrate()
    off = {n: False for n in registry.technique("paraphrase").filters if n not in FILTERS}
    filters = {
        **off,
        "similarity": {"minimum": 0.30, "maximum": 1.0},
        **settings.pop("filters", {}),
    }
    recipe = parse({"technique": "paraphrase", "filters": filters, **settings})
    services = GrownServices(store, labeling.review_config(recipe.spec))
    document = recipe.model_dump(mode="json")
    project = Project(
        "p1", "Clauses", "paraphrase", document, recipe.hash, "http://localhost:8080", 1, 2
    )
    store.save_project(project)
    sources = [_source(n) for n in range(n_sources)]
    store.add_sources("p1", sources)
    run = add_run(services, project, sources, "run1")
    return services, store.project("p1"), run


def add_run(services: Any, project: Project, sources: list[SourceTask], run_id: str) -> Run:
    """Run the project once more, in two waves, to its published end."""
    store = services.store
    n_wanted = 3 * len(sources)
    run = Run(run_id, project.id, project.recipe_hash, target=1, budget=n_wanted, wave=1)
    store.create_run(run, dict.fromkeys((s.id for s in sources), 0))
    half = len(sources) // 2
    for wave, part in ((1, sources[:half]), (2, sources[half:])):
        batch = Batch(f"{run_id}-{wave}", run_id, wave, tuple((s.id, 0, 6) for s in part))
        store.add_batches([batch])
        store.update_run(run_id, wave=wave)
        rows = [row for source in part for row in _completions(run_id, source)]
        store.save_completions(run_id, batch.id, rows)
        store.advance_batch(batch.id, "queued", "generated")
        pipeline.screen(services, batch.id)
        if parse(project.recipe).judge.enabled:
            pipeline.judge(services, batch.id)
        _close(services, run_id, wave, is_last=wave == 2)
    pipeline.publish(services, run_id)
    return store.run(run_id)


def _close(services: Any, run_id: str, wave: int, *, is_last: bool) -> None:
    store = services.store
    if is_last:
        store.update_run(run_id, budget=0)  # so that the run ends here
        pipeline.close_wave(services, run_id, wave)
        return
    from seedbed_backend import screening
    from seedbed_backend.filters import configure

    run = store.run(run_id)
    recipe = parse(store.recipe(run.recipe_hash))
    stages = [f for f in configure(recipe) if f.scope == "set"]
    screening.run_set_filters(services, recipe, stages, run)


def _words(seed: str, n: int) -> list[str]:
    """Make up words that no two seeds share."""
    rng = random.Random(seed)
    return ["".join(rng.choice(p) for p in ("bdfgklmnprst", "aeiou") * 3) for _ in range(n)]


def _source(n: int) -> SourceTask:
    return SourceTask.of({"original": " ".join(_words(f"source {n}", 14))}, group=f"g{n % 2}")


def _completions(run_id: str, source: SourceTask) -> list[tuple[Completion, Any, str]]:
    words = source.fields["original"].split()
    made = []
    for index, n_changed in enumerate((3, 6, 8, 11, 3)):
        changed = [*_words(f"{run_id} {source.id} {n_changed}", n_changed), *words[n_changed:]]
        text = " ".join(changed)
        id_ = content_id(run_id, source.id, index)
        completion = Completion(id_, source.id, "prompt", index, text, "stop", 1, 10, 5, 0.1)
        made.append((completion, {"paraphrase": text}, ""))
    id_ = content_id(run_id, source.id, "format")
    made.append((Completion(id_, source.id, "prompt", 9, "{", "stop", 1), None, "no_json"))
    return made
