"""What a plan needs: kinds of runs, the sources of a run, what each batch took."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

EFFORT: tuple[tuple[str, sa.types.TypeEngine[Any]], ...] = (
    ("seconds", sa.Double()),
    ("n_prompt_tokens", sa.BigInteger()),
    ("prompt_seconds", sa.Double()),
    ("n_tokens", sa.BigInteger()),
    ("token_seconds", sa.Double()),
    ("screen_seconds", sa.Double()),
)


def upgrade() -> None:
    # Said in SQL, because SQLite takes a column's check only with the column.
    op.execute(
        "ALTER TABLE runs ADD COLUMN kind VARCHAR NOT NULL DEFAULT 'run' "
        "CONSTRAINT ck_runs_kind CHECK (kind IN ('run', 'warm_up', 'trial'))"
    )
    op.add_column("runs", sa.Column("outcome", sa.JSON(none_as_null=True), nullable=True))
    for name, type_ in EFFORT:
        op.add_column("batches", sa.Column(name, type_, nullable=False, server_default="0"))
    run_sources = op.create_table(
        "run_sources",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("excess_tokens", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_run_sources_run_id"),
        sa.PrimaryKeyConstraint("run_id", "source_id", name="pk_run_sources"),
    )
    # Runs that are under way go on with the sources that they began with.
    pairs = set()
    for run_id, items in op.get_bind().execute(sa.text("SELECT run_id, items FROM batches")):
        for item in json.loads(items) if isinstance(items, str) else items:
            pairs.add((run_id, item[0]))
    op.bulk_insert(
        run_sources,
        [{"run_id": r, "source_id": s, "excess_tokens": 0} for r, s in sorted(pairs)],
    )


def downgrade() -> None:
    op.drop_table("run_sources")
    # One at a time and without copying the table: others refer to it.
    for name, _ in reversed(EFFORT):
        op.execute(f"ALTER TABLE batches DROP COLUMN {name}")
    op.execute("ALTER TABLE runs DROP COLUMN outcome")
    op.execute("ALTER TABLE runs DROP COLUMN kind")
