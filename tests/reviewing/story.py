"""A review from its first verdict to the manager's word, acted out on a running stack.

Two runs of 800 and 200 survivors are put before people at a review fraction of 20 %: that is 200 for
them to judge, and 800 that the gate decides about, so that both what people said and what follows
from it for the rest can be compared. At every moment that matters, what Seedbed says is kept beside
what the book says.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
from rq import Queue
from rq.registry import StartedJobRegistry

from browser import chromium
from reviewing import acts, contracts
from reviewing.acts import Desk, Script, Task
from reviewing.arithmetic import Survivor
from reviewing.book import Book
from reviewing.screen import AtTheScreen
from reviewing.team import Person
from seedbed import Client, recipe
from seedbed.backend_client import BackendClient
from seedbed.label_studio import SECRET_HEADER
from seedbed_backend import queues
from seedbed_backend.queues import Queues
from seedbed_backend.stack.stack import Stack
from seedbed_backend.store import Store

FRACTION = 0.20
LARGER = 0.25
DOUBLE = 0.15
CANARIES = 0.05
TARGET = 0.80
RUNS = {"first": (0, 8), "second": (1, 2)}
"""The wording and the questions on each of the 100 passages: 800 and 200 candidates."""

COMPARED = ("status", "fields", "reasons", "note", "reviewer", "lead_time_seconds", "annotation_id")

TABS = ("Review sample", "Second review", "Accepted", "Fixed", "Rejected", "Skipped", "Undecided")
PAIRS = "preferences"

N_AT_THE_SCREEN = 10
RUN_SECONDS = 300
IDLE_SECONDS = 300


@dataclass(frozen=True)
class Moment:
    """What the book says at some moment, and what Seedbed and Label Studio say."""

    book: Book
    verdicts: dict[str, dict[str, Any]]
    marks: dict[str, tuple[str, str]]
    tabs: dict[str, list[str]]
    gate: dict[str, Any]
    reviewers: dict[str, Any]
    pulled: dict[str, dict[str, dict[str, str]]]


@dataclass
class Story:
    """The people, the candidates, the book, and the moments so far."""

    stack: Stack
    backend: BackendClient
    store: Store
    manager: Person
    name: str = "review-of-200"
    book: Book = field(default_factory=Book)
    moments: dict[str, Moment] = field(default_factory=dict)
    rng: random.Random = field(default_factory=lambda: random.Random(5))

    # before anybody judges

    def begin(self) -> None:
        """Set the project up, grow both runs, sign three reviewers up."""
        plan = recipe.parse(
            {
                **contracts.RECIPE,
                "review_fraction": FRACTION,
                "double_review_fraction": DOUBLE,
                "canary_fraction": CANARIES,
                "acceptance_target": TARGET,
            }
        )
        self.backend.save_project(self.name, plan.model_dump(mode="json"))
        self.backend.import_rows(self.name, contracts.sources())
        self.project = self.store.project(self.name)
        sources = self.store.sources(self.name)
        made = []
        for run, (wording, n) in RUNS.items():
            some = contracts.candidates(self.run_id(run), sources, wording, n)
            contracts.grow(self.store, self._redis_url, self.project, some, self.run_id(run))
            until(
                lambda run=run: self.backend.run(self.run_id(run))["state"] == "done", RUN_SECONDS
            )
            made += some
        self.shown = {m.completion.id: contracts.shown(m) for m in made}
        self.survivors = [
            Survivor(s.candidate.id, s.run_id, s.stratum, float(s.draw or 0))
            for s in self.store.candidates(project_id=self.name, states=("survivor",))
        ]
        self.canaries = {
            canary.id: canary for run in RUNS for canary in self.store.canaries(self.run_id(run))
        }
        self.anna, self.ben, self.cleo = (
            Person.invited(self.manager, f"{name}.{self.name}@example.com")
            for name in ("anna", "ben", "cleo")
        )
        self.tasks = {t["data"]["cid"]: t for t in self.in_tab("Review sample")}
        self.keep("begun")

    def run_id(self, run: str) -> str:
        return f"{self.name}-{run}"

    @property
    def sample(self) -> list[Survivor]:
        return [s for s in self.survivors if s.draw < FRACTION]

    # people at work

    def plan(self) -> None:
        """Share the sample out: who does what with which candidate, and when."""
        first, second = (self._waiting(run) for run in RUNS)
        scripts = [*acts.ACCEPTING, *acts.FIXING, *acts.REJECTING, *acts.UNDECIDED]
        self.live = _given(first, scripts)
        self.live += _given(second, [*acts.ACCEPTING[:5], acts.rejects, acts.rejects])
        self.unheard = _given(first, [*acts.ACCEPTING, *acts.FIXING, *acts.UNDECIDED])
        self.unheard += _given(second, acts.REJECTING)
        del first[:N_AT_THE_SCREEN]  # left for the third reviewer
        self.live += [(cid, acts.accepts) for cid in (*first, *second)]
        for jobs in (self.live, self.unheard):
            self.rng.shuffle(jobs)

    def _waiting(self, run: str) -> list[str]:
        """Return what one person alone judges of a run's sample, in a random order."""
        own = [s for s in self.sample if s.run == self.run_id(run)]
        ids = sorted(s.id for s in own if s.draw >= FRACTION * DOUBLE)
        self.rng.shuffle(ids)
        return ids

    def work_live(self) -> None:
        """Judge most of the sample, with all messages arriving."""
        self.act(self.live)
        self.judge_twice()
        self.judge_canaries()
        self.judge_outside()
        self.keep("live")

    def work_unheard(self) -> None:
        """Judge more while Label Studio's messages are switched off, then reconcile."""
        self.hear(False)
        self.act(self.unheard)
        early = self.pick(self.live, acts.accepts, 2)
        self.desk(self.anna).delete(*early[0])
        self.desk(self.ben).reject(early[1][0])
        self.keep("unheard")
        self.hear(True)
        self.backend.sync(self.name)
        self.keep("synced")

    def work_at_the_screen(self, program: Path) -> None:
        """Let the third reviewer judge ten tasks in Chromium, as they are served."""
        project = self.project.review_project
        waiting = self.in_tab("Review sample", fields="task_only")
        self.to_be_served = [task["data"]["cid"] for task in waiting]
        by_number = {int(task["id"]): task for task in self.tasks.values()}

        def judge() -> list[str]:
            with chromium.browsing(program) as page:
                annotator = chromium.Annotator(page, self.manager.url)
                annotator.log_in(self.cleo.email, self.cleo.password)
                annotator.open_tab(project, self.manager.tab(project, "Review sample"))
                annotator.label_displayed()
                there = AtTheScreen(annotator, self.desk(self.cleo), by_number)
                there.judge_ten()
                return there.served

        # In a thread of its own: other tests' browser may be open in this one.
        with ThreadPoolExecutor(1) as pool:
            self.served = pool.submit(judge).result()
        self.keep("screen")

    def close(self) -> None:
        """Judge what was left undecided in the sample."""
        for number, survivor in enumerate(sorted(self.sample, key=lambda s: s.id)):
            if self.book.standing(survivor.id) is None:
                desk = self.desk(self.anna if number % 2 else self.ben)
                desk.accept(self.tasks[survivor.id])
        self.keep("closed", "reviewed", "gated", PAIRS)

    def decide(self) -> None:
        """Let the manager release one run and hold the other, whatever the verdicts say."""
        self._say("release", "second")
        self.keep("released", "gated")
        self._say("hold", "first")
        self.keep("held", "reviewed", "gated")

    def enlarge(self) -> None:
        """Let people judge a quarter, which is more than usual."""
        self.backend.change_sample(self.name, LARGER, force=True)
        self.keep("enlarged")

    def _say(self, word: str, run: str) -> None:
        reason = f"Because the test wants to {word} it."
        self.backend.decide(
            self.name, word, run=self.run_id(run), reason=reason, author="a manager"
        )

    def leave(self) -> None:
        """Let everybody go home."""
        for person in (self.manager, self.anna, self.ben, self.cleo):
            person.close()

    def act(self, jobs: Iterable[tuple[str, Script]]) -> None:
        """Let the reviewers do what was planned."""
        for cid, script in jobs:
            one, two = self.rng.sample([self.anna, self.ben], 2)
            script(self.desk(one), self.desk(two), self.desk(self.manager), self.tasks[cid])

    def judge_twice(self) -> None:
        """Let both reviewers judge the first part of the sample: most alike, some not."""
        doubled = sorted(s.id for s in self.sample if s.draw < FRACTION * DOUBLE)
        for cid, words in zip(doubled, cycle(DOUBLE_WORDS), strict=False):
            for person, word in zip((self.anna, self.ben), words, strict=True):
                SAY[word](self.desk(person), self.tasks[cid])

    def judge_canaries(self) -> None:
        """Let reviewers meet the canaries: every third one is not noticed."""
        self.caught: dict[int, list[bool]] = {self.anna.id: [], self.ben.id: []}
        for number, cid in enumerate(sorted(self.canaries)):
            person = (self.anna, self.ben)[number % 2]
            is_caught = number % 3 != 0
            desk = Desk(person, Book(), {cid: {}}, self.rng)
            desk.reject(self.tasks[cid]) if is_caught else desk.accept(self.tasks[cid])
            self.caught[person.id].append(is_caught)

    def judge_outside(self) -> None:
        """Judge a few that are not in the sample, as people do who look at the lowest scores."""
        scripts = (acts.accepts, acts.fixes_the_answer, acts.rejects)
        scripts += (acts.skips, acts.leaves_a_draft, acts.converts_in_bulk)
        beyond = sorted((s for s in self.survivors if s.draw > 0.5), key=lambda s: s.id)
        beyond = beyond[: len(scripts)]
        for survivor in beyond:
            number = self.store.candidate(survivor.id).review_task
            self.tasks[survivor.id] = self.manager.get(f"/api/tasks/{number}")
        self.act(zip((s.id for s in beyond), scripts, strict=True))

    def desk(self, person: Person) -> Desk:
        return Desk(person, self.book, self.shown, self.rng)

    def pick(self, jobs: Sequence[tuple[str, Script]], script: Script, n: int) -> list[Any]:
        """Return (task, annotation) of the first n jobs of a kind."""
        found = [self.tasks[cid] for cid, done in jobs if done is script][:n]
        return [(task, self.book.of(task["data"]["cid"])[-1].annotation) for task in found]

    # Label Studio's messages

    def hear(self, is_active: bool) -> None:
        """Switch the review project's webhook on or off."""
        hook = self.manager.get("/api/webhooks/", project=self.project.review_project)[0]
        # Label Studio forgets the actions that a change does not name.
        self.manager.change(
            f"/api/webhooks/{hook['id']}/", is_active=is_active, actions=hook["actions"]
        )

    def repeat_messages(self) -> None:
        """Send some messages again, as a proxy might, the last ones first."""
        headers = {SECRET_HEADER: self.stack.environment["SEEDBED_WEBHOOK_SECRET"]}
        for cid, _ in reversed(self.live[:20]):
            for said in self.book.of(cid):
                body = {
                    "action": "ANNOTATION_CREATED",
                    "annotation": {"id": said.annotation},
                    "task": {"id": self.tasks[cid]["id"]},
                    "project": {"id": self.project.review_project},
                }
                answer = httpx.post(f"{self.stack.url}/webhook", json=body, headers=headers)
                assert answer.is_success, answer.text
        self.keep("repeated")

    # what is kept

    def keep(self, name: str, *policies: str) -> None:
        """Wait until Seedbed has nothing left to do, then keep what everybody says.

        And what is handed out under each of the policies.
        """
        until(self.is_idle, IDLE_SECONDS)
        tasks = self.manager.tasks(self.project.review_project, fields="task_only")
        self.moments[name] = Moment(
            book=self.book.copy(),
            verdicts={
                verdict.candidate_id: {name: getattr(verdict, name) for name in COMPARED}
                for verdict in self.store.current_verdicts(self.name)
            },
            marks={t["data"]["cid"]: (t["data"]["verdict"], t["data"]["approved"]) for t in tasks},
            tabs={
                title: [t["data"]["cid"] for t in self.in_tab(title, fields="task_only")]
                for title in TABS
            },
            gate=self.backend.gate(self.name),
            reviewers=self.backend.reviewers(self.name),
            pulled={policy: self.pull(policy) for policy in policies},
        )

    def pull(self, policy: str) -> dict[str, dict[str, str]]:
        """Return what is handed out, by candidate; every candidate may come once."""
        environment, project = self.stack.environment, self.project.review_project
        found: dict[str, dict[str, str]] = {}
        with Client(environment["LABEL_STUDIO_URL"], environment["LABEL_STUDIO_API_KEY"]) as client:
            rows = client.preferences(project) if policy == PAIRS else client.pull(project, policy)
            for row in rows:
                key = row.provenance["candidate"] if policy == PAIRS else row.id
                assert key not in found, f"{key} came twice"
                found[key] = dict(row.output)
        return found

    def in_tab(self, title: str, fields: str = "all") -> list[Task]:
        project = self.project.review_project
        return self.manager.tasks(project, self.manager.tab(project, title), fields)

    def is_idle(self) -> bool:
        """Tell whether no job waits or is under way."""
        opened = Queues(self._redis_url)
        try:
            names = (queues.REVIEW, queues.FILTER)
            found = [Queue(name, connection=opened.redis) for name in names]
            return not any(queue.count or StartedJobRegistry(queue=queue).count for queue in found)
        finally:
            opened.close()

    @property
    def _redis_url(self) -> str:
        return self.stack.environment["SEEDBED_REDIS_URL"]


def _given(ids: list[str], scripts: Sequence[Script]) -> list[tuple[str, Script]]:
    """Take as many candidates out of the list as there are scripts, one each."""
    taken = [ids.pop() for _ in scripts]
    return list(zip(taken, scripts, strict=True))


SAY: dict[str, Callable[[Desk, Task], object]] = {
    "ACCEPTED": lambda desk, task: desk.accept(task),
    "FIXED": lambda desk, task: desk.fix(task, "answer", "Eight days."),
    "REJECTED": lambda desk, task: desk.reject(task, acts.REASONS[1]),
}
_A, _F, _R = "ACCEPTED", "FIXED", "REJECTED"
DOUBLE_WORDS = ((_A, _A), (_A, _A), (_F, _F), (_A, _F), (_R, _R), (_A, _A), (_R, _A), (_A, _A))
"""What the first and the second reviewer say, in turn."""


def until(condition: Callable[[], object], seconds: float) -> None:
    """Wait for something, and go on without it: what is kept then tells what is wrong."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
