"""Canaries: known-bad candidates among the review tasks, and what reviewers said about them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from seedbed_backend.store.database import Database, insert_new
from seedbed_backend.store.records import Canary
from seedbed_backend.store.schema import canaries_table


class CanaryStore(Database):
    """The part of the store that holds canaries."""

    def add_canaries(self, canaries: Sequence[Canary]) -> int:
        """Add those that are not there yet, and count them."""
        rows = [
            {name: getattr(canary, name) for name in Canary.__slots__}
            | {"fields": dict(canary.fields)}
            for canary in canaries
        ]
        with self._write() as connection:
            return len(insert_new(connection, canaries_table, rows, canaries_table.c.id))

    def canaries(self, run_id: str) -> list[Canary]:
        """Return a run's canaries, in the order of their ids."""
        query = (
            select(canaries_table)
            .where(canaries_table.c.run_id == run_id)
            .order_by(canaries_table.c.id)
        )
        with self._read() as connection:
            return [Canary(**row) for row in connection.execute(query).mappings()]
