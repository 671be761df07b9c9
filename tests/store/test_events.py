from __future__ import annotations

from seedbed_backend import audit
from seedbed_backend.store import Store


def test_events_newest_first(store: Store):
    audit.record(store, "project_made", "p1")
    audit.record(store, "run_started", "run1", target=100, model="m.gguf")
    audit.record(store, "run_started", "run1", target=100, model="m.gguf")
    assert [e.event for e in store.events()] == ["run_started", "run_started", "project_made"]
    assert [e.subject for e in store.events(limit=1)] == ["run1"]
    (made,) = store.events(subject="p1")
    assert (made.event, made.data) == ("project_made", {})
    assert store.events(subject="run1")[0].data == {"target": 100, "model": "m.gguf"}
    assert store.events("nope") == []


def test_event_times_are_utc_and_sort(store: Store):
    for n in range(3):
        audit.record(store, "tick", "x", n=n)
    times = [event.time for event in reversed(store.events("x"))]
    assert times == sorted(times)
    assert all(time.endswith("+00:00") for time in times)
