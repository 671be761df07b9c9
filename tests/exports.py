"""Examples as they are pulled: synthetic ones with all that is known, real ones with little."""

from seedbed import registry
from seedbed.records import Example

SHA = "ab" * 32

PROVENANCE = {
    "source_id": "s1",
    "source_task": 7,
    "document": "lease.pdf",
    "page": 3,
    "page_end": 4,
    "char_start": 1200,
    "char_end": 1900,
    "evidence": {"start": 12, "end": 40, "page": 3},
    "recipe": "r" * 16,
    "screened_by": "r" * 16,
    "prompt_hash": "p" * 24,
    "model": "small.gguf",
    "model_sha256": SHA,
    "sampling": {"temperature": 0.8, "top_p": 0.95, "top_k": 0},
    "rng_seed": 99,
    "run": "run1",
    "project": "contracts",
    "score": 0.83,
    "scores": {"grounding": 0.9, "answerable": 1},
    "stratum": "qa/lease.pdf/high",
    "draw": 0.05,
    "verdict": "ACCEPTED",
    "reviewer": "reviewer-1f",
    "decided_at": "2026-01-02T03:04:05Z",
    "review_task": 31,
    "annotation": 32,
}

RECORD = {
    "columns": [
        {"name": "narrative", "type": "text"},
        {"name": "amount", "type": "number", "decimals": 2},
        {"name": "memo", "type": "text", "optional": True},
        {"name": "category", "type": "label"},
    ]
}


def example(technique="paraphrase", **changes):
    """Return an example of a technique, with a text that names each of its fields."""
    spec = registry.technique(technique)
    values = {
        "id": "id1",
        "technique": technique,
        "origin": "synthetic",
        "source": {f.name: f"source {f.name} ü" for f in spec.source_fields},
        "output": {f.name: f"output {f.name} 🙂" for f in spec.output_fields},
        "label": "" if technique in ("qa", "dpo") else "billing",
        "provenance": PROVENANCE,
    }
    return Example(**{**values, **changes})


def real(technique="paraphrase", **changes):
    """Return a real example, of which nothing but its source is known."""
    provenance = {"source_id": "s2", "source_task": 8}
    return example(
        technique, **{"origin": "real", "id": "real1", "provenance": provenance, **changes}
    )


def unreviewed(technique="paraphrase", **changes):
    """Return a synthetic example that nobody judged, from a batch that passed."""
    left = ("verdict", "reviewer", "decided_at", "annotation", "draw", "page", "page_end")
    kept = {key: value for key, value in PROVENANCE.items() if key not in left}
    provenance = {**kept, "gate": "passed", "scores": {"similarity": 1, "dedup": 0.25}, "score": 1}
    return example(technique, **{"id": "id3", "provenance": provenance, **changes})


def record(amount="12.00", memo="", **changes):
    """Return a record with typed columns; an empty memo is left out."""
    fields = {"narrative": "Paid at the till", "amount": amount, "category": "fees"}
    output = {**fields, **({"memo": memo} if memo else {})}
    values = {"source": fields, "output": output, "label": "fees", "record": RECORD}
    return example("expand", **{**values, **changes})


def mixed(technique, n=30):
    """Return examples of all three kinds in turn; every id, source and text is another one."""
    makers = (real, example, unreviewed)
    made = []
    for i in range(n):
        one = makers[i % 3](technique, id=f"id{i}")
        source = {name: f"{text} {i}" for name, text in one.source.items() if name != "label"}
        own_label = {"label": one.source["label"]} if one.source.get("label") else {}
        provenance = {**one.provenance, "source_id": f"s{i // 2}"}
        made.append(
            example(
                technique,
                id=one.id,
                origin=one.origin,
                source={**source, **own_label},
                output=one.output,
                provenance=provenance,
            )
        )
    return made
