"""The acceptance gate: what managers decided about runs, and the counts that it stands on."""

from __future__ import annotations

from sqlalchemy import insert, select

from seedbed_backend.store.database import Database
from seedbed_backend.store.records import GateDecision
from seedbed_backend.store.schema import gate_decisions_table


class GateStore(Database):
    """The part of the store that holds the gate's decisions."""

    def add_gate_decision(self, decision: GateDecision) -> None:
        """Append what a manager decided; the newest of a run counts."""
        row = {name: getattr(decision, name) for name in GateDecision.__slots__}
        with self._write() as connection:
            connection.execute(insert(gate_decisions_table).values(row))

    def gate_decisions(self, run_id: str) -> list[GateDecision]:
        """Return all that managers decided about a run, oldest first."""
        query = (
            select(gate_decisions_table)
            .where(gate_decisions_table.c.run_id == run_id)
            .order_by(gate_decisions_table.c.seq)
        )
        with self._read() as connection:
            rows = connection.execute(query).mappings().all()
        return [GateDecision(**{n: row[n] for n in GateDecision.__slots__}) for row in rows]
