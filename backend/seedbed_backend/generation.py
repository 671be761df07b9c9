"""From a source to its completions: peers, prompt, sampling, ids and seeds; then the engine."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping

from seedbed.errors import SourceError
from seedbed.recipe import Recipe
from seedbed.records import Completion, SourceTask, content_id
from seedbed_backend.engine.base import GenerationRequest, ModelInfo, SamplingParams
from seedbed_backend.services import Services


def build_request(
    run_id: str,
    recipe: Recipe,
    sources: Mapping[str, SourceTask],
    source_id: str,
    indices: Iterable[int],
    model: ModelInfo,
) -> GenerationRequest:
    """Render one source's prompt and name the completions wanted from it.

    Completion ids and seeds depend on the run, the source, the index, the prompt and the model
    alone, so that the same job asks for the same completions again.
    """
    indices = list(indices)
    technique = recipe.spec
    source = sources[source_id]
    prompt = technique.prompt(
        source,
        system=recipe.prompt.system,
        user=recipe.prompt.user,
        peers=choose_peers(run_id, recipe, sources, source, indices[0]),
        labels=recipe.labels,
        glossary=recipe.glossary,
        style_guide=recipe.style_rules,
    )
    sampling = recipe.sampling
    temperature = sampling.temperature
    return GenerationRequest(
        prompt=prompt,
        sampling=SamplingParams(
            temperature=technique.temperature if temperature is None else temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            min_p=sampling.min_p,
            repeat_penalty=sampling.repeat_penalty,
            max_tokens=sampling.max_tokens or technique.max_tokens,
        ),
        wanted=tuple(
            (
                content_id("completion", run_id, source_id, index, prompt.hash, model.sha256),
                index,
                int(content_id("rng", recipe.rng_seed, run_id, source_id, index)[:8], 16),
            )
            for index in indices
        ),
    )


def choose_peers(
    run_id: str,
    recipe: Recipe,
    sources: Mapping[str, SourceTask],
    source: SourceTask,
    first_index: int,
) -> list[SourceTask]:
    """Choose the other sources that are shown beside this one: half of its own group first.

    Reproducible from the run, the source and the first index; later waves see other peers.
    """
    n_peers = recipe.spec.n_peers if recipe.n_peers is None else recipe.n_peers
    if not n_peers:
        return []
    rng = random.Random(content_id("peers", run_id, source.id, first_index))  # noqa: S311 - reproducible
    others = [s for s in sources.values() if s.id != source.id]
    rng.shuffle(others)
    alike = [s for s in others if s.group == source.group][: (n_peers + 1) // 2]
    rest = [s for s in others if s not in alike][: n_peers - len(alike)]
    peers = alike + rest
    rng.shuffle(peers)
    return peers


def complete(services: Services, request: GenerationRequest) -> list[Completion]:
    """Ask the engine for what the store lacks; a prompt that cannot fit is data, not an error."""
    existing = services.store.has_completions([w[0] for w in request.wanted])
    wanted = tuple(w for w in request.wanted if w[0] not in existing)
    if not wanted:
        return []
    request = GenerationRequest(request.prompt, request.sampling, wanted)
    try:
        return list(services.engine.generate([request]))
    except SourceError as exc:
        return [
            Completion(
                id=completion_id,
                source_id=request.prompt.source_id,
                prompt_hash=request.prompt.hash,
                index=index,
                text=str(exc),
                finish_reason="prompt_too_long",
                rng_seed=rng_seed,
            )
            for completion_id, index, rng_seed in wanted
        ]
