"""From sources to completions: peers, prompts, sampling, ids and seeds; the engine; small groups."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from queue import Empty, Queue
from typing import TypeAlias

from seedbed.recipe import Recipe
from seedbed.records import Completion, Prompt, SourceTask, content_id
from seedbed_backend.engine.base import Engine, GenerationRequest, ModelInfo, SamplingParams
from seedbed_backend.feedback import Feedback
from seedbed_backend.store import Effort, Store

GROUP_SIZE = 16
GROUP_SECONDS = 1.0
"""Completions are stored 16 at a time, and none waits longer than a second."""

_THOUGHTS: Mapping[str, int] = {"off": 0, "separate": 2048}
"""Most tokens of a thought under each policy; a thought of that length has got lost."""

Item: TypeAlias = tuple[str, int, int]
"""(source id, first completion index, count), as a batch lists them."""

Generated: TypeAlias = tuple[Completion, Effort]
"""A completion, and what the engine has done since the one before it."""


def build_requests(
    store: Store,
    project_id: str,
    run_id: str,
    recipe: Recipe,
    items: Sequence[Item],
    model: ModelInfo | None,
    feedback: Feedback | None = None,
) -> list[GenerationRequest]:
    """Render the items' prompts and name the completions wanted; read only the sources needed.

    Completion ids and seeds depend on the run, the source, the index, the prompt and the model
    alone, so that the same job asks for the same completions again. Without a model nothing is
    wanted yet: such requests tell what fits. `feedback` is the run's; what an earlier verdict taught
    is part of every prompt.
    """
    n_peers = recipe.spec.n_peers if recipe.n_peers is None else recipe.n_peers
    peers = Peers(store.source_groups(project_id) if n_peers else {}, n_peers)
    chosen = {item: peers.choose(run_id, item[0], item[1]) for item in items}
    needed = {source_id for source_id, _, _ in items}.union(*chosen.values())
    sources = {source.id: source for source in store.sources(project_id, needed)}
    sampling = _sampling(recipe)
    requests = []
    for item in items:
        source_id, first_index, n = item
        beside = [sources[peer] for peer in chosen[item]]
        prompt = _prompt(recipe, sources[source_id], beside, feedback or Feedback())
        indices = range(first_index, first_index + n) if model else ()
        sha256 = model.sha256 if model else ""
        wanted = tuple(
            (
                content_id("completion", run_id, source_id, index, prompt.hash, sha256),
                index,
                int(content_id("rng", recipe.rng_seed, run_id, source_id, index)[:8], 16),
            )
            for index in indices
        )
        requests.append(GenerationRequest(prompt, sampling, wanted))
    return requests


class Peers:
    """Chooses the other sources that are shown beside one: half of its own group first.

    `groups` maps the id of every source of the project to its group.
    """

    def __init__(self, groups: Mapping[str, str], n_peers: int) -> None:
        self._n_peers = n_peers
        self._groups = groups
        self._ids = list(groups)
        self._alike: dict[str, list[str]] = defaultdict(list)
        for source_id, group in groups.items():
            self._alike[group].append(source_id)

    def choose(self, run_id: str, source_id: str, first_index: int) -> list[str]:
        """Return source ids; reproducible, and other ones for a later index."""
        if not self._n_peers:
            return []
        rng = random.Random(content_id("peers", run_id, source_id, first_index))  # noqa: S311
        alike = self._alike[self._groups[source_id]]
        peers = _sample(rng, alike, (self._n_peers + 1) // 2, {source_id})
        peers += _sample(rng, self._ids, self._n_peers - len(peers), {source_id, *peers})
        rng.shuffle(peers)
        return peers


def complete(
    engine: Engine, requests: Sequence[GenerationRequest], existing: set[str]
) -> Generator[Generated, None, None]:
    """Ask the engine for all that is missing at once; yield it as it comes, in any order.

    A prompt that does not fit is data, not an error: its completions say by how many tokens.
    """
    fitting = []
    for request in requests:
        wanted = tuple(w for w in request.wanted if w[0] not in existing)
        if not wanted:
            continue
        request = GenerationRequest(request.prompt, request.sampling, wanted)
        if excess := engine.excess_tokens(request):
            for completion in _too_long(engine, request, excess):
                yield completion, Effort()
        else:
            fitting.append(request)
    if not fitting:
        return
    usage, clock = engine.usage, time.perf_counter()
    for completion in engine.generate(fitting):
        done, usage = engine.usage - usage, engine.usage
        seconds, clock = time.perf_counter() - clock, time.perf_counter()
        yield (
            completion,
            Effort(
                seconds,
                done.n_prompt_tokens,
                done.prompt_seconds,
                done.n_tokens,
                done.token_seconds,
            ),
        )


def in_groups(
    generated: Generator[Generated, None, None],
    save: Callable[[Sequence[Completion], Effort], None],
) -> None:
    """Pass completions to `save` in small groups, from a thread: the engine waits for no database.

    Returns when all are saved. What `save` raises is raised here, and ends the generation; when
    the engine fails, what it gave before is saved.
    """
    waiting: Queue[Generated | None] = Queue()
    with ThreadPoolExecutor(1, "save") as pool, closing(generated):
        saving = pool.submit(_save_groups, waiting, save)
        try:
            for one in generated:
                waiting.put(one)
                if saving.done():
                    break
        finally:
            waiting.put(None)
        saving.result()


def _save_groups(
    waiting: Queue[Generated | None], save: Callable[[Sequence[Completion], Effort], None]
) -> None:
    while (one := waiting.get()) is not None:
        group = [one]
        deadline = time.monotonic() + GROUP_SECONDS
        while len(group) < GROUP_SIZE and (left := deadline - time.monotonic()) > 0:
            try:
                more = waiting.get(timeout=left)
            except Empty:
                break
            if more is None:
                waiting.put(None)  # for the outer loop
                break
            group.append(more)
        save([completion for completion, _ in group], sum((e for _, e in group), Effort()))


def _too_long(engine: Engine, request: GenerationRequest, excess: int) -> Iterator[Completion]:
    text = f"{excess} tokens too long for a context of {engine.model.context_length}"
    for wanted in request.wanted:
        yield request.completion(wanted, text, "prompt_too_long")


def _prompt(
    recipe: Recipe, source: SourceTask, peers: Sequence[SourceTask], feedback: Feedback
) -> Prompt:
    prompt = recipe.spec.prompt(
        source,
        system=recipe.prompt.system,
        user=recipe.prompt.user,
        peers=peers,
        labels=recipe.labels,
        glossary=recipe.glossary,
        style_guide=recipe.style_rules,
        **feedback.for_source(source.id),
    )
    shown = (*(peer.id for peer in peers), *feedback.sources_for(source.id))
    return replace(prompt, shown_sources=tuple(dict.fromkeys(shown)))


def _sampling(recipe: Recipe) -> SamplingParams:
    sampling, technique = recipe.sampling, recipe.spec
    temperature = sampling.temperature
    return SamplingParams(
        temperature=technique.temperature if temperature is None else temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        min_p=sampling.min_p,
        repeat_penalty=sampling.repeat_penalty,
        max_tokens=sampling.max_tokens or technique.max_tokens,
        max_thought_tokens=_max_thought(sampling.thinking),
        closes_thoughts=sampling.thinking != "separate",
    )


def _max_thought(policy: str | int) -> int:
    return policy if isinstance(policy, int) else _THOUGHTS[policy]


def _sample(rng: random.Random, ids: Sequence[str], n: int, without: set[str]) -> list[str]:
    """Draw up to n of the ids, none twice and none of `without`, reading only as many as needed."""
    drawn = rng.sample(ids, min(len(ids), n + len(without)))
    return [id_ for id_ in drawn if id_ not in without][:n]
