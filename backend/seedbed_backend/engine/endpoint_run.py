"""Asks several servers for completions at once: the work goes to whoever has room.

One thread with an event loop of its own does the asking, so that the servers stay busy while the
caller works on what has come; it ends with the run.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from itertools import islice
from queue import SimpleQueue
from typing import Any

import httpx

from seedbed.errors import ModelError
from seedbed.records import Completion, FinishReason
from seedbed_backend.engine.base import GenerationRequest, Usage
from seedbed_backend.engine.endpoint import (
    NO_KEEPALIVE,
    Away,
    Endpoint,
    Feature,
    Rejected,
    TooLong,
    Unparsed,
    all_away,
    error_message,
    suspect,
    unreachable,
)
from seedbed_backend.engine.reply import Choice, Reply, read_events

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
IDLE_SECONDS = 180.0
"""Without a byte for so long, a server is taken for hung. Reading a long prompt is silent, too."""

BACKOFF_SECONDS = 0.5
"""How long a server is left alone after a failure; doubled with each that follows."""

MAX_BACKOFF_SECONDS = 30.0
MAX_FAILURES = 6
"""A server that fails so often in a row is given up, and so is a request that makes servers fail."""

_LOOK_AHEAD = 64  # jobs; their order is kept otherwise

Wanted = tuple[str, int, int]
Result = tuple[Completion, Usage]


@dataclass(eq=False)
class _Job:
    """What is still wanted of one request. `home` is the endpoint that has read its prompt."""

    request: GenerationRequest
    n_prompt_tokens: int
    wanted: list[Wanted]
    home: Endpoint | None = None
    failed_on: Endpoint | None = None
    n_failures: int = 0
    is_single: bool = False

    def rank(self, endpoint: Endpoint) -> int:
        """Order the jobs for an endpoint; the lowest comes first."""
        if self.failed_on is endpoint:
            return 3
        if self.home is endpoint:
            return 0
        return 2 if self.home else 1

    def group_size(self, endpoint: Endpoint) -> int:
        """Return how many completions are asked for in one request."""
        # greedy completions are all the same, and vLLM refuses to make several
        is_greedy = self.request.sampling.temperature == 0.0
        if self.is_single or is_greedy or "n" in endpoint.unsupported:
            return 1
        return min(len(self.wanted), endpoint.capacity)


@dataclass(eq=False)
class _Ask:
    """One request under way; what has come leaves `wanted`."""

    endpoint: Endpoint
    job: _Job
    wanted: list[Wanted]
    started: float = field(default_factory=time.monotonic)
    first_at: float = 0.0
    n_evaluated: int = 0
    without: set[Feature] = field(default_factory=set)


class Run:
    """The completions of some requests, from some endpoints; `close` it in any case.

    The number beside a request is the length of its prompt in tokens, for servers that do not say.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        requests: Sequence[tuple[GenerationRequest, int]],
        headers: Mapping[str, str],
        tls: ssl.SSLContext,
    ) -> None:
        self._endpoints = endpoints
        self._jobs = deque(
            _Job(request, n_tokens, list(request.wanted))
            for request, n_tokens in requests
            if request.wanted
        )
        self._headers = dict(headers)
        self._tls = tls
        self._asks: dict[asyncio.Task[None], _Ask] = {}
        self._results: SimpleQueue[Result | BaseException | None] = SimpleQueue()
        self._counted_until = time.monotonic()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._has_loop = threading.Event()
        self._wake = asyncio.Event()
        self._is_closing = False
        for endpoint in endpoints:
            endpoint.n_failures = 0
        self._thread = threading.Thread(target=self._main, name="openai_http", daemon=True)
        self._thread.start()

    def results(self) -> Iterator[Result]:
        """Yield each completion as it ends, with the usage to add for it.

        Raises ServiceError when every endpoint is away, ModelError when one refuses for good.
        """
        while (item := self._results.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    def close(self) -> None:
        """Cancel what is under way, and wait for the thread; a second call does nothing."""
        self._has_loop.wait()
        self._is_closing = True
        # the loop may just have ended by itself
        with suppress(RuntimeError):
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._wake.set)
        self._thread.join()

    def _main(self) -> None:
        try:
            asyncio.run(self._work())
        except BaseException as exc:  # noqa: BLE001 - raised again where the results are read
            self._results.put(exc)
        finally:
            self._has_loop.set()
            self._results.put(None)

    async def _work(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._has_loop.set()
        async with httpx.AsyncClient(
            headers=self._headers,
            verify=self._tls,
            trust_env=False,
            timeout=httpx.Timeout(IDLE_SECONDS, connect=CONNECT_SECONDS, pool=None),
            limits=NO_KEEPALIVE,
        ) as http:
            try:
                await self._share(http)
            finally:
                for task in self._asks:
                    task.cancel()
                await asyncio.gather(*self._asks, return_exceptions=True)

    async def _share(self, http: httpx.AsyncClient) -> None:
        """Give out the work until all of it is done."""
        while not self._is_closing:
            self._start_asks(http)
            if not self._asks and not self._jobs:
                return
            if not self._asks and all(e.n_failures >= MAX_FAILURES for e in self._endpoints):
                raise all_away(self._endpoints)
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._nap())
            self._wake.clear()
            for task in [task for task in self._asks if task.done()]:
                del self._asks[task]
                task.result()

    def _start_asks(self, http: httpx.AsyncClient) -> None:
        """Ask while an endpoint has room for more, the emptiest first."""
        while self._jobs:
            ready = sorted(filter(self._is_ready, self._endpoints), key=self._room, reverse=True)
            chosen = ((endpoint, self._choose_job(endpoint)) for endpoint in ready)
            endpoint, job = next((pair for pair in chosen if pair[1]), (None, None))
            if endpoint is None or job is None:
                return
            size = job.group_size(endpoint)
            ask = _Ask(endpoint, job, job.wanted[:size])
            del job.wanted[:size]
            job.home = endpoint
            if not job.wanted:
                self._jobs.remove(job)
            task = asyncio.create_task(self._ask(http, ask))
            task.add_done_callback(lambda _: self._wake.set())
            self._asks[task] = ask

    def _choose_job(self, endpoint: Endpoint) -> _Job | None:
        """Choose what is asked for next: a group that fits, so that its prompt is read once."""
        room = self._room(endpoint)
        jobs = [
            job
            for job in islice(self._jobs, _LOOK_AHEAD)
            if job.group_size(endpoint) <= room or endpoint.n_failures
        ]
        return min(jobs, key=lambda job: job.rank(endpoint), default=None)

    def _is_ready(self, endpoint: Endpoint) -> bool:
        is_given_up = endpoint.n_failures >= MAX_FAILURES
        has_waited = time.monotonic() >= endpoint.away_until
        return has_waited and not is_given_up and self._room(endpoint) > 0

    def _room(self, endpoint: Endpoint) -> int:
        """Return how many completions more it can work on; one that has failed is tried with one."""
        n_running = sum(len(a.wanted) for a in self._asks.values() if a.endpoint is endpoint)
        return (1 if endpoint.n_failures else endpoint.capacity) - n_running

    def _nap(self) -> float | None:
        """Return the seconds after which there may be room that nothing else tells of."""
        if not self._jobs:
            return None
        now = time.monotonic()
        naps = [e.away_until - now for e in self._endpoints if e.n_failures < MAX_FAILURES]
        return min((nap for nap in naps if nap > 0), default=1.0)

    async def _ask(self, http: httpx.AsyncClient, ask: _Ask) -> None:
        """Ask in the form that the server understands; what does not come is wanted again."""
        endpoint, request = ask.endpoint, ask.job.request
        ask.without = set(endpoint.unsupported)
        first_refusal = ""
        while True:
            body = endpoint.body(request, ask.wanted, ask.without)
            try:
                return await self._receive(http, ask, body)
            except Rejected as exc:
                first_refusal = first_refusal or str(exc)
                feature = suspect(body, ask.without, str(exc))
                if feature is None:
                    raise ModelError(
                        f"{endpoint.url} refuses the request ({first_refusal})."
                    ) from exc
                ask.without.add(feature)
                if feature == "n":
                    self._want_again(ask, ask.wanted[1:])
            except Away as exc:
                return self._set_aside(ask, exc)

    async def _receive(self, http: httpx.AsyncClient, ask: _Ask, body: dict[str, Any]) -> None:
        """Send one request and hand on what comes. Raises Rejected and Away."""
        reply = Reply(len(ask.wanted))
        pairs = list(zip(ask.wanted, reply.choices, strict=True))
        try:
            await self._read(http, ask, body, reply, pairs)
            if not reply.has_begun:
                # An error after the status line is lost in a stream; asked plainly, it is told.
                body = {k: v for k, v in body.items() if k != "stream_options"}
                await self._read(http, ask, {**body, "stream": False}, reply, pairs)
        except TooLong as exc:
            self._want_again(ask, ask.wanted)
            self._refuse_prompt(ask.job, str(exc))
        except Unparsed:
            # The same seed gives the same text: what came of it is kept. Others are asked singly.
            ask.job.is_single = True
            reply.is_complete = True
            if len(pairs) == 1:
                pairs[0][1].finish_reason = "stop"
            else:
                self._want_again(ask, [w for w, choice in pairs if not choice.finish_reason])
        finally:
            self._hand_on(ask, reply, [pair for pair in pairs if pair[1].finish_reason])
        if ask.wanted:
            self._take_missing(ask, reply)

    async def _read(
        self,
        http: httpx.AsyncClient,
        ask: _Ask,
        body: Mapping[str, Any],
        reply: Reply,
        pairs: Sequence[tuple[Wanted, Choice]],
    ) -> None:
        url = f"{ask.endpoint.url}/chat/completions"
        try:
            async with http.stream("POST", url, json=body) as response:
                if not response.is_success:
                    await response.aread()
                    ask.endpoint.check(response)
                _learn(ask.endpoint, ask.without)
                if not body["stream"]:
                    await response.aread()
                    self._take(ask, reply, response.json())
                    reply.is_complete = True
                    return
                async with aclosing(read_events(response.aiter_bytes())) as events:
                    async for event in events:
                        if event is None:
                            reply.is_complete = True
                            return
                        self._take(ask, reply, event)
                        self._hand_on(ask, reply, [p for p in pairs if p[1].n_tokens is not None])
        except httpx.HTTPError as exc:
            raise unreachable(exc, IDLE_SECONDS) from exc
        except ValueError as exc:
            raise Away("it does not answer in JSON") from exc

    def _take(self, ask: _Ask, reply: Reply, event: Mapping[str, Any]) -> None:
        error = event.get("error")
        if error:
            code = error.get("code") if isinstance(error, dict) else None
            ask.endpoint.refuse(code if isinstance(code, int) else 500, error_message(event))
        ask.first_at = ask.first_at or time.monotonic()
        reply.take(event)

    def _hand_on(self, ask: _Ask, reply: Reply, ended: Sequence[tuple[Wanted, Choice]]) -> None:
        """Yield the choices that have ended, once."""
        for wanted, choice in ended:
            if wanted in ask.wanted:
                self._yield(ask, reply, wanted, choice)
                ask.job.n_failures = ask.endpoint.n_failures = 0

    def _yield(self, ask: _Ask, reply: Reply, wanted: Wanted, choice: Choice) -> None:
        now = time.monotonic()
        n_tokens = max(1, choice.n_pieces) if choice.n_tokens is None else choice.n_tokens
        n_prompt_tokens = reply.n_prompt_tokens or ask.job.n_prompt_tokens
        completion = ask.job.request.completion(
            wanted,
            choice.text,
            _finish_reason(choice),
            reasoning=choice.reasoning,
            n_prompt_tokens=n_prompt_tokens,
            n_tokens=n_tokens,
            seconds=now - ask.started,
        )
        self._results.put((completion, self._usage(ask, reply, now, n_prompt_tokens, n_tokens)))
        ask.wanted.remove(wanted)
        self._wake.set()

    def _usage(
        self, ask: _Ask, reply: Reply, now: float, n_prompt_tokens: int, n_tokens: int
    ) -> Usage:
        """Return what to add: the wall time since the last completion, divided as for this one."""
        n_evaluated = n_prompt_tokens if reply.n_evaluated is None else reply.n_evaluated
        seconds, self._counted_until = now - self._counted_until, now
        fraction = ((ask.first_at or now) - ask.started) / max(1e-9, now - ask.started)
        usage = Usage(
            n_prompt_tokens=max(0, n_evaluated - ask.n_evaluated),
            prompt_seconds=seconds * fraction,
            n_tokens=n_tokens,
            token_seconds=seconds * (1 - fraction),
        )
        ask.n_evaluated = max(ask.n_evaluated, n_evaluated)
        return usage

    def _take_missing(self, ask: _Ask, reply: Reply) -> None:
        """Want again what did not come, and learn from it. Raises Away where the server failed."""
        endpoint = ask.endpoint
        is_cut = any(c.has_begun and not c.finish_reason for c in reply.choices)
        if not reply.has_begun or not reply.is_complete:
            raise Away("its answer broke off")
        if not is_cut:
            _learn(endpoint, {"n"})
        elif endpoint.capacity > 1:
            # llama-cpp-python's server drops one answer for the next, unless told otherwise.
            logger.warning("%s is asked for one completion at a time from now on", endpoint.url)
            endpoint.capacity = 1
        elif self._room(endpoint) == 0:
            raise Away("it ended an answer before its end")
        self._want_again(ask, ask.wanted)

    def _refuse_prompt(self, job: _Job, message: str) -> None:
        """Say of all that is wanted of this source that its prompt does not fit."""
        for wanted in job.wanted:
            completion = job.request.completion(wanted, message, "prompt_too_long")
            self._results.put((completion, Usage()))
        job.wanted.clear()
        self._jobs.remove(job)

    def _set_aside(self, ask: _Ask, away: Away) -> None:
        """Leave a failing server alone for a while, and its work to others.

        Raises ServiceError when a request fails everywhere, again and again.
        """
        endpoint, job, now = ask.endpoint, ask.job, time.monotonic()
        # A server that goes down breaks many answers, and has failed once.
        if ask.started >= endpoint.failed_at:
            endpoint.n_failures += 1
            endpoint.failed_at = now
            pause = min(MAX_BACKOFF_SECONDS, BACKOFF_SECONDS * 2 ** (endpoint.n_failures - 1))
            pause = max(pause, min(away.wait_seconds, MAX_BACKOFF_SECONDS))
            endpoint.away_until = now + pause
            logger.warning("%s is left alone for %.1f s: %s", endpoint.url, pause, away)
        endpoint.last_error = str(away)
        job.failed_on = endpoint
        job.home = None if job.home is endpoint else job.home
        job.n_failures += away.blames_request
        if job.n_failures >= MAX_FAILURES:
            raise all_away([endpoint])
        self._want_again(ask, ask.wanted)

    def _want_again(self, ask: _Ask, wanted: Sequence[Wanted]) -> None:
        """Put what did not come at the head of the queue."""
        job = ask.job
        job.wanted = [*wanted, *job.wanted]
        ask.wanted = [w for w in ask.wanted if w not in wanted]
        if job.wanted and job not in self._jobs:
            self._jobs.appendleft(job)


def _learn(endpoint: Endpoint, unsupported: set[Feature]) -> None:
    if unsupported - endpoint.unsupported:
        logger.info("%s does without %s", endpoint.url, ", ".join(sorted(unsupported)))
        endpoint.unsupported |= unsupported


def _finish_reason(choice: Choice) -> FinishReason:
    if choice.finish_reason != "length":
        return "stop"
    return "unclosed_thought" if choice.thoughts and not choice.pieces else "length"
