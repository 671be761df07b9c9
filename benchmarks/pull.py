"""How long `seedbed pull` takes on a large review project, beside what a user would run instead.

    .venv/bin/python benchmarks/pull.py [--tasks 100000] [--home DIR]

A real Label Studio on SQLite gets review tasks of questions and answers, as publishing makes them:
15 % judged (accepted, fixed or rejected), a few skipped, a few canaries. Then, each in a process of
its own: `seedbed pull`, reviewed and gated, and two scripts with label-studio-sdk, one that exports
the whole project as JSON, one that walks through its tasks. `--home` keeps Label Studio's data, so
that a second round need not import again. Ends with one line RESULT {json}.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from seedbed import gate_notice, labeling, registry
from seedbed.gate_notice import GateState, RunNotice
from seedbed.label_studio import LabelStudioServer
from seedbed.records import Candidate, SourceTask, content_id
from seedbed_backend.stack.label_studio import LabelStudioProcess, ensure_template
from seedbed_backend.stack.processes import free_port

ROOT = Path(__file__).parents[1]
USER = "bench@example.com"
CHUNK = 2000
"""Tasks per import; nobody labels meanwhile."""

JUDGED_FRACTION = 0.15
RUNS: Mapping[str, GateState] = {"r-passed": "passed", "r-open": "open"}
"""Half of the tasks each; the gated pull hands out what nobody judged of the first."""

EXPORT = """
import json, sys
from label_studio_sdk import LabelStudio
ls = LabelStudio(base_url=sys.argv[1], api_key=sys.argv[2], timeout=600)
tasks = ls.projects.exports.as_json(int(sys.argv[3]))
rows = [t for t in tasks if any('"accept"' in json.dumps(a["result"]) for a in t["annotations"])]
open(sys.argv[4], "w").write("\\n".join(map(json.dumps, rows)))
"""

WALK = """
import json, sys
from label_studio_sdk import LabelStudio
ls = LabelStudio(base_url=sys.argv[1], api_key=sys.argv[2], timeout=600)
with open(sys.argv[4], "w") as file:
    for task in ls.tasks.list(project=int(sys.argv[3]), fields="all"):
        if any('"accept"' in json.dumps(a["result"]) for a in task.annotations or ()):
            file.write(task.json() + "\\n")
"""


def main() -> None:
    """Build the project, then pull it in each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--home", type=Path, help="keeps Label Studio's data for another round")
    parser.add_argument("--only", nargs="*", help="names of contenders; all if not given")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = options.home or Path(folder)
        process = start(home)
        try:
            found = measure(process, options.tasks, Path(folder), options.only)
        finally:
            process.stop()
    print(f"RESULT {json.dumps(found)}")


def start(home: Path) -> LabelStudioProcess:
    """Start a Label Studio whose data is in `home`."""
    program = ROOT / ".venv-label-studio" / "bin" / "label-studio"
    process = LabelStudioProcess(
        program,
        data_dir=home / "data",
        port=free_port(0),
        user=USER,
        password="benchmark-1",  # noqa: S106 - of a server that listens on this machine for minutes
        log_path=home / "label-studio.log",
    )
    process.start(template=ensure_template(program, ROOT / ".cache"))
    process.wait_ready()
    return process


def measure(
    process: LabelStudioProcess, n_tasks: int, folder: Path, only: list[str] | None
) -> dict[str, Any]:
    """Return seconds, seconds per 10,000 tasks, peak memory and rows of every contender."""
    token = process.mint_token()
    with LabelStudioServer(process.url, token) as server:
        project = build(server, n_tasks, process.data_dir.parent / f"project-{n_tasks}")
    environment = {"LABEL_STUDIO_URL": process.url, "LABEL_STUDIO_API_KEY": token}
    out = folder / "rows.jsonl"
    pull = [sys.executable, "-m", "seedbed", "pull", "--label-studio-project", str(project)]
    script = [process.url, token, str(project), str(out)]
    contenders = {
        "pull_reviewed": [*pull, "-o", str(out)],
        "pull_gated": [*pull, "-o", str(out), "--policy", "gated"],
        "sdk_export": [sys.executable, "-c", EXPORT, *script],
        "sdk_tasks_list": [sys.executable, "-c", WALK, *script],
    }
    found: dict[str, Any] = {"n_tasks": n_tasks, "load": round(os.getloadavg()[0], 1)}
    for name, command in contenders.items():
        if only and name not in only:
            continue
        found[name] = run(command, environment, n_tasks, out, process.data_dir)
        print(name, found[name], flush=True)
    if {"pull_gated", "sdk_tasks_list"} <= found.keys():
        found["ratio_to_sdk_tasks_list"] = round(
            found["sdk_tasks_list"]["seconds"] / found["pull_gated"]["seconds"], 2
        )
    return found


def run(
    command: list[str], environment: dict[str, str], n: int, out: Path, data_dir: Path
) -> dict[str, Any]:
    """Run one contender in a process of its own; its peak memory is the kernel's word (MiB).

    CPU seconds of both sides tell what a busy machine hides: alone, one waits for the other.
    """
    before, started = server_seconds(data_dir), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _WATCH, *command],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seconds, after = time.perf_counter() - started, server_seconds(data_dir)
    peak, own = done.stdout.split()
    with out.open(encoding="utf-8") as file:
        n_rows = sum(1 for line in file if line.strip())
    return {
        "seconds": round(seconds, 1),
        "seconds_per_10000": round(1e4 * seconds / n, 2),
        "cpu_seconds": round(float(own), 1),
        "server_cpu_seconds": round(after - before, 1),
        "peak_mib": round(int(peak) / 1024),
        "n_rows": n_rows,
    }


_WATCH = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=sys.stderr)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_maxrss, used.ru_utime + used.ru_stime)
sys.exit(done.returncode)
"""


def server_seconds(data_dir: Path) -> float:
    """Return the CPU seconds of the Label Studio that works on this data folder."""
    mark = f"LABEL_STUDIO_BASE_DATA_DIR={data_dir}".encode()
    ticks = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                numbers = (folder / "stat").read_text().rsplit(")", 1)[1].split()
                ticks += int(numbers[11]) + int(numbers[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def build(server: LabelStudioServer, n_tasks: int, note: Path) -> int:
    """Return the review project: the one that `note` names, or a new one, which is noted there."""
    if note.is_file():
        return int(note.read_text())
    technique = registry.technique("qa")
    notice = gate_notice.write([_notice(run, state) for run, state in RUNS.items()])
    project = server.create_project("pull benchmark", labeling.review_config(technique), notice)
    started = time.perf_counter()
    tasks = review_tasks(n_tasks)
    while chunk := list(islice(tasks, CHUNK)):
        server.import_tasks(project, chunk, CHUNK)
        print(f"+{len(chunk)} tasks imported, {time.perf_counter() - started:.0f} s", flush=True)
    note.write_text(str(project))
    return project


def _notice(run: str, state: GateState) -> RunNotice:
    return RunNotice(run, state, target=0.8, n_sampled=9, n_judged=9, rate=0.9, low=0.85, high=0.95)


def review_tasks(n_tasks: int) -> Iterator[dict[str, Any]]:
    """Yield review tasks with their prediction, and the annotation of those that were judged."""
    rng = random.Random(1)
    technique = registry.technique("qa")
    passages = [
        part
        for path in sorted((ROOT / "demo" / "sources" / "contracts").glob("*.md"))
        for part in _passages(path.read_text(encoding="utf-8"))
    ]
    for n in range(n_tasks):
        passage = rng.choice(passages)
        yield _task(technique, n, passage, rng)


def _passages(text: str, n_words: int = 150) -> list[str]:
    words = text.split(" ")
    return [" ".join(words[i : i + n_words]).strip() for i in range(0, len(words), n_words)]


def _task(technique: Any, n: int, passage: str, rng: random.Random) -> dict[str, Any]:
    start = rng.randrange(0, max(1, len(passage) - 120))
    quote = passage[start : start + 90]
    fields = {
        "quote": quote.strip(),
        "question": f"What does the contract say in its part {n} about {quote[:30].strip()}?",
        "answer": quote[:60].strip(),
    }
    source = SourceTask.of({"passage": passage, "document": f"contract-{n % 40}"})
    candidate = Candidate(content_id("bench", n), source, fields)
    score = round(rng.random(), 4)
    scores = dict.fromkeys(technique.filters, score)
    run = tuple(RUNS)[n % len(RUNS)]
    provenance = {
        "source_id": source.id, "source_task": n, "document": "contract.pdf", "page": 3,
        "page_end": 3, "char_start": 900, "char_end": 900 + len(passage),
        "page_spans": [[3, 900, 900 + len(passage)]], "heading": "Service agreement",
        "evidence": {"start": start, "end": start + len(quote), "page": 3},
        "recipe": "9f86d081884c7d65", "screened_by": "9f86d081884c7d65",
        "prompt_hash": "2c26b46b68ffc68ff99b453c", "model": "demo-q4_k_m.gguf",
        "model_sha256": "fcde2b2edba5" * 5, "rng_seed": n, "project": "bench", "run": run,
        "sampling": {"temperature": 0.8, "top_p": 0.95, "top_k": 0, "min_p": 0.05},
    }  # fmt: skip
    data = labeling.review_data(
        technique, candidate, draw=round(rng.random(), 6), score=score, scores=scores,
        stratum="qa/contract/high", run=run, provenance=provenance,
        is_canary=rng.random() < 0.002,
    )  # fmt: skip
    predicted = labeling.prediction(
        technique, fields, score, (start, start + len(quote)), source_text=passage
    )
    task = {"data": data, "predictions": [predicted]}
    luck = rng.random()
    if luck < JUDGED_FRACTION:
        task["annotations"] = [_annotation(predicted["result"], luck / JUDGED_FRACTION)]
    elif luck < JUDGED_FRACTION + 0.01:
        task["annotations"] = [{"result": predicted["result"], "was_cancelled": True}]
    return task


def _annotation(result: list[dict[str, Any]], luck: float) -> dict[str, Any]:
    """Make a verdict: 70 % accepted, 20 % fixed, 10 % rejected."""
    choice = "accept" if luck < 0.9 else "reject"
    regions = [dict(region) for region in result]
    if luck < 0.2:
        regions = [
            r | {"value": {"text": ["As a person put it."]}} if r["from_name"] == "answer" else r
            for r in regions
        ]
    regions.append(
        {"id": "verdict", "from_name": "verdict", "to_name": "passage", "type": "choices",
         "value": {"choices": [choice]}}
    )  # fmt: skip
    return {"result": regions, "lead_time": 21.5, "was_cancelled": False}


if __name__ == "__main__":
    main()
