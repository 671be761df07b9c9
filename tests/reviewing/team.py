"""People with accounts of their own in a real Label Studio, who do over its API what its screen does."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import httpx

PASSWORD = "a long pass-phrase 1"


class Person:
    """One account, logged in as a browser does: a session cookie, and a token against forgery."""

    def __init__(self, url: str, email: str, password: str = PASSWORD) -> None:
        self.url, self.email, self.password = url, email, password
        self._http = httpx.Client(base_url=url, timeout=120, headers={"Referer": f"{url}/"})
        self._form("/user/login/", email=email, password=password)
        self.id = int(self.get("/api/current-user/whoami")["id"])

    @staticmethod
    def invited(by: Person, email: str) -> Person:
        """Sign somebody up by the invitation link that `by` would send."""
        link = by.get("/api/invite")["invite_url"]
        with httpx.Client(base_url=by.url, timeout=120) as guest:
            guest.get(link)
            form = {"email": email, "password": PASSWORD}
            form["csrfmiddlewaretoken"] = guest.cookies["csrftoken"]
            answer = guest.post(link, data=form, headers={"Referer": f"{by.url}{link}"})
            assert answer.status_code == httpx.codes.FOUND, answer.text[:500]
        return Person(by.url, email)

    def close(self) -> None:
        self._http.close()

    # what one does on the screen of a task

    def submit(
        self,
        task: Mapping[str, Any],
        result: Sequence[Mapping[str, Any]],
        *,
        seconds: float = 10.0,
        is_skip: bool = False,
        has_parent: bool = True,
    ) -> int:
        """Submit (or skip) a task; return the annotation's id. The screen names the prediction."""
        body: dict[str, Any] = {"result": list(result), "lead_time": seconds, "draft_id": 0}
        body["started_at"] = "2026-01-01T00:00:00.000Z"
        body["parent_prediction"] = task["predictions"][0]["id"] if has_parent else None
        if is_skip:
            body["was_cancelled"] = True
        path = f"/api/tasks/{task['id']}/annotations/"
        return int(self._send("POST", path, body, project=task["project"])["id"])

    def update(
        self,
        task: Mapping[str, Any],
        annotation: int,
        result: Sequence[Mapping[str, Any]],
        *,
        seconds: float = 10.0,
        is_skip: bool = False,
    ) -> None:
        """Change an annotation, as the button "Update" does, or skip it now."""
        body = {"result": list(result), "lead_time": seconds, "was_cancelled": is_skip}
        path = f"/api/annotations/{annotation}/"
        self._send("PATCH", path, body, project=task["project"], taskID=task["id"])

    def delete(self, annotation: int) -> None:
        """Delete an annotation."""
        self._send("DELETE", f"/api/annotations/{annotation}/")

    def draft(self, task: Mapping[str, Any], result: Sequence[Mapping[str, Any]]) -> None:
        """Leave a draft, as the screen does by itself while one edits."""
        body = {"result": list(result), "lead_time": 3.0}
        self._send("POST", f"/api/tasks/{task['id']}/drafts", body, project=task["project"])

    # what one does in the Data Manager

    def convert(self, project: int, tasks: Iterable[int]) -> None:
        """Run the action "Create Annotations From Predictions" over selected tasks."""
        self.act("predictions_to_annotations", project, tasks, model_version="seedbed")

    def act(self, action: str, project: int, tasks: Iterable[int], **more: Any) -> Any:
        """Run an action of the Data Manager over selected tasks."""
        body = {"selectedItems": {"all": False, "included": list(tasks)}, **more}
        return self._send("POST", "/api/dm/actions/", body, id=action, project=project)

    def tabs(self, project: int) -> list[dict[str, Any]]:
        """Return the tabs of a project in their order."""
        found: list[dict[str, Any]] = self.get("/api/dm/views/", project=project)
        return found

    def tab(self, project: int, title: str) -> int:
        """Return the id of a tab."""
        views = self.tabs(project)
        return next(int(view["id"]) for view in views if view["data"]["title"] == title)

    def tasks(
        self, project: int, tab: int | None = None, fields: str = "all"
    ) -> list[dict[str, Any]]:
        """Return the tasks of a tab in its order, or of a project by id."""
        shown: dict[str, Any] = {"query": json.dumps({"ordering": ["tasks:id"]})}
        if tab is not None:
            shown = {"view": tab}
        found: list[dict[str, Any]] = []
        total = 1
        while len(found) < total:
            page = len(found) // 500 + 1
            answer = self.get(
                "/api/tasks", project=project, fields=fields, page=page, page_size=500, **shown
            )
            found += answer["tasks"]
            total = answer["total"]
        return found

    def change(self, path: str, **changes: Any) -> None:
        """Change something."""
        self._send("PATCH", path, changes)

    def get(self, path: str, **query: Any) -> Any:
        """Read something."""
        answer = self._http.get(path, params=query)
        assert answer.is_success, f"{answer.url}: {answer.text[:500]}"
        return answer.json()

    def _send(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        answer = self._http.request(method, path, json=body, params=query, headers=self._token())
        assert answer.is_success, f"{method} {answer.url}: {answer.text[:500]}"
        return answer.json() if answer.content else None

    def _form(self, path: str, **fields: str) -> None:
        self._http.get(path)
        form = fields | {"csrfmiddlewaretoken": self._http.cookies["csrftoken"]}
        answer = self._http.post(path, data=form)
        assert answer.status_code == httpx.codes.FOUND, answer.text[:500]

    def _token(self) -> dict[str, str]:
        return {"X-CSRFToken": self._http.cookies["csrftoken"]}


class Sheet:
    """What one sees and changes on the screen of a task; `result` is what the screen then sends."""

    def __init__(self, task: Mapping[str, Any]) -> None:
        self.task = task
        self.text = str(task["data"].get("passage", ""))
        shown = copy.deepcopy(task["predictions"][0]["result"])
        self.result: list[dict[str, Any]] = [region | {"origin": "prediction"} for region in shown]
        self._to_name = shown[0]["to_name"]

    def value(self, name: str) -> str:
        """Return the text or choice that stands in a control."""
        value = self._region(name)["value"]
        return str((value.get("text") or value.get("choices"))[0])

    def write(self, name: str, text: str) -> Sheet:
        """Replace the text of a field."""
        region = self._region(name)
        region["value"], region["origin"] = {"text": [text]}, "prediction-changed"
        return self

    def choose(self, name: str, choice: str) -> Sheet:
        """Choose another label."""
        region = self._region(name)
        region["value"], region["origin"] = {"choices": [choice]}, "prediction-changed"
        return self

    def unmark(self) -> Sheet:
        """Take the marked evidence away."""
        self.result = [region for region in self.result if region["type"] != "labels"]
        return self

    def mark(self, words: str) -> Sheet:
        """Mark words as evidence, beside what is marked."""
        start = self.text.index(words)
        value = {"start": start, "end": start + len(words), "text": words, "labels": ["Evidence"]}
        self._add("quote", "labels", value)
        return self

    def accept(self) -> list[dict[str, Any]]:
        """Press `a`, and give what is sent."""
        return self._decide("accept")

    def reject(self, *reasons: str) -> list[dict[str, Any]]:
        """Press `r` and pick reasons, and give what is sent."""
        result = self._decide("reject")
        self._add("reject_reason", "choices", {"choices": list(reasons)})
        return result

    def note(self, text: str) -> Sheet:
        """Leave a note."""
        self._add("note", "textarea", {"text": [text]})
        return self

    def _decide(self, word: str) -> list[dict[str, Any]]:
        self._add("verdict", "choices", {"choices": [word]})
        return self.result

    def _region(self, name: str) -> dict[str, Any]:
        return next(region for region in self.result if region["from_name"] == name)

    def _add(self, name: str, kind: str, value: Mapping[str, Any]) -> None:
        self.result.append(
            {
                "id": f"{name}-{len(self.result)}",
                "from_name": name,
                "to_name": self._to_name,
                "type": kind,
                "origin": "manual",
                "value": dict(value),
            }
        )
