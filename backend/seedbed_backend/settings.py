"""The server side's settings, read from the environment in this module alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from seedbed.errors import UserError


@dataclass(frozen=True, slots=True)
class Settings:
    """All that the web process and the workers need to know. Paths are absolute."""

    home: Path
    store_url: str
    redis_url: str
    engine: str
    model: Path | None
    embedding_model: Path | None
    nli_model: Path | None
    context_length: int
    judge_model: Path | None
    judge_context_length: int
    n_threads: int
    n_slots: int
    n_gpu_layers: int
    visible_gpus: tuple[str, ...]
    endpoints: tuple[str, ...]
    endpoint_model: str
    endpoint_api_key: str
    endpoint_concurrency: int
    judge_endpoints: tuple[str, ...]
    judge_endpoint_model: str
    allow_public_endpoints: bool
    label_studio_url: str
    label_studio_api_key: str
    url: str
    basic_auth_user: str
    basic_auth_pass: str
    webhook_secret: str
    predict_wait_seconds: float
    sync_seconds: float
    port: int
    log_level: str

    @staticmethod
    def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
        """Read the settings. Raises UserError naming a variable that is not a number."""
        env = os.environ if environment is None else environment
        home = Path(env.get("SEEDBED_HOME", ".seedbed")).absolute()
        port = int(_number(env, "PORT", 9090))
        return Settings(
            home=home,
            store_url=env.get("SEEDBED_STORE_URL") or f"sqlite:///{home / 'seedbed.sqlite3'}",
            redis_url=env.get("SEEDBED_REDIS_URL") or "redis://localhost:6379/0",
            engine=env.get("SEEDBED_ENGINE") or "llama_cpp",
            model=_path(env, "SEEDBED_MODEL", base=env.get("MODEL_DIR", "")),
            embedding_model=_path(env, "SEEDBED_EMBEDDING_MODEL", base=env.get("MODEL_DIR", "")),
            nli_model=_path(env, "SEEDBED_NLI_MODEL", base=env.get("MODEL_DIR", "")),
            context_length=int(_number(env, "SEEDBED_CONTEXT_LENGTH", 4096)),
            judge_model=_path(env, "SEEDBED_JUDGE_MODEL", base=env.get("MODEL_DIR", "")),
            judge_context_length=int(_number(env, "SEEDBED_JUDGE_CONTEXT_LENGTH", 4096)),
            n_threads=int(_number(env, "SEEDBED_THREADS", 0)),
            n_slots=int(_number(env, "SEEDBED_SLOTS", 0)),
            n_gpu_layers=int(_number(env, "SEEDBED_GPU_LAYERS", -1)),
            visible_gpus=_list(env, "CUDA_VISIBLE_DEVICES"),
            endpoints=_list(env, "SEEDBED_ENDPOINTS"),
            endpoint_model=env.get("SEEDBED_ENDPOINT_MODEL", ""),
            endpoint_api_key=env.get("SEEDBED_ENDPOINT_API_KEY", ""),
            endpoint_concurrency=int(_number(env, "SEEDBED_ENDPOINT_CONCURRENCY", 4)),
            judge_endpoints=_list(env, "SEEDBED_JUDGE_ENDPOINTS"),
            judge_endpoint_model=env.get("SEEDBED_JUDGE_ENDPOINT_MODEL", ""),
            allow_public_endpoints=env.get("SEEDBED_ALLOW_PUBLIC_ENDPOINTS", "") == "1",
            label_studio_url=env.get("LABEL_STUDIO_URL", "http://localhost:8080").rstrip("/"),
            label_studio_api_key=env.get("LABEL_STUDIO_API_KEY", ""),
            url=env.get("SEEDBED_URL", f"http://localhost:{port}").rstrip("/"),
            basic_auth_user=env.get("BASIC_AUTH_USER") or "seedbed",
            basic_auth_pass=env.get("BASIC_AUTH_PASS", ""),
            webhook_secret=env.get("SEEDBED_WEBHOOK_SECRET", ""),
            predict_wait_seconds=_number(env, "SEEDBED_PREDICT_WAIT_SECONDS", 8.0),
            sync_seconds=max(0.0, _number(env, "SEEDBED_SYNC_SECONDS", 600.0)),
            port=port,
            log_level=env.get("LOG_LEVEL", "INFO").upper(),
        )


def _path(env: Mapping[str, str], name: str, base: str) -> Path | None:
    value = env.get(name, "")
    return Path(base, value).expanduser().absolute() if value else None


def _list(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in env.get(name, "").split(",") if part.strip())


def _number(env: Mapping[str, str], name: str, default: float) -> float:
    value = env.get(name, "")
    try:
        return float(value) if value else default
    except ValueError as exc:
        raise UserError(f"{name} is not a number: {value!r}.") from exc
