"""`seedbed up`: starts everything on this machine, and stops it with Ctrl-C."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click
from rich.console import Console

from seedbed.errors import ServiceError, UserError
from seedbed_backend.engine import model_file
from seedbed_backend.stack.stack import Stack, StackOptions

WATCH_SECONDS = 1.0
TICK_SECONDS = 5.0
ENGINE_WITH_MODEL = "llama_cpp"
LOCAL_LABEL_STUDIO = Path(".venv-label-studio/bin/label-studio")


_OPTIONS = (
    click.option(
        "--home",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path(".seedbed"),
        show_default=True,
        envvar="SEEDBED_HOME",
        help="The one folder that holds all state.",
    ),
    click.option(
        "--model",
        type=click.Path(path_type=Path),
        envvar="SEEDBED_MODEL",
        help="The generator, a GGUF file.",
    ),
    click.option(
        "--embedding-model",
        type=click.Path(path_type=Path),
        envvar="SEEDBED_EMBEDDING_MODEL",
        help="The encoder, a sentence-transformers folder.",
    ),
    click.option(
        "--engine",
        default=ENGINE_WITH_MODEL,
        show_default=True,
        envvar="SEEDBED_ENGINE",
        help="What runs the model; `echo` needs none and only tries the plumbing.",
    ),
    click.option(
        "--generate-workers",
        "n_generate_workers",
        type=click.IntRange(1, 64),
        default=1,
        show_default=True,
        help="How many processes load the model, for example one for each GPU.",
    ),
    click.option(
        "--filter-workers",
        "n_filter_workers",
        type=click.IntRange(1, 64),
        default=1,
        show_default=True,
        help="How many processes screen and publish.",
    ),
    click.option(
        "--label-studio",
        type=click.Path(path_type=Path),
        envvar="SEEDBED_LABEL_STUDIO_BIN",
        help="The label-studio program of its own environment.",
    ),
    click.option(
        "--port",
        type=click.IntRange(0, 65535),
        default=9090,
        show_default=True,
        envvar="PORT",
        help="Seedbed's port; where it is taken, a free one.",
    ),
    click.option(
        "--label-studio-port",
        type=click.IntRange(0, 65535),
        default=8080,
        show_default=True,
        help="Label Studio's port; where it is taken, a free one.",
    ),
    click.option(
        "--label-studio-url",
        default="",
        envvar="LABEL_STUDIO_URL",
        help="Use this Label Studio instead of starting one (with its API key).",
    ),
    click.option(
        "--label-studio-api-key",
        default="",
        envvar="LABEL_STUDIO_API_KEY",
        help="A personal access token of that Label Studio.",
    ),
    click.option(
        "--redis-url",
        default="",
        envvar="SEEDBED_REDIS_URL",
        help="Use this Redis instead of starting one.",
    ),
    click.option(
        "--store-url",
        default="",
        envvar="SEEDBED_STORE_URL",
        help="Use this database instead of SQLite in the home folder.",
    ),
)


def stack_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a click command the options of a stack; it gets them as keyword arguments."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command(short_help="start everything on this machine")
@stack_options
def up(**options: Any) -> None:
    """Start Redis, Label Studio, Seedbed's server and its workers; stop them with Ctrl-C."""
    console = Console()
    with running_stack(make_options(**options), console) as stack:
        print_addresses(stack, console)
        wait_until_stopped(stack, console)


def make_options(
    *,
    home: Path,
    model: Path | None,
    embedding_model: Path | None,
    label_studio: Path | None,
    label_studio_url: str,
    label_studio_api_key: str,
    engine: str,
    **rest: Any,
) -> StackOptions:
    """Check the files that are named; use an external Label Studio only with its API key.

    Raises UserError naming the missing file and the setting that names it.
    """
    is_external = bool(label_studio_url and label_studio_api_key)
    program = label_studio or _find_label_studio()
    if not is_external and (program is None or not program.exists()):
        raise UserError(
            f"Label Studio is not at {program or LOCAL_LABEL_STUDIO}.",
            hint="Run `make install`, or set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY.",
        )
    needed = {"SEEDBED_MODEL": model} if engine == ENGINE_WITH_MODEL else {}
    needed["SEEDBED_EMBEDDING_MODEL"] = embedding_model
    for name, path in needed.items():
        if path is None:
            raise UserError(f"{name} is not set.", hint="See `seedbed up --help`.")
        if not path.exists():
            raise UserError(f"{name}: there is no {path}.", hint="Give the right path.")
    if engine == ENGINE_WITH_MODEL and model:
        model_file.check(model)
    return StackOptions(
        home=home.absolute(),
        label_studio=(program or Path()).absolute(),
        model=model.absolute() if model else None,
        embedding_model=embedding_model.absolute() if embedding_model else None,
        engine=engine,
        label_studio_url=label_studio_url if is_external else "",
        label_studio_api_key=label_studio_api_key if is_external else "",
        **rest,
    )


@contextmanager
def running_stack(options: StackOptions, console: Console) -> Iterator[Stack]:
    """Start the stack, showing each step with its seconds; stop it when the block ends."""
    with _interruptible(), Stack(options) as stack:
        with _progress(console) as report:
            stack.start(report)
        yield stack
        with console.status("stopping"):
            stack.stop()
    console.print("Everything is stopped.")


def print_addresses(stack: Stack, console: Console) -> None:
    """Say where to go, and with which user and password."""
    console.print()
    console.print(f"[bold]Label Studio[/]  {stack.label_studio_url}")
    if stack.options.label_studio_url == "":
        console.print(f"  user      {stack.user}")
        console.print(f"  password  {stack.password}")
    console.print(f"[bold]Seedbed[/]       {stack.url}")
    console.print(f"State and logs: {stack.options.home}")


def wait_until_stopped(stack: Stack, console: Console) -> None:
    """Wait for Ctrl-C, and start workers again that end by themselves.

    Raises ServiceError when another part ends, or a worker that does not start again.
    """
    console.print("\nCtrl-C stops everything.")
    try:
        while True:
            for name in stack.revive_workers():
                console.print(f"[yellow]{name} had ended and was started again.[/]")
            check_alive(stack)
            time.sleep(WATCH_SECONDS)
    except KeyboardInterrupt:
        console.print()


def check_alive(stack: Stack) -> None:
    """Raise ServiceError when a part of the stack has ended by itself."""
    if stack.dead:
        raise ServiceError(
            f"{stack.dead[0]} ended by itself.",
            hint=f"See the logs in {stack.options.home / 'logs'}.",
        )


@contextmanager
def _interruptible() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C, and hear Ctrl-C also when the caller's shell had it ignored."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[str], None]]:
    """Show each step with the seconds since the start; say every 5 s that one still goes on."""
    started = time.monotonic()
    step = "the start"
    is_over = threading.Event()

    def say(text: str) -> None:
        console.print(f"[dim]{time.monotonic() - started:5.1f} s[/] {text}")

    def report(next_step: str) -> None:
        nonlocal step
        step = next_step
        say(step)
        status.update(f"waiting for {step}")

    def tick() -> None:
        while not is_over.wait(TICK_SECONDS):
            if not console.is_terminal:  # a terminal shows the spinner
                say(f"still waiting for {step}")

    with console.status("starting") as status:
        ticker = threading.Thread(target=tick, daemon=True)
        ticker.start()
        try:
            yield report
        finally:
            is_over.set()
            ticker.join()


def _find_label_studio() -> Path | None:
    found = shutil.which("label-studio")
    if LOCAL_LABEL_STUDIO.exists() or not found:
        return LOCAL_LABEL_STUDIO if LOCAL_LABEL_STUDIO.exists() else None
    return Path(found)
