"""`seedbed up` as a person runs it: starts everything, says where, stops everything."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from growing import wait_for
from seedbed.errors import ServiceError, UserError
from seedbed_backend.stack.processes import ChildProcess, free_port, is_listening

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("label_studio")]


@pytest.fixture
def running(label_studio, encoder_folder, tmp_path):
    """`seedbed up` beside the shared Label Studio, with the engine that needs no model."""
    log = tmp_path / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "seedbed", "up",
                "--home", str(tmp_path / "home"),
                "--engine", "echo",
                "--embedding-model", str(encoder_folder),
                "--port", "0",
                "--label-studio-url", label_studio.url,
                "--label-studio-api-key", label_studio.api_key,
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"COLUMNS": "200"},
        )  # fmt: skip
    try:
        wait_for(lambda: "Ctrl-C" in log.read_text() or process.poll(), 120, "the start")
        assert process.poll() is None, log.read_text()
        yield process, log, tmp_path / "home"
    finally:
        process.kill()
        process.wait()


def ports_of(log, home):
    client = (home / "client.env").read_text()
    web = int(re.search(r"SEEDBED_URL=http://localhost:(\d+)", client).group(1))
    redis = int(re.findall(r"port=(\d+)|:(\d+)", (home / "logs/redis.log").read_text())[0][0] or 0)
    return {port for port in (web, redis) if port}


def test_it_says_where_things_are_and_ctrl_c_stops_everything(running):
    process, log, home = running
    text = log.read_text()
    assert re.search(r"Seedbed\s+http://localhost:\d+", text)
    assert (home / "client.env").stat().st_mode & 0o777 == 0o600
    assert (home / "secrets.json").stat().st_mode & 0o777 == 0o600
    ports = ports_of(log, home)
    assert all(is_listening(port) for port in ports)
    done = subprocess.run(
        [sys.executable, "-m", "seedbed", "status"],
        capture_output=True,
        text=True,
        env={"SEEDBED_HOME": str(home), "PATH": os.environ["PATH"]},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "There are no projects yet" in done.stdout
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert "Everything is stopped." in log.read_text()
    assert not any(is_listening(port) for port in ports)


def test_killed_outright_it_leaves_nothing_behind(running):
    process, log, home = running
    ports = ports_of(log, home)
    process.kill()
    process.wait()
    wait_for(lambda: not any(is_listening(port) for port in ports), 30, "the end of its children")


def test_a_part_that_does_not_start_is_named_with_its_own_words(tmp_path):
    process = ChildProcess(
        "the part",
        [sys.executable, "-c", "print('Error: no luck'); print('a hint')"],
        tmp_path / "x",
    )
    with pytest.raises(ServiceError, match=r"the part ended after \d s: no luck"):
        process.wait_until(lambda: False, 10)


def test_a_port_that_is_taken_is_replaced(tmp_path):
    taken = free_port(0)
    server = ChildProcess(
        "a server",
        [sys.executable, "-m", "http.server", str(taken), "--bind", "127.0.0.1"],
        tmp_path / "x",
    )
    try:
        server.wait_until(lambda: is_listening(taken), 20)
        assert free_port(taken) != taken
    finally:
        server.stop()
    assert not server.is_alive
    with pytest.raises(UserError, match="70000 is no port"):
        free_port(70_000)


def test_a_program_that_ignores_sigterm_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr("seedbed_backend.stack.processes.STOP_SECONDS", 0.5)
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    log = tmp_path / "x"
    process = ChildProcess("a stubborn one", [sys.executable, "-c", code], log)
    process.wait_until(lambda: b"up" in log.read_bytes(), 20)
    started = time.monotonic()
    process.stop()
    assert not process.is_alive
    assert time.monotonic() - started < 10
