"""What a process works with: store, queues, model, encoder, Label Studio; each opened on first use."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from seedbed.errors import ModelError, UserError
from seedbed.label_studio import LabelStudioServer
from seedbed_backend.embeddings import SentenceEncoder
from seedbed_backend.engine import memory, open_engine
from seedbed_backend.engine.base import Engine
from seedbed_backend.entailment import EntailmentModel
from seedbed_backend.filters.base import Encoder
from seedbed_backend.model_slot import ModelSlot
from seedbed_backend.queues import Queues
from seedbed_backend.settings import Settings
from seedbed_backend.store import Store


class Services:
    """One process's connections and loaded models.

    The web process never touches `engine`, `judge`, `encoder` and `entailment`; a worker loads each
    once and keeps it, but for the generator and the judge where they do not fit side by side.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def store(self) -> Store:
        """Return the store. Raises ServiceError when its database is away."""
        return Store.open(self.settings.store_url)

    @cached_property
    def queues(self) -> Queues:
        """Return the queues; a call on them raises ServiceError when Redis is away."""
        return Queues(self.settings.redis_url)

    @cached_property
    def models(self) -> ModelSlot:
        """Return the owner of the generator and the judge, which share the machine's memory."""
        has_weights = self.settings.engine == "llama_cpp"
        paths = {"generator": self.settings.model, "judge": self.settings.judge_model}
        return ModelSlot(
            {"generator": self._open_engine, "judge": self._open_judge},
            {name: _file_size(path) if has_weights else 0 for name, path in paths.items()},
            lambda: memory.available_bytes(),
            lambda: _uses_gpu(self.settings.n_gpu_layers),
        )

    @property
    def engine(self) -> Engine:
        """Return the generator, loaded; the judge is closed where both do not fit.

        Raises ModelError naming the file and what is wrong with it.
        """
        return self.models.take("generator")

    @property
    def judge(self) -> Engine:
        """Return the judge, loaded; the generator is closed where both do not fit.

        Raises ModelError as `engine` does.
        """
        return self.models.take("judge")

    @cached_property
    def tokenizer(self) -> Engine:
        """Open the generator's tokenizer alone: it counts tokens, without the model's weights."""
        return self._open_engine(tokenizer_only=True)

    @cached_property
    def encoder(self) -> Encoder:
        """Load the encoder. Raises ModelError naming the folder and what is wrong with it."""
        if self.settings.embedding_model is None:
            raise ModelError(
                "No embedding model is set.",
                hint="Set SEEDBED_EMBEDDING_MODEL to a sentence-transformers folder.",
            )
        return SentenceEncoder(self.settings.embedding_model)

    @cached_property
    def entailment(self) -> EntailmentModel | None:
        """Return the NLI model, None where none is set. Raises ModelError where it is broken."""
        folder = self.settings.nli_model
        return EntailmentModel(folder) if folder else None

    @cached_property
    def label_studio(self) -> LabelStudioServer:
        """Return the Label Studio client. Raises UserError when no token is set."""
        if not self.settings.label_studio_api_key:
            raise UserError(
                "Seedbed has no Label Studio token.",
                hint="Set LABEL_STUDIO_API_KEY to a personal access token (Account & Settings).",
            )
        return LabelStudioServer(self.settings.label_studio_url, self.settings.label_studio_api_key)

    def _open_engine(self, **changes: Any) -> Engine:
        settings = self.settings
        options = {
            "model_path": settings.model,
            "context_length": settings.context_length,
            "n_threads": settings.n_threads,
            "n_slots": settings.n_slots,
            "n_gpu_layers": settings.n_gpu_layers,
            "endpoints": settings.endpoints,
            "endpoint_model": settings.endpoint_model,
            "endpoint_api_key": settings.endpoint_api_key,
            "endpoint_concurrency": settings.endpoint_concurrency,
            "allow_public_endpoints": settings.allow_public_endpoints,
        }
        return open_engine(settings.engine, **{**options, **changes})

    def _open_judge(self) -> Engine:
        settings = self.settings
        return self._open_engine(
            model_path=settings.judge_model,
            context_length=settings.judge_context_length,
            endpoints=settings.judge_endpoints or settings.endpoints,
            endpoint_model=settings.judge_endpoint_model,
        )

    def close(self) -> None:
        """Close what was opened."""
        for name in ("models", "tokenizer", "store", "queues", "label_studio"):
            if name in self.__dict__:
                self.__dict__.pop(name).close()


def _file_size(path: Path | None) -> int:
    try:
        return path.stat().st_size if path else 0
    except OSError:  # opening it will say what is wrong
        return 0


def _uses_gpu(n_gpu_layers: int) -> bool:
    from seedbed_backend.engine.llama_model import supports_gpu  # loads llama.cpp

    return n_gpu_layers != 0 and supports_gpu()
