"""The audit trail: events are added, and never changed or removed."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, insert, or_, select

from seedbed_backend.store.database import Database
from seedbed_backend.store.records import Event
from seedbed_backend.store.schema import completions_table, events_table, runs_table

CHUNK = 500
"""How many events are read at a time; one of a large drawing takes a few MB."""


class EventStore(Database):
    """The part of the store that holds the audit trail."""

    def add_event(self, event: Event) -> None:
        """Append one event; `seedbed_backend.audit.record` is the way to make one."""
        with self._write() as connection:
            append(connection, event)

    def events(self, subject: str | None = None, limit: int | None = 100) -> list[Event]:
        """Return the last events, newest first: of one subject, or of all."""
        query = select(events_table).order_by(events_table.c.seq.desc()).limit(limit)
        if subject is not None:
            query = query.where(events_table.c.subject == subject)
        with self._read() as connection:
            rows = connection.execute(query).all()
        return [Event(row.time, row.event, row.subject, row.data) for row in rows]

    def project_events(self, project_id: str) -> Iterator[Event]:
        """Yield all events about a project, its runs and its candidates, oldest first.

        A few at a time, so that memory stays bounded, each time from a new transaction.
        """
        runs = select(runs_table.c.id).where(runs_table.c.project_id == project_id)
        candidates = select(completions_table.c.id).where(
            completions_table.c.id == events_table.c.subject,
            completions_table.c.project_id == project_id,
        )
        query = (
            select(events_table)
            .where(
                or_(
                    events_table.c.subject == project_id,
                    events_table.c.subject.in_(runs),
                    candidates.exists(),
                )
            )
            .order_by(events_table.c.seq)
            .limit(CHUNK)
        )
        last = 0
        while True:
            with self._read() as connection:
                rows = connection.execute(query.where(events_table.c.seq > last)).all()
            for row in rows:
                yield Event(row.time, row.event, row.subject, row.data)
            if len(rows) < CHUNK:
                return
            last = rows[-1].seq


def append(connection: Connection, event: Event) -> None:
    """Add an event in the transaction of what it tells of, so that neither is without the other."""
    connection.execute(
        insert(events_table).values(
            time=event.time, event=event.event, subject=event.subject, data=dict(event.data)
        )
    )
