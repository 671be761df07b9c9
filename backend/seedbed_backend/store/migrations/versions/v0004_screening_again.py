"""Screening again: earlier decisions are kept, and analyses that filter workers make."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("screened_by", sa.String(), nullable=True))
    op.add_column(
        "completions",
        sa.Column("is_withdrawn", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.create_table(
        "former_decisions",
        sa.Column(
            "seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("candidate_id", sa.String(), nullable=False),
        sa.Column("filter", sa.String(), nullable=False),
        sa.Column("keep", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("recipe_hash", sa.String(), nullable=False),
        sa.Column("replaced_at", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["candidate_id"], ["completions.id"], name="fk_former_decisions_candidate_id"
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_former_decisions"),
    )
    op.create_index("ix_former_decisions_candidate_id", "former_decisions", ["candidate_id"])
    op.create_table(
        "analyses",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("project_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("result", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("picture", sa.Text(), nullable=False, server_default=""),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("finished_at", sa.String(), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued', 'working', 'done', 'failed')", name=op.f("ck_analyses_state")
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_analyses_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_analyses"),
    )
    op.create_index("ix_analyses_project_id", "analyses", ["project_id"])


def downgrade() -> None:
    op.drop_table("analyses")
    op.drop_table("former_decisions")
    op.execute("ALTER TABLE completions DROP COLUMN is_withdrawn")
    op.execute("ALTER TABLE runs DROP COLUMN screened_by")
