"""Examples out of Label Studio, for Python, `seedbed pull` and the web API.

Everything is read from Label Studio alone; Seedbed's server need not run. Memory does not grow with
the project: tasks are read a few hundred at a time (see `task_list`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from types import TracebackType
from typing import Any, Literal

from seedbed import gate_notice, labeling, provenance, registry
from seedbed.errors import UserError
from seedbed.examples import NameReviewer, Review, pseudonym, real_example, source_of_task
from seedbed.label_studio import LabelStudioServer, ProjectInfo
from seedbed.records import Example
from seedbed.technique import Technique

POLICIES: Mapping[str, str] = {
    "reviewed": "what a person accepted or fixed",
    "gated": "that, and what nobody has judged of runs whose acceptance gate is passed or released",
}
"""Whose word `pull` asks for."""

REASONS: Mapping[str, str] = {
    "rejected": "rejected",
    "skipped": "skipped",
    "not_judged": "not judged",
    "not_released": "not judged, of runs whose gate is not passed",
    "withdrawn": "withdrawn by a later screening",
    "earlier": "decided earlier",
    "accepted": "accepted as they were",
    "unchanged": "with no other text to train on",
    "others": "other",
}
"""Why a task gives no row. `others` are no candidates, or the same candidate once more."""

Reviewers = Literal["pseudonyms", "ids"]

OVERLAP = timedelta(minutes=1)
"""How far Label Studio's time of a task may lie before that of its newest annotation."""

_CHUNK = 100  # tasks of older versions whose predictions are asked for together


@dataclass
class Pull(Iterator[Example]):
    """A stream of examples.

    `n` counts them and `left_out` the tasks that gave none, by `REASONS`, as far as it was read.
    """

    _examples: Iterator[Example]
    left_out: Counter[str] = field(default_factory=Counter)
    n: int = 0

    def __next__(self) -> Example:
        example = next(self._examples)
        self.n += 1
        return example

    def why_left_out(self) -> str:
        """Say in one line how many tasks gave no row, and why; "" where all did."""
        return ", ".join(f"{n} {REASONS[name]}" for name in REASONS if (n := self.left_out[name]))


class Client:
    """Reads a team's projects; writes nothing. `project` is always Label Studio's project id.

    Every method raises NotFoundError for a project that is not there, UserError for one of another
    kind or a wrong key, LabelStudioError where Label Studio does not answer, also in the middle.
    """

    def __init__(self, url: str, api_key: str) -> None:
        self._server = LabelStudioServer(url, api_key)

    @classmethod
    def on(cls, server: LabelStudioServer) -> Client:
        """Use connections that somebody else closes."""
        client = cls(server.url, "")
        client._server = server
        return client

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._server.close()

    def pull(
        self,
        project: int,
        policy: str = "reviewed",
        since: datetime | None = None,
        reviewers: Reviewers = "pseudonyms",
    ) -> Pull:
        """Stream the examples of a review project, each candidate once.

        `reviewed`: what a person accepted or fixed; of several verdicts the newest stands. `gated`:
        also what nobody has judged of runs whose gate is passed or released, as the project's
        description in Label Studio says; never what was rejected, skipped (a skip leaves it
        undecided) or withdrawn. Canaries are never handed out.

        `since` (with a time zone) leaves out verdicts that were given before; take the newest
        `decided_at` of an earlier pull. It cannot see what is no more: an example that was rejected
        later, or whose annotation was deleted, does not come again, but nothing says so. What
        nobody has judged comes in full each time, because a gate may pass long after its tasks were
        made. Before a training run, pull without it.

        `reviewers` is what rows say of who decided: pseudonyms, which are the same in every pull,
        or Label Studio's user ids.
        """
        _check("policy", policy, POLICIES)
        _check_moment(since)
        name = _naming(project, reviewers)
        info = self._review_project(project)
        gates = gate_notice.parse(info.description) if policy == "gated" else None
        return self._stream(lambda left_out: self._pull(project, gates, since, name, left_out))

    def preferences(
        self, project: int, since: datetime | None = None, reviewers: Reviewers = "pseudonyms"
    ) -> Pull:
        """Stream what people fixed as preference pairs: their text chosen, the model's rejected.

        The examples are of the technique `dpo`, whatever the project's is. What was fixed in a part
        that is no completion (a marked passage, a label's text) gives no pair.
        """
        _check_moment(since)
        name = _naming(project, reviewers)
        self._review_project(project)
        return self._stream(lambda left_out: self._preferences(project, since, name, left_out))

    def real(self, project: int, technique: str | Technique) -> Iterator[Example]:
        """Stream the real examples of a source project, each content once.

        `technique` is the name, or for records what the project's recipe makes of it (`spec`).

        A source task is one where it is an example by itself (a labelled text), or where a person
        has filled in the outputs beside it. Others (a bare document, an instruction without
        replies) are not examples and are left out.
        """
        spec = _spec(technique)
        self._source_project(project)
        return self._real(project, spec)

    def chunks(self, project: int, technique: str | Technique = "qa") -> Iterator[dict[str, Any]]:
        """Stream the passages of a source project as rows for a retrieval index, each once.

        See `export.rag_chunk` for their keys. Raises UserError for a technique without passages.
        """
        spec = _spec(technique)
        if spec.group_field in ("", spec.label_field):
            raise UserError(
                f"The technique {spec.name} grows from no passages of documents.",
                hint="Chunks are for projects that documents were imported into, such as qa.",
            )
        self._source_project(project)
        return self._chunks(project, spec)

    def _stream(self, begin: Callable[[Counter[str]], Iterator[Example]]) -> Pull:
        left_out: Counter[str] = Counter()
        return Pull(begin(left_out), left_out)

    def _review_project(self, project: int) -> ProjectInfo:
        info = self._server.project(project)
        if not labeling.asks_for_verdict(info.label_config):
            raise UserError(
                f"Project {project} ({info.title}) is no review project: nobody gives verdicts there.",
                hint="Give the number of the review project; it is in its address.",
            )
        return info

    def _source_project(self, project: int) -> None:
        info = self._server.project(project)
        if labeling.asks_for_verdict(info.label_config):
            raise UserError(
                f"Project {project} ({info.title}) is a review project; its examples are synthetic.",
                hint="Give the number of the source project; it is in its address.",
            )

    def _pull(
        self,
        project: int,
        gates: Mapping[str, str] | None,
        since: datetime | None,
        name: NameReviewer,
        left_out: Counter[str],
    ) -> Iterator[Example]:
        seen: set[str] = set()
        released = [run for run, gate in (gates or {}).items() if gate in gate_notice.RELEASED]
        # Who pulls by the gate has to know of every verdict, so as not to hand out the candidate.
        changed_since = since if gates is None else None
        for review in self._reviews(project, changed_since, seen, left_out):
            if example := _handed_out(review, released, since, name, left_out):
                yield _with_gate(example, gates)
        n_offered = 0
        offered = self._server.unjudged_tasks(project, released) if released else ()
        for task in self._completed(project, offered):
            n_offered += 1
            unjudged = self._next(task, seen, left_out)
            if unjudged and (example := _as_it_is(unjudged, left_out)):
                yield _with_gate(example, gates)
        self._count_others(project, gates, since, n_offered, left_out)

    def _count_others(
        self,
        project: int,
        gates: Mapping[str, str] | None,
        since: datetime | None,
        n_offered: int,
        left_out: Counter[str],
    ) -> None:
        """Count what was not listed at all; with `since` nobody asks for what was never decided."""
        if since is not None and gates is None:
            return
        n = self._server.count_tasks(project, is_annotated=False, is_skipped=False)
        left_out["not_judged" if gates is None else "not_released"] += max(0, n - n_offered)
        left_out["skipped"] += self._server.count_tasks(
            project, is_annotated=False, is_skipped=True
        )

    def _preferences(
        self,
        project: int,
        since: datetime | None,
        name: NameReviewer,
        left_out: Counter[str],
    ) -> Iterator[Example]:
        for review in self._reviews(project, since, set(), left_out):
            verdict = review.verdict
            if review.outcome != "approved" or verdict is None:
                left_out[review.outcome] += 1
            elif _is_earlier(review, since):
                left_out["earlier"] += 1
            elif verdict.status != "FIXED":
                left_out["accepted"] += 1
            elif example := review.correction(name):
                yield example
            else:
                left_out["unchanged"] += 1

    def _reviews(
        self, project: int, since: datetime | None, seen: set[str], left_out: Counter[str]
    ) -> Iterator[Review]:
        """Yield the candidates that somebody annotated, each once; they become `seen`."""
        changed_since = since - OVERLAP if since else None
        for task in self._completed(project, self._server.judged_tasks(project, changed_since)):
            if review := self._next(task, seen, left_out):
                yield review

    def _next(
        self, task: Mapping[str, Any], seen: set[str], left_out: Counter[str]
    ) -> Review | None:
        """Read a task, unless it is no candidate, or one that was met before."""
        review = Review.of(task)
        if review is None or not review.is_candidate or review.cid in seen:
            left_out["others"] += 1
            return None
        seen.add(review.cid)
        return review

    def _completed(self, project: int, tasks: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Add their predictions to tasks of older versions, whose data do not say what was shown."""
        waiting = iter(tasks)
        while chunk := list(islice(waiting, _CHUNK)):
            older = [int(task["id"]) for task in chunk if "shown" not in (task.get("data") or {})]
            predictions = self._server.predictions_of(project, older) if older else {}
            for task in chunk:
                found = predictions.get(int(task["id"]))
                yield {**task, "predictions": found} if found else task

    def _real(self, project: int, technique: Technique) -> Iterator[Example]:
        seen: set[str] = set()
        judged: set[int] = set()
        for task in self._server.annotated_tasks(project):
            example = real_example(task, technique)
            if example:
                judged.add(int(task["id"]))
            if example and example.id not in seen:
                seen.add(example.id)
                yield example
        for task in self._server.tasks(project):
            example = None if int(task["id"]) in judged else real_example(task, technique)
            if example and example.id not in seen:
                seen.add(example.id)
                yield example

    def _chunks(self, project: int, technique: Technique) -> Iterator[dict[str, Any]]:
        from seedbed.export import rag_chunk

        seen: set[str] = set()
        for task in self._server.tasks(project):
            source = source_of_task(task, technique)
            if source and source.id not in seen:
                seen.add(source.id)
                yield rag_chunk(source.fields, source.provenance, technique)


def moment(text: str) -> datetime:
    """Read a point in time, ISO 8601; without a time zone it is local. Raises UserError."""
    try:
        found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError as exc:
        raise UserError(
            f"{text!r} is no point in time.", hint="Write 2026-01-31 or 2026-01-31T08:30:00Z."
        ) from exc
    return found if found.tzinfo else found.astimezone()


def _handed_out(
    review: Review,
    released: Collection[str],
    since: datetime | None,
    name: NameReviewer,
    left_out: Counter[str],
) -> Example | None:
    """Return what a task that somebody annotated gives; count it where it gives nothing."""
    if review.outcome == "not_judged" and review.run in released:
        return _as_it_is(review, left_out)
    if review.outcome == "approved" and not _is_earlier(review, since):
        return review.approved(name)
    left_out["earlier" if review.outcome == "approved" else review.outcome] += 1
    return None


def _as_it_is(review: Review, left_out: Counter[str]) -> Example | None:
    """Return a candidate that nobody has judged; count it where it is withdrawn or unreadable.

    Where the task's data name a verdict, Label Studio has miscounted its annotations: it may be a
    rejected one, and is not handed out.
    """
    is_judged = bool(review.data.get("verdict"))
    example = None if review.is_withdrawn or is_judged else review.unjudged()
    if example is None:
        left_out["withdrawn" if review.is_withdrawn else "others"] += 1
    return example


def _is_earlier(review: Review, since: datetime | None) -> bool:
    return bool(since and review.verdict and moment(review.verdict.decided_at) < since)


def _with_gate(example: Example, gates: Mapping[str, str] | None) -> Example:
    """Let a row that was pulled by the gate say what the gate of its run said."""
    if gates is None:
        return example
    gate = gates.get(str(example.provenance.get("run", "")), "unknown")
    return replace(example, provenance=provenance.ordered({**example.provenance, "gate": gate}))


def _naming(project: int, reviewers: str) -> NameReviewer:
    _check("reviewers", reviewers, ("pseudonyms", "ids"))
    return pseudonym(project) if reviewers == "pseudonyms" else lambda user: user


def _spec(technique: str | Technique) -> Technique:
    if isinstance(technique, Technique):
        return technique
    found: Technique = registry.technique(technique)
    return found


def _check(what: str, value: str, known: Iterable[str]) -> None:
    if value not in known:
        raise UserError(f"No {what} is named {value!r}.", hint=f"Known: {', '.join(known)}.")


def _check_moment(since: datetime | None) -> None:
    if since is not None and since.tzinfo is None:
        raise UserError(
            f"since={since.isoformat()} has no time zone.",
            hint="Give one: datetime(2026, 1, 31, tzinfo=timezone.utc).",
        )
