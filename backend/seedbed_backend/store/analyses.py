"""What filter workers work out on request: one row an analysis, from queued to done."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, insert, select, update

from seedbed.errors import NotFoundError
from seedbed_backend.store.database import Database
from seedbed_backend.store.records import Analysis, AnalysisKind
from seedbed_backend.store.schema import analyses_table

N_KEPT = 10
"""How many finished analyses of a kind a project keeps; each may hold a picture."""


class AnalysisStore(Database):
    """The part of the store that holds analyses."""

    def add_analysis(self, analysis: Analysis) -> None:
        """Add one, as it is; of a project's finished ones of its kind the newest ten stay."""
        row = {name: getattr(analysis, name) for name in Analysis.__slots__}
        columns = analyses_table.c
        of_kind = [
            columns.project_id == analysis.project_id,
            columns.kind == analysis.kind,
            columns.state.in_(("done", "failed")),
        ]
        order = (columns.created_at.desc(), columns.id)
        with self._write() as connection:
            connection.execute(insert(analyses_table).values(row))
            finished = select(columns.id).where(*of_kind).order_by(*order)
            old = list(connection.scalars(finished))[N_KEPT:]
            connection.execute(delete(analyses_table).where(columns.id.in_(old)))

    def analysis(self, analysis_id: str) -> Analysis:
        """Return one analysis. Raises NotFoundError."""
        query = select(analyses_table).where(analyses_table.c.id == analysis_id)
        with self._read() as connection:
            row = connection.execute(query).mappings().one_or_none()
        if row is None:
            raise NotFoundError(f"No analysis has the id {analysis_id!r}.")
        return Analysis(**row)

    def analyses(self, project_id: str, kind: AnalysisKind, limit: int = 10) -> list[Analysis]:
        """Return the last analyses of a kind of a project, newest first."""
        query = (
            select(analyses_table)
            .where(analyses_table.c.project_id == project_id, analyses_table.c.kind == kind)
            .order_by(analyses_table.c.created_at.desc(), analyses_table.c.id)
            .limit(limit)
        )
        with self._read() as connection:
            return [Analysis(**row) for row in connection.execute(query).mappings()]

    def unfinished_analyses(self) -> list[Analysis]:
        """Return those that are neither done nor failed, oldest first."""
        query = (
            select(analyses_table)
            .where(analyses_table.c.state.in_(("queued", "working")))
            .order_by(analyses_table.c.created_at, analyses_table.c.id)
        )
        with self._read() as connection:
            return [Analysis(**row) for row in connection.execute(query).mappings()]

    def update_analysis(self, analysis_id: str, **changes: Any) -> None:
        """Change the state of an analysis and what comes with it."""
        statement = update(analyses_table).where(analyses_table.c.id == analysis_id)
        with self._write() as connection:
            connection.execute(statement.values(changes))
