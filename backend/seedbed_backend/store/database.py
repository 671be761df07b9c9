"""The connection: which databases are accepted, how transactions begin, what errors become."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

from sqlalchemy import URL, Column, Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry, Pool

from seedbed.errors import NotFoundError, SeedbedError, ServiceError, UserError

BUSY_TIMEOUT_SECONDS = 30
"""How long a writer waits for another one to finish (SQLite has one writer at a time)."""

CONNECT_TIMEOUT_SECONDS = 10
"""How long to wait for PostgreSQL to answer at all."""

N_IDS_PER_QUERY = 1000
"""How many ids go into one IN list; both databases accept at least 32,766 parameters."""

N_KNOWN = 10
"""How many existing ids an error names."""

_engines: WeakSet[Engine] = WeakSet()
_inherited: list[Pool] = []


def parse_url(url: str) -> URL:
    """Read a store URL. Raises UserError for what is neither a SQLite file nor PostgreSQL."""
    hint = "Use sqlite:////path/to/store.db or postgresql://user:password@host/name."
    try:
        parsed = make_url(url)
    except ArgumentError as exc:
        raise UserError("The store URL cannot be read.", hint=hint) from exc
    if parsed.drivername in {"postgres", "postgresql"}:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in {"sqlite", "postgresql+psycopg"}:
        raise UserError(f"The store cannot be kept in {parsed.drivername!r}.", hint=hint)
    if parsed.drivername == "sqlite" and parsed.database in {None, "", ":memory:"}:
        raise UserError("A store in memory cannot be shared by processes.", hint=hint)
    return parsed


class Database:
    """An engine whose transactions suit many processes at a time."""

    def __init__(self, url: URL) -> None:
        self._engine = _engine(url)
        self.url = url.render_as_string(hide_password=True)

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        """Open a transaction that sees one state of the store and changes nothing."""
        with self._wrapped_errors(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        """Open a transaction that commits at the end of the block, or changes nothing."""
        with self._wrapped_errors(), self._engine.connect() as connection:
            connection = connection.execution_options(is_write=True)
            with connection.begin():
                yield connection

    @contextmanager
    def _wrapped_errors(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError as exc:
            raise UserError(f"The store refused a row: {_first_line(exc)}.") from exc
        except (DBAPIError, PoolTimeoutError) as exc:
            raise ServiceError(
                f"The store {self.url} cannot be used: {_first_line(exc)}.",
                hint="`seedbed db check` says what is wrong.",
                retryable=isinstance(exc, (OperationalError, PoolTimeoutError)),
            ) from exc


def insert_new(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    returning: Column[Any],
) -> list[Any]:
    """Insert the rows that are not there yet; return `returning` of each that was new."""
    if not rows:
        return []
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(table).on_conflict_do_nothing().returning(returning)
    return list(connection.execute(statement, rows).scalars())


def not_found(kind: str, id: str, known: Iterable[str]) -> SeedbedError:
    """Build the error that names the choices, the first ten of them."""
    names = list(known)
    more = f" and {len(names) - N_KNOWN} more" if len(names) > N_KNOWN else ""
    listed = ", ".join(names[:N_KNOWN]) or "none"
    return NotFoundError(f"No {kind} has the id {id!r}.", hint=f"Known: {listed}{more}.")


def _engine(url: URL) -> Engine:
    is_sqlite = url.get_backend_name() == "sqlite"
    engine = create_engine(
        url,
        connect_args=(
            {"timeout": BUSY_TIMEOUT_SECONDS}
            if is_sqlite
            else {"connect_timeout": CONNECT_TIMEOUT_SECONDS}
        ),
        json_serializer=_dumps,
        pool_pre_ping=not is_sqlite,
        max_overflow=-1 if is_sqlite else 10,  # a waiting SQLite writer costs the others nothing
        hide_parameters=True,  # they hold document text, which must not reach a log
    )
    if is_sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    _engines.add(engine)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: _begin_sqlite does
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that turns from reading to writing fails at once when another one wrote in
    # between; one that begins as a writer waits for its turn.
    is_write = connection.get_execution_options().get("is_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")


def _dumps(value: Any) -> str:
    """Write JSON that PostgreSQL accepts too: NaN and infinities become null."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(json.loads(json.dumps(value), parse_constant=lambda _: None))


def _first_line(exc: SQLAlchemyError) -> str:
    cause = exc.orig if isinstance(exc, DBAPIError) else exc
    return str(cause).strip().partition("\n")[0].rstrip(".")


def _forget_inherited_connections() -> None:
    """After a fork, leave the parent's connections alone: neither use nor close them."""
    for engine in _engines:
        _inherited.append(engine.pool)
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_forget_inherited_connections)
