"""Runs, and the batches that their jobs generate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, select, update

from seedbed_backend.store.database import Database, insert_new, not_found
from seedbed_backend.store.records import Batch, BatchState, Effort, Run, RunState
from seedbed_backend.store.schema import batches_table, run_sources_table, runs_table

CHANGEABLE = frozenset(
    {
        "state",
        "wave",
        "error",
        "finished_at",
        "budget",
        "model_name",
        "model_sha256",
        "kind",
        "outcome",
        "screened_by",
        "feedback",
    }
)
"""What `update_run` may change; the rest says what was asked for."""


class RunStore(Database):
    """The part of the store that holds runs and batches."""

    def create_run(self, run: Run, sources: Mapping[str, int] | None = None) -> bool:
        """Add a run with its sources; false where one of its id is there already.

        `sources` maps source ids to the tokens by which each is too long; those with 0 take part.
        """
        row = {name: getattr(run, name) for name in Run.__slots__}
        with self._write() as connection:
            if not insert_new(connection, runs_table, [row], runs_table.c.id):
                return False
            _add_sources(connection, run.id, sources or {})
            return True

    def adopt_run(self, run_id: str, target: int, budget: int, sources: Mapping[str, int]) -> bool:
        """Make a warm-up, with what it has grown, the beginning of a run for `target` survivors.

        True for exactly one of several callers; false where it failed or is no warm-up any more.
        """
        statement = (
            update(runs_table)
            .where(
                runs_table.c.id == run_id,
                runs_table.c.kind == "warm_up",
                runs_table.c.state.in_(("generating", "done")),
            )
            .values(kind="run", state="generating", target=target, budget=budget, finished_at=None)
        )
        with self._write() as connection:
            if connection.execute(statement).rowcount == 0:
                return False
            _add_sources(connection, run_id, sources)
            return True

    def run_sources(self, run_id: str) -> dict[str, int]:
        """Return by how many tokens each of the run's sources is too long, by source id; 0 fits."""
        query = (
            select(run_sources_table.c.source_id, run_sources_table.c.excess_tokens)
            .where(run_sources_table.c.run_id == run_id)
            .order_by(run_sources_table.c.source_id)
        )
        with self._read() as connection:
            return {row.source_id: row.excess_tokens for row in connection.execute(query)}

    def run(self, run_id: str) -> Run:
        """Return one run. Raises NotFoundError naming the newest ones."""
        with self._read() as connection:
            query = select(runs_table).where(runs_table.c.id == run_id)
            row = connection.execute(query).mappings().one_or_none()
            if row is None:
                known = select(runs_table.c.id).order_by(
                    runs_table.c.created_at.desc(), runs_table.c.id
                )
                raise not_found("run", run_id, connection.scalars(known))
            return Run(**row)

    def runs(self, project_id: str) -> list[Run]:
        """Return the runs of a project, newest first."""
        query = (
            select(runs_table)
            .where(runs_table.c.project_id == project_id)
            .order_by(runs_table.c.created_at.desc(), runs_table.c.id.desc())
        )
        with self._read() as connection:
            return [Run(**row) for row in connection.execute(query).mappings()]

    def update_run(self, run_id: str, **changes: Any) -> None:
        """Change what may change: see `CHANGEABLE`. Raises NotFoundError for an unknown run."""
        if unknown := sorted(changes.keys() - CHANGEABLE):
            raise TypeError(
                f"a run's {', '.join(unknown)} cannot change; only: {', '.join(sorted(CHANGEABLE))}"
            )
        if not changes:
            return
        with self._write() as connection:
            statement = update(runs_table).where(runs_table.c.id == run_id).values(changes)
            if connection.execute(statement).rowcount == 0:
                raise not_found("run", run_id, connection.scalars(select(runs_table.c.id)))

    def advance_run(
        self, run_id: str, from_state: RunState, to_state: RunState, **changes: Any
    ) -> bool:
        """Move a run on; true for exactly one of several callers that try the same."""
        statement = (
            update(runs_table)
            .where(runs_table.c.id == run_id, runs_table.c.state == from_state)
            .values(state=to_state, **changes)
        )
        with self._write() as connection:
            return connection.execute(statement).rowcount == 1

    def add_batches(self, batches: Sequence[Batch]) -> int:
        """Add the batches that are not there yet and count them."""
        rows = [
            {
                "id": batch.id,
                "run_id": batch.run_id,
                "wave": batch.wave,
                "items": [list(item) for item in batch.items],
                "state": batch.state,
            }
            for batch in sorted(batches, key=lambda batch: batch.id)
        ]
        with self._write() as connection:
            return len(insert_new(connection, batches_table, rows, batches_table.c.id))

    def batch(self, batch_id: str) -> Batch:
        """Return one batch. Raises NotFoundError."""
        query = select(batches_table).where(batches_table.c.id == batch_id)
        with self._read() as connection:
            row = connection.execute(query).mappings().one_or_none()
            if row is None:
                known = select(batches_table.c.id).order_by(batches_table.c.id)
                raise not_found("batch", batch_id, connection.scalars(known))
            return _batch_from(row)

    def batches(self, run_id: str, wave: int | None = None) -> list[Batch]:
        """Return the batches of a run, or of one of its waves, by wave and id."""
        query = select(batches_table).where(batches_table.c.run_id == run_id)
        if wave is not None:
            query = query.where(batches_table.c.wave == wave)
        query = query.order_by(batches_table.c.wave, batches_table.c.id)
        with self._read() as connection:
            return [_batch_from(row) for row in connection.execute(query).mappings()]

    def set_batch_state(self, batch_id: str, state: BatchState) -> None:
        """Put a batch in a state, whatever it was in."""
        with self._write() as connection:
            connection.execute(
                update(batches_table).where(batches_table.c.id == batch_id).values(state=state)
            )

    def advance_batch(
        self, batch_id: str, from_state: BatchState, to_state: BatchState, **changes: float
    ) -> bool:
        """Move a batch on; true for exactly one of several callers that try the same."""
        statement = (
            update(batches_table)
            .where(batches_table.c.id == batch_id, batches_table.c.state == from_state)
            .values(state=to_state, **changes)
        )
        with self._write() as connection:
            return connection.execute(statement).rowcount == 1


def _add_sources(connection: Connection, run_id: str, sources: Mapping[str, int]) -> None:
    rows = [
        {"run_id": run_id, "source_id": source_id, "excess_tokens": excess}
        for source_id, excess in sorted(sources.items())
    ]
    insert_new(connection, run_sources_table, rows, run_sources_table.c.source_id)


def _batch_from(row: RowMapping) -> Batch:
    return Batch(
        id=row[batches_table.c.id],
        run_id=row[batches_table.c.run_id],
        wave=row[batches_table.c.wave],
        items=tuple(
            (source, first, count) for source, first, count in row[batches_table.c["items"]]
        ),
        state=row[batches_table.c.state],
        effort=Effort(
            seconds=row[batches_table.c.seconds],
            n_prompt_tokens=row[batches_table.c.n_prompt_tokens],
            prompt_seconds=row[batches_table.c.prompt_seconds],
            n_tokens=row[batches_table.c.n_tokens],
            token_seconds=row[batches_table.c.token_seconds],
        ),
        screen_seconds=row[batches_table.c.screen_seconds],
        judge_seconds=row[batches_table.c.judge_seconds],
    )
