"""Talks to Seedbed's own server, for the `seedbed` command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx

from seedbed.errors import BackendError, NotFoundError, SeedbedError, UserError
from seedbed.settings import Settings

TIMEOUT_SECONDS = 300.0
"""Setting up a project or importing rows passes through Label Studio, which may be slow on SQLite."""

ROWS_PER_CALL = 200

TEXTS_PER_CALL = 1_000
CHARACTERS_PER_CALL = 1_000_000
"""The tokenizer works on so much for about a second, and others wait."""


class BackendClient:
    """Seedbed's JSON API. Every method raises UserError or BackendError with a hint."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        self._http = httpx.Client(
            base_url=f"{url}/api/", auth=(user, password), timeout=TIMEOUT_SECONDS
        )

    @staticmethod
    def from_settings(settings: Settings) -> BackendClient:
        """Connect with the settings' address and password."""
        return BackendClient(
            settings.seedbed_url, settings.basic_auth_user, settings.basic_auth_pass
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def projects(self) -> list[dict[str, Any]]:
        """List the projects."""
        found: list[dict[str, Any]] = self._call("GET", "projects")["projects"]
        return found

    def project(self, project: str) -> dict[str, Any]:
        """Describe one project. Raises NotFoundError naming the known ones."""
        return self._call("GET", f"projects/{_quoted(project)}")

    def save_project(
        self, name: str, recipe: Mapping[str, Any], *, force: bool = False
    ) -> dict[str, Any]:
        """Create or repair a project; `force` accepts an unusual review fraction."""
        body = {"name": name, "recipe": dict(recipe), "force": force}
        return self._call("POST", "projects", body)

    def import_rows(self, project: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Import source rows in parts of 200; return the summed counts and all problems."""
        total: dict[str, Any] = {"n_new": 0, "n_duplicates": 0, "problems": []}
        for start in range(0, len(rows), ROWS_PER_CALL):
            part = [dict(row) for row in rows[start : start + ROWS_PER_CALL]]
            report = self._call("POST", f"projects/{_quoted(project)}/sources", {"rows": part})
            for key in total:
                total[key] += report[key]
        return total

    def present_sources(self, project: str, ids: Sequence[str]) -> set[str]:
        """Return which of these source ids the project has already."""
        path, found = f"projects/{_quoted(project)}/sources/present", set[str]()
        for start in range(0, len(ids), ROWS_PER_CALL):
            part = list(ids[start : start + ROWS_PER_CALL])
            found |= set(self._call("POST", path, {"ids": part})["present"])
        return found

    def tokenizer(self) -> tuple[str, int] | None:
        """Name the model whose tokens `count_tokens` counts, and its context length in tokens.

        None where the server cannot see the model.
        """
        answer = self._call("POST", "tokens", {"texts": []})
        return (answer["model"], answer["context_length"]) if answer["model"] else None

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Count the tokens of texts, in parts. Raises BackendError once the model cannot be seen."""
        counts: list[int] = []
        for part in _parts(texts):
            answer = self._call("POST", "tokens", {"texts": part})
            if not answer["model"]:
                raise BackendError("The server has lost sight of the model.", retryable=True)
            counts += answer["counts"]
        return counts

    def start_run(self, project: str, target: int) -> dict[str, Any]:
        """Start a run for `target` survivors."""
        return self._call("POST", f"projects/{_quoted(project)}/runs", {"target": target})

    def start_warm_up(self, project: str, target: int) -> dict[str, Any]:
        """Grow the first wave of a run for `target` survivors; the next run takes it over."""
        return self._call("POST", f"projects/{_quoted(project)}/warm-up", {"target": target})

    def plan(self, project: str, target: int) -> dict[str, Any]:
        """Say what a run for `target` survivors would take; `forecast` is None if nothing is known."""
        return self._call("POST", f"projects/{_quoted(project)}/plan", {"target": target})

    def start_trials(
        self, project: str, versions: Sequence[Mapping[str, Any]], n_sources: int
    ) -> dict[str, Any]:
        """Try prompt versions (`name`, `prompt`, `sampling`), the project's own first."""
        body = {"versions": [dict(version) for version in versions], "n_sources": n_sources}
        return self._call("POST", f"projects/{_quoted(project)}/trials", body)

    def trial(self, run: str) -> dict[str, Any]:
        """Describe what a trial found."""
        return self._call("GET", f"trials/{_quoted(run)}")

    def start_seeds(self, project: str, n: int) -> dict[str, Any]:
        """Let a filter worker select `n` seeds from the project's sources; return the analysis."""
        return self._call("POST", f"projects/{_quoted(project)}/seeds", {"n": n})

    def start_suggestions(self, project: str, n: int) -> dict[str, Any]:
        """Let a filter worker find up to `n` survivors that are like rejected ones; the analysis."""
        return self._call("POST", f"projects/{_quoted(project)}/suggestions", {"n": n})

    def techniques(self) -> list[dict[str, Any]]:
        """Return the funnel of every technique, over all projects."""
        found: list[dict[str, Any]] = self._call("GET", "report")["techniques"]
        return found

    def report(self, project: str, run: str | None = None) -> dict[str, Any]:
        """Return a project's counts, or one run's, with the newest findings under `analysis`."""
        query = f"?run={_quoted(run)}" if run else ""
        return self._call("GET", f"projects/{_quoted(project)}/report{query}")

    def datasheet(self, project: str) -> dict[str, Any]:
        """Return what a dataset card says of a project. Raises NotFoundError naming the known ones."""
        return self._call("GET", f"projects/{_quoted(project)}/datasheet")

    def start_findings(self, project: str, run: str | None = None) -> dict[str, Any]:
        """Let a filter worker look at the whole set; return the analysis, done where it is known."""
        return self._call("POST", f"projects/{_quoted(project)}/report", {"run": run})

    def analysis(self, analysis: str) -> dict[str, Any]:
        """Describe an analysis; `result` is there once its `state` is done."""
        return self._call("GET", f"analyses/{_quoted(analysis)}")

    def picture(self, analysis: str) -> str:
        """Return an analysis's picture as SVG. Raises NotFoundError where it has none."""
        return self._request("GET", f"analyses/{_quoted(analysis)}/picture").text

    def candidate(self, candidate: str) -> dict[str, Any]:
        """Explain one candidate, by its id or the beginning of it."""
        return self._call("GET", f"candidates/{_quoted(candidate)}")

    def start_rescreen(
        self,
        project: str,
        *,
        changes: Mapping[str, Any] | None = None,
        recipe: Mapping[str, Any] | None = None,
        run: str | None = None,
        apply: bool = False,
        fresh: bool = False,
    ) -> dict[str, Any]:
        """Start a re-screening with changes to the recipe, or with the settings of another one."""
        body = {"changes": dict(changes or {}), "run": run, "apply": apply, "fresh": fresh}
        if recipe is not None:
            body["recipe"] = dict(recipe)
        return self._call("POST", f"projects/{_quoted(project)}/rescreen", body)

    def calibrate(self, project: str, target: float) -> dict[str, Any]:
        """Say what the project's verdicts teach about its scores."""
        return self._call("POST", f"projects/{_quoted(project)}/calibrate", {"target": target})

    def run(self, run: str) -> dict[str, Any]:
        """Describe a run."""
        return self._call("GET", f"runs/{_quoted(run)}")

    def resume_run(self, run: str) -> dict[str, Any]:
        """Take up a failed or interrupted run."""
        return self._call("POST", f"runs/{_quoted(run)}/resume", {})

    def sync(self, project: str) -> dict[str, Any]:
        """Reconcile verdicts with Label Studio now."""
        return self._call("POST", f"projects/{_quoted(project)}/sync", {})

    def gate(self, project: str, run: str | None = None) -> dict[str, Any]:
        """Say what the acceptance gate says of every run of a project, or of one."""
        query = f"?run={_quoted(run)}" if run else ""
        return self._call("GET", f"projects/{_quoted(project)}/gate{query}")

    def decide(
        self, project: str, decision: str, *, run: str | None, reason: str, author: str
    ) -> dict[str, Any]:
        """Release or hold a run, or undo the last decision on it; return its gate."""
        body = {"decision": decision, "run": run, "reason": reason, "author": author}
        return self._call("POST", f"projects/{_quoted(project)}/gate", body)

    def change_sample(
        self, project: str, review_fraction: float, *, force: bool = False
    ) -> dict[str, Any]:
        """Let people judge another share of the survivors; return the project's gate."""
        body = {"review_fraction": review_fraction, "force": force}
        return self._call("POST", f"projects/{_quoted(project)}/sample", body)

    def audit_trail(self, project: str) -> Iterator[bytes]:
        """Yield all events about a project, oldest first, as pieces of a file of JSON lines."""
        path = f"projects/{_quoted(project)}/audit"
        try:
            with self._http.stream("GET", path) as response:
                if not response.is_success:
                    response.read()
                    raise self._refusal(response)
                yield from response.iter_bytes()
        except httpx.HTTPError as exc:
            raise self._no_answer(exc) from exc

    def reviewers(self, project: str) -> dict[str, Any]:
        """Say what the verdicts tell about those who gave them: canaries, agreement, time."""
        return self._call("GET", f"projects/{_quoted(project)}/reviewers")

    def doctor(self) -> list[dict[str, Any]]:
        """Check every moving part from the server's side."""
        checks: list[dict[str, Any]] = self._call("GET", "doctor")["checks"]
        return checks

    def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        response = self._request(method, path, body)
        answer = _json(response)
        if not isinstance(answer, dict):
            raise self._no_json(response)
        return answer

    def _request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        """Call, and turn every refusal into the error that its body describes."""
        try:
            response = self._http.request(method, path, json=body)
        except httpx.HTTPError as exc:
            raise self._no_answer(exc) from exc
        if response.is_success:
            return response
        raise self._refusal(response)

    def _refusal(self, response: httpx.Response) -> SeedbedError:
        answer = _json(response)
        if not isinstance(answer, dict):
            return self._no_json(response)
        message, hint = str(answer.get("error", "")), str(answer.get("hint", ""))
        if response.status_code == 404:
            return NotFoundError(message, hint=hint)
        if response.status_code < 500:
            return UserError(message, hint=hint)
        return BackendError(message, hint=hint)

    def _no_answer(self, exc: httpx.HTTPError) -> BackendError:
        return BackendError(
            f"Seedbed's server at {self.url} does not answer ({exc}).",
            hint="Start it with `seedbed up`, or set SEEDBED_URL.",
            retryable=True,
        )

    def _no_json(self, response: httpx.Response) -> BackendError:
        return BackendError(
            f"{self.url} answered {response.status_code} and no JSON.",
            hint="Is SEEDBED_URL the address of Seedbed's server?",
        )


def _parts(texts: Sequence[str]) -> Iterator[list[str]]:
    """Divide texts into what one call counts; a text that is longer by itself is a part."""
    part: list[str] = []
    n_characters = 0
    for text in texts:
        is_full = len(part) == TEXTS_PER_CALL or n_characters + len(text) > CHARACTERS_PER_CALL
        if part and is_full:
            yield part
            part, n_characters = [], 0
        part.append(text)
        n_characters += len(text)
    if part:
        yield part


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _quoted(name: str) -> str:
    return quote(name, safe="")
