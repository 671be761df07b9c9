"""What the store's tests start from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from seedbed.records import Completion, SourceTask
from seedbed_backend.store import Batch, Project, Run, Store


@dataclass
class World:
    """A project with two sources, a run and a batch, and short ways to add to them."""

    store: Store
    project: Project
    run: Run
    batch: Batch
    sources: list[SourceTask] = field(default_factory=list)

    def complete(
        self, *names: str, fields: dict[str, str] | None = None, reason: str = "", source: int = 0
    ) -> int:
        rows = [(completion(name, self.sources[source].id), fields, reason) for name in names]
        return self.store.save_completions(self.run.id, self.batch.id, rows)


def completion(name: str, source_id: str, text: str = "text") -> Completion:
    return Completion(name, source_id, "prompt", 0, text, "stop", 2**32 - 1, 10, 5, 0.25)


def a_project(**changes: Any) -> Project:
    values = {
        "id": "p1",
        "name": "Tickets",
        "technique": "paraphrase",
        "recipe": {"technique": "paraphrase", "n_candidates": 4},
        "recipe_hash": "r1",
        "label_studio_url": "http://localhost:8080",
        "source_project": 1,
        "review_project": 2,
        "created_at": "2025-01-01T00:00:00.000000+00:00",
    }
    return Project(**{**values, **changes})
