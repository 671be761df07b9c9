"""Long lists of tasks, against a stand-in for `GET api/tasks` that counts and cuts as it does."""

from __future__ import annotations

import json
import random

import pytest

from seedbed import task_list


class _Server:
    """Answers like Label Studio; `most` is its largest page, `on_call` happens before each."""

    def __init__(self, ids, most=10**6, on_call=lambda server: None):
        self.ids, self.most, self.on_call, self.n_calls = sorted(ids), most, on_call, 0

    def __call__(self, params):
        self.n_calls += 1
        self.on_call(self)
        query = json.loads(params["query"])
        low, high = 0, 10**12
        for item in query["filters"]["items"]:
            if item["filter"] == "filter:tasks:id":
                low, high = item["value"]["min"], item["value"]["max"]
        found = [id_ for id_ in self.ids if low <= id_ <= high]
        total = len(found)
        if query["ordering"] == ["-tasks:id"]:
            found.reverse()
        size = min(params["page_size"], self.most)
        return {"tasks": [{"id": id_} for id_ in found[:size]], "total": total}


def listed(server) -> list[int]:
    return [task["id"] for task in task_list.listed(server, 1, "task_only")]


@pytest.mark.parametrize("n", [0, 1, 499, 500, 501, 3000])
def test_every_task_comes_once_and_in_order(n):
    ids = list(range(7, 7 + n))
    assert listed(_Server(ids)) == ids


@pytest.mark.parametrize("seed", range(5))
def test_ids_may_be_sparse_dense_and_far_apart(seed):
    rng = random.Random(seed)
    ids = {rng.randrange(10**9) for _ in range(300)}
    for _ in range(4):
        start = rng.randrange(10**9)
        ids |= set(range(start, start + rng.randrange(2000)))
    server = _Server(ids)
    assert listed(server) == sorted(ids)
    assert server.n_calls < 100


def test_a_server_with_smaller_pages_is_read_as_well():
    ids = list(range(1, 700))
    assert listed(_Server(ids, most=60)) == ids


def test_tasks_that_vanish_or_come_in_meanwhile_make_no_other_one_vanish():
    def change(server):
        server.ids = [id_ for id_ in server.ids if id_ % 7 or id_ > 900]
        server.ids.append(server.ids[-1] + 1)

    ids = list(range(1, 3001))
    found = listed(_Server(ids, on_call=change))
    assert len(found) == len(set(found))
    assert {id_ for id_ in ids if id_ % 7} <= set(found)


def test_a_failure_in_the_middle_is_no_end():
    def fail(server):
        if server.n_calls == 4:
            raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        listed(_Server(range(5000), on_call=fail))
