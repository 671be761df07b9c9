"""How fast Seedbed generates, against what people run instead; all in one run, interleaved.

    make bench-generation

Work: 12 prompts of 512 tokens that share a 256-token system prompt, 5 completions of 64 tokens each;
and a long case of 4 documents of 3,000 tokens, 16 completions each. Models have random weights in
the shapes of small ones (synthetic_gguf.py), so that nothing is downloaded. Each contender does the
same work in every round; a round in which other programs took more than `MAX_STOLEN` of the CPU is
repeated. Ratios are medians over rounds of ours ÷ theirs within the same round.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pipeline
import synthetic_gguf
from llama_cpp import Llama

from seedbed.records import Message, Prompt
from seedbed_backend.engine import hardware
from seedbed_backend.engine.base import GenerationRequest, LoadOptions, SamplingParams
from seedbed_backend.engine.llama_cpp import LlamaCpp
from seedbed_backend.stack.processes import ChildProcess, free_port

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from servers import llama_cpp_tools

MAX_STOLEN = 0.05
"""Share of the machine's CPU time that others may take in a round that counts."""

MAX_REPEATS = 4
CHILDREN: set[int] = set()
"""Process ids of running servers that belong to the measurement."""

N_SLOTS = 20
N_THREADS = hardware.n_threads()
SCHEMA = {
    "type": "object",
    "properties": {
        "question": {"type": "string", "minLength": 1},
        "answer": {"type": "string", "minLength": 1},
    },
    "required": ["question", "answer"],
    "additionalProperties": False,
}
SAMPLING = {"temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05}


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be generated; lengths in tokens."""

    n_prompts: int
    n_prompt_tokens: int
    n_shared: int
    n_completions: int
    n_tokens: int

    @property
    def n_evaluated(self) -> int:
        """Return the prompt tokens that must be evaluated once at least."""
        return self.n_shared + self.n_prompts * (self.n_prompt_tokens - self.n_shared)


SHORT = Work(12, 512, 256, 5, 64)
LONG = Work(4, 3000, 64, 16, 64)


@dataclass(slots=True)
class Task:
    """Work on one model: the prompts, and everybody's tokens per second, round by round."""

    model: Path
    work: Work
    prompts: list[tuple[Message, ...]]
    rates: dict[str, list[float]]


def main() -> None:
    """Measure, print a table, and end with one line RESULT {json}."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--long-rounds", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where the models are kept between runs")
    parser.add_argument(
        "--distilabel-python", type=Path, help="the Python of an environment with distilabel"
    )
    parser.add_argument(
        "--pipeline-target", type=int, default=pipeline.TARGET, help="survivors; 0 leaves it out"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        small = _model(folder, synthetic_gguf.SMALL)
        wide = _model(folder, synthetic_gguf.WIDE)
        tasks = {
            "small": _task(small, SHORT),
            "wide": _task(wide, SHORT),
            "long": _task(small, LONG),
        }
        _measure(tasks["small"], ("ours", "naive", "server", "limit"), options)
        _measure(tasks["wide"], ("ours", "ours json", "naive json", "server json"), options)
        options.rounds = options.long_rounds
        _measure(tasks["long"], ("ours", "naive"), options)
    small, wide, long = (tasks[name].rates for name in ("small", "wide", "long"))
    result = {
        "tokens_per_second": round(statistics.median(small["ours"]), 1),
        "ratio_to_naive": _ratio(small, "ours", "naive"),
        "ratio_to_distilabel": _ratio(small, "ours", "distilabel"),
        "ratio_to_llama_server": _ratio(small, "ours", "server"),
        "ratio_to_batched_bench": _ratio(small, "ours", "limit"),
        "json_ratio_to_free": _ratio(wide, "ours json", "ours"),
        "json_ratio_to_naive_json": _ratio(wide, "ours json", "naive json"),
        "json_ratio_to_llama_server_json": _ratio(wide, "ours json", "server json"),
        "long_document_ratio_to_naive": _ratio(long, "ours", "naive"),
        "pipeline_ratio_to_generation": None,
    }
    if options.pipeline_target:
        run = pipeline.measure(options.pipeline_target)
        result["pipeline_ratio_to_generation"] = run["pipeline_ratio_to_generation"]
    print(f"RESULT {json.dumps(result)}")


def _model(folder: Path, shape: synthetic_gguf.Shape) -> Path:
    path = folder / f"{shape.name}-{synthetic_gguf.VERSION}.gguf"
    return path if path.exists() else synthetic_gguf.write(path, shape)


def _task(model: Path, work: Work) -> Task:
    with closing(LlamaCpp(LoadOptions(model_path=model, tokenizer_only=True))) as tokenizer:

        def cut(text: str, n_tokens: int, *before: Message) -> str:
            """Return as many of the words as give a prompt of `n_tokens`."""
            words = text.split()
            low, high = 0, len(words)
            while low < high:
                middle = (low + high + 1) // 2
                user = Message("user", " ".join(words[:middle]))
                n = tokenizer.count_tokens(Prompt("", (*before, user), {}))
                low, high = (middle, high) if n <= n_tokens else (low, middle - 1)
            return " ".join(words[:low])

        rng = random.Random(0)
        system = Message("system", cut(_words(rng, work.n_shared), work.n_shared))
        prompts = [
            (system, Message("user", cut(_words(rng, n), work.n_prompt_tokens, system)))
            for n in [work.n_prompt_tokens] * work.n_prompts
        ]
    return Task(model, work, prompts, defaultdict(list))


def _words(rng: random.Random, n: int) -> str:
    return " ".join(
        "".join(rng.choices(synthetic_gguf.LETTERS, k=rng.randint(2, 7))) for _ in range(n)
    )


def _measure(task: Task, contenders: tuple[str, ...], options: argparse.Namespace) -> None:
    runners = {
        "ours": lambda: _ours(task, None),
        "ours json": lambda: _ours(task, SCHEMA),
        "naive": lambda: _naive(task, None),
        "naive json": lambda: _naive(task, SCHEMA),
        "server": lambda: _server(task, None),
        "server json": lambda: _server(task, SCHEMA),
        "limit": lambda: _limit(task),
    }
    if options.distilabel_python and "naive" in contenders and task.work is SHORT:
        runners["distilabel"] = lambda: _distilabel(task, options.distilabel_python)
        contenders = (*contenders, "distilabel")
    print(f"{task.model.stem}, {task.work}")
    for i in range(options.rounds):
        for name in contenders:
            rate = _undisturbed(runners[name])
            task.rates[name].append(rate)
            print(f"  round {i + 1}  {name:12} {rate:7.1f} tokens/s", flush=True)


def _undisturbed(run: Callable[[], float]) -> float:
    """Return the tokens per second of a run in which no other program took the CPU."""
    for _ in range(MAX_REPEATS):
        with _stolen() as stolen:
            rate = run()
        if stolen[0] <= MAX_STOLEN:
            return rate
        print(f"  (others took {stolen[0]:.0%} of the CPU: once more)", flush=True)
    raise SystemExit("Others keep taking the CPU: measure again when the machine is idle.")


@contextmanager
def _stolen() -> Iterator[list[float]]:
    """Tell the share of all CPU time that went to processes other than this one's family."""
    all_before, own_before, started = _busy_seconds(), _own_seconds(), time.monotonic()
    share = [0.0]
    yield share
    others = (_busy_seconds() - all_before) - (_own_seconds() - own_before)
    n_cpus = len(re.findall(r"^cpu\d", Path("/proc/stat").read_text(), re.MULTILINE))
    share[0] = max(0.0, others) / (time.monotonic() - started) / n_cpus


def _busy_seconds() -> float:
    user, nice, system, _, _, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / 100


def _own_seconds() -> float:
    """Sum the CPU time of this process and its children, ended ones included."""
    own = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            continue
        pid = int(stat.parent.name)
        if pid in {os.getpid(), *CHILDREN}:
            own += sum(map(int, fields[11:13]))
        if pid == os.getpid():
            own += sum(map(int, fields[13:15]))  # children that have ended
    return own / 100


def _ours(task: Task, schema: dict | None) -> float:
    work = task.work
    sampling = SamplingParams(**SAMPLING, repeat_penalty=1.0, max_tokens=work.n_tokens)
    requests = [
        GenerationRequest(
            Prompt(f"{i}", messages, schema or {}),
            sampling,
            tuple((f"{i}-{j}", j, 100 * i + j) for j in range(work.n_completions)),
        )
        for i, messages in enumerate(task.prompts)
    ]
    with closing(LlamaCpp(LoadOptions(model_path=task.model, n_slots=N_SLOTS))) as engine:
        warm_up = SamplingParams(**SAMPLING, repeat_penalty=1.0, max_tokens=work.n_tokens)
        short = Prompt("", (Message("user", "warm-up"),), schema or {})
        list(engine.generate([GenerationRequest(short, warm_up, (("w", 0, 0),))]))
        started = time.perf_counter()
        n_tokens = sum(c.n_tokens for c in engine.generate(requests))
        return n_tokens / (time.perf_counter() - started)


def _naive(task: Task, schema: dict | None) -> float:
    """The loop that scripts run; llama-cpp-python keeps the prompt that it has evaluated last."""
    work = task.work
    model = Llama(
        str(task.model),
        n_ctx=work.n_prompt_tokens + work.n_tokens + 8,
        n_threads=N_THREADS,
        n_threads_batch=N_THREADS,
        verbose=False,
    )
    form = {"response_format": {"type": "json_object", "schema": schema}} if schema else {}
    with closing(model):
        started = time.perf_counter()
        n_tokens = 0
        for i, messages in enumerate(task.prompts):
            for j in range(work.n_completions):
                answer = model.create_chat_completion(
                    [{"role": m.role, "content": m.content} for m in messages],
                    max_tokens=work.n_tokens,
                    seed=100 * i + j,
                    **SAMPLING,
                    **form,
                )
                n_tokens += answer["usage"]["completion_tokens"]
        return n_tokens / (time.perf_counter() - started)


def _server(task: Task, schema: dict | None) -> float:
    """llama-server with 20 slots, 12 requests at once, all completions of a prompt in one."""
    work = task.work
    port = free_port(0)
    command: list[str | Path] = [llama_cpp_tools.ensure() / "llama-server", "--model", task.model]
    command += ["--port", str(port), "--host", "127.0.0.1", "--offline", "--no-webui"]
    command += ["--parallel", str(N_SLOTS), "--threads", str(N_THREADS)]
    command += ["--ctx-size", str(N_SLOTS * (work.n_prompt_tokens + work.n_tokens + 64))]
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    with tempfile.TemporaryDirectory() as folder:
        process = ChildProcess("llama-server", command, Path(folder) / "log")
        CHILDREN.add(process._process.pid)
        try:
            base = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=base, timeout=600, trust_env=False) as http:
                process.wait_until(lambda: _is_up(http), 60)

                def ask(messages: tuple[Message, ...], seed: int) -> int:
                    body = {
                        "messages": [{"role": m.role, "content": m.content} for m in messages],
                        "max_tokens": work.n_tokens,
                        "n": work.n_completions,
                        "seed": seed,
                        **SAMPLING,
                        **({"response_format": form} if schema else {}),
                    }
                    answer = http.post("/v1/chat/completions", json=body)
                    if answer.status_code == 500 and schema:
                        # Its own parser refuses an answer that was cut; the work was done.
                        return work.n_tokens * work.n_completions
                    answer.raise_for_status()
                    # Its usage counts the first choice alone. Random weights do not stop by
                    # themselves; where they do, the whole length is counted.
                    return work.n_tokens * len(answer.json()["choices"])

                ask((Message("user", "warm-up"),), 0)
                started = time.perf_counter()
                with ThreadPoolExecutor(12) as pool:
                    n_tokens = sum(pool.map(ask, task.prompts, range(len(task.prompts))))
                return n_tokens / (time.perf_counter() - started)
        finally:
            process.stop()
            CHILDREN.clear()


def _is_up(http: httpx.Client) -> bool:
    try:
        return http.get("/health").status_code == 200
    except httpx.TransportError:
        return False


def _limit(task: Task) -> float:
    """llama.cpp's own measurement, without sampling: the same tokens at its rates."""
    work = task.work
    done = subprocess.run(
        [
            llama_cpp_tools.ensure() / "llama-batched-bench",
            *("--model", task.model, "--threads", str(N_THREADS), "--flash-attn", "on"),
            *("-npp", str(work.n_prompt_tokens), "-ntg", str(work.n_tokens)),
            *("-npl", str(N_SLOTS), "-pps", "--output-format", "jsonl"),
            *("--ctx-size", str(N_SLOTS * 768)),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    rates = json.loads([line for line in done.stdout.splitlines() if line.startswith("{")][-1])
    n_tokens = work.n_prompts * work.n_completions * work.n_tokens
    return n_tokens / (work.n_evaluated / rates["speed_pp"] + n_tokens / rates["speed_tg"])


DISTILABEL = """
import json, sys, time
from distilabel.models import LlamaCppLLM
task = json.load(sys.stdin)
llm = LlamaCppLLM(model_path=task["model"], n_ctx=task["n_ctx"], verbose=False,
                  extra_kwargs={"n_threads": task["n_threads"]})
llm.load()
started = time.perf_counter()
outputs = llm.generate(inputs=task["prompts"], num_generations=task["n"],
                       max_new_tokens=task["n_tokens"], temperature=0.8)
seconds = time.perf_counter() - started
print(sum(sum(o["statistics"]["output_tokens"]) for o in outputs) / seconds)
"""


def _distilabel(task: Task, python: Path) -> float:
    work = task.work
    described = {
        "model": str(task.model),
        "n_ctx": work.n_prompt_tokens + work.n_tokens + 8,
        "n_threads": N_THREADS,
        "n": work.n_completions,
        "n_tokens": work.n_tokens,
        "prompts": [
            [{"role": m.role, "content": m.content} for m in messages] for messages in task.prompts
        ],
    }
    done = subprocess.run(
        [python, "-c", DISTILABEL],
        input=json.dumps(described),
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.splitlines()[-1])


def _ratio(rates: dict[str, list[float]], ours: str, theirs: str) -> float | None:
    if not rates.get(theirs):
        return None
    pairs = zip(rates[ours], rates[theirs], strict=True)
    return round(statistics.median(one / other for one, other in pairs), 3)


if __name__ == "__main__":
    main()
