"""Canaries: known-bad candidates among the review tasks, and what reviewers said about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from seedbed.records import Verdict
from seedbed_backend.store.database import N_IDS_PER_QUERY, Database, insert_new
from seedbed_backend.store.records import Canary
from seedbed_backend.store.schema import canaries_table, canary_verdicts_table, runs_table


class CanaryStore(Database):
    """The part of the store that holds canaries."""

    def add_canaries(self, canaries: Sequence[Canary]) -> int:
        """Add those that are not there yet, and count them."""
        rows = [
            {name: getattr(canary, name) for name in Canary.__slots__}
            | {"fields": dict(canary.fields)}
            for canary in canaries
        ]
        with self._write() as connection:
            return len(insert_new(connection, canaries_table, rows, canaries_table.c.id))

    def canaries(self, run_id: str) -> list[Canary]:
        """Return a run's canaries, in the order of their ids."""
        return self._canaries(canaries_table.c.run_id == run_id)

    def canary(self, canary_id: str) -> Canary | None:
        """Return one canary; None where the id is none's."""
        return next(iter(self._canaries(canaries_table.c.id == canary_id)), None)

    def canaries_of_project(self, project_id: str) -> list[Canary]:
        """Return the canaries of all of a project's runs, in the order of their ids."""
        runs = select(runs_table.c.id).where(runs_table.c.project_id == project_id)
        return self._canaries(canaries_table.c.run_id.in_(runs))

    def find_canaries(self, prefix: str) -> list[Canary]:
        """Return those whose id begins so; "%" and "_" stand for themselves."""
        return self._canaries(canaries_table.c.id.startswith(prefix, autoescape=True))

    def set_canary_tasks(self, tasks: Mapping[str, int]) -> int:
        """Note Label Studio's task ids by canary id, and count the canaries; other ids are ignored."""
        rows = [{"of_id": id_, "new_task": task} for id_, task in sorted(tasks.items())]
        if not rows:
            return 0
        with self._write() as connection:
            return connection.execute(_SET_TASK, rows).rowcount

    def save_canary_verdict(self, verdict: Verdict) -> None:
        """Note what an annotation says about a canary, in place of what it said before.

        What it said later stays. `candidate_id` is the canary's id. Raises UserError for an unknown
        one.
        """
        row = {
            "canary_id": verdict.candidate_id,
            "reasons": list(verdict.reasons),
            **{name: getattr(verdict, name) for name in _AS_THEY_ARE},
        }
        with self._write() as connection:
            is_sqlite = connection.dialect.name == "sqlite"
            statement = (sqlite.insert if is_sqlite else postgresql.insert)(canary_verdicts_table)
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["annotation_id"],
                    set_={name: statement.excluded[name] for name in row},
                    where=canary_verdicts_table.c.decided_at <= statement.excluded.decided_at,
                ),
                row,
            )

    def withdraw_canary_verdicts(self, annotation_ids: Iterable[int]) -> set[str]:
        """Take back what annotations said about canaries; return the projects where they had."""
        wanted = sorted(set(annotation_ids))
        projects: set[str] = set()
        with self._write() as connection:
            for start in range(0, len(wanted), N_IDS_PER_QUERY):
                part = wanted[start : start + N_IDS_PER_QUERY]
                is_of_them = canary_verdicts_table.c.annotation_id.in_(part)
                projects.update(connection.scalars(_PROJECTS.where(is_of_them)))
                connection.execute(delete(canary_verdicts_table).where(is_of_them))
        return projects

    def canary_annotations(self, project_id: str) -> dict[int, str]:
        """Map the annotations that say something about a project's canaries to the canaries."""
        said = canary_verdicts_table.c
        query = (
            select(said.annotation_id, said.canary_id)
            .select_from(_IN_PROJECTS)
            .where(runs_table.c.project_id == project_id)
        )
        with self._read() as connection:
            return {row.annotation_id: row.canary_id for row in connection.execute(query)}

    def canary_verdicts(self, project_id: str) -> list[Verdict]:
        """Return what is said about a project's canaries, oldest first; fields are not kept."""
        query = (
            select(canary_verdicts_table)
            .select_from(_IN_PROJECTS)
            .where(runs_table.c.project_id == project_id)
            .order_by(canary_verdicts_table.c.decided_at, canary_verdicts_table.c.annotation_id)
        )
        with self._read() as connection:
            return [_verdict_from(row) for row in connection.execute(query).mappings()]

    def _canaries(self, condition: Any) -> list[Canary]:
        query = select(canaries_table).where(condition).order_by(canaries_table.c.id)
        with self._read() as connection:
            return [Canary(**row) for row in connection.execute(query).mappings()]


_AS_THEY_ARE = ("annotation_id", "status", "reviewer", "decided_at", "lead_time_seconds")

_IN_PROJECTS = canary_verdicts_table.join(canaries_table).join(
    runs_table, runs_table.c.id == canaries_table.c.run_id
)

_PROJECTS = select(runs_table.c.project_id).select_from(_IN_PROJECTS).distinct()

_SET_TASK = (
    update(canaries_table)
    .where(canaries_table.c.id == bindparam("of_id"))
    .values(review_task=bindparam("new_task"))
)


def _verdict_from(row: RowMapping) -> Verdict:
    return Verdict(
        candidate_id=row["canary_id"],
        fields={},
        reasons=tuple(row["reasons"]),
        **{name: row[name] for name in _AS_THEY_ARE},
    )
