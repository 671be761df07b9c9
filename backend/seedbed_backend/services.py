"""What a process works with: store, queues, model, encoder, Label Studio; each opened on first use."""

from __future__ import annotations

from functools import cached_property

from seedbed.errors import ModelError, UserError
from seedbed.label_studio import LabelStudioServer
from seedbed_backend.embeddings import SentenceEncoder
from seedbed_backend.engine import open_engine
from seedbed_backend.engine.base import Engine
from seedbed_backend.filters.base import Encoder
from seedbed_backend.queues import Queues
from seedbed_backend.settings import Settings
from seedbed_backend.store import Store


class Services:
    """One process's connections and loaded models.

    The web process never touches `engine` and `encoder`; a worker loads each once and keeps it.
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
    def engine(self) -> Engine:
        """Load the generator. Raises ModelError naming the file and what is wrong with it."""
        return self._open_engine(tokenizer_only=False)

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
    def label_studio(self) -> LabelStudioServer:
        """Return the Label Studio client. Raises UserError when no token is set."""
        if not self.settings.label_studio_api_key:
            raise UserError(
                "Seedbed has no Label Studio token.",
                hint="Set LABEL_STUDIO_API_KEY to a personal access token (Account & Settings).",
            )
        return LabelStudioServer(self.settings.label_studio_url, self.settings.label_studio_api_key)

    def _open_engine(self, *, tokenizer_only: bool) -> Engine:
        return open_engine(
            self.settings.engine,
            model_path=self.settings.model,
            context_length=self.settings.context_length,
            n_threads=self.settings.n_threads,
            n_slots=self.settings.n_slots,
            n_gpu_layers=self.settings.n_gpu_layers,
            tokenizer_only=tokenizer_only,
            endpoints=self.settings.endpoints,
            endpoint_model=self.settings.endpoint_model,
            endpoint_api_key=self.settings.endpoint_api_key,
            endpoint_concurrency=self.settings.endpoint_concurrency,
            allow_public_endpoints=self.settings.allow_public_endpoints,
        )

    def close(self) -> None:
        """Close what was opened."""
        for name in ("engine", "tokenizer", "store", "queues", "label_studio"):
            if name in self.__dict__:
                self.__dict__.pop(name).close()
