"""The engine that asks servers: real ones where it is about them, scripted ones where they fail."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from contextlib import ExitStack

import jsonschema
import pytest

from growing import MODEL
from seedbed import registry
from seedbed.errors import ModelError, ServiceError, SourceError, UserError
from seedbed.records import SourceTask
from seedbed_backend.engine import endpoint_run, open_engine
from seedbed_backend.engine.base import GenerationRequest, SamplingParams
from seedbed_backend.services import Services
from seedbed_backend.settings import Settings
from servers.model_servers import start_llama_server, start_python_server
from servers.scripted import ScriptedServer, delta, usage

TEXT = "The provider shall deliver the report within ten days."


def request_for(text: str = TEXT, n: int = 4, **changes) -> GenerationRequest:
    values = {
        "temperature": 0.8, "top_p": 0.95, "top_k": 40, "min_p": 0.05, "repeat_penalty": 1.1,
        "max_tokens": 120,
    }  # fmt: skip
    prompt = registry.technique("paraphrase").prompt(SourceTask.of({"original": text}))
    wanted = tuple((f"{prompt.source_id}-{i}", i, 2**32 - 90 + 7 * i) for i in range(n))
    return GenerationRequest(prompt, SamplingParams(**{**values, **changes}), wanted)


def requests_for(n_sources: int, n: int = 4) -> list[GenerationRequest]:
    return [request_for(f"The report {i} is due on day {i}.", n) for i in range(n_sources)]


def ids(requests) -> set[str]:
    return {wanted[0] for request in requests for wanted in request.wanted}


@pytest.fixture
def opened():
    """Open engines that are closed after the test, and see that no thread is left."""
    before = set(threading.enumerate())
    with ExitStack() as stack:

        def open_(*servers, **options):
            urls = tuple(getattr(server, "url", server) for server in servers)
            engine = open_engine("openai_http", endpoints=urls, **options)
            stack.callback(engine.close)
            return engine

        yield open_
    left = [t for t in set(threading.enumerate()) - before if t.name.startswith("openai_http")]
    assert not left


@pytest.fixture
def scripted():
    """Start scripted servers that end with the test."""
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(ScriptedServer(script))


@pytest.fixture
def impatient(monkeypatch):
    """Try a failing server again at once."""
    monkeypatch.setattr(endpoint_run, "BACKOFF_SECONDS", 0.01)


@pytest.fixture(scope="module")
def llama_server(tmp_path_factory):
    server = start_llama_server(MODEL, tmp_path_factory.mktemp("llama-server"))
    yield server
    server.stop()


@pytest.fixture
def two_servers(tmp_path):
    servers = [start_llama_server(MODEL, tmp_path) for _ in range(2)]
    yield servers
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def python_server(tmp_path_factory):
    server = start_python_server(MODEL, tmp_path_factory.mktemp("llama-cpp-python"))
    yield server
    server.stop()


# real servers


@pytest.mark.integration
def test_answers_fit_the_schema_and_differ(opened, llama_server):
    engine, requests = opened(llama_server), requests_for(5, 8)
    completions = list(engine.generate(requests))
    assert {c.id for c in completions} == ids(requests)
    schema = dict(requests[0].prompt.schema)
    for completion in completions:
        if completion.finish_reason == "stop":
            jsonschema.validate(json.loads(completion.text), schema)
        assert completion.n_prompt_tokens == engine.count_tokens(requests[0].prompt)
        assert 0 < completion.n_tokens <= 120
    for request in requests:
        texts = {c.text for c in completions if c.source_id == request.prompt.source_id}
        assert len(texts) >= 4
    assert engine.usage.n_tokens == sum(c.n_tokens for c in completions)
    assert 0 < engine.usage.n_prompt_tokens < sum(c.n_prompt_tokens for c in completions)
    assert engine.usage.prompt_seconds > 0 < engine.usage.token_seconds


@pytest.mark.integration
def test_says_what_the_server_says_of_itself(opened, llama_server):
    engine = opened(llama_server, context_length=77)
    assert (engine.model.name, engine.model.context_length) == ("demo", 1024)
    assert len(engine.model.sha256) == 64


@pytest.mark.integration
def test_counts_tokens_as_the_library_does(opened, llama_server):
    engine = opened(llama_server, tokenizer_only=True)
    library = open_engine("llama_cpp", model_path=MODEL, tokenizer_only=True)
    for text in ("short", "Größe 漢字 🙂 " * 20):
        prompt = request_for(text).prompt
        assert engine.count_tokens(prompt) == library.count_tokens(prompt)
    library.close()
    request = request_for(max_tokens=1024)
    assert engine.excess_tokens(request) == engine.count_tokens(request.prompt)
    with pytest.raises(ModelError, match="count tokens only"):
        engine.generate([request])


@pytest.mark.integration
def test_cut_and_greedy_completions(opened, llama_server):
    engine = opened(llama_server)
    cut = list(engine.generate([request_for(max_tokens=5)]))
    assert {(c.finish_reason, c.n_tokens) for c in cut} == {("length", 5)}
    greedy = list(engine.generate([request_for(temperature=0.0)]))
    assert len({c.text for c in greedy}) == 1


@pytest.mark.integration
def test_prompt_known_to_be_too_long_is_refused_before_anything(opened, llama_server):
    engine = opened(llama_server)
    with pytest.raises(SourceError, match="tokens too long"):
        engine.generate([request_for(), request_for("word " * 2000)])


@pytest.mark.integration
def test_prompt_that_the_server_finds_too_long_is_data(opened, llama_server, monkeypatch):
    engine = opened(llama_server)
    monkeypatch.setattr(engine, "count_tokens", lambda prompt: 1)
    fits, too_long = request_for(), request_for("word " * 2000, 6)
    by_reason = {}
    for completion in engine.generate([too_long, fits]):
        by_reason.setdefault(completion.finish_reason == "prompt_too_long", []).append(completion)
    assert {c.id for c in by_reason[True]} == ids([too_long])
    assert {c.id for c in by_reason[False]} == ids([fits])
    assert all("exceeds the available context size" in c.text for c in by_reason[True])


@pytest.mark.integration
def test_text_that_the_server_cannot_read_is_data(opened, tiny_model, tmp_path):
    """Random weights write bytes that llama-server's own parser refuses with an error 500."""
    server = start_llama_server(tiny_model, tmp_path)
    engine, requests = opened(server), requests_for(3, 6)
    completions = list(engine.generate(requests))
    assert {c.id for c in completions} == ids(requests)
    assert len(completions) == 18
    server.stop()


@pytest.mark.integration
def test_two_servers_share_the_work(opened, two_servers):
    requests = requests_for(12)
    completions = list(opened(*two_servers).generate(requests))
    assert {c.id for c in completions} == ids(requests)
    shares = [server.metric("tokens_predicted_total") for server in two_servers]
    assert min(shares) > 0.2 * sum(shares)


@pytest.mark.integration
def test_one_server_killed_in_mid_run(opened, two_servers):
    requests = requests_for(30)
    running = opened(*two_servers).generate(requests)
    completions = [next(running)]
    two_servers[0].kill()
    completions += running
    assert len(completions) == 120
    assert {c.id for c in completions} == ids(requests)


@pytest.mark.integration
def test_all_servers_killed_in_mid_run(opened, two_servers, impatient):
    requests = requests_for(40)
    running = opened(*two_servers).generate(requests)
    completions = [next(running)]
    for server in two_servers:
        server.kill()
    with pytest.raises(ServiceError) as error:
        completions.extend(running)
    assert error.value.retryable
    assert all(server.url in str(error.value) for server in two_servers)
    assert 0 < len(completions) < 160
    assert len({c.id for c in completions}) == len(completions)


@pytest.mark.integration
@pytest.mark.parametrize("n_generated", [0, 1])
def test_closing_ends_what_is_under_way(opened, llama_server, n_generated):
    engine = opened(llama_server)
    running = engine.generate(requests_for(50))
    for _ in range(n_generated):
        next(running)
    running.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("openai_http")]
    deadline = time.monotonic() + 10
    while llama_server.metric("requests_processing") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert llama_server.metric("requests_processing") == 0
    assert len(list(engine.generate([request_for()]))) == 4


@pytest.mark.integration
def test_closed_engine_says_so(opened, llama_server):
    engine = opened(llama_server)
    running = engine.generate(requests_for(50))
    next(running)
    engine.close()
    engine.close()
    with pytest.raises(ModelError, match="is closed"):
        list(running)
    with pytest.raises(ModelError, match="is closed"):
        engine.generate([request_for()])


@pytest.mark.integration
def test_server_of_another_dialect(opened, python_server):
    """llama-cpp-python knows no `n` and no json_schema, and drops an answer for the next."""
    engine, requests = opened(python_server), requests_for(3)
    completions = list(engine.generate(requests))
    assert {c.id for c in completions} == ids(requests)
    for completion in completions:
        if completion.finish_reason == "stop":
            assert list(json.loads(completion.text)) == ["paraphrase"]
    (endpoint,) = engine._endpoints
    assert "json_schema" in endpoint.unsupported
    assert "extensions" not in endpoint.unsupported


@pytest.mark.integration
def test_server_that_fails_after_its_status_line_is_asked_for_the_reason(opened, python_server):
    engine = opened(python_server, context_length=100_000)
    too_long = request_for("word " * 3000, 3)
    completions = list(engine.generate([too_long, request_for()]))
    refused = [c for c in completions if c.finish_reason == "prompt_too_long"]
    assert {c.id for c in refused} == ids([too_long])
    assert all("maximum context length is 1024" in c.text for c in refused)
    assert len(completions) == 7


# servers that fail


def test_hung_server_is_left_for_another(opened, scripted, monkeypatch):
    monkeypatch.setattr(endpoint_run, "IDLE_SECONDS", 0.5)
    hung = scripted(lambda exchange: hung.released.wait())
    well = scripted(lambda exchange: exchange.complete(n=exchange.body.get("n", 1)))
    requests = requests_for(4)
    completions = list(opened(hung, well).generate(requests))
    assert {c.id for c in completions} == ids(requests)
    assert hung.bodies


def test_server_that_hangs_in_mid_answer(opened, scripted, monkeypatch):
    monkeypatch.setattr(endpoint_run, "IDLE_SECONDS", 0.5)

    def script(exchange):
        exchange.stream([f"data: {json.dumps(delta(0, content='half'))}"])
        hung.released.wait()

    hung = scripted(script)
    well = scripted(lambda exchange: exchange.complete("whole"))
    completions = list(opened(hung, well, endpoint_concurrency=1).generate(requests_for(2, 1)))
    assert [c.text for c in completions] == ["whole", "whole"]


def test_server_that_was_away_at_first_is_left_out(opened, scripted):
    well = scripted(lambda exchange: exchange.complete())
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        engine = opened(f"http://127.0.0.1:{nobody.getsockname()[1]}/v1", well)
    assert len(list(engine.generate([request_for(n=1)]))) == 1


def test_no_server_at_all(opened):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/v1"
    with pytest.raises(ServiceError, match=url) as error:
        opened(url)
    assert error.value.retryable


@pytest.mark.parametrize("status", [429, 500, 503])
def test_server_that_is_busy_is_asked_again(opened, scripted, impatient, status):
    def script(exchange):
        if exchange.n < 3:
            exchange.refuse(status, "loading", Retry_After="0")
        else:
            exchange.complete()

    server = scripted(script)
    assert len(list(opened(server).generate(requests_for(2, 1)))) == 2


def test_server_that_asks_for_patience_gets_it(opened, scripted, impatient):
    def script(exchange):
        exchange.refuse(429, "busy", Retry_After="1") if exchange.n < 1 else exchange.complete()

    started = time.monotonic()
    list(opened(scripted(script)).generate([request_for(n=1)]))
    assert time.monotonic() - started > 0.9


def test_broken_server_keeps_what_came_before(opened, scripted, impatient):
    server = scripted(
        lambda exchange: exchange.complete() if exchange.n < 2 else exchange.refuse(500, "kaput")
    )
    completions = []
    with pytest.raises(ServiceError, match="kaput") as error:
        completions.extend(opened(server, endpoint_concurrency=1).generate(requests_for(4, 1)))
    assert server.url in str(error.value)
    assert len(completions) == 2


def test_strict_server_is_asked_without_the_extensions(opened, scripted):
    def script(exchange):
        unknown = {"top_k", "min_p", "repeat_penalty", "repetition_penalty"} & set(exchange.body)
        if unknown:
            exchange.answer(422, {"detail": [{"loc": ["body", "min_p"], "msg": "extra"}]})
        else:
            exchange.complete()

    server = scripted(script)
    engine = opened(server, endpoint_concurrency=1)
    assert len(list(engine.generate(requests_for(3, 1)))) == 3
    assert len(server.bodies) == 4  # refused once, then remembered
    assert "response_format" in server.bodies[-1]


def test_server_without_n_is_asked_for_each_with_its_own_seed(opened, scripted):
    server = scripted(lambda exchange: exchange.complete(f"seed {exchange.body['seed']}"))
    request = request_for()
    completions = list(opened(server).generate([request]))
    seeds = {w[0]: w[2] for w in request.wanted}
    assert {c.id: c.text for c in completions} == {i: f"seed {s}" for i, s in seeds.items()}
    assert [body.get("n", 1) for body in server.bodies] == [4, 1, 1, 1]


def test_server_that_refuses_n_outright(opened, scripted):
    def script(exchange):
        if exchange.body.get("n", 1) > 1:
            exchange.refuse(400, "Field 'n': value must be 1")
        else:
            exchange.complete()

    server = scripted(script)
    completions = list(opened(server).generate(requests_for(2)))
    assert len({c.id for c in completions}) == 8
    assert "min_p" in server.bodies[-1]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_refusal_names_the_server_and_its_words(opened, scripted, status):
    server = scripted(lambda exchange: exchange.refuse(status, "not for you"))
    with pytest.raises(ModelError, match="not for you") as error:
        list(opened(server).generate([request_for(n=1)]))
    assert server.url in str(error.value)


def test_request_that_no_form_mends(opened, scripted):
    server = scripted(lambda exchange: exchange.refuse(400, "no such thing"))
    with pytest.raises(ModelError, match="400: no such thing"):
        list(opened(server).generate([request_for()]))


def test_redirect_is_not_followed(opened, scripted):
    other = scripted(lambda exchange: exchange.complete())
    server = scripted(
        lambda exchange: exchange.answer(307, {}, Location=f"{other.url}/chat/completions")
    )
    with pytest.raises(ModelError, match="redirects"):
        list(opened(server).generate([request_for(n=1)]))
    assert not other.bodies


def test_vllm_counts_once_for_all_choices(opened, scripted):
    server = scripted(lambda exchange: exchange.complete("ü\u2028", n=exchange.body["n"]))
    engine = opened(server)
    completions = list(engine.generate([request_for()]))
    assert [(c.text, c.n_tokens, c.n_prompt_tokens) for c in completions] == [
        ("ü\u2028", 7, 50)
    ] * 4
    assert (engine.usage.n_prompt_tokens, engine.usage.n_tokens) == (40, 28)


def test_reasoning_is_no_part_of_the_text(opened, scripted):
    events = [
        delta(0, reasoning_content="Let me think."),
        delta(0, reasoning="Still thinking."),
        delta(0, content="Yes"),
        delta(0, finish_reason="length"),
        usage(n_prompt=5, n_cached=0, n_tokens=9),
    ]
    lines = [": ping", *(f"data: {json.dumps(e)}" for e in events), "data: [DONE]"]
    server = scripted(lambda exchange: exchange.stream(lines))
    (completion,) = opened(server).generate([request_for(n=1)])
    assert (completion.text, completion.finish_reason) == ("Yes", "length")
    assert completion.reasoning == "Let me think.Still thinking."
    assert completion.n_tokens == 9


def test_thought_without_an_answer_says_so(opened, scripted):
    events = [delta(0, reasoning_content="Let me"), delta(0, finish_reason="length")]
    lines = [*(f"data: {json.dumps(e)}" for e in events), "data: [DONE]"]
    server = scripted(lambda exchange: exchange.stream(lines))
    (completion,) = opened(server).generate([request_for(n=1)])
    assert (completion.text, completion.finish_reason) == ("", "unclosed_thought")


def test_thinking_is_asked_for_or_not(opened, scripted):
    server = scripted(lambda exchange: exchange.complete())
    engine = opened(server)
    list(engine.generate([request_for(n=1)]))
    list(engine.generate([request_for(n=1, max_thought_tokens=50)]))
    list(engine.generate([request_for(n=1, max_thought_tokens=50, closes_thoughts=False)]))
    told = [body["chat_template_kwargs"]["enable_thinking"] for body in server.bodies]
    assert told == [False, True, True]
    assert [body["max_tokens"] for body in server.bodies] == [120, 170, 170]
    assert [body.get("reasoning_budget_tokens") for body in server.bodies] == [None, 50, None]


def test_error_in_mid_stream_is_tried_again(opened, scripted, impatient):
    def script(exchange):
        if exchange.n:
            exchange.complete("whole")
        else:
            error = {"error": {"code": 500, "message": "compute error"}}
            exchange.stream(f"data: {json.dumps(e)}" for e in (delta(0, content="half"), error))

    (completion,) = opened(scripted(script)).generate([request_for(n=1)])
    assert completion.text == "whole"


@pytest.mark.parametrize("rng_seed", range(5))
def test_whatever_goes_wrong_each_completion_comes_once(opened, scripted, monkeypatch, rng_seed):
    monkeypatch.setattr(endpoint_run, "MAX_BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr(endpoint_run, "MAX_FAILURES", 50)
    rng = random.Random(rng_seed)

    def script(exchange):
        n = exchange.body.get("n", 1)
        half = f"data: {json.dumps(delta(0, content='half'))}"
        whole = f"data: {json.dumps(delta(0, finish_reason='stop'))}"
        error = f"data: {json.dumps({'error': {'message': 'compute error'}})}"
        rng.choice(
            [
                *[lambda: exchange.complete(n=n)] * 6,
                lambda: exchange.complete(n=(n + 1) // 2),
                lambda: exchange.refuse(500, "kaput"),
                lambda: exchange.refuse(429, "busy"),
                lambda: exchange.stream([half]),
                lambda: exchange.stream([half, error]),
                lambda: exchange.stream([half, whole]),
                lambda: exchange.stream([half, whole, error]),
                lambda: exchange.stream([half, "data: [DONE]"]),
                lambda: exchange.stream(["data: {"]),
                lambda: exchange.handler.connection.close(),
            ]
        )()

    requests = requests_for(20, 5)
    completions = list(opened(*(scripted(script) for _ in range(3))).generate(requests))
    assert sorted(c.id for c in completions) == sorted(ids(requests))


def test_key_is_sent_and_the_environment_s_proxy_is_not_used(opened, scripted, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    server = scripted(lambda exchange: exchange.complete())
    engine = opened(server, endpoint_api_key="secret")
    list(engine.generate([request_for(n=1)]))
    assert server.headers[0]["Authorization"] == "Bearer secret"
    assert "secret" not in repr(engine._options)


def test_model_must_be_served(opened, scripted):
    server = scripted(lambda exchange: exchange.complete())
    assert opened(server, endpoint_model="demo").model.name == "demo"
    with pytest.raises(ModelError, match="'other'; it serves: demo"):
        opened(server, endpoint_model="other")


def test_estimate_where_no_server_counts(opened, scripted):
    engine = opened(scripted(lambda exchange: exchange.complete()))
    assert engine.model.context_length == 1000
    short, long = request_for("word " * 300), request_for("word " * 3000)
    assert 375 < engine.count_tokens(short.prompt) < 600
    assert engine.excess_tokens(request_for("word " * 700)) == 0
    assert engine.excess_tokens(long) > 0


# where data may go


@pytest.mark.parametrize(
    "url",
    [
        "http://8.8.8.8/v1",
        "http://[2001:4860:4860::8888]:8000/v1",
        "http://[::ffff:8.8.8.8]/v1",
        "http://100.64.0.1/v1",
        "http://no-such-name.example/v1",
    ],
)
def test_public_address_is_refused(opened, url):
    with pytest.raises(UserError, match="local network") as error:
        opened(url)
    assert "SEEDBED_ALLOW_PUBLIC_ENDPOINTS=1" in str(error.value)


@pytest.mark.parametrize("host", ["gpu1", "gpu1.lan", "gpu1.example.com"])
@pytest.mark.parametrize("address", ["10.1.2.3", "93.184.215.14"])
def test_name_is_as_local_as_its_addresses(opened, monkeypatch, host, address):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, 0)) for a in ("127.0.0.1", address)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
    monkeypatch.setattr("seedbed_backend.engine.openai_http.OpenAIHTTP._greet", _stop)
    expected = Stopped if address == "10.1.2.3" else UserError
    with pytest.raises(expected):
        opened(f"http://{host}:8000/v1")
    with pytest.raises(Stopped):
        opened(f"http://{host}:8000/v1", allow_public_endpoints=True)


@pytest.mark.parametrize(
    "url",
    [
        "http://192.168.1.5:8000/v1",
        "http://[fd00::1]/v1",
        "http://[fe80::1]/v1",
        "http://gpu1/v1",
        "https://gpu1.internal/v1",
        "http://gpu1.local/v1",
    ],
)
def test_local_address_passes(opened, monkeypatch, url):
    monkeypatch.setattr("seedbed_backend.engine.openai_http.OpenAIHTTP._greet", _stop)
    with pytest.raises(Stopped):
        opened(url)


class Stopped(Exception):
    """Raised in place of asking the server."""


def _stop(_engine):
    raise Stopped


@pytest.mark.parametrize("url", ["gpu1:8000", "ftp://gpu1/v1", "http://", "http://x/v1?a=b", "/v1"])
def test_what_is_no_url(opened, url):
    with pytest.raises(UserError, match="endpoint"):
        opened(url)


def test_endpoints_come_from_the_settings(opened, scripted):
    server = scripted(lambda exchange: exchange.complete())
    environment = {
        "SEEDBED_ENGINE": "openai_http",
        "SEEDBED_ENDPOINTS": f"{server.url}, {server.url}/,",
        "SEEDBED_ENDPOINT_MODEL": "demo",
        "SEEDBED_ENDPOINT_API_KEY": "secret",
        "SEEDBED_ENDPOINT_CONCURRENCY": "7",
    }
    services = Services(Settings.from_environment(environment))
    assert services.engine.model.name == services.tokenizer.model.name == "demo"
    assert [(e.url, e.capacity) for e in services.engine._endpoints] == [(server.url, 7)]
    services.close()
    assert not Settings.from_environment({}).allow_public_endpoints
    with pytest.raises(UserError, match="has no endpoint"):
        opened()
