"""Who did what, when: one line a fact, appended and never changed."""

from __future__ import annotations

from typing import Any

from seedbed_backend.store import Event, Store, utc_now


def record(store: Store, event: str, subject: str, /, **data: Any) -> None:
    """Append an event, in the past tense ("run_started"), about the thing with the id `subject`.

    `data` holds JSON values, and never document text.
    """
    store.add_event(Event(utc_now(), event, subject, data))
