"""Says before anything is queued which sources are too long for the model, and by how much."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from seedbed.errors import ModelError, ServiceError, SourceError
from seedbed.recipe import Recipe
from seedbed.records import Message, Prompt
from seedbed_backend import generation
from seedbed_backend.engine.base import ModelInfo
from seedbed_backend.feedback import Feedback
from seedbed_backend.services import Services
from seedbed_backend.store import Store

_logger = logging.getLogger(__name__)

N_SOURCES_AT_ONCE = 500
"""How many prompts are in memory at a time."""

_tokenizer_lock = threading.Lock()  # an engine is not thread-safe, and the web process has threads


def measure(
    services: Services,
    project_id: str,
    run_id: str,
    recipe: Recipe,
    source_ids: Sequence[str],
    feedback: Feedback | None = None,
) -> dict[str, int]:
    """Return by how many tokens each source's prompt and completion exceed the context; 0 fits.

    Where this process cannot open the model (it may be on another host), every source counts as
    fitting: the worker looks again. Raises SourceError when none fits, RecipeError for a template
    that cannot be rendered.
    """
    excess = dict.fromkeys(source_ids, 0)
    with _tokenizer_lock:
        for start in range(0, len(source_ids), N_SOURCES_AT_ONCE):
            items = [(id_, 0, 1) for id_ in source_ids[start : start + N_SOURCES_AT_ONCE]]
            requests = generation.build_requests(
                services.store, project_id, run_id, recipe, items, None, feedback
            )
            try:
                for request in requests:
                    excess[request.prompt.source_id] = services.tokenizer.excess_tokens(request)
            except (ModelError, ServiceError) as exc:
                _logger.info("what fits the model is not checked here: %s", exc)
                return dict.fromkeys(source_ids, 0)
    if excess and all(excess.values()) and not feedback:
        raise SourceError(
            f"None of the {len(excess)} sources fits the model's context: even the shortest is "
            f"{min(excess.values())} tokens too long with its answer.",
            hint="Split the sources, lower max_tokens or n_peers, or raise SEEDBED_CONTEXT_LENGTH.",
        )
    return excess


def current_model(services: Services) -> ModelInfo | None:
    """Identify the model that the workers use, or None where it cannot be seen from here."""
    try:
        with _tokenizer_lock:
            return services.tokenizer.model
    except (ModelError, ServiceError, OSError) as exc:
        _logger.info("the model cannot be seen from here: %s", exc)
        return None


def count_texts(services: Services, texts: Sequence[str]) -> tuple[ModelInfo, list[int]] | None:
    """Count the tokens of texts as they are in a prompt, what the chat template adds left out.

    None where this process cannot open the model, or no server that has it answers.
    """
    try:
        with _tokenizer_lock:
            tokenizer = services.tokenizer
            frame = tokenizer.count_tokens(_saying(""))
            counts = [max(0, tokenizer.count_tokens(_saying(text)) - frame) for text in texts]
            return tokenizer.model, counts
    except (ModelError, ServiceError, OSError) as exc:
        _logger.info("tokens cannot be counted here: %s", exc)
        return None


def _saying(text: str) -> Prompt:
    return Prompt("", (Message("user", text),), {})


def problems(store: Store, project_id: str, sources: dict[str, int]) -> list[str]:
    """Return one sentence for each source that is left out, naming its task where it has one."""
    too_long = {id_: n for id_, n in sources.items() if n}
    return [
        f"{f'task {s.label_studio_task}' if s.label_studio_task else f'source {s.id}'} is "
        f"{too_long[s.id]} tokens too long for the model's context. Split it, or raise "
        "SEEDBED_CONTEXT_LENGTH."
        for s in store.sources(project_id, too_long)
    ]
