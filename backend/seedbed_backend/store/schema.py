"""The tables. A change here needs a migration beside it; a test compares the two.

recipes ◀── projects ◀── sources
   ▲           ▲            ▲
   └── runs ───┘            │
         ▲◀── run_sources   │
         │                  │
      batches ◀──────── completions ◀── decisions, verdicts          events
                                    ◀── former_decisions
projects ◀── analyses
runs ◀── gate_decisions, canaries ◀── canary_verdicts
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Dialect,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.types import TypeDecorator


class OutsideText(TypeDecorator[str]):
    """Text that a model or a person wrote.

    NUL (PostgreSQL) and lone surrogates (UTF-8) cannot be stored; each becomes U+FFFD.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Replace what no database holds."""
        if value is None:
            return None
        return (
            value.replace("\0", "\ufffd")
            .encode("utf-16", "surrogatepass")
            .decode("utf-16", "replace")
        )


# Counts insertions; SQLite numbers rows by itself only where the type is INTEGER.
SEQUENCE = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

recipes_table = Table(
    "recipes",
    metadata,
    Column("hash", String, primary_key=True),
    Column("document", JSON, nullable=False),
    Column("created_at", String, nullable=False),
)

projects_table = Table(
    "projects",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", OutsideText, nullable=False),
    Column("technique", String, nullable=False),
    Column("recipe_hash", ForeignKey(recipes_table.c.hash), nullable=False),
    Column("label_studio_url", String, nullable=False),
    Column("source_project", BigInteger, nullable=False, index=True),
    Column("review_project", BigInteger, nullable=False, index=True),
    Column("review_fraction", Double),
    Column("created_at", String, nullable=False),
)

sources_table = Table(
    "sources",
    metadata,
    Column("seq", SEQUENCE, primary_key=True),
    Column("project_id", ForeignKey(projects_table.c.id), nullable=False),
    Column("id", String, nullable=False),
    Column("fields", JSON, nullable=False),
    Column("group_name", OutsideText, nullable=False),
    Column("label_studio_task", BigInteger),
    Column("provenance", JSON, nullable=False),
    UniqueConstraint("project_id", "id"),
    Index(None, "project_id", "label_studio_task"),
)

runs_table = Table(
    "runs",
    metadata,
    Column("id", String, primary_key=True),
    Column("project_id", ForeignKey(projects_table.c.id), nullable=False, index=True),
    Column("recipe_hash", ForeignKey(recipes_table.c.hash), nullable=False),
    Column("target", Integer, nullable=False),
    Column("budget", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("wave", Integer, nullable=False),
    Column("model_name", String, nullable=False),
    Column("model_sha256", String, nullable=False),
    Column("created_at", String, nullable=False),
    Column("finished_at", String),
    Column("error", OutsideText, nullable=False),
    Column("kind", String, nullable=False, server_default="run"),
    Column("outcome", JSON(none_as_null=True)),
    Column("screened_by", String),
    Column("feedback", JSON(none_as_null=True)),
    CheckConstraint(
        "state IN ('generating', 'publishing', 'done', 'short', 'failed')",
        name="state",
    ),
    CheckConstraint("kind IN ('run', 'warm_up', 'trial')", name="kind"),
)

# What a run grows from. `excess_tokens` is by how much a source is too long for it; 0 takes part.
run_sources_table = Table(
    "run_sources",
    metadata,
    Column("run_id", ForeignKey(runs_table.c.id), primary_key=True),
    Column("source_id", String, primary_key=True),
    Column("excess_tokens", Integer, nullable=False),
)

batches_table = Table(
    "batches",
    metadata,
    Column("id", String, primary_key=True),
    Column("run_id", ForeignKey(runs_table.c.id), nullable=False),
    Column("wave", Integer, nullable=False),
    Column("items", JSON, nullable=False),
    Column("state", String, nullable=False),
    Column("seconds", Double, nullable=False, server_default="0"),
    Column("n_prompt_tokens", BigInteger, nullable=False, server_default="0"),
    Column("prompt_seconds", Double, nullable=False, server_default="0"),
    Column("n_tokens", BigInteger, nullable=False, server_default="0"),
    Column("token_seconds", Double, nullable=False, server_default="0"),
    Column("screen_seconds", Double, nullable=False, server_default="0"),
    Column("judge_seconds", Double, nullable=False, server_default="0"),
    CheckConstraint("state IN ('queued', 'generated', 'screened', 'judged')", name="state"),
    Index(None, "run_id", "wave"),
)

completions_table = Table(
    "completions",
    metadata,
    Column("id", String, primary_key=True),
    Column("project_id", ForeignKey(projects_table.c.id), nullable=False),
    Column("run_id", ForeignKey(runs_table.c.id), nullable=False),
    Column("batch_id", ForeignKey(batches_table.c.id), nullable=False, index=True),
    Column("source_id", String, nullable=False),
    Column("prompt_hash", String, nullable=False),
    Column("position", Integer, nullable=False),
    Column("text", OutsideText, nullable=False),
    Column("finish_reason", String, nullable=False),
    Column("rng_seed", BigInteger, nullable=False),
    Column("shown_sources", JSON(none_as_null=True)),
    Column("n_prompt_tokens", Integer, nullable=False),
    Column("n_tokens", Integer, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("fields", JSON(none_as_null=True)),
    Column("state", String, nullable=False),
    Column("stage", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("score", Double),
    Column("draw", Double),
    Column("stratum", OutsideText, nullable=False),
    Column("review_task", BigInteger),
    Column("is_withdrawn", Boolean, nullable=False, server_default=false()),
    Column("shown_verdict", String, nullable=False, server_default=""),
    ForeignKeyConstraint(
        ["project_id", "source_id"], [sources_table.c.project_id, sources_table.c.id]
    ),
    CheckConstraint("state IN ('pending', 'kept', 'dropped', 'survivor')", name="state"),
    # Nothing is dropped silently.
    CheckConstraint("state <> 'dropped' OR (stage <> '' AND reason <> '')", name="drop"),
    Index(None, "run_id", "state"),
    Index(None, "project_id", "state"),
    Index(None, "project_id", "source_id"),
)

decisions_table = Table(
    "decisions",
    metadata,
    Column("seq", SEQUENCE, primary_key=True),
    Column("candidate_id", ForeignKey(completions_table.c.id), nullable=False),
    Column("filter", String, nullable=False),
    Column("keep", Boolean, nullable=False),
    Column("reason", String, nullable=False),
    Column("score", Double),
    Column("evidence", JSON, nullable=False),
    UniqueConstraint("candidate_id", "filter"),
)

# What filters said before a re-screening: under which recipe, and until when it counted.
former_decisions_table = Table(
    "former_decisions",
    metadata,
    Column("seq", SEQUENCE, primary_key=True),
    Column("candidate_id", ForeignKey(completions_table.c.id), nullable=False, index=True),
    Column("filter", String, nullable=False),
    Column("keep", Boolean, nullable=False),
    Column("reason", String, nullable=False),
    Column("score", Double),
    Column("evidence", JSON, nullable=False),
    Column("recipe_hash", String, nullable=False),
    Column("replaced_at", String, nullable=False),
)

verdicts_table = Table(
    "verdicts",
    metadata,
    Column("seq", SEQUENCE, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("candidate_id", ForeignKey(completions_table.c.id), nullable=False, index=True),
    Column("status", String, nullable=False),
    Column("fields", JSON, nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("reviewer", BigInteger),
    Column("annotation_id", BigInteger, index=True),
    Column("decided_at", String, nullable=False),
    Column("lead_time_seconds", Double),
    Column("note", OutsideText, nullable=False),
    Column("rating", Integer),
    Column("raw", JSON(none_as_null=True)),
    Column("is_current", Boolean, nullable=False),
    Column("is_withdrawn", Boolean, nullable=False),
    CheckConstraint("status IN ('ACCEPTED', 'FIXED', 'REJECTED')", name="status"),
    CheckConstraint("NOT (is_current AND is_withdrawn)", name="current"),
    Index(
        "uq_verdicts_current",
        "candidate_id",
        unique=True,
        sqlite_where=text("is_current"),
        postgresql_where=text("is_current"),
    ),
)

events_table = Table(
    "events",
    metadata,
    Column("seq", SEQUENCE, primary_key=True),
    Column("time", String, nullable=False),
    Column("event", String, nullable=False),
    Column("subject", String, nullable=False, index=True),
    Column("data", JSON, nullable=False),
)

analyses_table = Table(
    "analyses",
    metadata,
    Column("id", String, primary_key=True),
    Column("project_id", ForeignKey(projects_table.c.id), nullable=False, index=True),
    Column("kind", String, nullable=False),
    Column("options", JSON, nullable=False),
    Column("state", String, nullable=False),
    Column("result", JSON(none_as_null=True)),
    Column("picture", Text, nullable=False, server_default=""),
    Column("error", OutsideText, nullable=False),
    Column("created_at", String, nullable=False),
    Column("finished_at", String),
    CheckConstraint("state IN ('queued', 'working', 'done', 'failed')", name="state"),
)

# What managers said about a run's gate. The newest decision of a run counts; none is ever changed.
gate_decisions_table = Table(
    "gate_decisions",
    metadata,
    Column("seq", SEQUENCE, primary_key=True),
    Column("run_id", ForeignKey(runs_table.c.id), nullable=False, index=True),
    Column("decision", String, nullable=False),
    Column("reason", OutsideText, nullable=False),
    Column("author", OutsideText, nullable=False),
    Column("figures", JSON, nullable=False),
    Column("decided_at", String, nullable=False),
    CheckConstraint("decision IN ('release', 'hold', 'undo')", name="decision"),
)

# Known-bad candidates that are mixed in to see whether reviewers notice. Never exported.
canaries_table = Table(
    "canaries",
    metadata,
    Column("id", String, primary_key=True),
    Column("run_id", ForeignKey(runs_table.c.id), nullable=False, index=True),
    Column("made_of", ForeignKey(completions_table.c.id), nullable=False),
    Column("kind", String, nullable=False),
    Column("fields", JSON, nullable=False),
    Column("draw", Double, nullable=False),
    Column("review_task", BigInteger),
    Column("created_at", String, nullable=False),
    Column("shown_verdict", String, nullable=False, server_default=""),
)

canary_verdicts_table = Table(
    "canary_verdicts",
    metadata,
    Column("annotation_id", BigInteger, primary_key=True),
    Column("canary_id", ForeignKey(canaries_table.c.id), nullable=False, index=True),
    Column("status", String, nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("reviewer", BigInteger),
    Column("decided_at", String, nullable=False),
    Column("lead_time_seconds", Double),
    CheckConstraint("status IN ('ACCEPTED', 'FIXED', 'REJECTED')", name="status"),
)
