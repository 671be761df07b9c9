"""One OpenAI-compatible server: how it wants to be asked, and what its refusals mean.

What a server can do is learned from its answers and kept, because all of them speak a dialect:
llama-server, vLLM, Ollama, llama-cpp-python's server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn

import httpx

from seedbed.errors import ModelError, ServiceError
from seedbed.records import Message
from seedbed_backend.engine.base import GenerationRequest, SamplingParams

Feature = Literal["n", "thoughts", "extensions", "json_schema"]
"""What not every server knows: several choices, whether to think, sampling beyond OpenAI's, and the
schema's newer form."""

_MENTIONS: Mapping[Feature, re.Pattern[str]] = {
    "n": re.compile(r"\bn\b|'n'|greedy|best_of"),
    "thoughts": re.compile(r"template|thinking|reasoning"),
    "extensions": re.compile(r"top_k|min_p|repeat_penalty|repetition_penalty"),
    "json_schema": re.compile(r"response_format|json_schema|schema|grammar|guided"),
}
_TOO_LONG = re.compile(
    r"exceed_context_size|context_length_exceeded|maximum context length|context (size|window)"
    r"|maximum model length|prompt is too long|longer than the (maximum|context)",
    re.IGNORECASE,
)
_UNPARSED = re.compile(r"model produced output that does not match")
_INVALID = re.compile(r"validation error", re.IGNORECASE)
QUESTION_SECONDS = 10.0
"""How long a server may take for anything but a completion."""

NO_KEEPALIVE = httpx.Limits(max_connections=None, max_keepalive_connections=0)
"""Servers drop idle connections without a word, and a new one costs nothing beside a completion."""

_MESSAGE_LENGTH = 500
_THOUGHTLESS: dict[str, Any] = {"chat_template_kwargs": {"enable_thinking": False}}
_N_SEEDS = 0xFFFFFFFF  # llama-server takes the last 32-bit seed for "random"


class Away(Exception):
    """The server cannot answer now; another may. `wait_seconds` is what it asks for, or 0.

    `blames_request` unless the server failed before it had the request, or was merely busy.
    """

    def __init__(
        self, reason: str, *, wait_seconds: float = 0.0, blames_request: bool = True
    ) -> None:
        super().__init__(reason)
        self.wait_seconds = wait_seconds
        self.blames_request = blames_request


class Rejected(Exception):
    """The server does not accept a request of this form."""


class TooLong(Exception):
    """The prompt does not fit the server's context."""


class Unparsed(Exception):
    """The server made a text and then could not read it: bad model output, which is data."""


@dataclass
class Endpoint:
    """What is known of one server. `url` ends in the API's version, mostly /v1.

    `capacity` counts the completions that it is asked for at once. `context_length` is in tokens,
    0 where it does not say. While `n_failures` is above 0 the server is tried with one request,
    not before `away_until` (monotonic seconds).
    """

    url: str
    capacity: int
    model: str = ""
    kind: Literal["", "llama_server", "vllm"] = ""
    context_length: int = 0
    unsupported: set[Feature] = field(default_factory=set)
    is_known: bool = False
    n_failures: int = 0
    failed_at: float = 0.0
    away_until: float = 0.0
    last_error: str = ""

    @property
    def root(self) -> str:
        """Return the server's own address, where what is not OpenAI's lies."""
        return self.url.removesuffix("/v1")

    def greet(self, http: httpx.Client, model: str) -> None:
        """Ask what it serves. `model` is the one that is wanted, "" for the first it lists.

        Raises Away, and ModelError when it does not serve that model.
        """
        listed = self._listed(http)
        names = [str(entry.get("id", "")) for entry in listed]
        if not model and not names:
            raise ModelError(
                f"{self.url} lists no model.", hint="Set SEEDBED_ENDPOINT_MODEL to its name."
            )
        self.model = model or names[0]
        if names and self.model not in names:
            raise ModelError(
                f"{self.url} does not serve the model {self.model!r}; it serves: "
                f"{', '.join(sorted(names))}.",
                hint="Set SEEDBED_ENDPOINT_MODEL to a model that every endpoint serves.",
            )
        entry = next((e for e in listed if e.get("id") == self.model), {})
        meta = entry.get("meta") or {}
        self.context_length = int(
            entry.get("max_model_len") or meta.get("n_ctx") or meta.get("n_ctx_train") or 0
        )
        self._recognise(http)
        self.is_known = True
        self.n_failures = 0

    def _listed(self, http: httpx.Client) -> list[dict[str, Any]]:
        response = _call(http, "GET", f"{self.url}/models")
        if response.status_code == 404:
            return []
        self.check(response)
        answer = _json(response)
        listed = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(listed, list):
            raise ModelError(
                f"{self.url}/models does not answer with a list of models.",
                hint="Is this the base URL of an OpenAI-compatible API, like http://host:8000/v1?",
            )
        return [entry for entry in listed if isinstance(entry, dict)]

    def _recognise(self, http: httpx.Client) -> None:
        """Find out whether this is llama-server or vLLM, which count tokens; others do not."""
        props = _json(_call(http, "GET", f"{self.root}/props"))
        settings = props.get("default_generation_settings") if isinstance(props, dict) else None
        if isinstance(props, dict) and isinstance(settings, dict):
            self.kind = "llama_server"
            self.context_length = int(settings.get("n_ctx") or self.context_length)
            self.capacity = min(self.capacity, int(props.get("total_slots") or self.capacity))
            return
        question = {"model": self.model, "messages": [{"role": "user", "content": "x"}]}
        counted = _json(_call(http, "POST", f"{self.root}/tokenize", question))
        if isinstance(counted, dict) and "count" in counted:
            self.kind = "vllm"

    def count_tokens(self, http: httpx.Client, messages: Sequence[Message]) -> int:
        """Count the rendered prompt's tokens; only a server with a `kind` can. Raises Away."""
        chat = {"model": self.model, "messages": _turns(messages), **_THOUGHTLESS}
        if self.kind == "vllm":
            return int(self._ask(http, "tokenize", chat)["count"])
        prompt = self._ask(http, "apply-template", chat)["prompt"]
        # llama-server adds the start token itself where the template has not.
        text = {"content": prompt, "add_special": True, "parse_special": True}
        return len(self._ask(http, "tokenize", text)["tokens"])

    def _ask(self, http: httpx.Client, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        response = _call(http, "POST", f"{self.root}/{path}", body)
        self.check(response)
        answer: dict[str, Any] = response.json()
        return answer

    def body(
        self,
        request: GenerationRequest,
        wanted: Sequence[tuple[str, int, int]],
        without: set[Feature],
        *,
        is_stream: bool = True,
    ) -> dict[str, Any]:
        """Write the chat completion request for these wanted ids, in this server's dialect."""
        sampling = request.sampling
        body: dict[str, Any] = {
            "model": self.model,
            "messages": _turns(request.prompt.messages),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens + sampling.max_thought_tokens,
            "seed": wanted[0][2] % _N_SEEDS,
            "stream": is_stream,
        }
        if is_stream:
            body["stream_options"] = {"include_usage": True}
        if len(wanted) > 1:
            body["n"] = len(wanted)
        if "thoughts" not in without:
            body |= self._thoughts(sampling)
        if "extensions" not in without:
            body["min_p"] = sampling.min_p
            # vLLM's older versions refuse 0 for "all"
            body["top_k"] = sampling.top_k or (-1 if self.kind == "vllm" else 0)
            if self.kind != "vllm":
                body["repeat_penalty"] = sampling.repeat_penalty
            if self.kind != "llama_server":
                body["repetition_penalty"] = sampling.repeat_penalty
        if request.prompt.schema:
            body["response_format"] = _response_format(request.prompt.schema, without)
        return body

    def _thoughts(self, sampling: SamplingParams) -> dict[str, Any]:
        """Say whether a thinking model shall think, and how long; others do not mind."""
        if sampling.max_thought_tokens == 0:
            return _THOUGHTLESS if self.kind else {**_THOUGHTLESS, "reasoning_effort": "none"}
        budget_name = "thinking_token_budget" if self.kind == "vllm" else "reasoning_budget_tokens"
        budget = {budget_name: sampling.max_thought_tokens} if sampling.closes_thoughts else {}
        return {"chat_template_kwargs": {"enable_thinking": True}, **budget}

    def check(self, response: httpx.Response) -> None:
        """Raise what a refusal means: Away, Rejected, TooLong, Unparsed or ModelError."""
        if not response.is_success:
            wait = response.headers.get("Retry-After", "")
            self.refuse(
                response.status_code, _message(response), int(wait) if wait.isdecimal() else 0
            )

    def refuse(self, status: int, message: str, wait_seconds: float = 0.0) -> NoReturn:
        """Raise what a status code and the server's words mean."""
        said = f"{status}: {message}"
        if 300 <= status < 400:
            raise ModelError(
                f"{self.url} redirects, which is not followed.",
                hint="Give the final address: data goes to the configured servers alone.",
            )
        if _TOO_LONG.search(message):
            raise TooLong(message)
        if _UNPARSED.search(message):
            raise Unparsed(message)
        # llama-cpp-python's server answers 500 to a field that it does not know
        if status in (400, 422) or (status == 500 and _INVALID.search(message)):
            raise Rejected(said)
        if status in (408, 425, 429) or status >= 500:
            raise Away(
                f"it answered {said}",
                wait_seconds=wait_seconds,
                blames_request=status not in (425, 429, 503),
            )
        raise ModelError(
            f"{self.url} refuses to answer ({said}).",
            hint="Check SEEDBED_ENDPOINT_MODEL and SEEDBED_ENDPOINT_API_KEY.",
        )


def suspect(used: Mapping[str, Any], without: set[Feature], message: str) -> Feature | None:
    """Guess which feature of a rejected body the server lacks: one that it mentions first."""
    is_used: Mapping[Feature, bool] = {
        "n": "n" in used,
        "thoughts": "chat_template_kwargs" in used,
        "extensions": "top_k" in used,
        "json_schema": used.get("response_format", {}).get("type") == "json_schema",
    }
    candidates = [f for f, is_there in is_used.items() if is_there and f not in without]
    mentioned = [f for f in candidates if _MENTIONS[f].search(message)]
    return next(iter(mentioned or candidates), None)


def _response_format(schema: Mapping[str, Any], without: set[Feature]) -> dict[str, Any]:
    if "json_schema" in without:
        return {"type": "json_object", "schema": _without_max_length(schema)}
    wrapped = {"name": "answer", "schema": dict(schema), "strict": True}
    return {"type": "json_schema", "json_schema": wrapped}


def _without_max_length(schema: Any) -> Any:
    """Leave out `maxLength`: llama-cpp-python's server makes a grammar of it that ends the server.

    `max_tokens` bounds the answer still.
    """
    if isinstance(schema, Mapping):
        return {k: _without_max_length(v) for k, v in schema.items() if k != "maxLength"}
    return [_without_max_length(part) for part in schema] if isinstance(schema, list) else schema


def _turns(messages: Sequence[Message]) -> list[dict[str, str]]:
    # half a character is no text that could be sent
    return [
        {"role": m.role, "content": m.content.encode(errors="replace").decode()} for m in messages
    ]


def _call(
    http: httpx.Client, method: str, url: str, body: Mapping[str, Any] | None = None
) -> httpx.Response:
    try:
        return http.request(method, url, json=body)
    except httpx.HTTPError as exc:
        raise unreachable(exc, QUESTION_SECONDS) from exc


def unreachable(error: httpx.HTTPError, idle_seconds: float) -> Away:
    """Say what happened to a connection; httpx's own words are often empty."""
    said = str(error) or type(error).__name__
    if isinstance(error, httpx.ReadTimeout):
        return Away(f"it sent nothing for {idle_seconds:g} s")
    if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
        return Away(f"it cannot be reached ({said})", blames_request=False)
    return Away(f"the connection broke ({said})")


def all_away(endpoints: Sequence[Endpoint]) -> ServiceError:
    """Say of each server why it did not answer."""
    reasons = "; ".join(f"{endpoint.url}: {endpoint.last_error}" for endpoint in endpoints)
    return ServiceError(
        f"No endpoint answers ({reasons}).",
        hint="Start the servers, or change SEEDBED_ENDPOINTS; then go on.",
        retryable=True,
    )


def _json(response: httpx.Response) -> Any:
    if response.is_success:
        with suppress(ValueError):
            return response.json()
    return None


def _message(response: httpx.Response) -> str:
    try:
        answer = response.json()
    except ValueError:
        return response.text.strip()[:_MESSAGE_LENGTH]
    return error_message(answer)


def error_message(answer: Any) -> str:
    """Find the server's own words in an error: OpenAI's form, vLLM's older one or FastAPI's."""
    if isinstance(answer, dict):
        for key in ("error", "message", "detail"):
            if answer.get(key):
                # the type and code say it more surely than the words
                kinds = [str(answer[k]) for k in ("type", "code") if answer.get(k)]
                found = error_message(answer[key])
                return f"{found} ({', '.join(kinds)})" if kinds else found
    return str(answer)[:_MESSAGE_LENGTH]
