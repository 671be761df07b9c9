"""Counts for the report, made by the database: a hundred thousand candidates are never read at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import Column, ColumnElement, and_, case, func, select

from seedbed_backend.store.candidates import scope
from seedbed_backend.store.database import Database
from seedbed_backend.store.records import (
    DroppedExample,
    FilterCount,
    FunnelRow,
    PlaceCount,
    SourceCount,
)
from seedbed_backend.store.schema import (
    completions_table,
    decisions_table,
    former_decisions_table,
    projects_table,
    sources_table,
    verdicts_table,
)

N_BINS = 10
"""How many equal parts of [0, 1] a histogram of scores has."""

_COLUMNS = completions_table.c
_PLACE = (_COLUMNS.state, _COLUMNS.stage, _COLUMNS.reason)


class AggregateStore(Database):
    """The part of the store that counts for the report. Trials count only where their run is given."""

    def funnel_by_technique(self) -> list[PlaceCount]:
        """Count all attempts of all projects by technique, state, stage and reason."""
        query = (
            select(projects_table.c.technique.label("technique"), *_PLACE, func.count().label("n"))
            .join(projects_table, projects_table.c.id == _COLUMNS.project_id)
            .where(*scope())
            .group_by(projects_table.c.technique, *_PLACE)
            .order_by(projects_table.c.technique, *_PLACE)
        )
        with self._read() as connection:
            return [PlaceCount(*row) for row in connection.execute(query)]

    def group_places(self, run_id: str) -> dict[str, dict[tuple[str, str], int]]:
        """Count a run's attempts by source group, and in each by (state, stage)."""
        query = (
            select(sources_table.c.group_name, _COLUMNS.state, _COLUMNS.stage, func.count())
            .select_from(completions_table)
            .join(sources_table, _OF_SOURCE)
            .where(*scope(run_id))
            .group_by(sources_table.c.group_name, _COLUMNS.state, _COLUMNS.stage)
        )
        found: dict[str, dict[tuple[str, str], int]] = defaultdict(dict)
        with self._read() as connection:
            for group, state, stage, n in connection.execute(query):
                found[group][state, stage] = n
        return found

    def hardest_sources(
        self,
        by: Literal["group", "source"],
        *,
        project_id: str,
        run_id: str | None = None,
        n_least: int = 1,
        limit: int = 10,
    ) -> tuple[int, list[SourceCount]]:
        """Count how many groups or sources there are, and return those that lose most.

        By share of dropped attempts, then by their number; only those with at least `n_least`
        attempts. Each names the stage and reason that cost it most.
        """
        key: Column[Any] = sources_table.c.group_name if by == "group" else _COLUMNS.source_id
        conditions = scope(run_id, project_id)
        n, n_dropped = func.count(), func.sum(_is(_COLUMNS.state == "dropped"))
        n_survivors = func.sum(_is(_COLUMNS.state == "survivor"))
        counted = (
            select(
                key.label("key"),
                func.min(sources_table.c.group_name).label("group"),
                func.min(sources_table.c.label_studio_task).label("task"),
                n.label("n"),
                n_dropped.label("n_dropped"),
                n_survivors.label("n_survivors"),
            )
            .select_from(completions_table)
            .join(sources_table, _OF_SOURCE)
            .where(*conditions)
            .group_by(key)
            .having(n >= n_least)
        ).subquery()
        share = counted.c.n_dropped * 1.0 / counted.c.n
        query = (
            select(counted)
            .order_by(share.desc(), counted.c.n_dropped.desc(), counted.c.key)
            .limit(limit)
        )
        with self._read() as connection:
            n_keys = connection.scalar(
                select(func.count(func.distinct(key)))
                .select_from(completions_table)
                .join(sources_table, _OF_SOURCE)
                .where(*conditions)
            )
            rows = connection.execute(query).mappings().all()
            reasons = (
                select(key.label("key"), _COLUMNS.stage, _COLUMNS.reason, func.count().label("n"))
                .select_from(completions_table)
                .join(sources_table, _OF_SOURCE)
                .where(*conditions, _COLUMNS.state == "dropped")
                .where(key.in_([row["key"] for row in rows]))
                .group_by(key, _COLUMNS.stage, _COLUMNS.reason)
                .order_by(func.count(), _COLUMNS.stage.desc(), _COLUMNS.reason.desc())
            )
            worst = {
                r.key: FunnelRow(r.stage, r.reason, r.n) for r in connection.execute(reasons).all()
            }
        return n_keys or 0, [
            SourceCount(
                key=row["key"],
                group=row["group"],
                label_studio_task=row["task"] if by == "source" else None,
                n_attempts=row["n"],
                n_dropped=row["n_dropped"],
                n_survivors=row["n_survivors"],
                worst=worst.get(row["key"]),
            )
            for row in rows
        ]

    def filter_counts(self, project_id: str, run_id: str | None = None) -> list[FilterCount]:
        """Count what each filter saw, dropped and scored, with a histogram of its scores, by name."""
        score, keep = decisions_table.c.score, decisions_table.c.keep
        bins = [
            func.sum(_is(and_(score >= lower / N_BINS, _is_below(score, lower + 1))))
            for lower in range(N_BINS)
        ]
        query = (
            select(
                decisions_table.c.filter,
                keep,
                func.count().label("n"),
                func.count(score).label("n_scored"),
                *(count.label(f"bin{place}") for place, count in enumerate(bins)),
            )
            .join(completions_table, completions_table.c.id == decisions_table.c.candidate_id)
            .where(*scope(run_id, project_id))
            .group_by(decisions_table.c.filter, keep)
        )
        found: dict[str, dict[bool, Any]] = defaultdict(dict)
        with self._read() as connection:
            for row in connection.execute(query).mappings():
                found[row["filter"]][bool(row["keep"])] = row
        return [_filter_count(name, rows) for name, rows in sorted(found.items())]

    def examples_by_reason(
        self, project_id: str, run_id: str | None = None, n_each: int = 3
    ) -> list[DroppedExample]:
        """Return the first few dropped candidates by id of every stage and reason.

        Ids are hashes of content, so that the first ones are as good as chosen at random.
        """
        place = (
            func.row_number()
            .over(partition_by=(_COLUMNS.stage, _COLUMNS.reason), order_by=_COLUMNS.id)
            .label("place")
        )
        ranked = (
            select(_COLUMNS.id, place)
            .where(*scope(run_id, project_id), _COLUMNS.state == "dropped")
            .subquery()
        )
        query = (
            select(_COLUMNS.id, _COLUMNS.stage, _COLUMNS.reason)
            .join(ranked, ranked.c.id == _COLUMNS.id)
            .where(ranked.c.place <= n_each)
            .order_by(_COLUMNS.stage, _COLUMNS.reason, _COLUMNS.id)
        )
        with self._read() as connection:
            return [DroppedExample(*row) for row in connection.execute(query)]

    def evidence_values(
        self, project_id: str, filter_name: str, key: str, run_id: str | None = None
    ) -> dict[tuple[bool, str], int]:
        """Count a filter's decisions by (kept, the text that their evidence holds under `key`).

        Decisions without it are left out.
        """
        value = decisions_table.c.evidence[key].as_string()
        query = (
            select(decisions_table.c.keep, value, func.count())
            .join(completions_table, completions_table.c.id == decisions_table.c.candidate_id)
            .where(*scope(run_id, project_id), decisions_table.c.filter == filter_name)
            .where(value.is_not(None))
            .group_by(decisions_table.c.keep, value)
        )
        with self._read() as connection:
            return {(bool(k), str(v)): n for k, v, n in connection.execute(query)}

    def fingerprint(self, project_id: str) -> list[int]:
        """Return numbers that change whenever candidates, decisions, verdicts or sources do."""
        of_project = _COLUMNS.project_id == project_id
        with self._read() as connection:
            return [
                int(connection.scalar(query) or 0)
                for query in (
                    select(func.count()).select_from(completions_table).where(of_project),
                    select(func.count()).where(of_project, _COLUMNS.state == "survivor"),
                    select(func.max(decisions_table.c.seq))
                    .join(completions_table)
                    .where(of_project),
                    # A database may give new decisions the numbers of those that they replace.
                    select(func.max(former_decisions_table.c.seq))
                    .join(completions_table)
                    .where(of_project),
                    select(func.max(verdicts_table.c.seq))
                    .join(completions_table)
                    .where(of_project),
                    select(func.count())
                    .select_from(verdicts_table)
                    .join(completions_table)
                    .where(of_project, verdicts_table.c.is_current),
                    select(func.count()).where(sources_table.c.project_id == project_id),
                )
            ]


_OF_SOURCE = and_(
    sources_table.c.project_id == _COLUMNS.project_id, sources_table.c.id == _COLUMNS.source_id
)


def _is(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, 1), else_=0)


def _is_below(score: Column[Any], upper: int) -> ColumnElement[bool]:
    """Compare with the upper bound of a bin, which belongs to the next one; 1 to the last."""
    return score < upper / N_BINS if upper < N_BINS else score <= 1


def _filter_count(name: str, rows: Mapping[bool, Mapping[str, Any]]) -> FilterCount:
    kept, dropped = rows.get(True), rows.get(False)
    return FilterCount(
        filter=name,
        n_seen=sum(row["n"] for row in rows.values()),
        n_dropped=dropped["n"] if dropped else 0,
        n_scored=sum(row["n_scored"] for row in rows.values()),
        kept_scores=_bins(kept),
        dropped_scores=_bins(dropped),
    )


def _bins(row: Mapping[str, Any] | None) -> Sequence[int]:
    return tuple(int(row[f"bin{place}"]) if row else 0 for place in range(N_BINS))
