"""Screening again: what filters say now takes the place of what they said, which is kept as well."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from seedbed.records import Decision
from seedbed_backend.store.database import N_IDS_PER_QUERY, Database
from seedbed_backend.store.records import FormerDecision, Rescreened, utc_now
from seedbed_backend.store.schema import (
    completions_table,
    decisions_table,
    former_decisions_table,
    runs_table,
    verdicts_table,
)

_COLUMNS = ("candidate_id", "filter", "keep", "reason", "score", "evidence")


class ScreeningStore(Database):
    """The part of the store that replaces decisions, and keeps the replaced ones."""

    def replace_screening(
        self, run_id: str, recipe_hash: str, outcomes: Sequence[Rescreened]
    ) -> int:
        """Put the outcomes of a run's re-screening in place; return how many candidates changed.

        All or nothing. A published candidate that a person has judged stays (or becomes again) a
        survivor, whatever its new decisions say. Decisions that differ go to the former ones, with
        all that came after them. The same outcomes again change nothing.
        """
        with self._write() as connection:
            former_recipe = connection.scalar(
                select(func.coalesce(runs_table.c.screened_by, runs_table.c.recipe_hash)).where(
                    runs_table.c.id == run_id
                )
            )
            present = _present(connection, run_id)
            judged = _judged(connection, run_id)
            said = _said(connection, run_id)
            replaced: list[int] = []
            rows: list[dict[str, Any]] = []
            moves: list[dict[str, Any]] = []
            for outcome in sorted(outcomes, key=lambda outcome: outcome.candidate_id):
                id_ = outcome.candidate_id
                old, new = said[id_], [_row(decision) for decision in outcome.decisions]
                same = _n_same(old, new)
                replaced += [row["seq"] for row in old[same:]]
                rows += new[same:]
                move = _move(outcome, is_pinned=id_ in judged)
                if any(present[id_][key] != move[f"new_{key}"] for key in present[id_]):
                    moves.append(move)
            changed = {row["candidate_id"] for row in rows} | {move["of_id"] for move in moves}
            _archive(connection, replaced, former_recipe or "")
            if rows:
                connection.execute(insert(decisions_table), rows)
            if moves:
                connection.execute(_PLACE, moves)
            connection.execute(
                update(runs_table).where(runs_table.c.id == run_id).values(screened_by=recipe_hash)
            )
            return len(changed)

    def decisions_of_run(self, run_id: str) -> dict[str, list[Decision]]:
        """Return the decisions on a run's candidates by candidate id, in running order."""
        with self._read() as connection:
            said = _said(connection, run_id)
        return {
            id_: [Decision(*(r[n] for n in _COLUMNS)) for r in rows] for id_, rows in said.items()
        }

    def decisions_ever(self, run_id: str, filter_name: str) -> list[Decision]:
        """Return all that a filter has ever said of a run's candidates, what counts now last."""
        with self._read() as connection:
            return [
                Decision(*row)
                for table in (former_decisions_table, decisions_table)
                for row in connection.execute(
                    select(*(table.c[name] for name in _COLUMNS))
                    .join(completions_table, completions_table.c.id == table.c.candidate_id)
                    .where(completions_table.c.run_id == run_id, table.c.filter == filter_name)
                    .order_by(table.c.seq)
                )
            ]

    def former_decisions(self, candidate_id: str) -> list[FormerDecision]:
        """Return what filters said of a candidate before re-screenings, oldest first."""
        query = (
            select(former_decisions_table)
            .where(former_decisions_table.c.candidate_id == candidate_id)
            .order_by(former_decisions_table.c.seq)
        )
        with self._read() as connection:
            return [
                FormerDecision(
                    Decision(*(row[name] for name in _COLUMNS)),
                    row["recipe_hash"],
                    row["replaced_at"],
                )
                for row in connection.execute(query).mappings()
            ]

    def set_withdrawn(self, candidate_ids: Iterable[str], *, is_withdrawn: bool) -> None:
        """Note whether the review tasks of candidates are taken out of the sample."""
        rows = [{"of_id": id_, "to": is_withdrawn} for id_ in sorted(candidate_ids)]
        if rows:
            with self._write() as connection:
                connection.execute(_WITHDRAW, rows)

    def reinstate(self, candidate_id: str) -> bool:
        """Make a published candidate that a re-screening dropped a survivor; true where it was one."""
        statement = (
            update(completions_table)
            .where(
                completions_table.c.id == candidate_id,
                completions_table.c.state == "dropped",
                completions_table.c.review_task.is_not(None),
            )
            .values(state="survivor", stage="", reason="")
        )
        with self._write() as connection:
            return connection.execute(statement).rowcount == 1


_PLACE = (
    update(completions_table)
    .where(completions_table.c.id == bindparam("of_id"))
    .values(
        state=bindparam("new_state"),
        stage=bindparam("new_stage"),
        reason=bindparam("new_reason"),
        score=bindparam("new_score", type_=completions_table.c.score.type),
    )
)

_WITHDRAW = (
    update(completions_table)
    .where(completions_table.c.id == bindparam("of_id"))
    .values(is_withdrawn=bindparam("to"))
)


def _present(connection: Connection, run_id: str) -> dict[str, dict[str, Any]]:
    columns = completions_table.c
    query = select(columns.id, columns.state, columns.stage, columns.reason, columns.score)
    rows = connection.execute(query.where(columns.run_id == run_id)).mappings()
    return {row["id"]: {k: row[k] for k in ("state", "stage", "reason", "score")} for row in rows}


def _judged(connection: Connection, run_id: str) -> set[str]:
    """Return the published candidates of a run that a verdict stands on."""
    query = (
        select(verdicts_table.c.candidate_id)
        .join(completions_table)
        .where(
            verdicts_table.c.is_current,
            completions_table.c.run_id == run_id,
            completions_table.c.review_task.is_not(None),
        )
    )
    return set(connection.scalars(query))


def _said(connection: Connection, run_id: str) -> Mapping[str, list[dict[str, Any]]]:
    query = (
        select(decisions_table)
        .join(completions_table, completions_table.c.id == decisions_table.c.candidate_id)
        .where(completions_table.c.run_id == run_id)
        .order_by(decisions_table.c.seq)
    )
    said: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in connection.execute(query).mappings():
        said[row["candidate_id"]].append(dict(row))
    return said


def _row(decision: Decision) -> dict[str, Any]:
    return {
        "candidate_id": decision.candidate_id,
        "filter": decision.filter,
        "keep": decision.keep,
        "reason": decision.reason,
        "score": None if decision.score is None else float(decision.score),
        # as it comes back from the database: tuples are lists there
        "evidence": json.loads(json.dumps(dict(decision.evidence))),
    }


def _n_same(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> int:
    """Count the decisions at the beginning that say the same."""
    n = 0
    for before, after in zip(old, new, strict=False):
        if any(before[name] != after[name] for name in _COLUMNS):
            break
        n += 1
    return n


def _move(outcome: Rescreened, *, is_pinned: bool) -> dict[str, Any]:
    is_dropped = outcome.state == "dropped" and not is_pinned
    return {
        "of_id": outcome.candidate_id,
        "new_state": "survivor" if is_pinned else outcome.state,
        "new_stage": outcome.stage if is_dropped else "",
        "new_reason": outcome.reason if is_dropped else "",
        "new_score": None if outcome.score is None else float(outcome.score),
    }


def _archive(connection: Connection, seqs: Sequence[int], recipe_hash: str) -> None:
    """Move decisions to the former ones."""
    moment = utc_now()
    for start in range(0, len(seqs), N_IDS_PER_QUERY):
        chosen = decisions_table.c.seq.in_(seqs[start : start + N_IDS_PER_QUERY])
        rows = [
            {**{name: row[name] for name in _COLUMNS}, "recipe_hash": recipe_hash}
            | {"replaced_at": moment}
            for row in connection.execute(
                select(decisions_table).where(chosen).order_by(decisions_table.c.seq)
            ).mappings()
        ]
        connection.execute(insert(former_decisions_table), rows)
        connection.execute(delete(decisions_table).where(chosen))
