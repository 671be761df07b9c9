"""Child processes that end when we do: a log file each, stopped in reverse order, never orphaned."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

from seedbed.errors import ServiceError, UserError

STOP_SECONDS = 15.0
POLL_SECONDS = 0.1
_PR_SET_PDEATHSIG = 1


class ChildProcess:
    """One program in its own process group, its output in `log`.

    On Linux it also gets SIGTERM when the process that started it is killed outright.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(os.environ if environment is None else environment),
                cwd=cwd,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    @property
    def is_alive(self) -> bool:
        """Tell whether the program still runs."""
        return self._process.poll() is None

    def wait_until(
        self,
        is_ready: Callable[[], bool],
        timeout_seconds: float,
        on_wait: Callable[[float], None] | None = None,
    ) -> None:
        """Wait until `is_ready`; `on_wait` is told the seconds that have passed.

        Raises ServiceError with the log's last lines when the program ends or the time is up.
        """
        started = time.monotonic()
        while not is_ready():
            waited = time.monotonic() - started
            if not self.is_alive or waited > timeout_seconds:
                what = "is not ready" if self.is_alive else "ended"
                raise ServiceError(
                    f"{self.name} {what} after {waited:.0f} s: {self._last_line()}",
                    hint=f"Its log: {self.log}",
                )
            if on_wait:
                on_wait(waited)
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Ask the whole group to end, and make it end."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not self.is_alive:
                return
            _signal_group(self._process.pid, number)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                continue

    def _last_line(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        errors = [line for line in lines if line.startswith("Error: ")]
        return (errors or lines or ["it wrote nothing"])[-1].removeprefix("Error: ")


def free_port(wanted: int) -> int:
    """Return `wanted` where it is free on this machine, else a free port; 0 asks for any.

    Raises UserError for a number that is no port.
    """
    if not 0 <= wanted <= 65535:
        raise UserError(f"{wanted} is no port.", hint="Ports go from 1 to 65535.")
    for port in (wanted, 0):
        with closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            chosen: int = probe.getsockname()[1]
            return chosen
    raise ServiceError("No port is free on this machine.")


def is_listening(port: int) -> bool:
    """Tell whether something accepts connections on that local port."""
    with closing(socket.socket()) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _signal_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, number)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
