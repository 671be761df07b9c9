"""Everything Seedbed remembers: the only SQL of the product.

`store.py` is the door; its parts are one noun each (`projects`, `runs`, `candidates`, `verdicts`,
`events`) over `schema.py` and `database.py`.
"""

from seedbed_backend.store.records import (
    Batch,
    BatchState,
    CandidateState,
    Effort,
    Event,
    Funnel,
    FunnelRow,
    Project,
    ProjectSide,
    Run,
    RunKind,
    RunState,
    StateChange,
    StoredCandidate,
    utc_now,
)
from seedbed_backend.store.store import Store

__all__ = [
    "Batch",
    "BatchState",
    "CandidateState",
    "Effort",
    "Event",
    "Funnel",
    "FunnelRow",
    "Project",
    "ProjectSide",
    "Run",
    "RunKind",
    "RunState",
    "StateChange",
    "Store",
    "StoredCandidate",
    "utc_now",
]
