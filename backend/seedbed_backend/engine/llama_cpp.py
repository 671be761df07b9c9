"""llama.cpp through llama-cpp-python's low-level interface: one completion at a time.

A prompt is evaluated once for all its completions, and what it shares with the prompt before it is
not evaluated again. Reuse never changes the text: a prompt is always evaluated in the same steps
(`_STEP` tokens from the start, then the rest, then the last token alone), and floating point gives
the same logits only for the same steps.
"""

from __future__ import annotations

import ctypes
import logging
import time
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, ClassVar

import llama_cpp as api
from jinja2 import TemplateError
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

from seedbed.errors import ModelError, SourceError
from seedbed.records import Completion, Message, Prompt, content_id
from seedbed_backend.engine import model_file
from seedbed_backend.engine.base import (
    GenerationRequest,
    LoadOptions,
    ModelInfo,
    SamplingParams,
    Usage,
)
from seedbed_backend.engine.grammar import gbnf

logger = logging.getLogger(__name__)

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Used for a model that carries no chat template of its own."""

MIN_ROOM = 8
"""Tokens that must remain in the context after the prompt: the least `max_tokens` of a recipe."""

PENALTY_WINDOW = 64
"""Tokens back to which the repeat penalty looks, as in llama.cpp."""

_STEP = 64
_ERROR_LEVEL = 4  # ggml.h; llama-cpp-python's own table is out of date
_N_SEEDS = 0xFFFFFFFF  # the last 32-bit seed asks llama.cpp for a random one

_errors: deque[str] = deque(maxlen=8)


def _log(level: int, text: bytes, _user_data: Any) -> None:
    message = text.decode(errors="replace").rstrip()
    if level == _ERROR_LEVEL and message:
        _errors.append(message)
    if message.strip("."):
        logger.debug("llama.cpp: %s", message)


# llama.cpp writes to stderr unless told otherwise; the reference keeps the callback alive.
_log_callback = api.llama_log_callback(_log)


class LlamaCpp:
    """One GGUF model with one context."""

    name: ClassVar[str] = "llama_cpp"
    help: ClassVar[str] = "llama.cpp in this process: GGUF models on CPU or GPU."

    def __init__(self, options: LoadOptions) -> None:
        if options.model_path is None:
            raise ModelError("The engine llama_cpp needs a model file.", hint="Set model_path.")
        self._path = options.model_path
        model_file.check(self._path)
        self._stack = ExitStack()
        self._free = weakref.finalize(self, self._stack.close)
        try:
            self._load(options)
        except BaseException:
            self.close()
            raise
        self._cached: list[tuple[int, ...]] = []
        self._pieces: dict[int, bytes] = {}
        self._usage = Usage()
        self._grammars: dict[str, Any] = {}

    def _load(self, options: LoadOptions) -> None:
        api.llama_log_set(_log_callback, ctypes.c_void_p(0))
        api.llama_backend_init()
        _errors.clear()
        params = api.llama_model_default_params()
        params.vocab_only = options.tokenizer_only
        params.n_gpu_layers = options.n_gpu_layers if options.n_gpu_layers >= 0 else 0x7FFFFFFF
        self._model = api.llama_model_load_from_file(str(self._path).encode(), params)
        if not self._model:
            raise self._refused("llama.cpp cannot load it")
        self._stack.callback(api.llama_model_free, self._model)
        self._vocab = api.llama_model_get_vocab(self._model)
        self._n_vocab = api.llama_vocab_n_tokens(self._vocab)
        self._check_generates()
        if options.tokenizer_only:
            n_trained = int(
                self._metadata(f"{self._metadata('general.architecture')}.context_length")
            )
            self._n_context = min(options.context_length or n_trained, n_trained)
            self._load_template()
            return
        self._context = api.llama_init_from_model(self._model, self._context_params(options))
        if not self._context:
            raise self._refused(
                f"llama.cpp cannot make a context of {options.context_length} tokens",
                hint="Free some memory, or lower the context length.",
            )
        self._stack.callback(api.llama_free, self._context)
        self._memory = api.llama_get_memory(self._context)
        if not self._memory:
            raise self._is_no_generator()
        self._n_context = min(
            options.context_length or api.llama_model_n_ctx_train(self._model),
            api.llama_n_ctx(self._context),
        )
        self._load_template()

    def _context_params(self, options: LoadOptions) -> Any:
        n_trained = api.llama_model_n_ctx_train(self._model)
        params = api.llama_context_default_params()
        params.n_ctx = min(options.context_length or n_trained, n_trained)
        params.n_batch = params.n_ubatch = _STEP
        params.n_threads = params.n_threads_batch = max(1, options.n_threads)
        params.no_perf = True
        return params

    def _check_generates(self) -> None:
        architecture = self._metadata("general.architecture")
        is_encoder = not api.llama_model_has_decoder(self._model)
        is_bidirectional = self._metadata(f"{architecture}.attention.causal") == "false"
        if is_encoder or is_bidirectional or api.llama_model_has_encoder(self._model):
            raise self._is_no_generator()
        if not api.llama_vocab_type(self._vocab):
            raise self._refused("it carries no vocabulary")

    def _load_template(self) -> None:
        """Read the chat template from the GGUF; fall back to ChatML where there is none."""
        template = api.llama_model_chat_template(self._model, None)
        if not template:
            logger.warning("%s has no chat template: ChatML is used", self._path.name)
        bos, eos = api.llama_vocab_bos(self._vocab), api.llama_vocab_eos(self._vocab)
        self._bos = bos if bos >= 0 and api.llama_vocab_get_add_bos(self._vocab) else None
        self._bos_text = self._token_text(bos)
        try:
            self._formatter = Jinja2ChatFormatter(
                template=template.decode(errors="replace") if template else CHATML,
                bos_token=self._bos_text,
                eos_token=self._token_text(eos),
            )
        except TemplateError as exc:
            raise self._refused(f"its chat template is broken ({exc})") from exc
        self._control_texts = tuple(
            text
            for token in range(self._n_vocab)
            if api.llama_vocab_is_control(self._vocab, token)
            and len(text := self._token_text(token)) > 1
        )
        self._has_system = self._accepts_system()

    def _accepts_system(self) -> bool:
        marker = "a system message"
        try:
            return marker in self._render((Message("system", marker), Message("user", "x")))
        except (TemplateError, ValueError):
            return False

    @property
    def model(self) -> ModelInfo:
        """Identify the model; the first call hashes the file."""
        name = self._metadata("general.name") or self._path.stem
        return ModelInfo(name, model_file.sha256(self._path), self._n_context)

    def count_tokens(self, prompt: Prompt) -> int:
        """Count the tokens of the rendered prompt, the chat template's own included."""
        return len(self._tokenize(prompt))

    def excess_tokens(self, request: GenerationRequest) -> int:
        """Return by how many tokens the prompt and its `max_tokens` exceed the context; 0 fits."""
        n_tokens = self.count_tokens(request.prompt) + request.sampling.max_tokens
        return max(0, n_tokens - self._n_context)

    @property
    def usage(self) -> Usage:
        """Return what was done since the model was loaded."""
        return self._usage

    def generate(self, requests: Sequence[GenerationRequest]) -> Iterator[Completion]:
        """Yield completions request by request; neighbours with a common start are cheapest."""
        return self._generate([(r, self._checked_tokens(r)) for r in requests])

    def close(self) -> None:
        """Free the model's memory; a second call does nothing."""
        self._free()

    def _generate(
        self, prepared: Sequence[tuple[GenerationRequest, list[int]]]
    ) -> Iterator[Completion]:
        for request, tokens in prepared:
            for wanted in request.wanted:
                yield self._complete(request, tokens, wanted)

    def _checked_tokens(self, request: GenerationRequest) -> list[int]:
        tokens = self._tokenize(request.prompt)
        room = min(MIN_ROOM, request.sampling.max_tokens)
        excess = len(tokens) + room - self._n_context
        if excess > 0:
            raise SourceError(
                f"The prompt of source {request.prompt.source_id} is {excess} tokens too long: "
                f"{len(tokens)} and {room} for the answer, in a context of {self._n_context}.",
                hint="Split the source, show fewer peers, or raise the context length.",
            )
        return tokens

    def _complete(
        self, request: GenerationRequest, prompt: list[int], wanted: tuple[str, int, int]
    ) -> Completion:
        self._check_open()
        started = time.perf_counter()
        completion_id, index, rng_seed = wanted
        sampler = self._sampler(request, rng_seed)
        answer: list[int] = []
        limit = min(request.sampling.max_tokens, self._n_context - len(prompt))
        finish_reason: str = "length"
        try:
            self._evaluate(prompt)
            while len(answer) < limit:
                token = api.llama_sampler_sample(sampler, self._context, -1)
                if api.llama_vocab_is_eog(self._vocab, token):
                    finish_reason = "stop"
                    break
                answer.append(token)
                if len(answer) < limit:
                    self._decode([token])
        finally:
            api.llama_sampler_free(sampler)
        return Completion(
            id=completion_id,
            source_id=request.prompt.source_id,
            prompt_hash=request.prompt.hash,
            index=index,
            text=self._text(answer),
            finish_reason="stop" if finish_reason == "stop" else "length",
            rng_seed=rng_seed,
            n_prompt_tokens=len(prompt),
            n_tokens=len(answer),
            seconds=time.perf_counter() - started,
        )

    def _evaluate(self, prompt: list[int]) -> None:
        """Bring the context to the end of the prompt, keeping the leading steps that are there."""
        *head, last = prompt
        steps = [tuple(head[i : i + _STEP]) for i in range(0, len(head), _STEP)]
        n_kept = 0
        for ours, theirs in zip(steps, self._cached, strict=False):
            if ours != theirs:
                break
            n_kept += 1
        n_tokens = sum(map(len, steps[:n_kept]))
        # A recurrent model cannot go back to the middle: it starts over.
        if not api.llama_memory_seq_rm(self._memory, 0, n_tokens, -1):
            api.llama_memory_clear(self._memory, True)
            n_kept = 0
        self._cached = steps[:n_kept]
        for step in steps[n_kept:]:
            self._decode(step)
            self._cached.append(step)
        self._decode([last])

    def _decode(self, tokens: Sequence[int]) -> None:
        array = (api.llama_token * len(tokens))(*tokens)
        code = api.llama_decode(self._context, api.llama_batch_get_one(array, len(tokens)))
        if code != 0:
            self._cached = []
            api.llama_memory_clear(self._memory, True)
            raise self._refused(f"llama.cpp stopped with code {code} while evaluating")

    def _sampler(self, request: GenerationRequest, rng_seed: int) -> Any:
        """Build the chain: penalty, grammar, truncation, temperature, draw. Freed by the caller."""
        sampling = request.sampling
        chain = api.llama_sampler_chain_init(api.llama_sampler_chain_default_params())
        for sampler in self._links(request.prompt, sampling, rng_seed):
            api.llama_sampler_chain_add(chain, sampler)
        return chain

    def _links(self, prompt: Prompt, sampling: SamplingParams, rng_seed: int) -> Iterator[Any]:
        if sampling.repeat_penalty != 1.0:
            yield api.llama_sampler_init_penalties(
                self._n_vocab, PENALTY_WINDOW, sampling.repeat_penalty, 0.0, 0.0
            )
        if prompt.schema:
            yield api.llama_sampler_clone(self._grammar(prompt))
        if sampling.temperature == 0.0:
            yield api.llama_sampler_init_greedy()
            return
        yield api.llama_sampler_init_top_k(sampling.top_k)
        yield api.llama_sampler_init_top_p(sampling.top_p, 1)
        yield api.llama_sampler_init_min_p(sampling.min_p, 1)
        yield api.llama_sampler_init_temp(sampling.temperature)
        yield api.llama_sampler_init_dist(rng_seed % _N_SEEDS)

    def _grammar(self, prompt: Prompt) -> Any:
        """Return the schema's grammar, compiled once; order of the properties matters."""
        key = content_id(dict(prompt.schema), list(prompt.schema.get("properties", ())))
        if key not in self._grammars:
            grammar = api.llama_sampler_init_grammar(
                self._vocab, gbnf(prompt.schema).encode(), b"root"
            )
            if not grammar:
                raise ModelError(f"llama.cpp cannot compile the grammar of {dict(prompt.schema)}.")
            self._stack.callback(api.llama_sampler_free, grammar)
            self._grammars[key] = grammar
        return self._grammars[key]

    def _check_open(self) -> None:
        if not self._free.alive:
            raise ModelError(f"The model {self._path} is closed.", hint="Open it again.")

    def _tokenize(self, prompt: Prompt) -> list[int]:
        self._check_open()
        try:
            text = self._render(prompt.messages if self._has_system else _folded(prompt.messages))
        except (TemplateError, ValueError) as exc:
            raise self._refused(f"its chat template refuses this prompt ({exc})") from exc
        raw = text.encode(errors="replace")
        array = (api.llama_token * (len(raw) + 2))()
        n_tokens = api.llama_tokenize(self._vocab, raw, len(raw), array, len(array), False, True)
        if n_tokens < 0:
            raise self._refused("llama.cpp cannot tokenize the prompt")
        tokens = list(array[:n_tokens])
        has_bos = bool(self._bos_text) and text.startswith(self._bos_text)
        return tokens if self._bos is None or has_bos else [self._bos, *tokens]

    def _render(self, messages: Sequence[Message]) -> str:
        turns = [{"role": m.role, "content": self._defused(m.content)} for m in messages]
        return str(self._formatter(messages=turns).prompt)

    def _defused(self, text: str) -> str:
        """Break control tokens in a source's text, so that it cannot end its own turn."""
        for control in self._control_texts:
            if control in text:
                text = text.replace(control, f"{control[0]} {control[1:]}")
        return text

    def _text(self, tokens: Sequence[int]) -> str:
        # A cut may fall inside a character.
        return b"".join(map(self._piece, tokens)).decode(errors="replace")

    def _piece(self, token: int) -> bytes:
        """Return the exact bytes of one token; llama.cpp's own detokenizer may tidy spaces."""
        if token not in self._pieces:
            buffer = ctypes.create_string_buffer(64)
            n = api.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, False)
            if n < 0:
                buffer = ctypes.create_string_buffer(-n)
                n = api.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, False)
            self._pieces[token] = buffer.raw[:n]
        return self._pieces[token]

    def _token_text(self, token: int) -> str:
        if token < 0:
            return ""
        return str(api.llama_vocab_get_text(self._vocab, token).decode(errors="replace"))

    def _metadata(self, key: str) -> str:
        buffer = ctypes.create_string_buffer(4096)
        n = api.llama_model_meta_val_str(self._model, key.encode(), buffer, len(buffer))
        return buffer.value.decode(errors="replace") if n >= 0 else ""

    def _refused(
        self, problem: str, hint: str = "Copy the file again, or use another."
    ) -> ModelError:
        said = _errors[0] if _errors else ""
        detail = f" (llama.cpp: {' '.join(said.split())})" if said else ""
        return ModelError(f"The model {self._path} cannot be used: {problem}{detail}.", hint=hint)

    def _is_no_generator(self) -> ModelError:
        return self._refused(
            "it computes embeddings or is an encoder-decoder; it does not generate text",
            hint="Use a causal language model, best an instruction-tuned one.",
        )


def _folded(messages: Sequence[Message]) -> list[Message]:
    """Put the system message at the head of the user's, for templates that know no system role."""
    system = "\n\n".join(m.content for m in messages if m.role == "system")
    first, *rest = [m for m in messages if m.role != "system"]
    content = f"{system}\n\n{first.content}" if system else first.content
    return [Message(first.role, content), *rest]


ENGINE = LlamaCpp
