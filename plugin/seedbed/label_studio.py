"""The only module that talks to a Label Studio server.

It goes through label-studio-sdk, which refreshes the access token (300 s) from a personal access
token, and calls the API directly where the SDK has no method. Nothing is retried here: Label Studio
has no idempotency, so whoever retries an import asks for the `cid`s first (`tasks_by_cid`).

Every failure becomes a `LabelStudioError`, or a `NotFoundError` for what is not there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import Any, get_args

import httpx

from seedbed.errors import LabelStudioError, NotFoundError, SeedbedError, UserError
from seedbed.labeling import MODEL_VERSION
from seedbed.records import VerdictStatus
from seedbed.tabs import SAMPLE_TAB, SECOND_TAB
from seedbed.tabs import filter_by as _filter
from seedbed.task_list import PAGE_SIZE, listed

SECRET_HEADER = "X-Seedbed-Secret"  # noqa: S105 - the name of a header
"""Label Studio sends no credentials with a webhook, only the headers that were set on it."""

VERDICT_ACTIONS = (
    "ANNOTATION_CREATED",
    "ANNOTATION_UPDATED",
    "ANNOTATIONS_CREATED",
    "ANNOTATIONS_DELETED",
)

IMPORT_CHUNK = 250
"""Tasks per import: SQLite servers lock for long under larger ones while people label."""

IMPORT_TIMEOUT_SECONDS = 300
TIMEOUT_SECONDS = 60
PREDICT_TIMEOUT_SECONDS = 100
"""Shown in Label Studio's form only: the limit in force is its own setting ML_TIMEOUT_PREDICT."""

N_SECOND_REVIEW = 2
"""How many annotations a task asks for that two people shall judge."""

TOKEN_MARGIN = timedelta(seconds=60)
"""How long before its end an access token (300 s) is renewed: a call that waits in a busy server, or
whose body takes its time, would arrive with one that has expired meanwhile."""

MAX_RECOUNTS = 5
"""How often a task's counts are mended because its annotations went on changing."""

_CID_CHUNK = 100  # ids per look-up; they travel in the URL
_COUNTERS = ("total_annotations", "cancelled_annotations", "total_predictions")
_TASK_COLUMNS = ("id", "data", "meta", "updated_at", *_COUNTERS)
_VERDICT_COLUMNS = ("result", "was_cancelled", "completed_by", "parent_prediction", "lead_time")
_JUDGED_COLUMNS = ("id", "data", "annotations", "created_at", "updated_at", *_VERDICT_COLUMNS)
"""Of tasks, and of their annotations: Label Studio goes by one list for both."""

_SSRF_HINT = (
    "Label Studio blocks local addresses by default. Start it with "
    "USE_DEFAULT_BANNED_SUBNETS=false and USER_ADDITIONAL_BANNED_SUBNETS=169.254.0.0/16 (or with "
    "LABEL_STUDIO_ML_BLOCK_LOCAL_IP=false and LABEL_STUDIO_SSRF_PROTECTION_ENABLED=false)."
)
_API_KEY_HINT = (
    "Make a personal access token in Label Studio under Account & Settings and put it into "
    "LABEL_STUDIO_API_KEY; legacy tokens are off by default."
)


@dataclass(frozen=True, slots=True)
class ProjectInfo:
    """What a project says about itself; `label_config` is its XML."""

    title: str
    description: str
    label_config: str


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a reachable server says about itself and about the owner of the API key."""

    version: str
    user_id: int
    email: str


class LabelStudioServer:
    """One Label Studio server, as the owner of one API key. Ids are Label Studio's.

    `close` it, or use it as a context manager. Threads may share one.
    """

    def __init__(self, url: str, api_key: str) -> None:
        self.url = url.rstrip("/")
        self._api_key = api_key
        self._http = httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=True)

    def __enter__(self) -> LabelStudioServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    @cached_property
    def _sdk(self) -> Any:
        if not self._api_key:
            raise UserError("No API key for Label Studio is set.", hint=_API_KEY_HINT)
        from label_studio_sdk import LabelStudio  # slow to import, so only where it is needed

        return LabelStudio(
            base_url=self.url, api_key=self._api_key, httpx_client=self._http, max_retries=0
        )

    def check(self) -> ServerInfo:
        """Tell the server's version and whose key this is. Raises LabelStudioError."""
        with self._calling("asking for its version"):
            version = self._sdk.versions.get().release
            user = self._sdk.users.whoami()
        return ServerInfo(version=str(version), user_id=int(user.id), email=str(user.email))

    def users(self) -> dict[int, str]:
        """Return the e-mail addresses of all users by their ids."""
        with self._calling("listing users"):
            return {int(user.id): str(user.email) for user in self._sdk.users.list()}

    # projects

    def create_project(self, title: str, xml: str, description: str = "") -> int:
        """Create a project and return its id."""
        with self._calling(f"creating the project {title!r}"):
            project = self._sdk.projects.create(
                title=title, label_config=xml, description=description
            )
        return int(project.id)

    def delete_project(self, project: int) -> None:
        """Delete a project with all its tasks."""
        with self._calling(f"deleting project {project}"):
            self._sdk.projects.delete(id=project)

    def project_exists(self, project: int) -> bool:
        """Tell whether there is a project of this id that the key may see."""
        try:
            self.label_config(project)
        except NotFoundError:
            return False
        return True

    def project(self, project: int) -> ProjectInfo:
        """Return what a project says about itself. Raises NotFoundError."""
        with self._calling(f"reading project {project}"):
            found = self._sdk.projects.get(id=project)
        return ProjectInfo(str(found.title), str(found.description or ""), str(found.label_config))

    def label_config(self, project: int) -> str:
        """Return the project's XML as it is now."""
        with self._calling(f"reading project {project}"):
            return str(self._sdk.projects.get(id=project).label_config)

    def update_config(self, project: int, xml: str) -> None:
        """Replace the project's XML. Label Studio refuses one that loses existing annotations."""
        with self._calling(f"updating the label config of project {project}"):
            self._sdk.projects.update(id=project, label_config=xml)

    def description(self, project: int) -> str:
        """Return the project's description as it is now."""
        with self._calling(f"reading project {project}"):
            return str(self._sdk.projects.get(id=project).description or "")

    def set_description(self, project: int, text: str) -> None:
        """Replace the project's description."""
        with self._calling(f"changing the description of project {project}"):
            self._sdk.projects.update(id=project, description=text)

    # the ML backend and webhooks

    def connect_backend(self, project: int, url: str, user: str, password: str) -> int:
        """Connect our ML backend to a project, or update the connection; return its id.

        Label Studio calls the backend while connecting. Raises LabelStudioError when it may not
        (local addresses), cannot, or is refused (wrong password), or when a foreign backend stands
        first: Label Studio uses the first one only.
        """
        settings = {
            "url": url.rstrip("/"),
            "title": MODEL_VERSION,
            "description": "Seedbed",
            "is_interactive": False,
            "timeout": PREDICT_TIMEOUT_SECONDS,
            "auth_method": "BASIC_AUTH" if password else "NONE",
            "basic_auth_user": user,
            "basic_auth_pass": password,
        }
        with self._calling(f"connecting {url} to project {project}"):
            connected = sorted(self._sdk.ml.list(project=project), key=lambda b: b.id)
            ours = [b for b in connected if b.title == MODEL_VERSION or b.url == settings["url"]]
            if connected and connected[0] not in ours:
                raise LabelStudioError(
                    f"Project {project} already has the ML backend {connected[0].title!r}, "
                    "and Label Studio uses only the first one.",
                    hint="Remove it in Label Studio under Settings > Model.",
                )
            for duplicate in ours[1:]:
                self._sdk.ml.delete(id=duplicate.id)
            if ours:
                backend = int(self._sdk.ml.update(ours[0].id, project=project, **settings).id)
            else:
                backend = int(self._sdk.ml.create(project=project, **settings).id)
            # The label stream shows only predictions of this version.
            self._sdk.projects.update(id=project, model_version=MODEL_VERSION)
        return backend

    def set_webhook(
        self, project: int, url: str, secret: str, actions: Sequence[str] = VERDICT_ACTIONS
    ) -> int:
        """Let Label Studio tell `url` about `actions` in a project, once; return the webhook's id.

        Takes over the webhook that Label Studio makes when a backend is connected (it sends every
        event, without any secret) and an older one of ours, whose address may have changed; deletes
        duplicates.
        """
        settings = {
            "url": url,
            "headers": {SECRET_HEADER: secret},
            "send_for_all_actions": False,
            "send_payload": True,
            "is_active": True,
            "actions": list(actions),
        }
        with self._calling(f"setting the webhook of project {project}"):
            hooks = self._sdk.webhooks.list(project=str(project))
            ours = sorted(
                hook.id
                for hook in hooks
                if hook.url.rstrip("/") == url.rstrip("/") or SECRET_HEADER in (hook.headers or {})
            )
            for duplicate in ours[1:]:
                self._sdk.webhooks.delete(id=duplicate)
            if ours:
                self._sdk.webhooks.update(ours[0], **settings)
                return int(ours[0])
            return int(self._sdk.webhooks.create(project=project, **settings).id)

    def remove_webhooks(self, project: int, url: str) -> int:
        """Delete the project's webhooks to `url` and return how many there were.

        Needed after a backend is disconnected: Label Studio leaves them.
        """
        with self._calling(f"removing the webhooks of project {project}"):
            hooks = self._sdk.webhooks.list(project=str(project))
            ours = [hook.id for hook in hooks if hook.url.rstrip("/") == url.rstrip("/")]
            for hook in ours:
                self._sdk.webhooks.delete(id=hook)
        return len(ours)

    # Data Manager tabs

    def set_tabs(self, project: int, tabs: Sequence[Mapping[str, Any]]) -> list[int]:
        """Create or update the tabs by title and put them first, in order; return their ids.

        Tabs that people made stay, behind ours.
        """
        with self._calling(f"setting the tabs of project {project}"):
            views = self._sdk.views.list(project=project)
            ids = [self._save_tab(project, tab, views) for tab in tabs]
            others = [int(view.id) for view in views if view.id not in ids]
            self._sdk.views.update_order(project=project, ids=[*ids, *others])
        return ids

    def set_tab(self, project: int, tab: Mapping[str, Any]) -> int:
        """Create a tab behind the others, or update it where it is; return its id."""
        with self._calling(f"setting the tab {tab['title']!r} of project {project}"):
            return self._save_tab(project, tab, self._sdk.views.list(project=project))

    def remove_tab(self, project: int, title: str) -> None:
        """Delete the tabs of that title, where there are any."""
        with self._calling(f"removing the tab {title!r} of project {project}"):
            for view in self._sdk.views.list(project=project):
                if (view.data or {}).get("title") == title:
                    self._sdk.views.delete(str(view.id))

    def _save_tab(self, project: int, tab: Mapping[str, Any], views: Sequence[Any]) -> int:
        known = {(view.data or {}).get("title"): view.id for view in views}
        view = known.get(tab["title"])
        if view is None:
            return int(self._sdk.views.create(project=project, data=dict(tab)).id)
        self._sdk.views.update(str(view), project=project, data=dict(tab))
        return int(view)

    def set_review_fraction(self, project: int, review_fraction: float) -> None:
        """Enlarge or shrink the review sample: only the filter of its tab changes."""
        if not self._set_limit(project, SAMPLE_TAB, review_fraction):
            raise NotFoundError(
                f"Project {project} has no tab {SAMPLE_TAB!r}.",
                hint="Run `seedbed init` again to make it.",
            )

    def set_second_review(self, project: int, limit: float) -> int:
        """Let two people judge the tasks with a draw below `limit`; return how many one would do for.

        A task knows how many annotations it asks for (`overlap`), but takes no such number when it
        is imported. Once more are asked for, Label Studio does not look again whether it is done.
        """
        self._set_limit(project, SECOND_TAB, limit)
        is_doubled = _filter("data.draw", "less", limit, kind="Number")
        found = list(self._paged(project, "task_only", is_doubled))
        changed = [task for task in found if task["overlap"] < N_SECOND_REVIEW]
        for task in changed:
            is_done = task["total_annotations"] >= N_SECOND_REVIEW
            with self._calling(f"asking for a second review of task {task['id']}"):
                self._sdk.tasks.update(str(task["id"]), overlap=N_SECOND_REVIEW, is_labeled=is_done)
        return len(changed)

    def _set_limit(self, project: int, title: str, limit: float) -> bool:
        """Let a tab hold the tasks with a draw below `limit`; return whether there is such a tab."""
        with self._calling(f"changing the tab {title!r} of project {project}"):
            views = self._sdk.views.list(project=project)
            view = next((v for v in views if (v.data or {}).get("title") == title), None)
            if view is None:
                return False
            data = dict(view.data)
            for item in data["filters"]["items"]:
                if item["filter"] == "filter:tasks:data.draw":
                    item["value"] = limit
            self._sdk.views.update(str(view.id), project=project, data=data)
            return True

    # tasks

    def import_tasks(
        self, project: int, tasks: Sequence[Mapping[str, Any]], chunk: int = IMPORT_CHUNK
    ) -> list[int]:
        """Import tasks ({"data", "predictions"}) and return their ids in order.

        A chunk is imported wholly or not at all, but a slow one can finish on the server after this
        call gave up: ask `tasks_by_cid` before trying again.
        """
        ids: list[int] = []
        for start in range(0, len(tasks), chunk):
            with self._calling(f"importing tasks into project {project}"):
                answer = self._sdk.projects.import_tasks(
                    project,
                    request=[dict(task) for task in tasks[start : start + chunk]],
                    return_task_ids=True,
                    request_options={
                        "timeout_in_seconds": IMPORT_TIMEOUT_SECONDS,
                        "max_retries": 0,
                    },
                )
            ids += [int(task) for task in answer.task_ids]
        return ids

    def tasks_by_cid(self, project: int, cids: Sequence[str]) -> dict[str, int]:
        """Return the task id of each candidate id that the project has; the lowest if several."""
        found: dict[str, int] = {}
        for start in range(0, len(cids), _CID_CHUNK):
            wanted = list(cids[start : start + _CID_CHUNK])
            for task in self._paged(project, "task_only", _filter("data.cid", "in_list", wanted)):
                cid = str(task["data"]["cid"])
                found[cid] = min(int(task["id"]), found.get(cid, int(task["id"])))
        return found

    def tasks(self, project: int) -> Iterator[dict[str, Any]]:
        """Yield every task (id, data, meta, counters) without annotations, by id.

        A page at a time, so that memory stays bounded.
        """
        return self._listed(project, "task_only", include=_TASK_COLUMNS)

    def annotated_tasks(
        self, project: int, updated_since: datetime | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield the tasks that have annotations, with annotations and predictions in full.

        A page at a time, so that memory stays bounded. `updated_since` (with a time zone) leaves
        out tasks not touched since then. Tasks that were only skipped are left out.
        """
        items = [_filter("total_annotations", "greater", 0, kind="Number")]
        if updated_since is not None:
            items.append(_filter("updated_at", "greater", _moment(updated_since), kind="Datetime"))
        return self._listed(project, "all", *items)

    def judged_tasks(
        self, project: int, updated_since: datetime | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield what `annotated_tasks` does in half the time: data and annotations alone.

        Raises LabelStudioError where Label Studio does not say what an annotation holds.
        """
        items = [_filter("total_annotations", "greater", 0, kind="Number")]
        if updated_since is not None:
            items.append(_filter("updated_at", "greater", _moment(updated_since), kind="Datetime"))
        for task in self._listed(project, "all", *items, include=_JUDGED_COLUMNS):
            if not all("result" in annotation for annotation in task["annotations"]):
                raise LabelStudioError(
                    f"Label Studio at {self.url} lists annotations without their results.",
                    hint="Seedbed was tested with Label Studio 1.23.2; use that one.",
                )
            yield task

    def unjudged_tasks(self, project: int, runs: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield the tasks of these runs, id and data, that nobody has annotated or skipped."""
        for start in range(0, len(runs), _CID_CHUNK):
            yield from self._listed(
                project,
                "task_only",
                _filter("total_annotations", "equal", 0, kind="Number"),
                _filter("cancelled_annotations", "equal", 0, kind="Number"),
                _filter("data.run", "in_list", list(runs[start : start + _CID_CHUNK])),
                include=("id", "data"),
            )

    def predictions_of(self, project: int, tasks: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
        """Return the predictions of tasks as they are stored; no backend is asked for new ones."""
        found: dict[int, list[dict[str, Any]]] = {}
        for start in range(0, len(tasks), _CID_CHUNK):
            some = list(tasks[start : start + _CID_CHUNK])
            only = _filter("id", "in_list", some, kind="Number")
            for task in self._listed(project, "all", only, include=("id", "predictions")):
                found[int(task["id"])] = list(task["predictions"])
        return found

    def count_tasks(self, project: int, *, is_annotated: bool, is_skipped: bool) -> int:
        """Count the tasks that have annotations or none, and were skipped by somebody or nobody."""
        filters = [
            _filter("total_annotations", *_count(is_annotated), kind="Number"),
            _filter("cancelled_annotations", *_count(is_skipped), kind="Number"),
        ]
        answer = self._request(
            "GET",
            "api/tasks",
            params={
                "project": project,
                "fields": "task_only",
                "include": "id",
                "page_size": 1,
                "query": json.dumps({"filters": {"conjunction": "and", "items": filters}}),
            },
        )
        return int(answer["total"])

    def emptied_tasks(self, project: int, updated_since: datetime) -> Iterator[dict[str, Any]]:
        """Yield in full the tasks touched since then that show a verdict and have no annotation.

        Their annotations were deleted, or turned into skips.
        """
        return self._paged(
            project,
            "all",
            _filter("updated_at", "greater", _moment(updated_since), kind="Datetime"),
            _filter("total_annotations", "equal", 0, kind="Number"),
            _filter("data.verdict", "in_list", list(get_args(VerdictStatus))),
        )

    def annotation(self, annotation: int) -> dict[str, Any]:
        """Return one annotation. Raises NotFoundError where it was deleted."""
        answer: dict[str, Any] = self._request("GET", f"api/annotations/{annotation}/")
        return answer

    def skipped_tasks(self, project: int) -> Iterator[dict[str, Any]]:
        """Yield the tasks that were skipped and that nobody has annotated, without annotations."""
        return self._paged(
            project,
            "task_only",
            _filter("total_annotations", "equal", 0, kind="Number"),
            _filter("cancelled_annotations", "greater", 0, kind="Number"),
        )

    def task(self, task: int) -> dict[str, Any]:
        """Return one task in full, with its annotations and predictions.

        Where the task has no prediction and a backend is connected, Label Studio asks the backend.
        """
        answer: dict[str, Any] = self._request("GET", f"api/tasks/{task}")
        return answer

    def change_data(self, task: int, **changes: Any) -> None:
        """Change single keys of a task's data; annotations and predictions stay as they are."""
        self.set_data(task, {**self.task(task)["data"], **changes})

    def set_data(self, task: int, data: Mapping[str, Any]) -> None:
        """Replace a task's data; annotations, drafts and predictions stay as they are.

        Who has the task open notices nothing, and may submit. Raises NotFoundError.
        """
        with self._calling(f"changing task {task}"):
            self._sdk.tasks.update(str(task), data=dict(data))
        self._recount(task)

    def _recount(self, task: int) -> None:
        """Mend what Label Studio counts of a task's annotations, after a change of the task.

        It writes a task back as a whole, as it was read: an annotation that was made or deleted in
        these milliseconds is not counted, and the task would stand in the wrong tab.
        """
        for _ in range(MAX_RECOUNTS):
            found = self.task(task)
            n_skipped = sum(bool(each.get("was_cancelled")) for each in found["annotations"])
            n = len(found["annotations"]) - n_skipped
            counts = {"total_annotations": n, "cancelled_annotations": n_skipped}
            if counts.items() <= found.items():
                return
            if n and found.get("overlap") == 1:
                counts["is_labeled"] = True
            self._request("PATCH", f"api/tasks/{task}", body=counts)

    def tasks_above(self, project: int, column: str, limit: float) -> list[int]:
        """Return the ids of the tasks whose column, such as "data.score", is above a number."""
        is_above = _filter(column, "greater", limit, kind="Number")
        return [int(task["id"]) for task in self._paged(project, "task_only", is_above)]

    def tasks_below(self, project: int, column: str, limit: float) -> set[int]:
        """Return the ids of the tasks whose column, such as "data.draw", is below a number."""
        is_below = _filter(column, "less", limit, kind="Number")
        found = self._listed(project, "task_only", is_below, include=("id",))
        return {int(task["id"]) for task in found}

    def data_of(self, project: int, tasks: Sequence[int]) -> dict[int, dict[str, Any]]:
        """Return the data of what is there of a project's tasks, at 4 ms a task in place of 100."""
        found: dict[int, dict[str, Any]] = {}
        for start in range(0, len(tasks), _CID_CHUNK):
            some = {"all": False, "included": list(tasks[start : start + _CID_CHUNK])}
            for task in self._paged(project, "task_only", selected=some):
                found[int(task["id"])] = task["data"]
        return found

    def _listed(
        self, project: int, fields: str, *filters: Mapping[str, Any], include: Sequence[str] = ()
    ) -> Iterator[dict[str, Any]]:
        return listed(
            lambda params: self._request("GET", "api/tasks", params),
            project,
            fields,
            filters,
            include,
        )

    def _paged(
        self,
        project: int,
        fields: str,
        *items: Mapping[str, Any],
        selected: Mapping[str, Any] | None = None,
    ) -> Iterator[dict[str, Any]]:
        asked: dict[str, Any] = {"filters": {"conjunction": "and", "items": items}}
        query = json.dumps(asked | ({"selectedItems": selected} if selected else {}))
        page, seen = 1, 0
        while True:
            answer = self._request(
                "GET",
                "api/tasks",
                params={
                    "project": project,
                    "fields": fields,
                    "page": page,
                    "page_size": PAGE_SIZE,
                    "query": query,
                },
            )
            yield from answer["tasks"]
            seen += len(answer["tasks"])
            if not answer["tasks"] or seen >= answer["total"]:
                return
            page += 1

    # the boundary

    def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call what the SDK has no method for, through its transport and with its token."""
        from label_studio_sdk.core.api_error import ApiError

        with self._calling(f"{method} {path}"):
            transport = self._sdk._client_wrapper.httpx_client
            response = transport.request(path, method=method, params=params, json=body)
            if response.is_error:
                raise ApiError(status_code=response.status_code, body=_json_or_text(response))
            return response.json()

    @contextmanager
    def _calling(self, doing: str) -> Iterator[None]:
        try:
            self._renew_token()
            yield
        except SeedbedError:
            raise
        except httpx.HTTPError as exc:
            raise self._transport_error(exc, doing) from exc
        except (httpx.InvalidURL, ValueError) as exc:  # ValueError: not JSON, or other JSON
            raise LabelStudioError(
                f"{self.url} does not answer like Label Studio ({doing}).",
                hint="Check LABEL_STUDIO_URL.",
            ) from exc
        except Exception as exc:
            if not hasattr(exc, "status_code"):  # not the SDK's ApiError
                raise
            raise self._refusal(exc, doing) from exc

    def _renew_token(self) -> None:
        """Fetch a new access token in time; the SDK does so only when the old one has expired."""
        sdk = self.__dict__.get("_sdk")
        tokens = sdk._client_wrapper._tokens_client if sdk else None
        if tokens is None or not _ends_soon(tokens._access_token_expiration):
            return
        with tokens._token_refresh_lock:
            if _ends_soon(tokens._access_token_expiration):  # no other thread was faster
                tokens._set_access_token(tokens.refresh().access)

    def _transport_error(self, exc: httpx.HTTPError, doing: str) -> LabelStudioError:
        if isinstance(exc, httpx.UnsupportedProtocol):
            return LabelStudioError(
                f"{self.url!r} is not the address of a Label Studio.",
                hint="Set LABEL_STUDIO_URL to http://host:port.",
            )
        if isinstance(exc, httpx.TimeoutException) and not isinstance(exc, httpx.ConnectTimeout):
            return LabelStudioError(
                f"Label Studio at {self.url} did not answer in time ({doing}).",
                hint="It may still finish the call.",
                retryable=True,
            )
        return LabelStudioError(
            f"Label Studio cannot be reached at {self.url}: {exc}.",
            hint="Start it, or set LABEL_STUDIO_URL.",
            retryable=True,
        )

    def _refusal(self, exc: Any, doing: str) -> SeedbedError:
        status = int(exc.status_code or 0)
        said = _reason(exc.body)
        if status == httpx.codes.UNAUTHORIZED:
            return UserError(
                f"Label Studio at {self.url} does not accept the API key.", hint=_API_KEY_HINT
            )
        if "reserved network address" in said or "SSRF" in said:
            return LabelStudioError(f"Label Studio refused {doing}: {said}.", hint=_SSRF_HINT)
        if status == httpx.codes.FORBIDDEN:
            return LabelStudioError(
                f"Label Studio does not permit {doing}: {said}.",
                hint="Use the API key of a user with access to that project.",
            )
        if status == httpx.codes.NOT_FOUND:
            return NotFoundError(f"Label Studio does not have it ({doing}): {said}.")
        return LabelStudioError(
            f"Label Studio refused {doing} (HTTP {status}): {said}.",
            hint=_refusal_hint(said),
            retryable=status >= httpx.codes.INTERNAL_SERVER_ERROR
            or status in {httpx.codes.TOO_MANY_REQUESTS, httpx.codes.CONFLICT},
        )


def _refusal_hint(said: str) -> str:
    if "authentication parameters" in said or "401 Client Error" in said:
        return "Set BASIC_AUTH_USER and BASIC_AUTH_PASS to what Seedbed's server was started with."
    if "Can't connect to ML backend" in said or "connect to ML" in said:
        return "Start Seedbed's server, and see that Label Studio's machine reaches that address."
    return ""


def _count(is_some: bool) -> tuple[str, int]:
    return ("greater" if is_some else "equal"), 0


def _ends_soon(expiration: datetime | None) -> bool:
    return expiration is not None and expiration - datetime.now(timezone.utc) < TOKEN_MARGIN


def _moment(time: datetime) -> str:
    return time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _json_or_text(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return response.text[:300]


def _reason(body: Any) -> str:
    """Find the words for a person in an error body of Label Studio."""
    if isinstance(body, Mapping):
        nested = body.get("validation_errors")
        if isinstance(nested, Mapping) and nested:
            return "; ".join(f"{key}: {_reason(value)}" for key, value in nested.items())
        said = body.get("detail") or body.get("error") or body.get("message") or dict(body)
        return _reason(said) if not isinstance(said, dict) else json.dumps(said)
    if isinstance(body, list | tuple):
        return "; ".join(_reason(part) for part in body)
    return " ".join(str(body).split()).rstrip(".") or "no reason given"
