"""The store: everything Seedbed remembers, in SQLite or PostgreSQL."""

from __future__ import annotations

import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from seedbed.errors import UserError
from seedbed_backend.store.aggregates import AggregateStore
from seedbed_backend.store.analyses import AnalysisStore
from seedbed_backend.store.canaries import CanaryStore
from seedbed_backend.store.candidates import CandidateStore
from seedbed_backend.store.database import parse_url
from seedbed_backend.store.events import EventStore
from seedbed_backend.store.gates import GateStore
from seedbed_backend.store.projects import ProjectStore
from seedbed_backend.store.runs import RunStore
from seedbed_backend.store.screenings import ScreeningStore
from seedbed_backend.store.verdicts import VerdictStore

MIGRATIONS = Path(__file__).parent / "migrations"

MIGRATION_LOCK = 7_333_233
"""The key of PostgreSQL's advisory lock; any number that nobody else uses."""

_alembic_lock = threading.Lock()  # Alembic keeps its context in globals


class Store(
    ProjectStore,
    RunStore,
    CandidateStore,
    ScreeningStore,
    AggregateStore,
    VerdictStore,
    GateStore,
    CanaryStore,
    EventStore,
    AnalysisStore,
):
    """All that is kept, one part a base class. Safe to share between threads and across a fork.

    What has an id is saved once: the same id again changes nothing, and the methods count what was
    new. Every method is one transaction; writers wait for each other.
    """

    @staticmethod
    def open(url: str) -> Store:
        """Return the store at a URL without touching it. Raises UserError for an unusable URL."""
        return Store(parse_url(url))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def migrate(self) -> None:
        """Create the tables or bring them up to date; of several callers one does, the rest wait.

        Raises UserError where a newer Seedbed has migrated the store.
        """
        path = self._path()
        if path is not None:
            self._make_folder(path.parent)
        with _alembic_lock, self._write() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
            self._refuse_unknown(MigrationContext.configure(connection).get_current_revision())
            config = alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def revision(self) -> str | None:
        """Return the revision of the tables, or None where there are none."""
        path = self._path()
        if path is not None and not path.exists():
            return None
        with self._read() as connection:
            return MigrationContext.configure(connection).get_current_revision()

    def check(self) -> None:
        """Raise ServiceError if the store cannot be reached, UserError if it is not up to date."""
        revision = self.revision()
        self._refuse_unknown(revision)
        head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
        if revision != head:
            state = "is empty" if revision is None else f"is at revision {revision}, not {head}"
            raise UserError(f"The store {self.url} {state}.", hint="Run `seedbed db upgrade`.")

    def _refuse_unknown(self, revision: str | None) -> None:
        known = {script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()}
        if revision is not None and revision not in known:
            raise UserError(
                f"The store {self.url} is at revision {revision}, which this Seedbed lacks.",
                hint="Install the Seedbed that migrated it, or a newer one.",
            )

    def _path(self) -> Path | None:
        """Return the file, or None for PostgreSQL."""
        url = self._engine.url
        return Path(url.database or "") if url.get_backend_name() == "sqlite" else None

    def _make_folder(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise UserError(
                f"The store's folder {folder} cannot be made: {exc.strerror}.",
                hint="Choose one that may be written to.",
            ) from exc


def alembic_config() -> Config:
    """Return Alembic's settings without a file; "%" in a path is escaped for its parser."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
