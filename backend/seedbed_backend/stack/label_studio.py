"""Runs a real Label Studio from its own environment, closed to the outside: for one machine.

`seedbed up` and the tests share it. The server listens on the loopback address only, sends nothing
out, and may call ML backends and webhooks on this machine and nowhere else.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx

from seedbed.errors import LabelStudioError, ServiceError, UserError
from seedbed_backend.stack.processes import ChildProcess, is_listening

HOST = "127.0.0.1"
READY_SECONDS = 180.0
"""How long a first start may take: migrations run 25-42 s on an idle 2-core machine."""

_DATABASE = "label_studio.sqlite3"
_TOKEN_FILE = "access-token"  # noqa: S105 - a file name

# Label Studio's own list of blocked networks without the loopback, where Seedbed's server is.
_BANNED_SUBNETS = (
    "0.0.0.0/8,10.0.0.0/8,100.64.0.0/10,169.254.0.0/16,172.16.0.0/12,192.0.0.0/24,192.0.2.0/24,"
    "192.88.99.0/24,192.168.0.0/16,198.18.0.0/15,198.51.100.0/24,203.0.113.0/24,224.0.0.0/4,"
    "240.0.0.0/4,255.255.255.255/32,::/128,64:ff9b::/96,64:ff9b:1::/48,100::/64,2001:0000::/32,"
    "2001:20::/28,2001:db8::/32,2002::/16,fc00::/7,fe80::/10,ff00::/8"
)

_AIR_GAP = {
    "COLLECT_ANALYTICS": "false",
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
    "LATEST_VERSION_CHECK": "false",
    "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
    "USE_DEFAULT_BANNED_SUBNETS": "false",
    "USER_ADDITIONAL_BANNED_SUBNETS": _BANNED_SUBNETS,
    # Label Studio checks predictions only with this flag.
    "fflag_feat_utc_210_prediction_validation_15082025": "true",
}


def environment(data_dir: Path) -> dict[str, str]:
    """Return the environment that every Label Studio process gets."""
    inherited = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("LABEL_STUDIO_", "HEARTEX_", "DJANGO_", "PYTHON", "VIRTUAL_ENV"))
    }
    return {**inherited, **_AIR_GAP, "LABEL_STUDIO_BASE_DATA_DIR": str(data_dir)}


class LabelStudioProcess:
    """One Label Studio server as a child process, in a process group of its own.

    `python_or_bin` is the `python` or the `label-studio` of Label Studio's own environment. `user`
    is an email address. Everything is kept under `data_dir`.
    """

    name = "Label Studio"

    def __init__(
        self,
        python_or_bin: Path,
        data_dir: Path,
        port: int,
        user: str,
        password: str,
        log_path: Path,
    ) -> None:
        self.program = python_or_bin.parent / "label-studio"
        self.data_dir = data_dir
        self.port = port
        self.url = f"http://localhost:{port}"
        self.user = user
        self.password = password
        self.log_path = log_path
        self._process: ChildProcess | None = None

    def start(
        self,
        on_progress: Callable[[str], None] = lambda message: None,
        *,
        template: Path | None = None,
        extra_environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start the server and return at once; `template` is a migrated, user-less database.

        Raises UserError when the program is missing or the port is taken: Label Studio itself would
        move to the next port without a word.
        """
        if not self.program.is_file():
            raise _missing(self.program)
        if is_listening(self.port):
            raise UserError(
                f"Port {self.port} is taken by another program.",
                hint="Stop that program or choose another port for Label Studio.",
            )
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        database = self.data_dir / _DATABASE
        if not database.exists() and template is not None:
            shutil.copyfile(template, database)
        is_new = not database.exists()
        on_progress("Label Studio" + (" (makes its database, once: 40 s)" if is_new else ""))
        self.log_path.unlink(missing_ok=True)
        self._process = ChildProcess(
            self.name,
            [
                self.program, "start", "--no-browser",
                "--internal-host", HOST, "--port", str(self.port),
            ],
            self.log_path,
            environment(self.data_dir)
            | {
                "LABEL_STUDIO_USERNAME": self.user,
                "LABEL_STUDIO_PASSWORD": self.password,
                "LABEL_STUDIO_HOST": self.url,
            }
            | dict(extra_environment or {}),
        )  # fmt: skip

    def wait_ready(self, timeout: float = READY_SECONDS) -> None:
        """Wait until the server answers. Raises ServiceError with the last line of its log."""
        if self._process is None:
            raise UserError("Label Studio was not started.")
        try:
            self._process.wait_until(self._is_ready, timeout)
        except ServiceError:
            self.stop()
            raise

    @property
    def is_alive(self) -> bool:
        """Tell whether the server process runs."""
        return self._process is not None and self._process.is_alive

    def stop(self) -> None:
        """End the server and all that it started."""
        process, self._process = self._process, None
        if process is not None:
            process.stop()

    def _is_ready(self) -> bool:
        log = self.log_path.read_text(encoding="utf-8", errors="replace")
        if f"Port {self.port} is in use" in log:
            raise ServiceError(
                f"Label Studio left port {self.port}, which another program took meanwhile.",
                hint="Choose another port for Label Studio.",
            )
        try:
            return httpx.get(f"{self.url}/health", timeout=5).is_success
        except httpx.HTTPError:
            return False

    def mint_token(self) -> str:
        """Return a personal access token, from `data_dir` where a working one is kept.

        A user has one live token and sees it once. Where ours got lost, the old one is revoked.
        """
        path = self.data_dir / _TOKEN_FILE
        if path.is_file() and _works(self.url, token := path.read_text().strip()):
            return token
        token = _new_token(self.url, self.user, self.password)
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(token, encoding="utf-8")
        return token


def version(python_or_bin: Path) -> str:
    """Return the version of Label Studio in that environment. Raises UserError."""
    code = "import importlib.metadata as m; print(m.version('label-studio'))"
    try:
        answer = subprocess.run(
            [str(python_or_bin.parent / "python"), "-c", code],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    except (OSError, subprocess.SubprocessError) as exc:
        raise _missing(python_or_bin) from exc
    return answer.stdout.strip()


def ensure_template(python_or_bin: Path, folder: Path) -> Path:
    """Return a migrated database without users, made once per Label Studio version (30 s)."""
    template = folder / f"label-studio-{version(python_or_bin)}.sqlite3"
    if template.is_file():
        return template
    work = folder / f"making-{os.getpid()}"
    work.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(
            [str(python_or_bin.parent / "label-studio"), "init", "-q"],
            env=environment(work),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=600,
        )
        (work / _DATABASE).replace(template)
    except subprocess.SubprocessError as exc:
        raise LabelStudioError("Label Studio could not make its database.") from exc
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return template


def _missing(program: Path) -> UserError:
    return UserError(
        f"There is no Label Studio at {program}.",
        hint="Make its environment first: `make label-studio`.",
    )


def _works(url: str, token: str) -> bool:
    answer = httpx.post(f"{url}/api/token/refresh/", json={"refresh": token}, timeout=30)
    return answer.is_success


def _new_token(url: str, user: str, password: str) -> str:
    """Log in like a browser and ask for a token. Raises LabelStudioError."""
    login = f"{url}/user/login/"
    with httpx.Client(timeout=60) as browser:
        browser.get(login)
        answer = browser.post(
            login,
            data={
                "email": user,
                "password": password,
                "csrfmiddlewaretoken": browser.cookies.get("csrftoken") or "",
            },
            headers={"Referer": login},
        )
        if answer.status_code != httpx.codes.FOUND:
            raise LabelStudioError(
                f"Label Studio does not accept the password of {user}.",
                hint="A data folder keeps the password of its first start.",
            )
        headers = {"Referer": url, "X-CSRFToken": browser.cookies.get("csrftoken") or ""}
        answer = browser.post(f"{url}/api/token/", headers=headers)
        if answer.status_code == httpx.codes.CONFLICT:
            for known in browser.get(f"{url}/api/token/").json():
                revoked = {"refresh": known["token"]}
                browser.post(f"{url}/api/token/blacklist/", json=revoked, headers=headers)
            answer = browser.post(f"{url}/api/token/", headers=headers)
        if not answer.is_success:
            raise LabelStudioError(
                f"Label Studio made no token for {user} (HTTP {answer.status_code})."
            )
        return str(answer.json()["token"])
