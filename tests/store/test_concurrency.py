from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from seedbed.errors import ServiceError
from seedbed.records import Decision
from seedbed_backend.store import StateChange, Store, database
from store.world import World, completion

WRITER = """
import sys
from seedbed.records import Completion, Decision
from seedbed_backend.store import StateChange, Store

url, source, first = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = Store.open(url)
n_new = 0
for start in range(first, first + 200, 20):
    names = [f"c{n:04}" for n in reversed(range(start, start + 20))]
    rows = [(Completion(n, source, "p", 0, "t", "stop", 1), {"text": "x"}, "") for n in names]
    n_new += store.save_completions("run1", "b1", rows)
    store.save_decisions([Decision(name, "heuristics", True, "", 0.5) for name in names])
    store.set_states([StateChange(name, "kept") for name in names])
    store.set_draws({name: (0.5, "s") for name in names})
    assert store.funnel(run_id="run1").is_balanced
print(n_new)
store.close()
"""


def test_processes_write_at_once(world: World, url: str):
    """Four writers, of which two and two write the same rows."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, url, world.sources[0].id, first],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for first in ("0", "0", "100", "100")
    ]
    results = [process.communicate(timeout=120) for process in started]
    assert [errors for _, errors in results] == [""] * 4
    assert sum(int(output) for output, _ in results) == 300
    found = world.store.candidates(run_id="run1")
    assert len(found) == 300
    assert {(c.state, c.draw, c.scores["heuristics"]) for c in found} == {("kept", 0.5, 0.5)}


def test_threads_share_a_store(world: World):
    def write(start: int) -> int:
        names = [f"c{n:04}" for n in range(start, start + 20)]
        n_new = world.complete(*names, fields={"text": "x"})
        world.store.save_decisions([Decision(name, "dedup", True) for name in names])
        return n_new + world.store.set_states([StateChange(name, "survivor") for name in names])

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(write, range(0, 400, 10))) == 2 * 410
    assert world.store.funnel().n_survivors == 410


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_store_survives_a_fork(world: World):
    """RQ forks for every job: the child must not use the parent's connections."""
    world.complete("c1", fields={"text": "x"})
    child = os.fork()
    if child == 0:
        try:
            world.complete("c2", fields={"text": "x"})
            os._exit(len(world.store.has_completions(["c1", "c2"])))
        finally:
            os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
    assert world.store.has_completions(["c1", "c2"]) == {"c1", "c2"}


def test_a_failed_write_changes_nothing(world: World):
    source = world.sources[0].id
    rows = [(completion("c1", source), {"text": "x"}, ""), (completion("c2", source), None, "")]
    with pytest.raises(Exception, match="refused a row"):
        world.store.save_completions("run1", "b1", rows)
    assert world.store.has_completions(["c1", "c2"]) == set()


def test_sqlite_that_stays_locked_is_a_retryable_service_error(
    tmp_path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(database, "BUSY_TIMEOUT_SECONDS", 0.05)
    store = Store.open(f"sqlite:///{tmp_path}/store.db")
    store.migrate()
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert store.projects() == []  # readers do not wait for a writer
        with pytest.raises(ServiceError, match="database is locked") as caught:
            store.set_batch_state("b1", "screened")
        other.execute("ROLLBACK")
    assert caught.value.retryable
    store.set_batch_state("b1", "screened")
    store.close()


def test_sqlite_pragmas(tmp_path):
    store = Store.open(f"sqlite:///{tmp_path}/store.db")
    with store._read() as connection:
        values = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert values == ["wal", 1, 1, 30_000]
    store.close()
