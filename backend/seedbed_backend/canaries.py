"""Canaries: known-bad candidates mixed in among a run's review tasks, to see whether people notice.

    survivors ─▶ spoilt as the technique declares ─▶ those that its filters drop ─▶ review tasks

A canary looks like any other review task but for its seal. It is no candidate: it is in no funnel,
gate, report or training file, and what people say about it is kept apart.
"""

from __future__ import annotations

import heapq
import logging
import math
import random
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from rapidfuzz import fuzz

from seedbed import labeling
from seedbed.recipe import Recipe, parse
from seedbed.records import Candidate, content_id
from seedbed.technique import Technique
from seedbed_backend import redaction, screening
from seedbed_backend.filters import configure
from seedbed_backend.services import Services
from seedbed_backend.store import Canary, Project, Run, StoredCandidate

_logger = logging.getLogger(__name__)

MAX_ALIKE = 75.0
"""Sources of which more of the words are the same (rapidfuzz's token sort ratio, 0-100) may say the
same, so that the output of one could be right under the other."""

N_DONORS = 16
"""How many candidates of other sources are looked at for spoiling one candidate."""

N_LOOKED_AT = 64
"""How many of a group, and of all candidates, are drawn to find those."""

MAX_TRIED = 5
"""For each canary wanted, so many survivors are tried at most."""

N_TRIES = 3
"""How many outcomes of one kind are tried on the filters."""


@dataclass(frozen=True, slots=True)
class _Proposal:
    kind: str
    made_of: StoredCandidate
    candidate: Candidate


def unpublished(
    services: Services, run: Run, recipe: Recipe, lost: Set[str] = frozenset()
) -> list[StoredCandidate]:
    """Return the run's canaries that Label Studio does not have, dressed as candidates.

    They are made once; after an interruption they are the same. `lost` are ids of those whose tasks
    seem to be gone.
    """
    store = services.store
    if not recipe.canary_fraction:
        return []
    made = store.canaries(run.id)
    if not made:
        fraction = store.project(run.project_id).sampled_fraction
        made = make(services, run, recipe, fraction)
        store.add_canaries(made)
    waiting = [canary for canary in made if canary.review_task is None or canary.id in lost]
    origins = store.candidates_by_id({canary.made_of for canary in waiting})
    return [dressed(recipe.spec, canary, origins[canary.made_of]) for canary in waiting]


def make(services: Services, run: Run, recipe: Recipe, sampled_fraction: float) -> list[Canary]:
    """Make the canaries of a run: the recipe's share of its sampled survivors, rounded up.

    What is made depends on the recipe's seed and the run alone. They are spread over strata and
    sources, and made of survivors outside of the sample where there are enough. One that the
    technique's own filters drop is preferred to one that only differs from what it was made of.
    """
    found = services.store.candidates(run_id=run.id, states=("survivor",))
    survivors = [redaction.redacted(stored) for stored in found]
    n = n_wanted(recipe, survivors, sampled_fraction)
    rng = random.Random(content_id("canaries", recipe.rng_seed, run.id))  # noqa: S311 - no secret
    waiting = islice(_spread(survivors, sampled_fraction, rng), MAX_TRIED * n)
    donors = _Donors(recipe.spec, survivors, sampled_fraction, rng)
    made: list[Canary] = []
    while len(made) < n and (some := list(islice(waiting, n - len(made)))):
        proposals = [list(_proposals(recipe.spec, run, stored, donors, rng)) for stored in some]
        dropped = _dropped(services, recipe, run, [p for each in proposals for p in each])
        for each in filter(None, proposals):
            best = next((p for p in each if p.candidate.id in dropped), each[0])
            made.append(_canary(run, best, rng.random() * sampled_fraction))
    if len(made) < n:
        _logger.warning("run %s: only %d of %d canaries could be made", run.id, len(made), n)
    return made


def n_wanted(recipe: Recipe, survivors: Sequence[StoredCandidate], sampled: float) -> int:
    """Return how many canaries the sample of a run gets."""
    n_sampled = sum(_is_sampled(stored, sampled) for stored in survivors)
    return math.ceil(round(recipe.canary_fraction * n_sampled, 9))  # 0.07 * 100 is above 7


def dressed(technique: Technique, canary: Canary, made_of: StoredCandidate) -> StoredCandidate:
    """Return a canary as a candidate that looks like any other: with the scores of its origin."""
    shown = redaction.redacted(made_of)
    span = made_of.evidence_span
    if span:
        start, end = redaction.moved(made_of, technique.text_field, span)
    return replace(
        shown,
        candidate=Candidate(canary.id, shown.candidate.source, dict(canary.fields)),
        completion=replace(shown.completion, id=canary.id, rng_seed=int(canary.id[:8], 16)),
        evidence={"shown": {"start": start, "end": end}} if span else {},
        draw=canary.draw,
        review_task=canary.review_task,
        verdict=None,
        is_withdrawn=False,
    )


def read(services: Services, project: Project, task: Mapping[str, Any]) -> set[int] | None:
    """Note what people said about a task, and return the annotations that judge it.

    None where it is no canary of the project.
    """
    store = services.store
    canary = store.canary(str((task.get("data") or {}).get("cid", "")))
    if canary is None:
        return None
    made_of = store.candidate(canary.made_of)
    if made_of.project_id != project.id:
        return None
    technique = parse(project.recipe).spec
    predicted = _predicted(technique, canary, made_of, task)
    annotations = task.get("annotations", [])
    said = [labeling.verdict(task, annotation, technique, predicted) for annotation in annotations]
    judged = set()
    for verdict in filter(None, said):
        store.save_canary_verdict(verdict)
        judged.add(int(verdict.annotation_id or 0))
    return judged


def _predicted(
    technique: Technique, canary: Canary, made_of: StoredCandidate, task: Mapping[str, Any]
) -> dict[str, str]:
    """Return what people were shown, by our own books."""
    shown = dressed(technique, canary, made_of)
    prediction = labeling.prediction(
        technique,
        shown.candidate.fields,
        evidence_span=shown.evidence_span,
        source_text=shown.candidate.source.fields[technique.text_field],
    )
    return labeling.values(prediction["result"], technique, task.get("data", {}))


def _canary(run: Run, chosen: _Proposal, draw: float) -> Canary:
    return Canary(
        id=chosen.candidate.id,
        run_id=run.id,
        made_of=chosen.made_of.candidate.id,
        kind=chosen.kind,
        fields=dict(chosen.candidate.fields),
        draw=math.floor(draw * 1e6) / 1e6,  # as many digits as any other draw
    )


def _spread(
    survivors: Sequence[StoredCandidate], sampled: float, rng: random.Random
) -> Iterator[StoredCandidate]:
    """Yield survivors in a random order that takes turns between sources and between strata.

    Those outside of the sample come first, so that nobody meets a candidate and its canary.
    """
    order = sorted(survivors, key=lambda stored: stored.candidate.id)
    rng.shuffle(order)
    order.sort(key=lambda stored: _is_sampled(stored, sampled))
    queues: defaultdict[tuple[str, str], deque[int]] = defaultdict(deque)
    for place, stored in enumerate(order):
        queues[stored.stratum, stored.candidate.source.id].append(place)
    # By stratum, of each source the first that waits: (how often the source had its turn, place).
    first: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for (stratum, _), queue in queues.items():
        heapq.heappush(first[stratum], (0, queue.popleft()))
    n_of_source: Counter[str] = Counter()
    n_of_stratum: Counter[str] = Counter()

    def turn(stratum: str) -> tuple[int, int, int]:
        heap = first[stratum]
        while heap[0][0] != (now := n_of_source[order[heap[0][1]].candidate.source.id]):
            heapq.heapreplace(heap, (now, heap[0][1]))
        return heap[0][0], n_of_stratum[stratum], heap[0][1]

    while first:
        stratum = min(first, key=turn)
        _, place = heapq.heappop(first[stratum])
        source_id = order[place].candidate.source.id
        n_of_source[source_id] += 1
        n_of_stratum[stratum] += 1
        if queue := queues[stratum, source_id]:
            heapq.heappush(first[stratum], (n_of_source[source_id], queue.popleft()))
        elif not first[stratum]:
            del first[stratum]
        yield order[place]


def _proposals(
    technique: Technique, run: Run, stored: StoredCandidate, donors: _Donors, rng: random.Random
) -> Iterator[_Proposal]:
    """Yield what one candidate can be spoilt to, the kinds in a random order."""
    own, source = stored.candidate.fields, stored.candidate.source
    good = donors.said_of[source.id]
    chosen = [donor.candidate.fields for donor in donors.of(stored)]
    others: list[Mapping[str, str]] = [*chosen] or [{}]
    kinds = sorted(technique.canaries)
    rng.shuffle(kinds)
    for kind in kinds:
        outcomes = (technique.canaries[kind](source.fields, own, other) for other in others)
        bad = {_plain(f): f for f in outcomes if f and _plain(f) not in good}
        for fields in islice(bad.values(), N_TRIES):
            id_ = content_id("canary", run.id, stored.candidate.id, kind, fields)
            yield _Proposal(kind, stored, Candidate(id_, source, fields))


class _Donors:
    """Candidates whose words can spoil another one; `said_of` is what candidates of a source say."""

    def __init__(
        self,
        technique: Technique,
        survivors: Sequence[StoredCandidate],
        sampled: float,
        rng: random.Random,
    ) -> None:
        self.technique, self.sampled, self.rng = technique, sampled, rng
        self.everybody = survivors
        self.of_group: defaultdict[str, list[StoredCandidate]] = defaultdict(list)
        self.said_of: defaultdict[str, set[tuple[tuple[str, str], ...]]] = defaultdict(set)
        for stored in survivors:
            source = stored.candidate.source
            self.of_group[source.group].append(stored)
            self.said_of[source.id].add(_plain(stored.candidate.fields))

    def of(self, stored: StoredCandidate) -> list[StoredCandidate]:
        """Choose candidates of sources that say something else, half of them of the same group.

        Those outside of the sample are preferred: nobody shall meet the same words twice.
        """
        group = stored.candidate.source.group
        near = self._some(stored, self.of_group[group])
        far = [d for d in self._some(stored, self.everybody) if d.candidate.source.group != group]
        return [*near[: N_DONORS // 2], *far[: N_DONORS // 2]]

    def _some(
        self, stored: StoredCandidate, among: Sequence[StoredCandidate]
    ) -> list[StoredCandidate]:
        """Draw some of them, those outside of the sample first, and leave out what is too alike."""
        own, text_field = stored.candidate.source, self.technique.text_field
        drawn = self.rng.sample(among, min(len(among), N_LOOKED_AT))
        drawn.sort(key=lambda donor: _is_sampled(donor, self.sampled))
        return [
            donor
            for donor in drawn
            if donor.candidate.source.id != own.id
            and fuzz.token_sort_ratio(
                own.fields[text_field], donor.candidate.source.fields[text_field]
            )
            <= MAX_ALIKE
        ]


def _dropped(
    services: Services, recipe: Recipe, run: Run, proposals: Sequence[_Proposal]
) -> set[str]:
    """Return the ids of those that the filters drop which look at one candidate."""
    stages = [stage for stage in configure(recipe) if stage.scope == "candidate"]
    scores: dict[str, dict[str, float]] = {p.candidate.id: {} for p in proposals}
    context = screening.context_of(services, recipe, stages, run.project_id, scores)
    candidates = [proposal.candidate for proposal in proposals]
    passed = screening.passing(stages, candidates, context, scores, {})
    return {d.candidate_id for _, said, _ in passed for d in said if not d.keep}


def _is_sampled(stored: StoredCandidate, sampled: float) -> bool:
    return stored.draw is not None and stored.draw < sampled


def _plain(fields: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return fields so that those that differ in case and white space alone are the same."""
    return tuple(sorted((name, " ".join(t.casefold().split())) for name, t in fields.items()))
