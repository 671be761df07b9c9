"""Completions, what they were parsed to, what the filters said: one row each, in one state each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Select,
    Update,
    and_,
    bindparam,
    func,
    or_,
    select,
    update,
)

from seedbed.errors import NotFoundError
from seedbed.records import Candidate, Completion, Decision
from seedbed_backend.store.database import N_IDS_PER_QUERY, Database, insert_new, not_found
from seedbed_backend.store.events import append
from seedbed_backend.store.projects import source_from
from seedbed_backend.store.records import (
    CandidateState,
    Effort,
    Event,
    Funnel,
    FunnelRow,
    StateChange,
    StoredCandidate,
)
from seedbed_backend.store.schema import (
    batches_table,
    completions_table,
    decisions_table,
    runs_table,
    sources_table,
    verdicts_table,
)
from seedbed_backend.store.verdicts import verdict_from


class CandidateStore(Database):
    """The part of the store that holds completions, candidates and decisions."""

    def save_completions(
        self,
        run_id: str,
        batch_id: str,
        rows: Sequence[tuple[Completion, Mapping[str, str] | None, str]],
        effort: Effort | None = None,
    ) -> int:
        """Add (completion, parsed fields, reason) rows that are not there yet and count them.

        Without fields the completion is dropped at "format" for that reason; with fields it is
        pending. `effort` is what they took; the batch adds it up. Raises NotFoundError for an
        unknown run.
        """
        with self._write() as connection:
            project_id = connection.scalar(
                select(runs_table.c.project_id).where(runs_table.c.id == run_id)
            )
            if project_id is None:
                raise not_found("run", run_id, connection.scalars(select(runs_table.c.id)))
            where = {"project_id": project_id, "run_id": run_id, "batch_id": batch_id}
            values = [where | _completion_row(*row) for row in rows]
            values.sort(key=lambda row: str(row["id"]))
            if effort is not None:
                connection.execute(
                    _ADD_EFFORT.where(batches_table.c.id == batch_id), _added(effort)
                )
            return len(insert_new(connection, completions_table, values, completions_table.c.id))

    def has_completions(self, ids: Iterable[str]) -> set[str]:
        """Return those of the ids that are there."""
        wanted = sorted(set(ids))
        found: set[str] = set()
        with self._read() as connection:
            for start in range(0, len(wanted), N_IDS_PER_QUERY):
                part = wanted[start : start + N_IDS_PER_QUERY]
                found.update(
                    connection.scalars(
                        select(completions_table.c.id).where(completions_table.c.id.in_(part))
                    )
                )
        return found

    def candidates(
        self,
        run_id: str | None = None,
        project_id: str | None = None,
        batch_id: str | None = None,
        states: Sequence[CandidateState] = (),
        limit: int | None = None,
        *,
        is_published: bool | None = None,
    ) -> list[StoredCandidate]:
        """Return what matches all that is given, by id. No states means every state.

        What trials grew is returned only where the run or the batch is given.
        """
        conditions = scope(run_id, project_id, batch_id, states)
        if is_published is not None:
            conditions.append(completions_table.c.review_task.is_not(None) == is_published)
        return self._candidates(conditions, limit)

    def candidates_by_source(
        self, source_id: str, project_id: str, states: Sequence[CandidateState] = ()
    ) -> list[StoredCandidate]:
        """Return what was grown from one source, by id, but for trials."""
        conditions = scope(project_id=project_id, states=states)
        return self._candidates([*conditions, completions_table.c.source_id == source_id], None)

    def candidate(self, candidate_id: str) -> StoredCandidate:
        """Return one candidate. Raises NotFoundError."""
        found = self._candidates([completions_table.c.id == candidate_id], None)
        if not found:
            raise NotFoundError(f"No candidate has the id {candidate_id!r}.")
        return found[0]

    def candidates_by_id(self, ids: Collection[str]) -> dict[str, StoredCandidate]:
        """Return what is there of the ids."""
        wanted = sorted(set(ids))
        return {
            stored.candidate.id: stored
            for start in range(0, len(wanted), N_IDS_PER_QUERY)
            for stored in self._candidates(
                [completions_table.c.id.in_(wanted[start : start + N_IDS_PER_QUERY])], None
            )
        }

    def undecided(self, run_id: str, filters: Collection[str]) -> list[StoredCandidate]:
        """Return a run's kept candidates on which not all of the filters have decided, by id."""
        conditions = scope(run_id=run_id, states=("kept",))
        return self._candidates([*conditions, _n_decisions(filters) < len(set(filters))], None)

    def compared_ids(self, project_id: str, filters: Collection[str]) -> list[str]:
        """Return the ids that new candidates must not repeat, but for trials, in no order.

        Those are the survivors, the kept ones that have been through all of the filters, and what
        reviewers rejected, whatever became of it since.
        """
        is_through = and_(
            completions_table.c.state == "kept", _n_decisions(filters) == len(set(filters))
        )
        rejected = select(verdicts_table.c.candidate_id).where(
            verdicts_table.c.is_current, verdicts_table.c.status == "REJECTED"
        )
        query = select(completions_table.c.id).where(
            *scope(project_id=project_id),
            or_(
                completions_table.c.state == "survivor",
                is_through,
                completions_table.c.id.in_(rejected),
            ),
        )
        with self._read() as connection:
            return list(connection.scalars(query))

    def candidate_fields(self, ids: Collection[str]) -> dict[str, dict[str, str]]:
        """Return the parsed fields of what is there of the ids."""
        columns = completions_table.c
        wanted = sorted(set(ids))
        found: dict[str, dict[str, str]] = {}
        with self._read() as connection:
            for start in range(0, len(wanted), N_IDS_PER_QUERY):
                part = columns.id.in_(wanted[start : start + N_IDS_PER_QUERY])
                for row in connection.execute(select(columns.id, columns.fields).where(part)):
                    found[row.id] = row.fields or {}
        return found

    def judged_candidates(
        self, project_id: str, run_id: str | None = None
    ) -> list[StoredCandidate]:
        """Return the candidates that a verdict stands on, by id."""
        stands = select(verdicts_table.c.candidate_id).where(verdicts_table.c.is_current)
        conditions = scope(run_id, project_id)
        return self._candidates([*conditions, completions_table.c.id.in_(stands)], None)

    def find_candidates(self, prefix: str, limit: int = 10) -> list[str]:
        """Return the ids that begin so, the first ten in order; "%" and "_" stand for themselves."""
        query = (
            select(completions_table.c.id)
            .where(completions_table.c.id.startswith(prefix, autoescape=True))
            .order_by(completions_table.c.id)
            .limit(limit)
        )
        with self._read() as connection:
            return list(connection.scalars(query))

    def save_decisions(
        self,
        decisions: Sequence[Decision],
        changes: Sequence[StateChange] = (),
        overruled: Sequence[Decision] = (),
    ) -> int:
        """Add decisions and count the new ones; a filter's first word on a candidate stays.

        But for those in `overruled`: they take the place of what the filter said before. `changes`
        are the states that follow from all of them. All is saved, or nothing.
        """
        rows = _decision_rows(decisions)
        with self._write() as connection:
            n_new = len(insert_new(connection, decisions_table, rows, decisions_table.c.seq))
            if overruled:
                connection.execute(
                    _OVERRULE,
                    [{f"new_{k}": v for k, v in r.items()} for r in _decision_rows(overruled)],
                )
            if changes:
                connection.execute(_SET_STATE, _state_rows(changes))
            return n_new

    def decisions(self, candidate_id: str) -> list[Decision]:
        """Return the decisions on one candidate in the order in which they were saved."""
        query = (
            select(decisions_table)
            .where(decisions_table.c.candidate_id == candidate_id)
            .order_by(decisions_table.c.seq)
        )
        with self._read() as connection:
            return [_decision_from(row) for row in connection.execute(query).mappings()]

    def set_states(self, changes: Sequence[StateChange]) -> int:
        """Move candidates on and count them: pending → kept → dropped or survivor, never back.

        A kept one may be kept again with another score.
        """
        return self._update_each(_SET_STATE, _state_rows(changes))

    def set_draws(self, draws: Mapping[str, tuple[float, str]], event: Event | None = None) -> int:
        """Give candidates their (draw, stratum) and count them; a draw once given stays.

        `event` tells of it in the audit trail.
        """
        rows = [
            {"of_id": candidate_id, "new_draw": float(draw), "new_stratum": stratum}
            for candidate_id, (draw, stratum) in draws.items()
        ]
        return self._update_each(_SET_DRAW, rows, event)

    def set_review_tasks(self, tasks: Mapping[str, int]) -> int:
        """Note the Label Studio task of each candidate id; count those that were not so yet."""
        rows = [{"of_id": candidate_id, "new_task": task} for candidate_id, task in tasks.items()]
        return self._update_each(_SET_REVIEW_TASK, rows)

    def funnel(
        self,
        run_id: str | None = None,
        project_id: str | None = None,
        wave: int | None = None,
    ) -> Funnel:
        """Count where the attempts of a run, of a project or of all are, at one moment.

        With `wave`, those of that wave of the run. Trials count only by their run.
        """
        conditions = scope(run_id, project_id)
        if wave is not None:
            of_wave = select(batches_table.c.id).where(
                batches_table.c.run_id == run_id, batches_table.c.wave == wave
            )
            conditions.append(completions_table.c.batch_id.in_(of_wave))
        n_attempts = select(func.count()).select_from(completions_table).where(*conditions)
        place = (completions_table.c.state, completions_table.c.stage, completions_table.c.reason)
        query = (
            select(*place, func.count().label("n"), n_attempts.scalar_subquery().label("total"))
            .where(*conditions)
            .group_by(*place)
            .order_by(*place)
        )
        with self._read() as connection:
            rows = connection.execute(query).all()
        return Funnel(
            n_attempts=rows[0].total if rows else 0,
            rows=tuple(FunnelRow(r.stage, r.reason, r.n) for r in rows if r.state == "dropped"),
            n_pending=sum(r.n for r in rows if r.state in {"pending", "kept"}),
            n_survivors=sum(r.n for r in rows if r.state == "survivor"),
        )

    def count_decisions(self, run_id: str, filter_name: str) -> tuple[int, int]:
        """Count a filter's decisions in a run: all of them, and those without a score."""
        query = (
            select(func.count(), func.count() - func.count(decisions_table.c.score))
            .select_from(decisions_table)
            .join(completions_table, completions_table.c.id == decisions_table.c.candidate_id)
            .where(completions_table.c.run_id == run_id, decisions_table.c.filter == filter_name)
        )
        with self._read() as connection:
            n, n_unscored = connection.execute(query).one()
        return n, n_unscored

    def _candidates(
        self, conditions: Sequence[ColumnElement[bool]], limit: int | None
    ) -> list[StoredCandidate]:
        """Read them in two queries, however many they are."""
        with self._read() as connection:
            rows = (
                connection.execute(
                    _STORED.where(*conditions).order_by(completions_table.c.id).limit(limit)
                )
                .mappings()
                .all()
            )
            chosen = select(completions_table.c.id).where(*conditions)
            if limit is not None:
                chosen = chosen.order_by(completions_table.c.id).limit(limit)
            found = connection.execute(
                select(decisions_table)
                .where(decisions_table.c.candidate_id.in_(chosen))
                .order_by(decisions_table.c.seq)
            ).mappings()
            said: dict[str, list[Decision]] = defaultdict(list)
            for row in found:
                said[row[decisions_table.c.candidate_id]].append(_decision_from(row))
        return [_candidate_from(row, said[row[completions_table.c.id]]) for row in rows]

    def _update_each(
        self, statement: Update, rows: Sequence[Mapping[str, Any]], event: Event | None = None
    ) -> int:
        """Run one update per row, in the order of ids, so that two writers cannot deadlock."""
        if not rows:
            return 0
        ordered = sorted(rows, key=lambda row: str(row["of_id"]))
        with self._write() as connection:
            if event is not None:
                append(connection, event)
            return connection.execute(statement, ordered).rowcount


_STORED: Select[tuple[object, ...]] = (
    select(completions_table, sources_table, verdicts_table)
    .join(
        sources_table,
        and_(
            sources_table.c.project_id == completions_table.c.project_id,
            sources_table.c.id == completions_table.c.source_id,
        ),
    )
    .outerjoin(
        verdicts_table,
        and_(verdicts_table.c.candidate_id == completions_table.c.id, verdicts_table.c.is_current),
    )
)

_ADD_EFFORT = update(batches_table).values(
    {
        column: column + bindparam(f"more_{column.name}")
        for column in (batches_table.c[field.name] for field in fields(Effort))
    }
)

_IS_IT = completions_table.c.id == bindparam("of_id")

_SET_STATE = (
    update(completions_table)
    .where(
        _IS_IT,
        or_(
            completions_table.c.state == "pending",
            and_(completions_table.c.state == "kept", bindparam("new_state") != "pending"),
        ),
    )
    .values(
        state=bindparam("new_state"),
        stage=bindparam("new_stage"),
        reason=bindparam("new_reason"),
        score=func.coalesce(
            bindparam("new_score", type_=completions_table.c.score.type), completions_table.c.score
        ),
    )
)

_OVERRULE = (
    update(decisions_table)
    .where(
        decisions_table.c.candidate_id == bindparam("new_candidate_id"),
        decisions_table.c.filter == bindparam("new_filter"),
    )
    .values(
        keep=bindparam("new_keep"),
        reason=bindparam("new_reason"),
        score=bindparam("new_score", type_=decisions_table.c.score.type),
        evidence=bindparam("new_evidence", type_=decisions_table.c.evidence.type),
    )
)

_SET_DRAW = (
    update(completions_table)
    .where(_IS_IT, completions_table.c.draw.is_(None))
    .values(draw=bindparam("new_draw"), stratum=bindparam("new_stratum"))
)

_SET_REVIEW_TASK = (
    update(completions_table)
    .where(_IS_IT, completions_table.c.review_task.is_distinct_from(bindparam("new_task")))
    .values(review_task=bindparam("new_task"))
)


def _added(effort: Effort) -> dict[str, float]:
    return {f"more_{name}": value for name, value in asdict(effort).items()}


def _n_decisions(filters: Collection[str]) -> ColumnElement[int]:
    """Count the decisions of those filters on the completion of the outer query."""
    return (
        select(func.count())
        .select_from(decisions_table)
        .where(
            decisions_table.c.candidate_id == completions_table.c.id,
            decisions_table.c.filter.in_(sorted(set(filters))),
        )
        .correlate(completions_table)
        .scalar_subquery()
    )


def _decision_rows(decisions: Sequence[Decision]) -> list[dict[str, Any]]:
    return [
        {
            "candidate_id": decision.candidate_id,
            "filter": decision.filter,
            "keep": decision.keep,
            "reason": decision.reason,
            "score": None if decision.score is None else float(decision.score),
            "evidence": dict(decision.evidence),
        }
        for decision in sorted(decisions, key=lambda decision: decision.candidate_id)
    ]


def _state_rows(changes: Sequence[StateChange]) -> list[dict[str, Any]]:
    """Return the parameters of `_SET_STATE`, in the order of ids, so that writers cannot deadlock."""
    return [
        {
            "of_id": change.candidate_id,
            "new_state": change.state,
            "new_stage": change.stage,
            "new_reason": change.reason,
            "new_score": None if change.score is None else float(change.score),
        }
        for change in sorted(changes, key=lambda change: change.candidate_id)
    ]


def scope(
    run_id: str | None = None,
    project_id: str | None = None,
    batch_id: str | None = None,
    states: Sequence[CandidateState] = (),
) -> list[ColumnElement[bool]]:
    """Return the conditions on `completions`; trials are left out where no run or batch is given."""
    given = (
        (completions_table.c.run_id, run_id),
        (completions_table.c.project_id, project_id),
        (completions_table.c.batch_id, batch_id),
    )
    conditions: list[ColumnElement[bool]] = [
        column == value for column, value in given if value is not None
    ]
    if states:
        conditions.append(completions_table.c.state.in_(states))
    if run_id is None and batch_id is None:
        trials = select(runs_table.c.id).where(runs_table.c.kind == "trial")
        conditions.append(completions_table.c.run_id.not_in(trials))
    return conditions


def _completion_row(
    completion: Completion, fields: Mapping[str, str] | None, reason: str
) -> dict[str, object]:
    is_parsed = fields is not None
    return {
        "id": completion.id,
        "source_id": completion.source_id,
        "prompt_hash": completion.prompt_hash,
        "position": completion.index,
        "text": completion.text,
        "finish_reason": completion.finish_reason,
        "rng_seed": completion.rng_seed,
        "n_prompt_tokens": completion.n_prompt_tokens,
        "n_tokens": completion.n_tokens,
        "seconds": completion.seconds,
        "shown_sources": list(completion.shown_sources) or None,
        "fields": None if fields is None else dict(fields),
        "state": "pending" if is_parsed else "dropped",
        "stage": "" if is_parsed else "format",
        "reason": "" if is_parsed else reason,
        "stratum": "",
    }


def _decision_from(row: RowMapping) -> Decision:
    return Decision(
        candidate_id=row[decisions_table.c.candidate_id],
        filter=row[decisions_table.c.filter],
        keep=row[decisions_table.c.keep],
        reason=row[decisions_table.c.reason],
        score=row[decisions_table.c.score],
        evidence=row[decisions_table.c.evidence],
    )


def _candidate_from(row: RowMapping, said: Sequence[Decision]) -> StoredCandidate:
    columns = completions_table.c
    return StoredCandidate(
        candidate=Candidate(row[columns.id], source_from(row), row[columns.fields] or {}),
        run_id=row[columns.run_id],
        project_id=row[columns.project_id],
        state=row[columns.state],
        stage=row[columns.stage],
        reason=row[columns.reason],
        score=row[columns.score],
        completion=Completion(
            id=row[columns.id],
            source_id=row[columns.source_id],
            prompt_hash=row[columns.prompt_hash],
            index=row[columns.position],
            text=row[columns.text],
            finish_reason=row[columns.finish_reason],
            rng_seed=row[columns.rng_seed],
            n_prompt_tokens=row[columns.n_prompt_tokens],
            n_tokens=row[columns.n_tokens],
            seconds=row[columns.seconds],
            shown_sources=tuple(row[columns.shown_sources] or ()),
        ),
        scores={d.filter: d.score for d in said if d.score is not None},
        evidence={d.filter: d.evidence for d in said},
        draw=row[columns.draw],
        stratum=row[columns.stratum],
        review_task=row[columns.review_task],
        verdict=None if row[verdicts_table.c.seq] is None else verdict_from(row),
        is_withdrawn=row[columns.is_withdrawn],
    )
