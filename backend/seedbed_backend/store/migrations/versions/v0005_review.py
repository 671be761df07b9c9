"""Review: the gate, canaries, what runs learned from verdicts, what Label Studio shows of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("projects", sa.Column("review_fraction", sa.Double(), nullable=True))
    op.add_column("runs", sa.Column("feedback", sa.JSON(none_as_null=True), nullable=True))
    op.add_column(
        "completions",
        sa.Column("shown_verdict", sa.String(), nullable=False, server_default=""),
    )
    op.add_column(
        "completions", sa.Column("shown_sources", sa.JSON(none_as_null=True), nullable=True)
    )
    op.create_table(
        "gate_decisions",
        sa.Column(
            "seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("decided_at", sa.String(), nullable=False),
        sa.CheckConstraint(
            "decision IN ('release', 'hold', 'undo')", name=op.f("ck_gate_decisions_decision")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_gate_decisions_run_id"),
        sa.PrimaryKeyConstraint("seq", name="pk_gate_decisions"),
    )
    op.create_index("ix_gate_decisions_run_id", "gate_decisions", ["run_id"])
    op.create_table(
        "canaries",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("made_of", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("draw", sa.Double(), nullable=False),
        sa.Column("review_task", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("shown_verdict", sa.String(), nullable=False, server_default=""),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_canaries_run_id"),
        sa.ForeignKeyConstraint(["made_of"], ["completions.id"], name="fk_canaries_made_of"),
        sa.PrimaryKeyConstraint("id", name="pk_canaries"),
    )
    op.create_index("ix_canaries_run_id", "canaries", ["run_id"])
    op.create_table(
        "canary_verdicts",
        sa.Column("annotation_id", sa.BigInteger(), nullable=False),
        sa.Column("canary_id", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("reviewer", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", sa.String(), nullable=False),
        sa.Column("lead_time_seconds", sa.Double(), nullable=True),
        sa.CheckConstraint(
            "status IN ('ACCEPTED', 'FIXED', 'REJECTED')", name=op.f("ck_canary_verdicts_status")
        ),
        sa.ForeignKeyConstraint(
            ["canary_id"], ["canaries.id"], name="fk_canary_verdicts_canary_id"
        ),
        sa.PrimaryKeyConstraint("annotation_id", name="pk_canary_verdicts"),
    )
    op.create_index("ix_canary_verdicts_canary_id", "canary_verdicts", ["canary_id"])


def downgrade() -> None:
    op.drop_table("canary_verdicts")
    op.drop_table("canaries")
    op.drop_table("gate_decisions")
    op.execute("ALTER TABLE completions DROP COLUMN shown_sources")
    op.execute("ALTER TABLE completions DROP COLUMN shown_verdict")
    op.execute("ALTER TABLE runs DROP COLUMN feedback")
    op.execute("ALTER TABLE projects DROP COLUMN review_fraction")
