"""Everything Seedbed remembers: the only SQL of the product.

`store.py` is the door; its parts are one noun each (`projects`, `runs`, `candidates`, `screenings`,
`aggregates`, `verdicts`, `events`, `analyses`) over `schema.py` and `database.py`.
"""

from seedbed_backend.store.records import (
    Analysis,
    AnalysisKind,
    Batch,
    BatchState,
    CandidateState,
    DroppedExample,
    Effort,
    Event,
    FilterCount,
    FormerDecision,
    Funnel,
    FunnelRow,
    PlaceCount,
    Project,
    ProjectSide,
    Rescreened,
    Run,
    RunKind,
    RunState,
    SourceCount,
    StateChange,
    StoredCandidate,
    utc_now,
)
from seedbed_backend.store.store import Store

__all__ = [
    "Analysis",
    "AnalysisKind",
    "Batch",
    "BatchState",
    "CandidateState",
    "DroppedExample",
    "Effort",
    "Event",
    "FilterCount",
    "FormerDecision",
    "Funnel",
    "FunnelRow",
    "PlaceCount",
    "Project",
    "ProjectSide",
    "Rescreened",
    "Run",
    "RunKind",
    "RunState",
    "SourceCount",
    "StateChange",
    "Store",
    "StoredCandidate",
    "utc_now",
]
