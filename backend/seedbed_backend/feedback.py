"""What a run's prompts show of earlier verdicts: corrected candidates to follow, rejected ones to avoid.

    verdicts ─▶ choose ─▶ as many as every source has room for ─▶ frozen in the run ─▶ its prompts

It is chosen once, when a run is made, so that a run that is taken up again asks the same. Text stands
there as people saw it: with personal data replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from seedbed.recipe import Recipe
from seedbed.records import Completion, SourceTask, VerdictStatus
from seedbed.text import letter_similarity, shortened
from seedbed_backend import parsing, redaction
from seedbed_backend.store import Store, StoredCandidate

_T = TypeVar("_T")

POOL = 8
"""Of the newest ones, so many times as many as are wanted are looked at for variety."""

AVOIDED_LENGTH = 300
"""Most characters of a rejected text that a prompt shows."""

NOT_TAUGHT = frozenset({"unsafe or private", "duplicate"})
"""Reasons for which a text is no warning: personal data must not get into further prompts, and the
filters see to repeats."""


@dataclass(frozen=True, slots=True)
class FewShot:
    """A candidate that a person corrected: its source's fields, and the output as it was left."""

    candidate: str
    source: str
    shown: Mapping[str, str]
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Avoided:
    """A candidate that a person rejected: what it said, and why not to."""

    candidate: str
    text: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Feedback:
    """What the prompts of a run show. `n_left_out` were chosen as well, and had no room."""

    few_shot: tuple[FewShot, ...] = ()
    avoid: tuple[Avoided, ...] = ()
    n_left_out: int = 0

    def __bool__(self) -> bool:
        return bool(self.few_shot or self.avoid)

    @staticmethod
    def of(stored: Mapping[str, Any] | None) -> Feedback:
        """Read what `to_dict` gave; None is no feedback."""
        if not stored:
            return Feedback()
        return Feedback(
            tuple(FewShot(**each) for each in stored.get("few_shot", ())),
            tuple(
                Avoided(each["candidate"], each["text"], tuple(each["reasons"]))
                for each in stored.get("avoid", ())
            ),
            int(stored.get("n_left_out", 0)),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the form in which a run keeps it: JSON values."""
        return asdict(self)

    def for_source(self, source_id: str) -> dict[str, Any]:
        """Return the arguments of `Technique.prompt`; no source is shown its own answer."""
        return {
            "few_shot": [
                (SourceTask(shot.source, shot.shown), shot.fields)
                for shot in self.few_shot
                if shot.source != source_id
            ],
            "avoid": [(avoided.text, avoided.reasons) for avoided in self.avoid],
        }

    def sources_for(self, source_id: str) -> list[str]:
        """Return the ids of the sources that a source's prompt shows with their corrections."""
        return [shot.source for shot in self.few_shot if shot.source != source_id]

    def first(self, n: int) -> Feedback:
        """Return the first `n` of it, corrected and rejected ones in turn."""
        n_few_shot = min(len(self.few_shot), max((n + 1) // 2, n - len(self.avoid)))
        kept = Feedback(self.few_shot[:n_few_shot], self.avoid[: n - n_few_shot])
        n_kept = len(kept.few_shot) + len(kept.avoid)
        return Feedback(kept.few_shot, kept.avoid, self.n_all - n_kept)

    @property
    def n_all(self) -> int:
        """Count all that was chosen."""
        return len(self.few_shot) + len(self.avoid) + self.n_left_out


def choose(store: Store, project_id: str, recipe: Recipe) -> Feedback:
    """Choose what the next run's prompts show, as many as the recipe wants and there are.

    One a source, the newest first; of those the ones least like each other, in letters. The same
    verdicts give the same choice. Left out are corrections that would not do as an answer (another
    label, a missing field) and rejections for a reason that is no lesson.
    """
    if not (recipe.few_shot or recipe.avoid):
        return Feedback()
    judged = sorted(store.judged_candidates(project_id), key=_age, reverse=True)
    fixed = [
        shot for stored in _one_a_source(judged, "FIXED") if (shot := _few_shot(recipe, stored))
    ]
    rejected = [
        avoided
        for stored in _one_a_source(judged, "REJECTED")
        if (avoided := _avoided(recipe, stored))
    ]
    names = recipe.spec.dedup_fields
    return Feedback(
        tuple(
            _varied(fixed, recipe.few_shot, lambda s: " ".join(s.fields.get(n, "") for n in names))
        ),
        tuple(_varied(rejected, recipe.avoid, lambda avoided: avoided.text)),
    )


def fitted(
    feedback: Feedback, excess_of: Callable[[Feedback], Mapping[str, int]]
) -> tuple[Feedback, Mapping[str, int]]:
    """Return as much of the feedback as leaves room for every source that fits without it.

    `excess_of` measures by how many tokens each source is too long; what it says without any
    feedback is returned too.
    """
    if not feedback:
        return feedback, excess_of(feedback)
    plain = excess_of(Feedback())
    n = len(feedback.few_shot) + len(feedback.avoid)
    while n:
        part = feedback.first(n)
        if all(plain[id_] or not tokens for id_, tokens in excess_of(part).items()):
            return part, plain
        n //= 2
    return feedback.first(0), plain


def summary(feedback: Feedback) -> dict[str, Any]:
    """Describe it for people and programs: what is shown, by candidate, and how much had no room."""
    return {
        "few_shot": [shot.candidate for shot in feedback.few_shot],
        "avoid": [avoided.candidate for avoided in feedback.avoid],
        "n_left_out": feedback.n_left_out,
    }


def _age(stored: StoredCandidate) -> tuple[str, str]:
    return (stored.verdict.decided_at if stored.verdict else "", stored.candidate.id)


def _one_a_source(
    judged: Sequence[StoredCandidate], status: VerdictStatus
) -> list[StoredCandidate]:
    """Return the newest candidate of each source on which such a verdict stands."""
    found: dict[str, StoredCandidate] = {}
    for stored in judged:
        if stored.verdict and stored.verdict.status == status:
            found.setdefault(stored.candidate.source.id, redaction.redacted(stored))
    return list(found.values())


def _few_shot(recipe: Recipe, stored: StoredCandidate) -> FewShot | None:
    """Return a corrected candidate as an example, where a model's answer could be the same."""
    verdict, source = stored.verdict, stored.candidate.source
    if verdict is None:
        return None
    label = source.fields.get(recipe.spec.label_field, "")
    labels = [label] if label else recipe.labels
    text = recipe.spec.answer(verdict.fields, labels)
    answer = Completion("", source.id, "", 0, text, "stop", 0)
    fields, _ = parsing.parse(answer, recipe.spec.schema(labels), recipe.spec.columns)
    if fields is None:
        return None
    return FewShot(stored.candidate.id, source.id, dict(source.fields), dict(verdict.fields))


def _avoided(recipe: Recipe, stored: StoredCandidate) -> Avoided | None:
    reasons = stored.verdict.reasons if stored.verdict else ()
    if NOT_TAUGHT & set(reasons):
        return None
    text = " ".join(stored.candidate.text(recipe.spec.dedup_fields).split())
    return Avoided(stored.candidate.id, shortened(text, AVOIDED_LENGTH), tuple(reasons))


def _varied(things: Sequence[_T], n: int, text_of: Callable[[_T], str]) -> list[_T]:
    """Choose up to `n`: the first, then always the one least like those chosen; earlier ones first."""
    pool = [(text_of(thing), thing) for thing in things[: POOL * n]]
    chosen: list[tuple[str, _T]] = []
    while pool and len(chosen) < n:
        likeness = [
            max((letter_similarity(text, other) for other, _ in chosen), default=0.0)
            for text, _ in pool
        ]
        chosen.append(pool.pop(likeness.index(min(likeness))))
    return [thing for _, thing in chosen]
