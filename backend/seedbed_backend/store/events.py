"""The audit trail: events are added, and never changed or removed."""

from __future__ import annotations

from sqlalchemy import insert, select

from seedbed_backend.store.database import Database
from seedbed_backend.store.records import Event
from seedbed_backend.store.schema import events_table


class EventStore(Database):
    """The part of the store that holds the audit trail."""

    def add_event(self, event: Event) -> None:
        """Append one event; `seedbed_backend.audit.record` is the way to make one."""
        statement = insert(events_table).values(
            time=event.time, event=event.event, subject=event.subject, data=dict(event.data)
        )
        with self._write() as connection:
            connection.execute(statement)

    def events(self, subject: str | None = None, limit: int | None = 100) -> list[Event]:
        """Return the last events, newest first: of one subject, or of all."""
        query = select(events_table).order_by(events_table.c.seq.desc()).limit(limit)
        if subject is not None:
            query = query.where(events_table.c.subject == subject)
        with self._read() as connection:
            rows = connection.execute(query).all()
        return [Event(row.time, row.event, row.subject, row.data) for row in rows]
