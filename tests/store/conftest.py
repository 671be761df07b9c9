"""A migrated, empty store for each test: on SQLite, and on a real PostgreSQL where there is one."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from seedbed.records import SourceTask, content_id
from seedbed_backend.store import Batch, Run, Store
from store.world import World, a_project


def _program(name: str) -> str | None:
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return shutil.which(name) or next((str(path) for path in installed), None)


def _unprivileged_user() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = names.get("postgres") or names["nobody"]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Start a cluster on a free port; yield its URL without a database."""
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    if initdb is None or pg_ctl is None:
        pytest.skip("PostgreSQL's initdb and pg_ctl are not on this machine")
    user = _unprivileged_user()
    folder = Path(tempfile.mkdtemp(prefix="seedbed-postgres-"))
    if user:
        os.chown(folder, user["user"], user["group"])
    data = folder / "data"

    def run(*command: str) -> None:
        # the server inherits the output, so it must not be a pipe that is read to its end
        with (folder / "output").open("a") as output:
            subprocess.run(
                command, check=True, cwd=folder, stdout=output, stderr=output, timeout=60, **user
            )

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    try:
        run(initdb, "-D", str(data), "-U", "seedbed", "-A", "trust", "-E", "UTF8", "--no-sync")
        run(pg_ctl, "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start")
    except subprocess.CalledProcessError as exc:
        output = (folder / "output").read_text()
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"PostgreSQL does not start ({exc}): {output[-300:]}")
    try:
        yield f"postgresql://seedbed@127.0.0.1:{port}"
    finally:
        run(pg_ctl, "-D", str(data), "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty store may be made."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    server = request.getfixturevalue("postgres_server")
    name = f"store_{content_id(str(tmp_path))}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server}/{name}"


@pytest.fixture
def open_store(url: str) -> Iterator[Callable[[], Store]]:
    stores: list[Store] = []

    def open_() -> Store:
        stores.append(Store.open(url))
        return stores[-1]

    yield open_
    for store in stores:
        store.close()


@pytest.fixture
def store(open_store: Callable[[], Store]) -> Store:
    store = open_store()
    store.migrate()
    return store


@pytest.fixture
def world(store: Store) -> World:
    project = a_project()
    run = Run("run1", "p1", "r1", target=10, budget=50)
    sources = [
        SourceTask.of({"text": "one"}, group="a", label_studio_task=11, provenance={"page": 3}),
        SourceTask.of({"text": "two"}),
    ]
    batch = Batch("b1", "run1", 1, ((sources[0].id, 0, 4), (sources[1].id, 4, 2)))
    store.save_project(project)
    store.add_sources("p1", sources)
    store.create_run(run)
    store.add_batches([batch])
    return World(store, project, run, batch, sources)
