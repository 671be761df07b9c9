"""OpenAI-compatible servers on the local network: llama-server, vLLM, Ollama and their like."""

from __future__ import annotations

import hashlib
import math
import ssl
import time
import weakref
from collections.abc import Iterator, Sequence
from typing import ClassVar

import httpx

from seedbed.errors import ModelError, UserError
from seedbed.records import Completion, Prompt
from seedbed_backend.engine.base import (
    GenerationRequest,
    LoadOptions,
    ModelInfo,
    Usage,
    check_fits,
)
from seedbed_backend.engine.endpoint import (
    NO_KEEPALIVE,
    QUESTION_SECONDS,
    Away,
    Endpoint,
    Rejected,
    TooLong,
    Unparsed,
    all_away,
)
from seedbed_backend.engine.endpoint_run import CONNECT_SECONDS, Run
from seedbed_backend.engine.local_network import require_local

DEFAULT_CONTEXT = 4096
BYTES_PER_TOKEN = 4
"""For estimates where no server counts: English has 4 to 5, German about 3.5, Chinese 3 to 4."""

TOKENS_PER_MESSAGE = 8
"""What a chat template adds, about."""

GREETING_PAUSE_SECONDS = 30.0
"""How long a server that was away when it was first asked is left out."""

_MAX_COUNTS = 10_000  # prompts whose length is remembered


class OpenAIHTTP:
    """One model, served at several endpoints that should be alike.

    What a server does with a seed is its own affair. The same requests give the same texts only as
    far as the server keeps that: batches of another size, a warm cache, or another endpoint may
    change a text. Where a server makes several completions of one prompt in one go, it does so from
    the first one's seed.

    A prompt that the server finds too long comes back with finish_reason "prompt_too_long" and
    the server's message. (Ollama cuts long prompts silently: give it room with its own settings.)
    Endpoints that fail are set aside, and others take their work; when all are away, `generate`
    raises ServiceError after what has come. Only the configured addresses are ever contacted.
    """

    name: ClassVar[str] = "openai_http"
    help: ClassVar[str] = (
        "OpenAI-compatible servers on the local network: llama-server, vLLM, Ollama."
    )

    def __init__(self, options: LoadOptions) -> None:
        if not options.endpoints:
            raise UserError(
                "The engine openai_http has no endpoint.",
                hint="Set SEEDBED_ENDPOINTS to base URLs like http://gpu1:8000/v1.",
            )
        self._options = options
        urls = dict.fromkeys(_checked(url, options) for url in options.endpoints)
        self._endpoints = [Endpoint(url, max(1, options.endpoint_concurrency)) for url in urls]
        key = options.endpoint_api_key
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._tls = ssl.create_default_context()
        self._http = httpx.Client(
            headers=self._headers,
            verify=self._tls,
            trust_env=False,
            timeout=httpx.Timeout(QUESTION_SECONDS, connect=CONNECT_SECONDS),
            limits=NO_KEEPALIVE,
        )
        self._free = weakref.finalize(self, self._http.close)
        self._counts: dict[str, int] = {}
        self._usage = Usage()
        self._runs: set[Run] = set()
        self._model_name = options.endpoint_model
        try:
            self._greet()
        except BaseException:
            self.close()
            raise
        self._model = self._model_info()

    def _greet(self) -> None:
        """Ask the endpoints that are not known yet what they serve.

        Raises ServiceError when none answers, ModelError when they serve different models.
        """
        for endpoint in self._endpoints:
            if endpoint.is_known or time.monotonic() < endpoint.away_until:
                continue
            try:
                endpoint.greet(self._http, self._model_name)
            except Away as exc:
                endpoint.last_error = str(exc)
                endpoint.away_until = time.monotonic() + GREETING_PAUSE_SECONDS
            except (Rejected, TooLong, Unparsed) as exc:
                raise ModelError(f"{endpoint.url} does not list its models ({exc}).") from exc
            else:
                self._model_name = endpoint.model
        if not self._known():
            raise all_away(self._endpoints)

    def _known(self) -> list[Endpoint]:
        return [endpoint for endpoint in self._endpoints if endpoint.is_known]

    def _model_info(self) -> ModelInfo:
        told = [e.context_length for e in self._known() if e.context_length]
        return ModelInfo(
            name=self._model_name,
            sha256=hashlib.sha256(f"endpoint-{self._model_name}".encode()).hexdigest(),
            context_length=min(told, default=self._options.context_length or DEFAULT_CONTEXT),
        )

    @property
    def model(self) -> ModelInfo:
        """Identify the model by its name, for there is no file: `sha256` is of "endpoint-<name>".

        The context is the smallest that a server tells, else what the options say.
        """
        return self._model

    def count_tokens(self, prompt: Prompt) -> int:
        """Count with a server's own tokenizer (llama-server, vLLM), the chat template included.

        Other servers do not count: then it is an estimate, from 4 bytes a token. Raises
        ServiceError when those that count are away.
        """
        self._check_open()
        key = prompt.hash
        if key not in self._counts:
            if len(self._counts) >= _MAX_COUNTS:
                self._counts.clear()
            self._counts[key] = self._count(prompt)
        return self._counts[key]

    def _count(self, prompt: Prompt) -> int:
        counting = [e for e in self._known() if e.kind]
        failed = []
        for endpoint in counting:
            try:
                return endpoint.count_tokens(self._http, prompt.messages)
            except Away as exc:
                endpoint.last_error = str(exc)
                failed.append(endpoint)
            except (Rejected, TooLong, Unparsed):
                # its template refuses the messages; `generate` will say so
                break
        if counting and len(failed) == len(counting):
            raise all_away(failed)
        n_bytes = sum(len(m.content.encode(errors="replace")) for m in prompt.messages)
        return math.ceil(n_bytes / BYTES_PER_TOKEN) + TOKENS_PER_MESSAGE * len(prompt.messages)

    def excess_tokens(self, request: GenerationRequest) -> int:
        """Return by how many tokens the prompt, its thought and answer exceed the context; 0 fits.

        Where no server counts, 0 unless even half of the estimate would not fit.
        """
        n_tokens = self.count_tokens(request.prompt)
        if not any(endpoint.kind for endpoint in self._known()):
            n_tokens //= 2
        n_tokens += request.sampling.max_thought_tokens + request.sampling.max_tokens
        return max(0, n_tokens - self._model.context_length)

    @property
    def usage(self) -> Usage:
        """Return what the servers have done since the engine was opened, as they count it.

        The seconds are this side's wall time, divided by when the first words came.
        """
        return self._usage

    def describe(self) -> list[str]:
        """Say which servers are asked, and how much at once."""
        options = self._options
        known = {endpoint.url: endpoint.kind or "OpenAI-compatible" for endpoint in self._known()}
        return [
            f"{url}: {known.get(url, 'away')}, {options.endpoint_concurrency} completions at once"
            for url in options.endpoints
        ]

    def generate(self, requests: Sequence[GenerationRequest]) -> Iterator[Completion]:
        """Yield completions as they end, from all endpoints at once.

        Raises SourceError before anything is asked for when a prompt is known not to fit;
        ServiceError when every endpoint is away, ModelError when one refuses for good.
        """
        if self._options.tokenizer_only:
            raise ModelError("This engine was opened to count tokens only.")
        self._check_open()
        check_fits(self, requests)
        return self._generate(requests)

    def _generate(self, requests: Sequence[GenerationRequest]) -> Iterator[Completion]:
        self._check_open()
        if not any(request.wanted for request in requests):
            return
        self._greet()
        counted = [(request, self.count_tokens(request.prompt)) for request in requests]
        run = Run(self._known(), counted, self._headers, self._tls)
        self._runs.add(run)
        try:
            for completion, usage in run.results():
                self._usage += usage
                yield completion
        finally:
            run.close()
            self._runs.discard(run)
        self._check_open()

    def _check_open(self) -> None:
        if not self._free.alive:
            raise ModelError(f"The model {self._model_name} is closed.", hint="Open it again.")

    def close(self) -> None:
        """End what is under way and close the connections; a second call does nothing."""
        self._free()
        for run in list(self._runs):
            run.close()


def _checked(url: str, options: LoadOptions) -> str:
    """Return the base URL without a slash at its end. Raises UserError for one not to be used."""
    base = url.strip().rstrip("/")
    try:
        parsed = httpx.URL(base)
    except httpx.InvalidURL as exc:
        raise UserError(f"The endpoint {url!r} is no URL ({exc}).") from exc
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.query or parsed.fragment:
        raise UserError(
            f"The endpoint {url!r} is no base URL.", hint="It looks like http://host:8000/v1."
        )
    if not options.allow_public_endpoints:
        require_local(base)
    return base


ENGINE = OpenAIHTTP
