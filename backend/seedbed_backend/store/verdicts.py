"""What people decided: every word of theirs, and for each candidate which one stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select, update

from seedbed.errors import NotFoundError
from seedbed.records import Verdict, VerdictStatus, content_id
from seedbed_backend.store.database import Database, insert_new
from seedbed_backend.store.schema import completions_table, verdicts_table


class VerdictStore(Database):
    """The part of the store that holds verdicts."""

    def save_verdict(self, verdict: Verdict, raw: Mapping[str, Any] | None = None) -> bool:
        """Add a verdict to the history; return whether another one stands now.

        The newest by `decided_at` stands, so verdicts may arrive in any order and repeatedly. One
        that was withdrawn and is seen again stands again. `raw` is Label Studio's annotation.
        Raises NotFoundError for an unknown candidate.
        """
        row = asdict(verdict) | {
            "id": content_id("verdict", asdict(verdict)),
            "fields": dict(verdict.fields),
            "reasons": list(verdict.reasons),
            "raw": None if raw is None else dict(raw),
            "is_current": False,
            "is_withdrawn": False,
        }
        with self._write() as connection:
            _lock_candidate(connection, verdict.candidate_id)
            if not insert_new(connection, verdicts_table, [row], verdicts_table.c.seq):
                again = verdicts_table.c.id == row["id"]
                connection.execute(update(verdicts_table).where(again).values(is_withdrawn=False))
            return _settle(connection, verdict.candidate_id)

    def withdraw_verdict(self, annotation_id: int) -> str | None:
        """Take back what an annotation said, because it was deleted; return its candidate's id.

        The newest verdict of the annotations that remain stands then. None where the annotation is
        unknown or was withdrawn before.
        """
        is_of_it = (
            verdicts_table.c.annotation_id == annotation_id
        ) & ~verdicts_table.c.is_withdrawn
        with self._write() as connection:
            candidate_id: str | None = connection.scalar(
                select(verdicts_table.c.candidate_id).where(is_of_it).limit(1)
            )
            if candidate_id is None:
                return None
            _lock_candidate(connection, candidate_id)
            connection.execute(
                update(verdicts_table).where(is_of_it).values(is_withdrawn=True, is_current=False)
            )
            _settle(connection, candidate_id)
            return candidate_id

    def verdicts(self, candidate_id: str) -> list[Verdict]:
        """Return all that was ever said about a candidate, oldest first, withdrawn ones too."""
        query = select(verdicts_table).where(verdicts_table.c.candidate_id == candidate_id)
        with self._read() as connection:
            rows = connection.execute(query).mappings().all()
        return [verdict_from(row) for row in sorted(rows, key=_age)]

    def current_verdicts(self, project_id: str) -> list[Verdict]:
        """Return the verdicts that stand in a project, by candidate id."""
        query = (
            select(verdicts_table)
            .join(completions_table)
            .where(verdicts_table.c.is_current, completions_table.c.project_id == project_id)
            .order_by(verdicts_table.c.candidate_id)
        )
        with self._read() as connection:
            return [verdict_from(row) for row in connection.execute(query).mappings()]

    def verdict_counts(self, project_id: str) -> dict[VerdictStatus, int]:
        """Count the verdicts that stand in a project by status; 0 where there is none."""
        query = (
            select(verdicts_table.c.status, func.count())
            .join(completions_table)
            .where(verdicts_table.c.is_current, completions_table.c.project_id == project_id)
            .group_by(verdicts_table.c.status)
        )
        counts: dict[VerdictStatus, int] = {"ACCEPTED": 0, "FIXED": 0, "REJECTED": 0}
        with self._read() as connection:
            for status, n in connection.execute(query):
                counts[status] = n
        return counts


def verdict_from(row: RowMapping) -> Verdict:
    """Build the record from a row that holds the columns of `verdicts`."""
    return Verdict(
        candidate_id=row[verdicts_table.c.candidate_id],
        status=row[verdicts_table.c.status],
        fields=row[verdicts_table.c.fields],
        reasons=tuple(row[verdicts_table.c.reasons]),
        reviewer=row[verdicts_table.c.reviewer],
        annotation_id=row[verdicts_table.c.annotation_id],
        decided_at=row[verdicts_table.c.decided_at],
        lead_time_seconds=row[verdicts_table.c.lead_time_seconds],
        note=row[verdicts_table.c.note],
        rating=row[verdicts_table.c.rating],
    )


def _settle(connection: Connection, candidate_id: str) -> bool:
    """Let the newest verdict that was not withdrawn stand; return whether that is another one."""
    of_candidate = verdicts_table.c.candidate_id == candidate_id
    rows = connection.execute(select(verdicts_table).where(of_candidate)).mappings().all()
    before = {row[verdicts_table.c.seq] for row in rows if row[verdicts_table.c.is_current]}
    remaining = sorted((row for row in rows if not row[verdicts_table.c.is_withdrawn]), key=_age)
    after = {row[verdicts_table.c.seq] for row in remaining[-1:]}
    if before == after:
        return False
    for seqs, is_current in ((before, False), (after, True)):
        statement = update(verdicts_table).where(verdicts_table.c.seq.in_(seqs))
        connection.execute(statement.values(is_current=is_current))
    return True


def _age(row: RowMapping) -> tuple[datetime, int]:
    """Order verdicts by the time they give, then by arrival; no readable time counts as oldest."""
    text = row[verdicts_table.c.decided_at].replace("Z", "+00:00")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.min
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment, row[verdicts_table.c.seq]


def _lock_candidate(connection: Connection, candidate_id: str) -> None:
    """Let one writer at a time settle which verdict on a candidate stands."""
    query = select(completions_table.c.id).where(completions_table.c.id == candidate_id)
    if connection.scalar(query.with_for_update(key_share=True)) is None:
        raise NotFoundError(f"No candidate has the id {candidate_id!r}.")
