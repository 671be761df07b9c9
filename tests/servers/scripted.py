"""A server that misbehaves as a test wants it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODELS = {"data": [{"id": "demo", "max_model_len": 1000}]}


class Exchange:
    """One chat completion request, to be answered by the script."""

    def __init__(self, handler: BaseHTTPRequestHandler, body: dict[str, Any], n: int) -> None:
        self.handler = handler
        self.body = body
        self.n = n
        """Counts the chat completion requests, from 0."""

    def answer(self, status: int, body: Any, **headers: str) -> None:
        data = json.dumps(body).encode()
        self.handler.send_response(status)
        for name, value in headers.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.send_header("Content-Length", str(len(data)))
        self.handler.end_headers()
        self.handler.wfile.write(data)

    def refuse(self, status: int, message: str, **headers: str) -> None:
        self.answer(status, {"error": {"message": message}}, **headers)

    def stream(self, lines: Iterable[str]) -> None:
        """Send these lines as they are; the connection's end ends them."""
        self.handler.send_response(200)
        self.handler.send_header("Content-Type", "text/event-stream")
        self.handler.end_headers()
        for line in lines:
            self.handler.wfile.write(f"{line}\n\n".encode())
            self.handler.wfile.flush()

    def complete(self, text: str = '{"paraphrase": "x"}', n: int = 1) -> None:
        """Answer as a well-behaved server does, with these choices."""
        events: list[Any] = [delta(i, content=text) for i in range(n)]
        events += [delta(i, finish_reason="stop") for i in range(n)]
        events.append(usage(n_prompt=50, n_cached=10, n_tokens=7 * n))
        self.stream([*(f"data: {json.dumps(event)}" for event in events), "data: [DONE]"])


def delta(index: int, *, finish_reason: str | None = None, **fields: str) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": fields, "finish_reason": finish_reason}]}


def usage(*, n_prompt: int, n_cached: int, n_tokens: int) -> dict[str, Any]:
    details = {"cached_tokens": n_cached}
    counts = {"prompt_tokens": n_prompt, "completion_tokens": n_tokens}
    return {"choices": [], "usage": {**counts, "prompt_tokens_details": details}}


class ScriptedServer:
    """Lists the model `demo`, and hands every chat completion request to `script`."""

    def __init__(self, script: Callable[[Exchange], None]) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.released = threading.Event()
        """A script that hangs waits for it; set when the test ends."""
        lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                exchange = Exchange(self, {}, 0)
                if self.path == "/v1/models":
                    exchange.answer(200, MODELS)
                else:
                    exchange.refuse(404, "not here")

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path != "/v1/chat/completions":
                    Exchange(self, body, 0).refuse(404, "not here")
                    return
                with lock:
                    outer.bodies.append(body)
                    outer.headers.append(dict(self.headers))
                    n = len(outer.bodies) - 1
                script(Exchange(self, body, n))

            def log_message(self, format: str, *args: Any) -> None:
                """Stay quiet."""

        class Server(ThreadingHTTPServer):
            daemon_threads = False

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that has gone away is what some tests are about."""

        self._http = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,))

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
