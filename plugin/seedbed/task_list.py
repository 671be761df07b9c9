"""Reads long lists of tasks out of Label Studio: in windows of ids, with the columns asked for.

Label Studio counts all that a query finds for every page of it, and numbers its pages anew when
tasks come in or are judged meanwhile, so that some would be skipped. A window of ids is counted by
itself, and what happens outside of it changes nothing. `benchmarks/pull.py` has the figures.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from seedbed.tabs import filter_by

PAGE_SIZE = 500
"""Tasks per answer: 1-2 MB. Larger ones gain nothing, and hold the server's memory."""

MAX_GROWTH = 8
"""How much wider a window of ids may become than the one before, where it held few tasks."""

Ask = Callable[[Mapping[str, Any]], Any]
"""Sends the parameters of one call of `GET api/tasks`; returns the answer, {"tasks", "total"}."""


def listed(
    ask: Ask,
    project: int,
    fields: str,
    filters: Sequence[Mapping[str, Any]] = (),
    include: Sequence[str] = (),
) -> Iterator[dict[str, Any]]:
    """Yield the tasks of a project that all filters hold for, by id, each at most once.

    `fields` is `task_only`, or `all` for annotations and predictions. `include` names the columns,
    those of annotations among them (`result`); without it all are given. Tasks that come in after
    the beginning may be missing.
    """

    def page(*more: Mapping[str, Any], size: int = PAGE_SIZE, order: str = "tasks:id") -> Any:
        query = {
            "filters": {"conjunction": "and", "items": [*more, *filters]},
            "ordering": [order],
        }
        params = {
            "project": project,
            "fields": fields,
            "page_size": size,
            "query": json.dumps(query),
            "resolve_uri": "false",  # data as they are, and faster
        }
        return ask(params | ({"include": ",".join(include)} if include else {}))

    answer = page()
    tasks = answer["tasks"]
    if not tasks or len(tasks) >= answer["total"]:
        yield from tasks
        return
    start, width = int(tasks[-1]["id"]) + 1, int(tasks[-1]["id"]) - int(tasks[0]["id"]) + 1
    newest = page(size=1, order="-tasks:id")["tasks"]
    last = int(newest[0]["id"]) if newest else 0
    with ThreadPoolExecutor(max_workers=1) as ahead:
        while start <= last:
            end = start + width - 1
            window = filter_by("id", "in", {"min": start, "max": end}, "Number")
            coming = ahead.submit(page, window)
            yield from tasks  # the server is at work meanwhile
            answer = coming.result()
            tasks = answer["tasks"]
            is_whole = len(tasks) >= answer["total"]
            start = end + 1 if is_whole or not tasks else int(tasks[-1]["id"]) + 1
            width = _next_width(width, answer["total"])
        yield from tasks


def _next_width(width: int, n_found: int) -> int:
    """Return how wide the next window must be to hold a page, if it is as dense as this one."""
    fitting = width * PAGE_SIZE // max(n_found, 1)
    return max(1, min(fitting, width * MAX_GROWTH))
