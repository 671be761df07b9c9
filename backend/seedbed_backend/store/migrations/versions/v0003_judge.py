"""A judge after the filters: a batch may be judged, and says how long that took."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NAME = "ck_batches_ck_batches_state"  # as the first version's naming came out
OLD = "state IN ('queued', 'generated', 'screened')"
NEW = "state IN ('queued', 'generated', 'screened', 'judged')"


def upgrade() -> None:
    _replace_check(OLD, NEW)
    op.add_column(
        "batches", sa.Column("judge_seconds", sa.Double(), nullable=False, server_default="0")
    )


def downgrade() -> None:
    op.execute("UPDATE batches SET state = 'screened' WHERE state = 'judged'")
    op.execute("ALTER TABLE batches DROP COLUMN judge_seconds")
    _replace_check(NEW, OLD)


def _replace_check(old: str, new: str) -> None:
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        op.execute(f"ALTER TABLE batches DROP CONSTRAINT {NAME}")
        op.execute(f"ALTER TABLE batches ADD CONSTRAINT {NAME} CHECK ({new})")
        return
    # SQLite cannot change a check. The table is made anew under its own name, so that what refers
    # to its rows finds them again before the transaction ends.
    query = "SELECT sql FROM sqlite_master WHERE type = :type AND tbl_name = 'batches' AND sql <> ''"
    (table,) = connection.scalars(sa.text(query), {"type": "table"})
    indexes = list(connection.scalars(sa.text(query), {"type": "index"}))
    if old not in table:
        raise AssertionError(f"the table batches has no check {old}: {table}")
    for statement in (
        "PRAGMA defer_foreign_keys = ON",
        "CREATE TEMPORARY TABLE saved_batches AS SELECT * FROM batches",
        "DROP TABLE batches",
        table.replace(old, new),
        "INSERT INTO batches SELECT * FROM saved_batches",
        "DROP TABLE saved_batches",
        *indexes,
    ):
        connection.exec_driver_sql(statement)
