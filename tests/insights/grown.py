"""What the tests of insights share: a project with sources and survivors."""

from filters.support import HashingEncoder
from seedbed.recipe import Recipe
from seedbed.records import Candidate, Completion, SourceTask
from seedbed_backend.insights import ReportData
from seedbed_backend.projects import make_source
from seedbed_backend.store import StoredCandidate

DISPUTES = [
    f"The invoice of {month} is disputed because the amount charged is wrong"
    for month in ("January", "February", "March", "April", "May", "June", "July", "August")
]
LOGINS = [
    f"My password for the {thing} portal was reset and login fails now"
    for thing in ("staff", "client", "vendor", "payroll", "billing", "travel", "library", "parking")
]
DELIVERIES = [
    f"A parcel with {thing} arrived late at our warehouse"
    for thing in ("desks", "lamps", "chairs", "paper", "cables", "phones", "screens", "ink")
]
VARIED = [
    "Where do I find the form for parental leave?",
    "Please cancel the order from Tuesday, we found another supplier.",
    "The scanner on the second floor prints blank pages.",
    "How many vacation days carry over into next year?",
    "Our customer number changed after the merger.",
    "A refund was promised but never reached my account.",
    "Can the training be moved to an online session?",
    "The badge reader refuses visitors since this morning.",
    "Send me last year's tax certificate.",
    "Two chairs came with broken legs and missing screws.",
    "Which cost centre pays for the summer party?",
    "My laptop battery empties within an hour.",
]
MONTHS = ("October", "November", "December", "winter", "spring", "summer", "autumn", "Monday")


def others(texts):
    """Return as many texts of the same kinds with another thing in each."""
    said = [text.split() for text in texts]
    differing = [n for n in range(len(said[0])) if len({words[n] for words in said}) > 1]
    return [
        " ".join(new if n in differing else word for n, word in enumerate(words))
        for words, new in zip(said, MONTHS, strict=True)
    ]


def source(technique, **fields):
    return make_source(Recipe(technique=technique).spec, fields, {}, "test")


def stored(candidate, state="survivor"):
    return StoredCandidate(
        candidate=candidate,
        run_id="r",
        project_id="p",
        state=state,
        stage="" if state == "survivor" else "dedup",
        reason="" if state == "survivor" else "duplicate",
        score=None,
        completion=Completion(candidate.id, candidate.source.id, "", 0, "", "stop", 0),
        scores={},
        evidence={},
        draw=None,
        stratum="",
        review_task=None,
        verdict=None,
    )


def grown(technique, sources, outputs, encoder=None, **recipe):
    """Make report data; `outputs` are (source, fields) of survivors."""
    return ReportData(
        Recipe(technique=technique, **recipe),
        sources,
        [stored(Candidate(f"c{n:04}", of, fields)) for n, (of, fields) in enumerate(outputs)],
        encoder or HashingEncoder(),
    )


def expanded(real, synthetic, **recipe):
    """Make report data of expand: texts, each synthetic one grown from some real one."""
    pairs = [text if isinstance(text, tuple) else (text, "") for text in real]
    sources: list[SourceTask] = [
        source("expand", seed=text, **({"label": label} if label else {})) for text, label in pairs
    ]
    made = [text if isinstance(text, tuple) else (text, "") for text in synthetic]
    outputs = [
        (sources[n % len(sources)], {"example": text, **({"label": label} if label else {})})
        for n, (text, label) in enumerate(made)
    ]
    return grown("expand", sources, outputs, **recipe)
