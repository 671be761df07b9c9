"""What the store keeps beside the pipeline's own nouns: frozen, and named as in the glossary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Literal

from seedbed.records import Candidate, Completion, Decision, Verdict, VerdictStatus

RunKind = Literal["run", "warm_up", "trial"]
RunState = Literal["generating", "publishing", "done", "short", "failed"]
BatchState = Literal["queued", "generated", "screened", "judged"]
CandidateState = Literal["pending", "kept", "dropped", "survivor"]
ProjectSide = Literal["source", "review"]
AnalysisKind = Literal["report", "rescreen", "seeds", "suggestions"]
GateWord = Literal["release", "hold", "undo"]
AnalysisState = Literal["queued", "working", "done", "failed"]


def utc_now() -> str:
    """Return the time as ISO 8601 in UTC, always with microseconds, so that texts sort as times."""
    return datetime.now(timezone.utc).isoformat(timespec="microseconds")


@dataclass(frozen=True, slots=True)
class Project:
    """One technique for one team. `recipe` is what `seedbed.recipe.parse` accepts.

    `source_project` and `review_project` are Label Studio's project ids. `review_fraction` is the
    share of survivors that people judge where it was changed later than the recipe; else None.
    """

    id: str
    name: str
    technique: str
    recipe: Mapping[str, Any]
    recipe_hash: str
    label_studio_url: str
    source_project: int
    review_project: int
    created_at: str = field(default_factory=utc_now)
    review_fraction: float | None = None

    @property
    def sampled_fraction(self) -> float:
        """Return the share of survivors that people judge now."""
        changed = self.review_fraction
        return float(self.recipe["review_fraction"]) if changed is None else changed


@dataclass(frozen=True, slots=True)
class Run:
    """One request to grow `target` survivors, with at most `budget` completions.

    `wave` counts the rounds of generation so far. "short" is a run that ended below its target.
    A "warm_up" is the first wave of a run that has not been asked for yet: the next run takes it
    over. A "trial" tries a prompt and is never published. `outcome` says what either found.
    `screened_by` is the recipe by which its candidates were screened again, if they were.
    `feedback` is what its prompts show of earlier verdicts (see `seedbed_backend.feedback`).
    """

    id: str
    project_id: str
    recipe_hash: str
    target: int
    budget: int
    state: RunState = "generating"
    wave: int = 0
    model_name: str = ""
    model_sha256: str = ""
    created_at: str = field(default_factory=utc_now)
    finished_at: str | None = None
    error: str = ""
    kind: RunKind = "run"
    outcome: Mapping[str, Any] | None = None
    screened_by: str | None = None
    feedback: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Effort:
    """What generating took. `seconds` is wall time in all; the rest as an engine's `Usage` has it."""

    seconds: float = 0.0
    n_prompt_tokens: int = 0
    prompt_seconds: float = 0.0
    n_tokens: int = 0
    token_seconds: float = 0.0

    def __add__(self, other: Effort) -> Effort:
        return Effort(
            self.seconds + other.seconds,
            self.n_prompt_tokens + other.n_prompt_tokens,
            self.prompt_seconds + other.prompt_seconds,
            self.n_tokens + other.n_tokens,
            self.token_seconds + other.token_seconds,
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """What one job generates. `items` are (source id, first completion index, count).

    `effort` grows with every completion that is stored; `screen_seconds` is what the filters took
    that look at one candidate, `judge_seconds` what the judge took, where the recipe has one.
    """

    id: str
    run_id: str
    wave: int
    items: tuple[tuple[str, int, int], ...]
    state: BatchState = "queued"
    effort: Effort = Effort()
    screen_seconds: float = 0.0
    judge_seconds: float = 0.0

    @property
    def n_attempts(self) -> int:
        """Count the completions that are asked for."""
        return sum(n for _, _, n in self.items)


@dataclass(frozen=True, slots=True)
class StoredCandidate:
    """One completion and all that is known about it. Dropped at "format", it has no fields.

    pending → kept (by the filters that look at one candidate) → survivor, or dropped by `stage`, a
    filter or the judge, for `reason`. `score` is its quality in [0, 1]. `scores` and `evidence` are
    by filter. `draw` in [0, 1) is its place in the random order of its `stratum`. `review_task` is
    Label Studio's task id once it is published, `verdict` the current one. `is_withdrawn` tells that
    the task was taken out of the sample, because a re-screening dropped what nobody had judged.
    """

    candidate: Candidate
    run_id: str
    project_id: str
    state: CandidateState
    stage: str
    reason: str
    score: float | None
    completion: Completion
    scores: Mapping[str, float]
    evidence: Mapping[str, Mapping[str, Any]]
    draw: float | None
    stratum: str
    review_task: int | None
    verdict: Verdict | None
    is_withdrawn: bool = False

    @property
    def evidence_span(self) -> tuple[int, int] | None:
        """Return the span of the source that supports it: code points, end exclusive."""
        for evidence in self.evidence.values():
            if "start" in evidence and "end" in evidence:
                return int(evidence["start"]), int(evidence["end"])
        return None


@dataclass(frozen=True, slots=True)
class StateChange:
    """A candidate's next state. A drop names its stage and reason; no score leaves the old one."""

    candidate_id: str
    state: CandidateState
    stage: str = ""
    reason: str = ""
    score: float | None = None

    def __post_init__(self) -> None:
        if self.state == "dropped" and not (self.stage and self.reason):
            raise ValueError(f"candidate {self.candidate_id} is dropped without stage and reason")


@dataclass(frozen=True, slots=True)
class FunnelRow:
    """How many were dropped at one stage for one reason."""

    stage: str
    reason: str
    n: int


@dataclass(frozen=True, slots=True)
class Funnel:
    """Where all attempts are. `n_pending` counts pending and kept ones: those not yet decided."""

    n_attempts: int
    rows: tuple[FunnelRow, ...]
    n_pending: int
    n_survivors: int

    @property
    def n_dropped(self) -> int:
        """Count the dropped ones over all stages."""
        return sum(row.n for row in self.rows)

    @property
    def is_balanced(self) -> bool:
        """Say whether every attempt is in exactly one place."""
        return self.n_attempts == self.n_dropped + self.n_pending + self.n_survivors


@dataclass(frozen=True, slots=True)
class PlaceCount:
    """How many attempts of one technique are in one place of the funnel."""

    technique: str
    state: CandidateState
    stage: str
    reason: str
    n: int


@dataclass(frozen=True, slots=True)
class SourceCount:
    """What became of the attempts from one source, or from a group of sources.

    `key` is the source's id or the group's name; `worst` is where most of them were dropped.
    """

    key: str
    group: str
    label_studio_task: int | None
    n_attempts: int
    n_dropped: int
    n_survivors: int
    worst: FunnelRow | None


@dataclass(frozen=True, slots=True)
class FilterCount:
    """What one filter saw and dropped; scores of kept and dropped ones in ten bins over [0, 1]."""

    filter: str
    n_seen: int
    n_dropped: int
    n_scored: int
    kept_scores: Sequence[int]
    dropped_scores: Sequence[int]


@dataclass(frozen=True, slots=True)
class DroppedExample:
    """A dropped candidate, to be shown, and its place in the funnel."""

    id: str
    stage: str
    reason: str


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the audit trail: when, what happened, to which id, with JSON values."""

    time: str
    event: str
    subject: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FormerDecision:
    """What a filter had said under the recipe `recipe_hash`, until a re-screening at `replaced_at`."""

    decision: Decision
    recipe_hash: str
    replaced_at: str


@dataclass(frozen=True, slots=True)
class Rescreened:
    """A candidate's decisions, in running order, and place in the funnel after a re-screening."""

    candidate_id: str
    decisions: Sequence[Decision]
    state: CandidateState
    stage: str = ""
    reason: str = ""
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a filter worker works out about a project, for the command line or the web page.

    `result` holds JSON values, `picture` an SVG; both are there once it is "done".
    """

    id: str
    project_id: str
    kind: AnalysisKind
    options: Mapping[str, Any]
    state: AnalysisState = "queued"
    result: Mapping[str, Any] | None = None
    picture: str = ""
    error: str = ""
    created_at: str = field(default_factory=utc_now)
    finished_at: str | None = None


@dataclass(frozen=True, slots=True)
class GateDecision:
    """A manager's word on a run: release it, hold it, or undo what was said before; and why.

    `figures` is what the gate said at that moment (JSON values), `author` who decided.
    """

    run_id: str
    decision: GateWord
    reason: str
    author: str
    figures: Mapping[str, Any]
    decided_at: str = field(default_factory=utc_now)


@dataclass(frozen=True, slots=True)
class Mark:
    """What a review task is to show of its verdict: one of the statuses, or "" for none.

    `id` is the candidate's, or the canary's. `reasons` are those of a REJECTED one. `shown` is what the
    store took the task to show when this was read: once that has changed, the mark is out of date.
    """

    id: str
    review_task: int
    verdict: str
    reasons: tuple[str, ...] = ()
    is_canary: bool = False
    shown: str = ""


@dataclass(frozen=True, slots=True)
class ReviewCount:
    """How many survivors of a run and stratum are in the sample, or not, with one kind of verdict."""

    run_id: str
    stratum: str
    is_sampled: bool
    status: VerdictStatus | None
    n: int


@dataclass(frozen=True, slots=True)
class Rejection:
    """How many of a run and stratum reviewers rejected for one reason; `ids` names the first few."""

    run_id: str
    stratum: str
    reason: str
    n: int
    ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Canary:
    """A known-bad candidate among a run's review tasks.

    `made_of` is the survivor that was spoilt, `kind` says how, `draw` in [0, 1) its place among the
    others. `review_task` is Label Studio's task id once it is published, `shown_verdict` what that
    task shows.
    """

    id: str
    run_id: str
    made_of: str
    kind: str
    fields: Mapping[str, str]
    draw: float
    review_task: int | None = None
    created_at: str = field(default_factory=utc_now)
    shown_verdict: str = ""
