"""What people decided: every word of theirs, and for each candidate which one stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    bindparam,
    func,
    literal,
    select,
    union_all,
    update,
)

from seedbed.errors import NotFoundError
from seedbed.records import Verdict, VerdictStatus, content_id
from seedbed_backend.store.database import Database, insert_new
from seedbed_backend.store.events import append
from seedbed_backend.store.records import Event, Mark, utc_now
from seedbed_backend.store.schema import (
    canaries_table,
    canary_verdicts_table,
    completions_table,
    runs_table,
    verdicts_table,
)


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
            stood = connection.scalar(
                select(verdicts_table.c.seq).where(
                    verdicts_table.c.candidate_id == candidate_id, verdicts_table.c.is_current
                )
            )
            connection.execute(
                update(verdicts_table).where(is_of_it).values(is_withdrawn=True, is_current=False)
            )
            _settle(connection, candidate_id, stood)
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

    def last_words(self, project_id: str) -> list[Verdict]:
        """Return what each reviewer said last about each candidate of a project, oldest first.

        Also where another reviewer's verdict stands; not what was withdrawn.
        """
        query = (
            select(verdicts_table)
            .join(completions_table)
            .where(~verdicts_table.c.is_withdrawn, completions_table.c.project_id == project_id)
        )
        with self._read() as connection:
            rows = sorted(connection.execute(query).mappings(), key=_age)
        columns = verdicts_table.c
        newest = {(row[columns.candidate_id], row[columns.reviewer]): row for row in rows}
        return [verdict_from(row) for row in sorted(newest.values(), key=_age)]

    def standing_annotations(self, project_id: str) -> dict[int, str]:
        """Map the annotations that say something in a project, and were not withdrawn, to candidates.

        Not only those whose verdict stands: another one may be withdrawn, and then they count.
        """
        query = (
            select(verdicts_table.c.annotation_id, verdicts_table.c.candidate_id)
            .join(completions_table)
            .where(
                ~verdicts_table.c.is_withdrawn,
                verdicts_table.c.annotation_id.is_not(None),
                completions_table.c.project_id == project_id,
            )
        )
        with self._read() as connection:
            return {row.annotation_id: row.candidate_id for row in connection.execute(query)}

    def marks_due(self, project_id: str, limit: int | None = None) -> list[Mark]:
        """Return the published tasks that show another verdict than the one that stands.

        Canaries are among them: what they show must look like what the others show.
        """
        query = union_all(_candidate_marks(project_id), _canary_marks(project_id)).limit(limit)
        with self._read() as connection:
            rows = connection.execute(query).mappings().all()
        return [Mark(**{**row, "reasons": tuple(row["reasons"] or ())}) for row in rows]

    def note_marks(self, marks: Iterable[Mark]) -> None:
        """Note what review tasks show after they were marked; not where it is another by now."""
        rows = sorted(marks, key=lambda mark: mark.id)
        with self._write() as connection:
            for is_canary, statement in ((False, _SHOW), (True, _SHOW_CANARY)):
                shown = [_shown(mark) for mark in rows if mark.is_canary == is_canary]
                if shown:
                    connection.execute(statement, shown)

    def note_seen(self, marks: Iterable[Mark]) -> None:
        """Note what candidates' tasks were seen to show; those that are to be marked anew stay so."""
        ordered = sorted(marks, key=lambda mark: mark.id)
        rows = [{"of_id": mark.id, "shown": mark.verdict} for mark in ordered]
        if rows:
            with self._write() as connection:
                is_known = ~completions_table.c.shown_verdict.startswith(_STALE)
                connection.execute(_SEEN.where(is_known), rows)

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


_STALE = "?"
"""What a task is thought to show once another verdict stands, with its number, so that it is marked
with the new one: the status alone could be the same, with other reasons."""

_SHOW, _SHOW_CANARY = (
    update(table)
    .where(table.c.id == bindparam("of_id"), table.c.shown_verdict == bindparam("former"))
    .values(shown_verdict=bindparam("shown"))
    for table in (completions_table, canaries_table)
)

_SEEN = (
    update(completions_table)
    .where(
        completions_table.c.id == bindparam("of_id"),
        completions_table.c.shown_verdict != bindparam("shown"),
    )
    .values(shown_verdict=bindparam("shown"))
)


def _shown(mark: Mark) -> dict[str, str]:
    return {"of_id": mark.id, "shown": mark.verdict, "former": mark.shown}


def _candidate_marks(project_id: str) -> Select[Any]:
    columns, said = completions_table.c, verdicts_table.c
    stands = func.coalesce(said.status, "")
    return (
        select(*_mark(columns, stands, said.reasons, is_canary=False))
        .outerjoin(verdicts_table, (said.candidate_id == columns.id) & said.is_current)
        .where(
            columns.project_id == project_id,
            columns.review_task.is_not(None),
            columns.shown_verdict != stands,
        )
    )


def _canary_marks(project_id: str) -> Select[Any]:
    columns, said = canaries_table.c, canary_verdicts_table.c
    newest = (
        select(said.annotation_id)
        .where(said.canary_id == columns.id)
        .order_by(said.decided_at.desc(), said.annotation_id.desc())
        .limit(1)
        .correlate(canaries_table)
        .scalar_subquery()
    )
    stands = func.coalesce(said.status, "")
    return (
        select(*_mark(columns, stands, said.reasons, is_canary=True))
        .join(runs_table, runs_table.c.id == columns.run_id)
        .outerjoin(canary_verdicts_table, said.annotation_id == newest)
        .where(
            runs_table.c.project_id == project_id,
            columns.review_task.is_not(None),
            columns.shown_verdict != stands,
        )
    )


def _mark(
    columns: Any, stands: Any, reasons: Any, *, is_canary: bool
) -> tuple[ColumnElement[Any], ...]:
    """Return the columns of a `Mark`."""
    return (
        columns.id,
        columns.review_task,
        stands.label("verdict"),
        reasons.label("reasons"),
        literal(is_canary).label("is_canary"),
        columns.shown_verdict.label("shown"),
    )


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


def _settle(connection: Connection, candidate_id: str, stood: int | None = None) -> bool:
    """Let the newest verdict that was not withdrawn stand; return whether that is another one.

    `stood` is the one that stood before, where it has just been withdrawn.
    """
    of_candidate = verdicts_table.c.candidate_id == candidate_id
    rows = connection.execute(select(verdicts_table).where(of_candidate)).mappings().all()
    before = {row[verdicts_table.c.seq] for row in rows if row[verdicts_table.c.is_current]}
    before |= {stood} - {None}
    remaining = sorted((row for row in rows if not row[verdicts_table.c.is_withdrawn]), key=_age)
    after = {row[verdicts_table.c.seq] for row in remaining[-1:]}
    if before == after:
        return False
    for seqs, is_current in ((before, False), (after, True)):
        statement = update(verdicts_table).where(verdicts_table.c.seq.in_(seqs))
        connection.execute(statement.values(is_current=is_current))
    former = [row for row in rows if row[verdicts_table.c.seq] in before]
    append(connection, _change(candidate_id, former, remaining[-1:]))
    is_it = completions_table.c.id == candidate_id
    stale = f"{_STALE}{max(after, default='')}"
    connection.execute(update(completions_table).where(is_it).values(shown_verdict=stale))
    return True


def _change(candidate_id: str, before: Sequence[RowMapping], after: Sequence[RowMapping]) -> Event:
    """Tell the audit trail which verdict stands now, and which one did; no status where none does."""
    newest = after[0] if after else None
    return Event(
        utc_now(),
        "verdict_changed",
        candidate_id,
        {
            "status": newest and newest[verdicts_table.c.status],
            "former": before[0][verdicts_table.c.status] if before else None,
            "reviewer": newest and newest[verdicts_table.c.reviewer],
            "annotation": newest and newest[verdicts_table.c.annotation_id],
            "decided_at": newest and newest[verdicts_table.c.decided_at],
        },
    )


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
