"""Everything that is known about one candidate, from its source to its verdict."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seedbed.documents import locate
from seedbed.errors import NotFoundError, UserError
from seedbed.recipe import Recipe, parse
from seedbed.records import Decision, Verdict
from seedbed_backend import feedback, outlook, provenance
from seedbed_backend.feedback import Feedback
from seedbed_backend.filters import filters
from seedbed_backend.store import Event, FormerDecision, Project, Run, Store, StoredCandidate

MIN_PREFIX = 4
"""Fewer characters of an id would mostly fit several."""

_AN_ID = re.compile(r"[0-9a-f]{24}")

N_BESIDE = 60
"""How many characters of the source are shown on either side of a marked passage."""


def resolve(store: Store, prefix: str) -> str:
    """Return the one candidate id that begins so.

    Raises UserError for a beginning that is too short or fits several, NotFoundError for an unknown
    one.
    """
    prefix = prefix.strip().lower()
    if len(prefix) < MIN_PREFIX:
        raise UserError(f"{prefix!r} is too short for an id.", hint="Give at least 4 characters.")
    found = store.find_candidates(prefix)
    if not found and (hidden := store.find_canaries(prefix)):
        raise UserError(
            f"{hidden[0].id} is a canary, a known-bad candidate that was mixed in to see whether "
            f"reviewers notice ({hidden[0].kind.replace('_', ' ')}).",
            hint=f"It was made of a good one: seedbed explain {hidden[0].made_of}",
        )
    if not found:
        raise NotFoundError(
            f"No candidate has an id that begins with {prefix!r}.",
            hint="`seedbed report PROJECT` names the ids of its examples; a review task shows its "
            "own as `cid`.",
        )
    if len(found) > 1:
        raise UserError(
            f"Several candidates have an id that begins with {prefix!r}.",
            hint=f"Give more of it: {', '.join(found)}.",
        )
    return found[0]


def explain(store: Store, prefix: str) -> dict[str, Any]:
    """Describe one candidate, found by its id or the beginning of it. Raises as `resolve` does."""
    stored = store.candidate(resolve(store, prefix))
    run, project = store.run(stored.run_id), store.project(stored.project_id)
    own = parse(store.recipe(run.recipe_hash))
    recipe = outlook.recipe_of(store, run)
    decisions = store.decisions(stored.candidate.id)
    history = store.former_decisions(stored.candidate.id)
    texts = _named_sources(store, stored, recipe, [*decisions, *(f.decision for f in history)])
    return {
        "id": stored.candidate.id,
        "project": {"id": project.id, "name": project.name, "technique": project.technique},
        "run": {"id": run.id, "kind": run.kind, "state": run.state, "created_at": run.created_at},
        "place": _place(stored, decisions),
        "source": _source(stored, project),
        "generation": _generation(stored, run, own),
        "fields": dict(stored.candidate.fields),
        "decisions": [_decision(decision, stored, recipe, texts) for decision in decisions],
        "not_asked": _not_asked(stored, decisions, recipe),
        "former_decisions": [_former(former, stored, recipe, texts) for former in history],
        "review": _review(stored, project),
        "verdicts": [_verdict(v, stored) for v in store.verdicts(stored.candidate.id)],
        "events": _events(store, stored, run),
    }


def _place(stored: StoredCandidate, decisions: Sequence[Decision]) -> dict[str, Any]:
    """Say where in the funnel it is; `overruled` names a drop that a person's verdict outweighs."""
    overruled = next((d for d in decisions if not d.keep), None)
    return {
        "state": stored.state,
        "stage": stored.stage,
        "reason": stored.reason,
        "score": stored.score,
        "overruled": {"stage": overruled.filter, "reason": overruled.reason}
        if overruled and stored.state == "survivor"
        else None,
    }


def _source(stored: StoredCandidate, project: Project) -> dict[str, Any]:
    source = stored.candidate.source
    task = source.label_studio_task
    return {
        "id": source.id,
        "group": source.group,
        "fields": dict(source.fields),
        "provenance": dict(source.provenance),
        "place": str(locate(source.provenance) or ""),
        "task": task,
        "url": _task_url(project, project.source_project, task),
    }


def _generation(stored: StoredCandidate, run: Run, recipe: Recipe) -> dict[str, Any]:
    completion = stored.completion
    return {
        "model": run.model_name,
        "model_sha256": run.model_sha256,
        "recipe": run.recipe_hash,
        "screened_by": run.screened_by or run.recipe_hash,
        "prompt": completion.prompt_hash,
        "sampling": provenance.sampling(recipe),
        "rng_seed": completion.rng_seed,
        "index": completion.index,
        "finish_reason": completion.finish_reason,
        "n_prompt_tokens": completion.n_prompt_tokens,
        "n_tokens": completion.n_tokens,
        "seconds": completion.seconds,
        "text": completion.text,
        "shown": feedback.summary(Feedback.of(run.feedback)),
    }


def _decision(
    decision: Decision, stored: StoredCandidate, recipe: Recipe, texts: Mapping[str, str]
) -> dict[str, Any]:
    variant = filters().get(decision.filter)
    return {
        "filter": decision.filter,
        "help": variant.help if variant else "",
        "keep": decision.keep,
        "reason": decision.reason,
        "score": decision.score,
        "evidence": dict(decision.evidence),
        "lines": readable(decision.evidence, stored, recipe, texts),
    }


def _former(
    former: FormerDecision, stored: StoredCandidate, recipe: Recipe, texts: Mapping[str, str]
) -> dict[str, Any]:
    said = _decision(former.decision, stored, recipe, texts)
    return {**said, "recipe": former.recipe_hash, "replaced_at": former.replaced_at}


def _named_sources(
    store: Store, stored: StoredCandidate, recipe: Recipe, decisions: Sequence[Decision]
) -> dict[str, str]:
    """Return the texts of the sources that evidence names by their ids."""
    ids = {id_ for decision in decisions for id_ in _ids(decision.evidence)}
    found = store.sources(stored.project_id, ids) if ids else []
    return {source.id: source.fields.get(recipe.spec.text_field, "") for source in found}


def _ids(value: Any) -> Iterator[str]:
    """Yield what could be ids of sources."""
    if isinstance(value, Mapping):
        for each in value.values():
            yield from _ids(each)
    elif isinstance(value, str):
        if _AN_ID.fullmatch(value):
            yield value
    elif isinstance(value, Sequence):
        for each in value:
            yield from _ids(each)


def _not_asked(stored: StoredCandidate, decisions: Sequence[Decision], recipe: Recipe) -> list[str]:
    """Name the stages that came after the drop, and so never saw it."""
    seen = {"format", *(decision.filter for decision in decisions)}
    return [name for name in outlook.stages(recipe) if name not in seen] * (
        stored.state in {"dropped", "survivor"}
    )


def _review(stored: StoredCandidate, project: Project) -> dict[str, Any]:
    fraction = project.sampled_fraction
    is_drawn = stored.draw is not None and not stored.is_withdrawn
    return {
        "task": stored.review_task,
        "url": _task_url(project, project.review_project, stored.review_task),
        "draw": stored.draw,
        "stratum": stored.stratum,
        "review_fraction": fraction,
        "is_in_sample": is_drawn and (stored.draw or 0.0) < fraction,
        "is_withdrawn": stored.is_withdrawn,
    }


def _verdict(verdict: Verdict, stored: StoredCandidate) -> dict[str, Any]:
    return {
        "status": verdict.status,
        "stands": stored.verdict == verdict,
        "reasons": list(verdict.reasons),
        "note": verdict.note,
        "rating": verdict.rating,
        "reviewer": verdict.reviewer,
        "annotation": verdict.annotation_id,
        "decided_at": verdict.decided_at,
        "lead_time_seconds": verdict.lead_time_seconds,
        "fields": dict(verdict.fields),
    }


def _events(store: Store, stored: StoredCandidate, run: Run) -> list[dict[str, Any]]:
    """Return the audit trail of the candidate and its run, oldest first."""
    found = [*store.events(stored.candidate.id), *store.events(run.id)]
    found += [e for e in store.events(stored.project_id, limit=None) if run.id in _runs_of(e.data)]
    return [
        {"time": e.time, "event": e.event, "subject": e.subject, "data": _of_candidate(e, stored)}
        for e in sorted(found, key=lambda e: e.time)
    ]


def _of_candidate(event: Event, stored: StoredCandidate) -> dict[str, Any]:
    """Return an event's data; of a drawing, which names all candidates of the run, the stratum."""
    data = dict(event.data)
    if event.event == "sample_drawn":
        ids = data.pop("strata", {}).get(stored.stratum, [])
        data |= {"stratum": stored.stratum, "n": len(ids)} if stored.candidate.id in ids else {}
    return data


def _runs_of(data: Mapping[str, Any]) -> Sequence[str]:
    runs = data.get("runs", ())
    return runs if isinstance(runs, list) else ()


def _task_url(project: Project, label_studio_project: int, task: int | None) -> str:
    if task is None:
        return ""
    return f"{project.label_studio_url}/projects/{label_studio_project}/data?task={task}"


# --- evidence in words ---------------------------------------------------------------------------


def readable(
    evidence: Mapping[str, Any],
    stored: StoredCandidate,
    recipe: Recipe,
    texts: Mapping[str, str] | None = None,
) -> list[str]:
    """Put a decision's evidence in lines for people: every key, and spans shown within their text.

    `texts` are those of sources by id, shown in place of the ids.
    """
    said = dict(evidence)
    lines = []
    start, end = said.get("start"), said.get("end")
    if isinstance(start, int) and isinstance(end, int):
        source = stored.candidate.source.fields.get(recipe.spec.text_field, "")
        lines.append(f"passage: {marked(source, start, end)}")
        if place := locate(stored.candidate.source.provenance, start, end):
            lines.append(f"place: {place}")
        for key in ("start", "end", "text", "passage"):
            said.pop(key, None)
    if isinstance(said.get("match"), str):
        lines.append(_matched(said))
    known = texts or {}
    for key, value in said.items():
        if isinstance(value, Sequence) and any(isinstance(each, Mapping) for each in value):
            lines += [f"{_words(key)}: {_value(each, known)}" for each in value]
        else:
            lines.append(f"{_words(key)}: {_value(value, known)}")
    return lines


def marked(text: str, start: int, end: int) -> str:
    """Show text[start:end] in ⟦brackets⟧ with some of what stands around it, on one line."""
    before, after = text[max(0, start - N_BESIDE) : start], text[end : end + N_BESIDE]
    shown = f"{'…' * (start > N_BESIDE)}{before}⟦{text[start:end]}⟧{after}"
    shown += "…" * (end + N_BESIDE < len(text))
    return " ".join(shown.split())


def _matched(said: dict[str, Any]) -> str:
    """Take the keys that name a neighbour out of `said`; return them as one line."""
    kinds = {
        "real": "a real text",
        "kept": "an earlier candidate",
        "rejected": "one that reviewers rejected",
        "candidate": "another candidate",
    }
    kind, id_ = str(said.pop("kind", "")), str(said.pop("match"))
    near = [
        f"{name} {said.pop(name):.2f}"
        for name in ("similarity", "cosine")
        if isinstance(said.get(name), int | float)
    ]
    text = said.pop("text", "")
    shown = f": “{text}”" if text else ""
    like = f" ({', '.join(near)})" if near else ""
    return f"like {kinds.get(kind, kind or 'another text')}, {id_[:12]}{like}{shown}"


def _words(key: str) -> str:
    return key.removeprefix("is_").removeprefix("n_").replace("_", " ")


def _value(value: Any, texts: Mapping[str, str]) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        return ", ".join(f"{_words(str(k))} {_value(each, texts)}" for k, each in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_value(each, texts) for each in value) or "none"
    if value in texts:
        text = " ".join(texts[value].split())
        return f"{value[:12]} “{text[:N_BESIDE]}{'…' * (len(text) > N_BESIDE)}”"
    return str(value)
