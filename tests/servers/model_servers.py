"""The real servers that `openai_http` asks, started on a GGUF: llama-server, llama-cpp-python's."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import httpx

from seedbed_backend.stack.processes import ChildProcess, free_port
from servers import llama_cpp_tools

READY_SECONDS = 60.0


@dataclass(frozen=True)
class ModelServer:
    """A running server; `url` is its OpenAI-compatible API."""

    url: str
    process: ChildProcess

    def metric(self, name: str) -> float:
        """Read one of llama-server's own counters."""
        text = httpx.get(f"{self.url.removesuffix('/v1')}/metrics", trust_env=False).text
        lines = [line for line in text.splitlines() if line.startswith(f"llamacpp:{name} ")]
        return float(lines[0].split()[1])

    def stop(self) -> None:
        self.process.stop()

    def kill(self) -> None:
        """End it as a power cut does; asked to stop, it would first finish what it is at."""
        self.process._process.kill()


def start_llama_server(
    model: Path, folder: Path, *options: str, n_slots: int = 4, n_context: int = 1024
) -> ModelServer:
    """Start llama-server with `n_context` tokens for each of its slots."""
    port = free_port(0)
    program = llama_cpp_tools.ensure() / "llama-server"
    command = [program, "--model", model, "--port", str(port), "--host", "127.0.0.1"]
    command += ["--ctx-size", str(n_context * n_slots), "--parallel", str(n_slots)]
    command += ["--threads", "1", "--alias", "demo", "--offline", "--metrics", *options]
    return _started("llama-server", command, port, folder)


def start_python_server(model: Path, folder: Path, n_context: int = 1024) -> ModelServer:
    """Start llama-cpp-python's own server, which answers one request at a time."""
    port = free_port(0)
    command = [sys.executable, "-m", "llama_cpp.server", "--model", model, "--port", str(port)]
    command += ["--host", "127.0.0.1", "--model_alias", "demo", "--n_threads", "1"]
    command += ["--n_ctx", str(n_context)]
    return _started("llama_cpp.server", command, port, folder)


def _started(name: str, command: list[str | Path], port: int, folder: Path) -> ModelServer:
    process = ChildProcess(name, command, folder / f"{name}-{port}.log")
    url = f"http://127.0.0.1:{port}/v1"

    def is_ready() -> bool:
        try:
            return httpx.get(f"{url}/models", trust_env=False).is_success
        except httpx.HTTPError:
            return False

    try:
        process.wait_until(is_ready, READY_SECONDS)
    except BaseException:
        process.stop()
        raise
    return ModelServer(url, process)
