"""llama-server and llama-batched-bench, built once from the source inside llama-cpp-python's sdist.

Run it to build them where they are absent; it prints the folder that holds them. They are kept in
${XDG_CACHE_HOME:-~/.cache}/seedbed/llama.cpp-<version>/, and are of the very llama.cpp that the
engine `llama_cpp` uses.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

PROGRAMS = ("llama-server", "llama-batched-bench")
OPTIONS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DGGML_NATIVE=ON",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_OPENSSL=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_BUILD_APP=OFF",
)


def folder() -> Path:
    """Return where the programs of the installed llama-cpp-python's version are kept."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "seedbed" / f"llama.cpp-{version('llama_cpp_python')}"


def ensure() -> Path:
    """Return the folder with the programs, built first where they are absent (some minutes).

    Raises RuntimeError naming the tool that is missing or the step that failed.
    """
    kept = folder()
    kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.with_name(f"{kept.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not all((kept / name).is_file() for name in PROGRAMS):
            _check_tools()
            with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
                _build(Path(scratch), kept)
    return kept


def _check_tools() -> None:
    missing = [name for name in ("cmake", "g++") if not shutil.which(name)]
    if missing:
        raise RuntimeError(
            f"llama-server cannot be built without {' and '.join(missing)}: "
            "apt-get install cmake g++ ninja-build"
        )


def _build(scratch: Path, kept: Path) -> None:
    source = _source(scratch)
    build, made = scratch / "build", scratch / "made"
    generator = ("-G", "Ninja") if shutil.which("ninja") else ()
    _run("cmake", "-S", source, "-B", build, *generator, *OPTIONS)
    jobs = str(len(os.sched_getaffinity(0)))
    _run("cmake", "--build", build, "--parallel", jobs, "--target", *PROGRAMS)
    made.mkdir()
    for name in PROGRAMS:
        shutil.copy2(build / "bin" / name, made / name)
    shutil.rmtree(kept, ignore_errors=True)
    made.rename(kept)


def _source(scratch: Path) -> Path:
    """Download the sdist, which compiles nothing, and unpack llama.cpp from it."""
    wanted = f"llama_cpp_python=={version('llama_cpp_python')}"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    # pip asks the sdist's build backend for the metadata alone
    _run(*pip, "download", "--quiet", "--no-deps", "--no-binary", ":all:", "-d", scratch, wanted)
    (archive,) = scratch.glob("*.tar.gz")
    with tarfile.open(archive) as sdist:
        sdist.extractall(scratch, filter="data")
    (source,) = scratch.glob("*/vendor/llama.cpp")
    return source


def _run(*command: str | Path) -> None:
    done = subprocess.run(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        last = "\n".join(done.stdout.strip().splitlines()[-20:])
        raise RuntimeError(f"{command[0]} failed with code {done.returncode}:\n{last}")


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{ensure()}\n")
    except RuntimeError as error:
        sys.exit(str(error))
