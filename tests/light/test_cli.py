"""What a person sees who types something wrong: one sentence, what to do, exit code 2 or 1."""

import os
import subprocess
import sys

import click
import pytest

from seedbed.cli import SERVER_SIDE, USUAL_ORDER, main


def seedbed(*arguments, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SEEDBED", "LABEL_STUDIO"))}
    return subprocess.run(
        [sys.executable, "-m", "seedbed", *arguments],
        capture_output=True,
        text=True,
        env=clean | environment,
        check=False,
    )


@pytest.fixture
def nowhere(tmp_path):
    """Settings that lead to no server."""
    return {"SEEDBED_HOME": str(tmp_path), "SEEDBED_URL": "http://localhost:9"}


@pytest.mark.parametrize("name", main.list_commands(click.Context(main)))
def test_every_command_explains_itself(name):
    context = main.make_context("seedbed", [], resilient_parsing=True)
    command = main.get_command(context, name)
    assert command is not None
    assert len(command.help or "") > 20
    for parameter in command.params:
        if parameter.param_type_name == "option":
            assert parameter.help, parameter.name


def test_the_help_lists_every_command_in_the_usual_order():
    lines = [line.strip() for line in seedbed("--help").stdout.splitlines()]
    assert "init       make a project for a technique" in lines
    first = [line.split()[0] for line in lines if line]
    listed = first[first.index("init") :]
    assert tuple(listed[: len(USUAL_ORDER)]) == USUAL_ORDER
    assert {"up", "doctor", "worker", "db"} < set(listed)
    assert not any(line.endswith("...") for line in lines[1:])


def test_the_help_loads_nothing_of_the_server_side_and_says_the_same():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "seedbed", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for heavy in (
        "seedbed_backend",
        "pydantic",
        "label_studio_sdk",
        "sqlalchemy",
        "pypdfium2",
        "lxml",
    ):
        assert heavy not in done.stderr
    for name, said in SERVER_SIDE.items():
        command = main.get_command(click.Context(main), name)
        assert command is not None
        assert command.short_help == said


def test_a_server_that_does_not_answer_is_named(nowhere):
    done = seedbed("status", **nowhere)
    assert done.returncode == 1
    assert "http://localhost:9 does not answer" in done.stderr
    assert "seedbed up" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_recipe_with_an_unknown_key_is_refused_before_anything_is_asked(tmp_path, nowhere):
    file = tmp_path / "mine.yaml"
    file.write_text("technique: qa\nthreshhold: 1\n")
    done = seedbed("init", "contracts", "--recipe", str(file), **nowhere)
    assert done.returncode == 2
    assert "unknown key 'threshhold'" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_to_make_is_said(nowhere):
    done = seedbed("init", "contracts", **nowhere)
    assert done.returncode == 2
    assert "--recipe FILE or --technique NAME" in done.stderr


def test_pull_without_a_token_says_which_setting(tmp_path, nowhere):
    done = seedbed("pull", "contracts", "-o", str(tmp_path / "out.jsonl"), **nowhere)
    assert done.returncode == 2
    assert "LABEL_STUDIO_API_KEY" in done.stderr


def test_doctor_says_what_is_wrong_and_exits_1(nowhere):
    done = seedbed(
        "doctor", LABEL_STUDIO_URL="http://localhost:9", LABEL_STUDIO_API_KEY="x", **nowhere
    )
    assert done.returncode == 1
    assert done.stdout.count("FAIL") == 2
    assert "→" in done.stdout
    assert "Traceback" not in done.stderr


def test_up_names_the_model_that_is_not_there(tmp_path):
    done = seedbed(
        "up",
        "--home",
        str(tmp_path),
        "--model",
        "/no/such.gguf",
        LABEL_STUDIO_URL="http://localhost:9",
        LABEL_STUDIO_API_KEY="x",
    )
    assert done.returncode == 2
    assert "SEEDBED_MODEL: there is no /no/such.gguf" in done.stderr


def test_up_names_a_file_that_is_no_gguf_before_it_starts_anything(tmp_path):
    file = tmp_path / "model.gguf"
    file.write_text("not a model")
    done = seedbed(
        "up",
        "--home",
        str(tmp_path / "home"),
        "--model",
        str(file),
        "--embedding-model",
        str(tmp_path),
        LABEL_STUDIO_URL="http://localhost:9",
        LABEL_STUDIO_API_KEY="x",
    )
    assert done.returncode == 2
    assert "model.gguf" in done.stderr
    assert "GGUF" in done.stderr
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.md", b"", "empty"),
        ("damaged.jsonl", b'{"original": "\xc3\xa9\xc3\xa9 caf\xe9"}\n', "UTF-8"),
        ("long.jsonl", b'{"original": "' + b"x" * (2 << 20) + b'"}\n', "line 1"),
        ("broken.jsonl", b'{"original": \n', "line 1"),
        ("other.jsonl", b'{"text_of_mine": "x"}\n', "original"),
        ("empty.csv", b"", "empty"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_reason(tmp_path, name, content, words):
    from seedbed import ingest, registry

    file = tmp_path / name
    file.write_bytes(content)
    report = ingest.ingest([file], registry.technique("paraphrase"))
    assert not report.sources
    (problem,) = report.problems
    assert name in str(problem)
    assert words in str(problem)
