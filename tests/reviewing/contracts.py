"""Questions about made-up contracts, and how they get into a run: by all of the pipeline but a model."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from seedbed.records import Completion, Decision, SourceTask, content_id
from seedbed_backend import queues
from seedbed_backend.queues import Queues
from seedbed_backend.store import Batch, Project, Run, Store

DOCUMENTS = {
    "supply.md": 38,
    "lease.md": 25,
    "loan.md": 18,
    "agency.md": 12,
    "care.md": 6,
    "nda.md": 1,
}
"""Passages by document: very unlike sizes, so that there are strata of hundreds and of one."""

RECIPE = {
    "technique": "qa",
    # Scores are given here, so that every band is met; what filters find is tested elsewhere.
    "filters": {
        "heuristics": False,
        "privacy": False,
        "memorization": False,
        "question_form": False,
        "answerable": False,
        "grounding": False,
        "entailment": False,
        "dedup": False,
        "question_mix": False,
        "top_fraction": {"spread": 0.0},
    },
    "keep_fraction": 1.0,
    "acceptance_target": 0.80,
}

_PARTIES = ("the buyer", "the tenant", "the borrower", "the agent", "the patient", "the receiver")
_TOPICS = (
    "the yearly fee", "a late delivery", "the first inspection", "the spare key", "a change of address",
    "the deposit", "the monthly report", "a lost invoice", "the storage room", "the final payment",
)  # fmt: skip
_WORDINGS = (
    "How many days does {party} have for {topic} under section {number}?",
    "Within how many days must {party} settle {topic}, as section {number} has it?",
    "By section {number}, how long may {party} take over {topic}?",
)


@dataclass(frozen=True)
class Made:
    """One completion as a model could have given it, with what a filter would say of it."""

    completion: Completion
    source: SourceTask
    fields: dict[str, str]
    score: float | None
    span: tuple[int, int] | None


def sources() -> list[dict[str, Any]]:
    """Return the passages as rows to import: ten sentences each, with a number of days in each."""
    rows = []
    for place, (document, n) in enumerate(DOCUMENTS.items()):
        for number in range(1, n + 1):
            rng = random.Random(f"{document} {number}")
            lines = [f"§ {number} Terms of {document} 🚀"]
            lines += [
                f"For {topic}, {_PARTIES[place]} has {rng.randint(2, 90)} days (no. {number}.{i})."
                for i, topic in enumerate(_TOPICS, start=1)
            ]
            rows.append({"fields": {"passage": "\n".join(lines), "document": document}})
    return rows


def candidates(run_id: str, of: list[SourceTask], wording: int, per_source: int) -> list[Made]:
    """Return `per_source` questions on every source; one in twelve without a score or a quote."""
    made = []
    for source in of:
        lines = source.fields["passage"].split("\n")
        for index in range(per_source):
            sentence = lines[1 + index % len(_TOPICS)]
            made.append(_question(run_id, source, sentence, wording + index // len(_TOPICS), index))
    return made


def _question(run_id: str, source: SourceTask, sentence: str, wording: int, index: int) -> Made:
    id_ = content_id("made", run_id, source.id, wording, index)
    rng = random.Random(id_)
    topic, rest = sentence.removeprefix("For ").split(", ", 1)
    party, days = rest.split(" has ")[0], rest.split(" has ")[1].split(" (")[0]
    number = source.fields["passage"].split()[1]
    question = _WORDINGS[wording].format(party=party, topic=topic, number=number)
    start = source.fields["passage"].index(sentence)
    end = start + len(sentence)
    is_bare = rng.random() < 1 / 12
    fields = {"quote": sentence, "question": question, "answer": f"{days.capitalize()}."}
    text = f'{{"quote": "{sentence}"}}'
    completion = Completion(
        id_, source.id, "prompt", index, text, "stop", rng.randrange(2**32), 200, 40, 0.5
    )
    score = None if is_bare else round(rng.betavariate(5, 2.5), 3)
    return Made(completion, source, fields, score, None if is_bare else (start, end))


def shown(made: Made) -> dict[str, str]:
    """Return what a reviewer finds filled in: no quote where nothing was marked."""
    return {name: text for name, text in made.fields.items() if made.span or name != "quote"}


def grow(store: Store, redis_url: str, project: Project, made: list[Made], run_id: str) -> Run:
    """Give completions to a run as its model would; the workers screen, draw and publish them."""
    run = Run(
        id=run_id,
        project_id=project.id,
        recipe_hash=project.recipe_hash,
        target=len(made),
        budget=len(made),
        wave=1,
        model_name="made-up.gguf",
        model_sha256="0" * 64,
    )
    store.create_run(run, dict.fromkeys({m.source.id for m in made}, 0))
    items = {m.source.id: 0 for m in made}
    for m in made:
        items[m.source.id] += 1
    batch = Batch(f"{run_id}-1", run_id, 1, tuple((id_, 0, n) for id_, n in items.items()))
    store.add_batches([batch])
    store.save_completions(run_id, batch.id, [(m.completion, m.fields, "") for m in made])
    store.save_decisions([_grounded(m) for m in made])
    store.advance_batch(batch.id, "queued", "generated")
    queued = Queues(redis_url)
    try:
        queued.enqueue(queues.FILTER, "screen", batch.id)
    finally:
        queued.close()
    return run


def _grounded(made: Made) -> Decision:
    found = {} if made.span is None else {"start": made.span[0], "end": made.span[1]}
    return Decision(made.completion.id, "grounding", keep=True, score=made.score, evidence=found)
