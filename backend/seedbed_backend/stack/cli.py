"""`seedbed up`: starts everything on this machine, and stops it with Ctrl-C."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click
from rich.console import Console

from seedbed.errors import ServiceError, UserError
from seedbed_backend.stack.stack import Stack, StackOptions

WATCH_SECONDS = 1.0


@click.command()
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".seedbed"),
    show_default=True,
    envvar="SEEDBED_HOME",
    help="The one folder that holds all state.",
)
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    envvar="SEEDBED_MODEL",
    help="The generator, a GGUF file.",
)
@click.option(
    "--embedding-model",
    type=click.Path(path_type=Path),
    envvar="SEEDBED_EMBEDDING_MODEL",
    help="The encoder, a sentence-transformers folder.",
)
@click.option(
    "--label-studio",
    type=click.Path(path_type=Path),
    envvar="SEEDBED_LABEL_STUDIO_BIN",
    help="The label-studio program of its own environment.",
)
@click.option("--port", default=9090, show_default=True, envvar="PORT", help="Seedbed's port.")
@click.option("--label-studio-port", default=8080, show_default=True)
def up(
    home: Path,
    model: Path | None,
    embedding_model: Path | None,
    label_studio: Path | None,
    port: int,
    label_studio_port: int,
) -> None:
    """Start Redis, Label Studio, Seedbed's server and its workers; stop them with Ctrl-C.

    With LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY set, that Label Studio is used and none is started;
    with SEEDBED_REDIS_URL set, that Redis.
    """
    console = Console()
    options = make_options(
        home.absolute(), model, embedding_model, label_studio, port, label_studio_port
    )
    with running_stack(options, console) as stack:
        print_addresses(stack, console)
        wait_until_stopped(stack, console)


def make_options(
    home: Path,
    model: Path | None,
    embedding_model: Path | None,
    label_studio: Path | None = None,
    port: int = 9090,
    label_studio_port: int = 8080,
) -> StackOptions:
    """Check the files that are named and fill in what the environment says.

    Raises UserError naming the missing file and the setting that names it.
    """
    program = label_studio or _find_label_studio()
    url = os.environ.get("LABEL_STUDIO_URL", "")
    key = os.environ.get("LABEL_STUDIO_API_KEY", "")
    engine = os.environ.get("SEEDBED_ENGINE") or "llama_cpp"
    is_external = bool(url and key)
    if not is_external and (program is None or not program.exists()):
        raise UserError(
            f"Label Studio is not at {program or '.venv-label-studio/bin/label-studio'}.",
            hint="Run `make install`, or set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY.",
        )
    for name, path in (("SEEDBED_MODEL", model), ("SEEDBED_EMBEDDING_MODEL", embedding_model)):
        if path is None and name == "SEEDBED_MODEL" and engine != "llama_cpp":
            continue
        if path is None:
            raise UserError(f"{name} is not set.", hint="See `seedbed up --help`.")
        if not path.exists():
            raise UserError(f"{name}: there is no {path}.", hint="Give the right path.")
    return StackOptions(
        home=home,
        label_studio=program or Path(),
        model=model.absolute() if model else None,
        embedding_model=embedding_model.absolute() if embedding_model else None,
        engine=engine,
        port=port,
        label_studio_port=label_studio_port,
        label_studio_url=url if is_external else "",
        label_studio_api_key=key if is_external else "",
        redis_url=os.environ.get("SEEDBED_REDIS_URL", ""),
        store_url=os.environ.get("SEEDBED_STORE_URL", ""),
    )


@contextmanager
def running_stack(options: StackOptions, console: Console) -> Iterator[Stack]:
    """Start the stack, showing each step with its seconds; stop it when the block ends."""
    with _interruptible(), Stack(options) as stack:
        with console.status("starting") as status:
            stack.start(_step_printer(console, status.update))
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
    """Wait for Ctrl-C. Raises ServiceError when a part ends by itself."""
    console.print("\nCtrl-C stops everything.")
    try:
        while not stack.dead:
            time.sleep(WATCH_SECONDS)
    except KeyboardInterrupt:
        console.print()
        return
    raise ServiceError(
        f"{stack.dead[0]} ended by itself.", hint=f"See the logs in {stack.options.home / 'logs'}."
    )


@contextmanager
def _interruptible() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C, so that everything is stopped then, too."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _step_printer(console: Console, show: Callable[[str], None]) -> Callable[[str], None]:
    started = time.monotonic()

    def report(step: str) -> None:
        console.print(f"[dim]{time.monotonic() - started:5.1f} s[/] {step}")
        show(f"waiting for {step}")

    return report


def _find_label_studio() -> Path | None:
    local = Path(".venv-label-studio/bin/label-studio")
    found = shutil.which("label-studio")
    return local if local.exists() else Path(found) if found else None
