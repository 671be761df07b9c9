"""The judge: a larger model that grades, criterion by criterion, what the filters kept.

It sees the source and the candidate, answers in JSON, and never changes a candidate. Where it gives
no usable answer, the candidate is kept without a score, and counted.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from statistics import fmean
from typing import Any

from seedbed.errors import ModelError
from seedbed.recipe import JudgeSettings, Recipe
from seedbed.records import Candidate, Completion, Decision, Message, Prompt, SourceTask, content_id
from seedbed.templates import render
from seedbed_backend import generation, screening
from seedbed_backend.engine.base import Engine, GenerationRequest, ModelInfo, SamplingParams
from seedbed_backend.parsing import read_object
from seedbed_backend.services import Services
from seedbed_backend.settings import Settings
from seedbed_backend.store import Store, StoredCandidate

NAME = "judge"
"""The stage under which the judge's decisions are kept, beside those of the filters."""

NOT_JUDGED = "not_judged"

REASONS = (
    "judged_<criterion>",
    "judge_below_minimum",
    "judged_preference",
    "no_clear_preference",
    NOT_JUDGED,
)
"""Every reason that the judge can give. `judged_preference`: the wrong side of a pair is better.
`not_judged` comes from a re-screening alone, which asks no model: see `decide_again`."""

GRADES = (1, 2, 3, 4, 5)
REASON_LENGTH = 200
GROUP_SIZE = 16
"""Decisions are stored 16 at a time: a judge that is killed has lost no more than these."""

SAMPLING = SamplingParams(
    temperature=0.0, top_p=1.0, top_k=0, min_p=0.0, repeat_penalty=1.0, max_tokens=400
)
"""The likeliest answer, always the same; 400 tokens hold the words and the grades."""

_SYSTEM = """\
You check what a model wrote for a training set. Be strict. Read the source and the candidate, and \
say in one or two sentences what is right or wrong with the candidate. Then grade each of these \
from 1 to 5: 1 no, 2 hardly, 3 partly, 4 mostly, 5 fully.
{% for name, question in criteria.items() %}
- {{ name }}: {{ question }}
{% endfor %}
{% if preference %}
And say which one is better, A, B or tie: {{ preference }}
{% endif %}
{% if style_guide %}
The style guide:
{% for rule in style_guide %}
- {{ rule.text }}
{% endfor %}
{% endif %}
{% if labels %}
The labels: {{ labels | join(", ") }}.
{% endif %}
{% if glossary %}
Terms that must stay as they are: {{ glossary | join(", ") }}.
{% endif %}
Answer as JSON: {"reason": "...", {% if preference %}"better": "A", "B" or "tie", {% endif %}\
{% for name in criteria %}"{{ name }}": 1 to 5{{ "" if loop.last else ", " }}{% endfor %}}"""

_USER = """\
# Source
{% for name, text in source.items() %}
{{ name }}: {{ text }}
{% endfor %}

{% if peers %}
# Other examples
{% for peer in peers %}
- {{ peer.values() | join(" | ") }}
{% endfor %}

{% endif %}
# Candidate
{% for name, text in candidate.items() %}
{{ name }}: {{ text }}
{% endfor %}"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the judge said once: grades 1-5 by criterion, why, and "A", "B", "tie" or "" (no pair)."""

    grades: Mapping[str, int]
    reason: str
    better: str = ""


def is_set(settings: Settings) -> bool:
    """Tell whether a judge model is named in the settings."""
    if settings.engine == "openai_http":
        return bool(settings.judge_endpoint_model or settings.judge_endpoints)
    return settings.judge_model is not None


def has_judge(settings: Settings) -> bool:
    """Tell whether a worker with these settings can judge; the engine `echo` needs no model."""
    return settings.engine == "echo" or is_set(settings)


def require_judge(settings: Settings, recipe: Recipe) -> None:
    """Raise ModelError where the recipe wants a judge and none is set."""
    if recipe.judge.enabled and not has_judge(settings):
        raise ModelError(
            "The recipe wants a judge, and no judge model is set.",
            hint="Set SEEDBED_JUDGE_ENDPOINT_MODEL, or SEEDBED_JUDGE_ENDPOINTS for other servers."
            if settings.engine == "openai_http"
            else "Set SEEDBED_JUDGE_MODEL to a GGUF file, or `judge: {enabled: false}`.",
        )


def judge(
    services: Services, recipe: Recipe, run_id: str, candidates: Sequence[StoredCandidate]
) -> None:
    """Judge the candidates that have not been judged yet; decisions are stored as they come.

    Raises ModelError where no judge is set or it cannot be loaded.
    """
    pending = [c for c in candidates if NAME not in c.evidence]
    if not pending:
        return
    require_judge(services.settings, recipe)
    peers = _peers(services.store, pending[0].project_id, run_id, recipe, pending)
    quality = {c.candidate.id: c.score for c in pending}
    with closing(decisions(services.judge, recipe, [c.candidate for c in pending], peers)) as found:
        while group := list(islice(found, GROUP_SIZE)):
            screening.record(services.store, group, quality)


def decisions(
    engine: Engine,
    recipe: Recipe,
    candidates: Sequence[Candidate],
    peers: Mapping[str, Sequence[SourceTask]],
) -> Generator[Decision, None, None]:
    """Ask the engine about all candidates at once; yield each decision when its answers are there.

    `peers` are the sources shown beside one, by its id.
    """
    waiting: dict[str, tuple[Candidate, list[Answer | str]]] = {}
    asked: dict[str, tuple[str, int]] = {}
    prompts = []
    n_orders = 2 if recipe.spec.rubric.pair else 1
    # Alike beginnings together: the engine evaluates them once.
    for candidate in sorted(candidates, key=lambda c: (c.source.id, c.id)):
        waiting[candidate.id] = (candidate, ["missing"] * n_orders)
        for order in range(n_orders):
            id_ = content_id(NAME, candidate.id, order)
            asked[id_] = (candidate.id, order)
            shown = peers.get(candidate.source.id, ())
            prompt = build_prompt(recipe, candidate, shown, is_swapped=order == 1)
            prompts.append(GenerationRequest(prompt, SAMPLING, ((id_, order, 0),)))
    n_missing = dict.fromkeys(waiting, n_orders)
    model = engine.model
    with closing(generation.complete(engine, prompts, set())) as completions:
        for completion, _ in completions:
            candidate_id, order = asked[completion.id]
            waiting[candidate_id][1][order] = read(completion, recipe)
            n_missing[candidate_id] -= 1
            if not n_missing[candidate_id]:
                candidate, answers = waiting.pop(candidate_id)
                yield decide(candidate, answers, recipe.judge, model)
    for candidate, answers in waiting.values():
        yield decide(candidate, answers, recipe.judge, model)


def build_prompt(
    recipe: Recipe,
    candidate: Candidate,
    peers: Sequence[SourceTask] = (),
    *,
    is_swapped: bool = False,
) -> Prompt:
    """Put the rubric first, the source next and the candidate last.

    A pair is shown as A and B, with `is_swapped` the other way round.
    """
    spec, rubric = recipe.spec, recipe.spec.rubric
    pair = (rubric.pair or ())[:: -1 if is_swapped else 1]
    named = [(f.name, f.name) for f in spec.output_fields if f.name not in pair]
    named += zip(pair, ("A", "B"), strict=False)
    values = {
        "criteria": recipe.criteria,
        "preference": rubric.preference if rubric.pair else "",
        "style_guide": recipe.style_rules,
        "labels": recipe.labels,
        "glossary": recipe.glossary,
        "source": _source_fields(recipe, candidate.source),
        "peers": [_source_fields(recipe, peer) for peer in peers],
        "candidate": {
            title: candidate.fields[name] for name, title in named if candidate.fields.get(name)
        },
    }
    messages = (Message("system", render(_SYSTEM, values)), Message("user", render(_USER, values)))
    return Prompt(candidate.source.id, messages, schema(recipe))


def schema(recipe: Recipe) -> dict[str, Any]:
    """Return the JSON schema of one answer: the reason first, so that the model thinks first."""
    properties: dict[str, Any] = {
        "reason": {"type": "string", "minLength": 1, "maxLength": REASON_LENGTH}
    }
    if recipe.spec.rubric.pair:
        properties["better"] = {"type": "string", "enum": ["A", "B", "tie"]}
    properties |= {name: {"type": "integer", "enum": list(GRADES)} for name in recipe.criteria}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def read(completion: Completion, recipe: Recipe) -> Answer | str:
    """Return the judge's answer, or in snake_case why there is none. Never raises."""
    found, problem = read_object(completion)
    if found is None:
        return problem
    grades = {name: found.get(name) for name in recipe.criteria}
    is_graded = all(type(g) is int and g in GRADES for g in grades.values())
    better = found.get("better", "") if recipe.spec.rubric.pair else ""
    if recipe.spec.rubric.pair and better not in ("A", "B", "tie"):
        return "no_preference_given"
    if not is_graded:
        return "no_grade"
    return Answer(grades, str(found.get("reason", ""))[:REASON_LENGTH].strip(), better)  # type: ignore[arg-type]


def decide(
    candidate: Candidate, answers: Sequence[Answer | str], settings: JudgeSettings, model: ModelInfo
) -> Decision:
    """Make a decision of one answer, or of two on a pair in both orders.

    The score is the mean of (grade - 1) / 4. Dropped is, in this order: a pair whose second side is
    better in both orders (`judged_preference`) or that is judged differently or a tie in one of
    them (`no_clear_preference`); what has a grade below `minimum_grade` (`judged_` and the worst
    criterion, the first of equals); what scores below `minimum` (`judge_below_minimum`). Without a
    usable answer the candidate is kept, and has no score.
    """
    identity = {"model": model.name, "model_sha256": model.sha256}
    given = [answer for answer in answers if isinstance(answer, Answer)]
    if len(given) < len(answers):
        why = next(answer for answer in answers if isinstance(answer, str))
        return Decision(candidate.id, NAME, True, evidence={"no_verdict": why, **identity})
    # In both orders a grade may be in between; else it is whole.
    grades = {
        name: fmean(a.grades[name] for a in given) if len(given) > 1 else given[0].grades[name]
        for name in given[0].grades
    }
    evidence: dict[str, Any] = {**grades, "reason": " / ".join(a.reason for a in given)}
    if any(a.better for a in given):
        evidence["better"] = [a.better for a in given]
    return _decision(candidate.id, grades, {**evidence, **identity}, settings)


def decide_again(
    candidate_id: str,
    said: Decision | None,
    criteria: Collection[str],
    settings: JudgeSettings,
) -> Decision:
    """Apply other settings to the grades that the judge gave, without asking it again.

    What it never saw is dropped (`not_judged`): it cannot be trusted like what it approved. Where
    it was asked and gave no usable answer, the candidate stays kept.
    """
    if said is None or said.reason == NOT_JUDGED:
        return Decision(candidate_id, NAME, False, NOT_JUDGED)
    if "no_verdict" in said.evidence:
        return said
    grades = {name: said.evidence[name] for name in criteria}
    return _decision(candidate_id, grades, said.evidence, settings)


def _decision(
    candidate_id: str,
    grades: Mapping[str, float],
    evidence: Mapping[str, Any],
    settings: JudgeSettings,
) -> Decision:
    score = round(fmean((grade - 1) / 4 for grade in grades.values()), 4)
    better = evidence.get("better", [])
    first_wins = [answer == side for answer, side in zip(better, "AB", strict=False)]
    second_wins = [answer == side for answer, side in zip(better, "BA", strict=False)]
    reason = ""
    if better and all(second_wins):
        reason = "judged_preference"
    elif not all(first_wins):
        reason = "no_clear_preference"
    worst = min(grades, key=lambda name: grades[name])
    if not reason and grades[worst] < settings.minimum_grade:
        reason = f"judged_{worst}"
    elif not reason and score < settings.minimum:
        reason = "judge_below_minimum"
    return Decision(candidate_id, NAME, not reason, reason, score, evidence)


def _source_fields(recipe: Recipe, source: SourceTask) -> dict[str, str]:
    names = [f.name for f in recipe.spec.source_fields]
    return {name: source.fields[name] for name in names if source.fields.get(name)}


def _peers(
    store: Store, project_id: str, run_id: str, recipe: Recipe, pending: Sequence[StoredCandidate]
) -> dict[str, list[SourceTask]]:
    """Choose the sources shown beside each candidate's own, as many as the generator is shown."""
    n_peers = recipe.spec.n_peers if recipe.n_peers is None else recipe.n_peers
    if not n_peers:
        return {}
    peers = generation.Peers(store.source_groups(project_id), n_peers)
    chosen = {c.candidate.source.id: [""] for c in pending}
    for source_id in chosen:
        chosen[source_id] = peers.choose(run_id, source_id, 0)
    needed = {id_ for ids in chosen.values() for id_ in ids}
    sources = {source.id: source for source in store.sources(project_id, needed)}
    return {source_id: [sources[id_] for id_ in ids] for source_id, ids in chosen.items()}
