"""The class that Label Studio's ML backend protocol ends in. It answers from the store, at once."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from seedbed.errors import UserError
from seedbed.labeling import MODEL_VERSION
from seedbed.recipe import parse
from seedbed.records import SourceTask
from seedbed_backend import publishing, runs
from seedbed_backend.projects import read_source
from seedbed_backend.services import Services
from seedbed_backend.settings import Settings
from seedbed_backend.store import Project


@contextmanager
def _without_torch() -> Iterator[None]:
    """Hide torch: label_studio_ml imports it for its multiprocessing alone (2 s, 200 MB)."""
    hidden = sys.modules.get("torch")
    sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["torch"]
        if hidden is not None:
            sys.modules["torch"] = hidden


with _without_torch():
    from label_studio_ml.model import LabelStudioMLBase

POLL_SECONDS = 0.2


class SeedbedModel(LabelStudioMLBase):  # type: ignore[misc]
    """Serves Label Studio 1.23 through label-studio-ml 1.0.9 or 2.x.

    `predict` never generates inside the request. It returns stored candidates, queues what is missing,
    and for one opened task waits a short configured time before it answers with nothing.
    """

    services: Services | None = None

    def __init__(
        self,
        project_id: str | None = None,
        label_config: str | None = None,
        services: Services | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(label_config=None, **kwargs)
        self.project_id = project_id
        self.services = services or type(self).services or Services(Settings.from_environment())

    def predict(
        self,
        tasks: Sequence[Mapping[str, Any]],
        context: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> list[list[dict[str, object]]]:
        """Return one list of predictions per task, in order; worst first, because the last is copied.

        `project` is Label Studio's "<id>.<created>". A task of a project that Seedbed does not know,
        or one without the required field, gets an empty list.
        """
        project_key = str(kwargs.get("project") or self.project_id or "")
        is_single = len(tasks) == 1
        return [self._predict_one(task, project_key, may_wait=is_single) for task in tasks]

    def fit(
        self, tasks: Any = (), event: str = "", data: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Do nothing: people's verdicts arrive by webhook. Returns the model version."""
        return {"model_version": MODEL_VERSION}

    def _predict_one(
        self, task: Mapping[str, Any], project_key: str, *, may_wait: bool
    ) -> list[dict[str, object]]:
        assert self.services is not None  # noqa: S101 - set by __init__
        number = str(task.get("project") or project_key).split(".")[0]
        found = (
            self.services.store.project_by_label_studio(int(number)) if number.isdigit() else None
        )
        if found is None:
            return []
        project, side = found
        technique = parse(project.recipe).spec
        try:
            if side == "source":
                return self._grow(project, read_source(technique, task), may_wait=may_wait)
            stored = self.services.store.candidate(str(task.get("data", {}).get("cid", "")))
        except UserError:  # a task that is no source, or none of our candidates
            return []
        return publishing.predictions(technique, [stored])

    def _grow(
        self, project: Project, source: SourceTask, *, may_wait: bool
    ) -> list[dict[str, object]]:
        assert self.services is not None  # noqa: S101 - set by __init__
        store = self.services.store
        candidates = store.candidates_by_source(source.id, project.id, ("survivor",))
        if not candidates:
            store.add_sources(project.id, [source])
            run = runs.start_for_source(self.services, project, source)
            deadline = time.monotonic() + self.services.settings.predict_wait_seconds
            while may_wait and not candidates and time.monotonic() < deadline:
                is_over = store.run(run.id).state not in runs.UNFINISHED
                candidates = store.candidates_by_source(source.id, project.id, ("survivor",))
                if is_over:
                    break
                time.sleep(POLL_SECONDS)
        return publishing.predictions(parse(project.recipe).spec, candidates, on_source=True)
