"""The acceptance gate: what managers decided about runs, and the counts that it stands on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, func, insert, select

from seedbed_backend.store.database import N_IDS_PER_QUERY, Database
from seedbed_backend.store.events import append
from seedbed_backend.store.records import Event, GateDecision, Rejection, ReviewCount
from seedbed_backend.store.schema import (
    completions_table,
    gate_decisions_table,
    runs_table,
    verdicts_table,
)

PUBLISHED = ("done", "short")
"""The states of a run whose survivors are all before people."""

_COLUMNS = completions_table.c
_JUDGED = select(verdicts_table.c.candidate_id).where(verdicts_table.c.is_current)


class GateStore(Database):
    """The part of the store that holds the gate's decisions, and counts for it.

    The counts are of survivors that have a draw and were not withdrawn, in published runs. Those
    with a draw below `review_fraction` are the review sample.
    """

    def add_gate_decision(self, decision: GateDecision) -> None:
        """Append what a manager decided, to the audit trail as well; the newest of a run counts."""
        row = {name: getattr(decision, name) for name in GateDecision.__slots__}
        said = {name: row[name] for name in ("decision", "reason", "author", "figures")}
        with self._write() as connection:
            connection.execute(insert(gate_decisions_table).values(row))
            append(connection, Event(decision.decided_at, "gate_decided", decision.run_id, said))

    def standing_decisions(self, project_id: str) -> dict[str, GateDecision]:
        """Return the newest decision on each run of a project, but for those that were undone."""
        query = (
            select(gate_decisions_table)
            .join(runs_table)
            .where(runs_table.c.project_id == project_id)
            .order_by(gate_decisions_table.c.seq)
        )
        with self._read() as connection:
            rows = connection.execute(query).mappings().all()
        newest = {row["run_id"]: _decision_from(row) for row in rows}
        return {id_: said for id_, said in newest.items() if said.decision != "undo"}

    def review_counts(
        self, project_id: str, review_fraction: float, run_id: str | None = None
    ) -> list[ReviewCount]:
        """Count by run, stratum, in the sample or not, and verdict; without a run, over all."""
        is_sampled = (_COLUMNS.draw < review_fraction).label("is_sampled")
        keys = (_COLUMNS.run_id, _COLUMNS.stratum, is_sampled, verdicts_table.c.status)
        query = (
            select(*keys, func.count())
            .join(runs_table, runs_table.c.id == _COLUMNS.run_id)
            .outerjoin(
                verdicts_table,
                (verdicts_table.c.candidate_id == _COLUMNS.id) & verdicts_table.c.is_current,
            )
            .where(*_reviewable(project_id, run_id))
            .group_by(*keys)
            .order_by(_COLUMNS.run_id, _COLUMNS.stratum)
        )
        with self._read() as connection:
            return [
                ReviewCount(run, stratum, bool(is_in), status, n)
                for run, stratum, is_in, status, n in connection.execute(query)
            ]

    def rejections(
        self, project_id: str, review_fraction: float, run_id: str | None = None, n_each: int = 2
    ) -> list[Rejection]:
        """Count the sample's rejections by run, stratum and reason, most first.

        Each names the first `n_each` candidates by id. One without a reason counts under "".
        """
        query = (
            select(_COLUMNS.run_id, _COLUMNS.stratum, _COLUMNS.id, verdicts_table.c.reasons)
            .join(runs_table, runs_table.c.id == _COLUMNS.run_id)
            .join(verdicts_table, verdicts_table.c.candidate_id == _COLUMNS.id)
            .where(*_reviewable(project_id, run_id), _COLUMNS.draw < review_fraction)
            .where(verdicts_table.c.is_current, verdicts_table.c.status == "REJECTED")
            .order_by(_COLUMNS.id)
            .execution_options(yield_per=1000)
        )
        found: dict[tuple[str, str, str], list[Any]] = {}
        with self._read() as connection:
            for run, stratum, id_, reasons in connection.execute(query):
                for reason in reasons or ("",):
                    counted = found.setdefault((run, stratum, reason), [0])
                    counted[0] += 1
                    counted += [id_] * (len(counted) <= n_each)
        rejections = [Rejection(*key, n, tuple(ids)) for key, (n, *ids) in found.items()]
        return sorted(rejections, key=lambda r: (r.run_id, r.stratum, -r.n, r.reason))

    def draw_beyond(self, run_id: str, review_fraction: float, n: int) -> float | None:
        """Return the n-th lowest draw of a run outside the sample; None where there are fewer."""
        project_id = select(runs_table.c.project_id).where(runs_table.c.id == run_id)
        query = (
            select(_COLUMNS.draw)
            .join(runs_table, runs_table.c.id == _COLUMNS.run_id)
            .where(*_reviewable(project_id.scalar_subquery(), run_id))
            .where(_COLUMNS.draw >= review_fraction)
            .order_by(_COLUMNS.draw)
            .offset(n - 1)
            .limit(1)
        )
        with self._read() as connection:
            draw: float | None = connection.scalar(query)
            return draw

    def sampled_waiting(
        self, project_id: str, review_fraction: float
    ) -> list[tuple[str, str, int | None]]:
        """Return the candidates of the sample without a verdict: (id, run, review task)."""
        query = (
            select(_COLUMNS.id, _COLUMNS.run_id, _COLUMNS.review_task)
            .join(runs_table, runs_table.c.id == _COLUMNS.run_id)
            .where(*_reviewable(project_id, None), _COLUMNS.draw < review_fraction)
            .where(_COLUMNS.id.not_in(_JUDGED))
        )
        with self._read() as connection:
            return [(row.id, row.run_id, row.review_task) for row in connection.execute(query)]

    def count_sampled(
        self, project_id: str, review_fraction: float, ids: Sequence[str]
    ) -> Counter[tuple[str, str]]:
        """Count those of the ids that are in the sample, without a verdict, by run and stratum."""
        query = (
            select(_COLUMNS.run_id, _COLUMNS.stratum, func.count())
            .join(runs_table, runs_table.c.id == _COLUMNS.run_id)
            .where(*_reviewable(project_id, None), _COLUMNS.draw < review_fraction)
            .where(_COLUMNS.id.not_in(_JUDGED))
            .group_by(_COLUMNS.run_id, _COLUMNS.stratum)
        )
        found: Counter[tuple[str, str]] = Counter()
        with self._read() as connection:
            for start in range(0, len(ids), N_IDS_PER_QUERY):
                part = ids[start : start + N_IDS_PER_QUERY]
                for run, stratum, n in connection.execute(query.where(_COLUMNS.id.in_(part))):
                    found[run, stratum] += n
        return found


def _reviewable(project_id: Any, run_id: str | None) -> list[ColumnElement[bool]]:
    """Return the conditions on completions joined with their runs."""
    conditions = [
        _COLUMNS.project_id == project_id,
        _COLUMNS.state == "survivor",
        _COLUMNS.draw.is_not(None),
        ~_COLUMNS.is_withdrawn,
        runs_table.c.kind == "run",
        runs_table.c.state.in_(PUBLISHED),
    ]
    return [*conditions, _COLUMNS.run_id == run_id] if run_id else conditions


def _decision_from(row: RowMapping) -> GateDecision:
    return GateDecision(**{name: row[name] for name in GateDecision.__slots__})
