from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from seedbed.errors import ServiceError, UserError
from seedbed_backend.store import Effort, Store
from seedbed_backend.store.schema import metadata
from seedbed_backend.store.store import MIGRATIONS, alembic_config

HEAD = ScriptDirectory(str(MIGRATIONS)).get_current_head()
MIGRATE = """
import sys
from seedbed_backend.store import Effort, Store
store = Store.open(sys.argv[1])
store.migrate()
store.check()
store.close()
"""

FIRST_VERSION = (
    "INSERT INTO recipes VALUES ('r', '{}', '2025')",
    "INSERT INTO projects VALUES ('p', 'P', 'qa', 'r', 'http://localhost', 1, 2, '2025')",
    "INSERT INTO runs VALUES ('run', 'p', 'r', 5, 25, 'generating', 1, '', '', '2025', NULL, '')",
    """INSERT INTO batches VALUES ('b', 'run', 1, '[["s1", 0, 4], ["s2", 0, 3]]', 'queued')""",
)

JUDGED = (
    """UPDATE recipes SET document = '{"review_fraction": 0.15}'""",
    "UPDATE runs SET state = 'done'",
    "INSERT INTO sources (project_id, id, fields, group_name, provenance)"
    " VALUES ('p', 's1', '{}', '', '{}')",
    "INSERT INTO completions VALUES ('c', 'p', 'run', 'b', 's1', '', 0, 'x', 'stop', 1, 1, 1, 1,"
    " '{}', 'survivor', '', '', 0.9, 0.1, 'qa/-/high', 7)",
    "INSERT INTO verdicts VALUES (1, 'v', 'c', 'REJECTED', '{}', '[]', 1, 11, '2025', NULL, '', NULL,"
    " NULL, true, false)",
)


def test_tables_and_migrations_agree(store: Store):
    with store._read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_downgrade_leaves_nothing(store: Store):
    with store._write() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]


def test_migrate_again_changes_nothing(store: Store):
    before = store.revision()
    store.migrate()
    assert store.revision() == before == HEAD
    store.check()


def test_runs_of_the_first_version_go_on(open_store: Callable[[], Store]):
    store = open_store()
    config = alembic_config()
    with store._write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in FIRST_VERSION:
            connection.execute(text(statement))
    store.migrate()
    assert store.run("run").kind == "run"
    assert store.run_sources("run") == {"s1": 0, "s2": 0}
    assert store.batch("b").effort == Effort()


def test_batches_of_the_second_version_keep_their_candidates(open_store: Callable[[], Store]):
    store = open_store()
    config = alembic_config()
    completion = (
        "INSERT INTO completions VALUES ('c', 'p', 'run', 'b', 's1', '', 0, 'x', 'stop', 1, 1, 1, 1,"
        " NULL, 'pending', '', '', NULL, NULL, '', NULL)"
    )
    source = (
        "INSERT INTO sources (project_id, id, fields, group_name, provenance)"
        " VALUES ('p', 's1', '{}', '', '{}')"
    )
    with store._write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in (*FIRST_VERSION, source, completion):
            connection.execute(text(statement))
        command.upgrade(config, "0002")
    store.migrate()
    assert [c.candidate.id for c in store.candidates(batch_id="b")] == ["c"]
    assert store.advance_batch("b", "queued", "judged", judge_seconds=1.5)
    assert store.batch("b").judge_seconds == 1.5
    with pytest.raises(UserError, match="refused a row"):
        store.set_batch_state("b", "nonsense")
    with store._write() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0002")
        found = connection.execute(text("SELECT id, state FROM batches")).all()
        assert [tuple(row) for row in found] == [("b", "screened")]
        assert [i["name"] for i in inspect(connection).get_indexes("batches")]


def test_what_was_judged_in_the_fourth_version_counts_in_the_gate(open_store: Callable[[], Store]):
    store = open_store()
    config = alembic_config()
    with store._write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in (*FIRST_VERSION, *JUDGED):
            connection.execute(text(statement))
        command.upgrade(config, "0004")
    store.migrate()
    project = store.project("p")
    assert project.sampled_fraction == 0.15
    counts = store.review_counts("p", project.sampled_fraction)
    assert [(c.run_id, c.is_sampled, c.status, c.n) for c in counts] == [
        ("run", True, "REJECTED", 1)
    ]
    [due] = store.marks_due("p")  # Label Studio's tab learns of it
    assert (due.id, due.review_task, due.verdict) == ("c", 7, "REJECTED")
    assert store.run("run").feedback is None
    assert store.standing_decisions("p") == {}
    with store._write() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0004")
        assert connection.scalar(text("SELECT draw FROM completions")) == 0.1


def test_check_says_when_empty(open_store: Callable[[], Store]):
    store = open_store()
    assert store.revision() is None
    with pytest.raises(UserError, match=r"is empty\. Run `seedbed db upgrade`"):
        store.check()


def test_store_of_a_newer_seedbed_is_refused(store: Store):
    with store._write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for refuse in (store.check, store.migrate):
        with pytest.raises(UserError, match="revision 9999, which this Seedbed lacks"):
            refuse()


def test_threads_may_migrate_at_once(url: str):
    def migrate(_: int) -> str | None:
        store = Store.open(url)
        store.migrate()
        revision = store.revision()
        store.close()
        return revision

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(migrate, range(4))) == {HEAD}


def test_processes_may_migrate_at_once(url: str):
    command = [sys.executable, "-c", MIGRATE, url]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    results = [(process.communicate(timeout=60)[1], process.returncode) for process in started]
    assert results == [("", 0)] * 3


def test_unreachable_postgres_is_a_service_error():
    store = Store.open("postgresql://seedbed:secret@127.0.0.1:1/none")
    with pytest.raises(ServiceError) as caught:
        store.check()
    assert caught.value.retryable
    assert "secret" not in str(caught.value)
    store.close()


def test_file_that_is_no_database_is_a_service_error(tmp_path: Path):
    (tmp_path / "store.db").write_text("not a database, but long enough to be looked at" * 50)
    store = Store.open(f"sqlite:///{tmp_path}/store.db")
    with pytest.raises(ServiceError, match="file is not a database"):
        store.check()
    store.close()


def test_folder_is_made(tmp_path: Path):
    store = Store.open(f"sqlite:///{tmp_path}/new 100%/store.db")
    store.migrate()
    store.check()
    store.close()


def test_folder_that_cannot_be_made(tmp_path: Path):
    (tmp_path / "file").touch()
    store = Store.open(f"sqlite:///{tmp_path}/file/store.db")
    with pytest.raises(UserError, match=r"folder .*file cannot be made"):
        store.migrate()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://localhost/x", "cannot be kept in 'mysql'"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("nonsense", "cannot be read"),
    ],
)
def test_unusable_url(url: str, message: str):
    with pytest.raises(UserError, match=message):
        Store.open(url)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgres_url_may_leave_out_the_driver(scheme: str):
    store = Store.open(f"{scheme}://a:b@localhost/c")
    assert store.url == "postgresql+psycopg://a:***@localhost/c"
