"""The folder: complete or not there, the same bytes every time, checked against its manifest."""

from __future__ import annotations

import hashlib
import json
import os
import random
import string
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from exports import example, mixed, real, unreviewed
from seedbed import merge
from seedbed.cli import main
from seedbed.errors import SourceError, UserError
from seedbed.export import FORMATS, export, verify, write_jsonl
from seedbed.export import manifest as manifests

TESTS = Path(__file__).parents[1]
SEEDBED = (sys.executable, "-m", "seedbed")


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def merged_folder(path, technique="qa"):
    """Write a folder as `seedbed merge` does: splits and a report."""
    path.mkdir()
    rows = mixed(technique)
    for split, examples in {
        "train": rows[:24],
        "test": [r for r in rows[24:] if r.origin == "real"],
    }.items():
        write_jsonl(path / f"{split}.jsonl", (e.to_dict() for e in examples))
    (path / "merge.json").write_text(json.dumps({"target_fraction": 0.3, "n_duplicates": 2}))
    return path


def text(number):
    """Return a text that is like no other."""
    rng = random.Random(number)
    return " ".join("".join(rng.choices(string.ascii_lowercase, k=6)) for _ in range(12))


def pair(number):
    """Return the two sides of a preference pair, like those of no other."""
    return {"chosen": text(number + 1000), "rejected": text(number + 2000)}


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


class TestFolder:
    @pytest.mark.parametrize(
        "format_name", [n for n in FORMATS if n not in ("trl-preference", "records")]
    )
    def test_a_merged_folder_becomes_a_file_a_split_with_card_and_manifest(
        self, format_name, tmp_path
    ):
        source = merged_folder(tmp_path / "merged")
        written = export(source, format_name, tmp_path / "out")
        suffix = FORMATS[format_name].suffix
        extra = ["dataset_info.json"] if format_name == "llama-factory" else []
        assert sorted(contents(tmp_path / "out")) == sorted(
            ["README.md", "manifest.json", f"test{suffix}", f"train{suffix}", *extra]
        )
        assert set(written) == {"train", "test"}
        if suffix == ".jsonl":
            lines = (tmp_path / "out" / "train.jsonl").read_text().splitlines()
            assert len(lines) == written["train"]

    def test_twice_gives_the_same_bytes(self, tmp_path):
        for format_name in ("openai-messages", "parquet"):
            one, two = tmp_path / f"1{format_name}", tmp_path / f"2{format_name}"
            export(merged_folder(tmp_path / f"a{format_name}"), format_name, one)
            export(merged_folder(tmp_path / f"b{format_name}"), format_name, two)
            assert contents(one) == contents(two)

    def test_the_bytes_do_not_depend_on_the_hash_seed(self, tmp_path):
        source = merged_folder(tmp_path / "merged")
        for seed in ("1", "2"):
            subprocess.run(
                [*SEEDBED, "export", source, "--format", "alpaca", "-o", tmp_path / seed],
                env={**os.environ, "PYTHONHASHSEED": seed},
                check=True,
                capture_output=True,
            )
        assert contents(tmp_path / "1") == contents(tmp_path / "2")

    def test_a_file_of_examples_is_the_split_train(self, tmp_path):
        file = tmp_path / "approved.jsonl"
        write_jsonl(file, (e.to_dict() for e in mixed("qa")))
        assert export(file, "alpaca", tmp_path / "out") == {"train": 30}

    def test_examples_can_be_streamed_or_given_by_split_or_as_a_merge(self, tmp_path):
        by_split = {"train": iter([example()]), "test": [real()]}
        assert export(by_split, "alpaca", tmp_path / "1") == {"train": 1, "test": 1}
        assert export(iter([example()]), "alpaca", tmp_path / "2") == {"train": 1}

    def test_a_merge_is_exported_as_if_it_had_been_written(self, tmp_path):
        reals = [e for e in mixed("dpo", 60) if e.origin == "real"]
        merged = merge(
            [replace(e, source={"prompt": text(n)}, output=pair(n)) for n, e in enumerate(reals)],
            [example("dpo", source={"prompt": text(99)}, output=pair(99))],
            test_fraction=0.2,
        )
        written = export(merged, "trl-preference", tmp_path / "1")
        assert written == {"train": 17, "test": 4}
        merged.write(tmp_path / "merged")
        assert export(tmp_path / "merged", "trl-preference", tmp_path / "2") == written
        for name in ("README.md", "train.jsonl", "test.jsonl"):
            assert contents(tmp_path / "1")[name] == contents(tmp_path / "2")[name]
        assert manifests.read(tmp_path / "1")["merge"]["settings"]["test_fraction"] == 0.2
        with pytest.raises(UserError, match="2 splits"):
            export(merged, "trl-preference", tmp_path / "one.jsonl")

    def test_a_split_without_rows_is_left_out(self, tmp_path):
        export({"train": [example()], "test": []}, "alpaca", tmp_path / "out")
        assert "test.jsonl" not in contents(tmp_path / "out")

    def test_nothing_at_all_is_refused(self, tmp_path):
        with pytest.raises(UserError, match="no examples to export"):
            export([], "alpaca", tmp_path / "out")
        assert list(tmp_path.iterdir()) == []

    def test_an_unknown_split_is_named(self, tmp_path):
        with pytest.raises(UserError, match=r"'dev'.*train, validation, test"):
            export({"dev": []}, "alpaca", tmp_path / "out")

    def test_a_folder_without_splits_says_what_was_looked_for(self, tmp_path):
        with pytest.raises(SourceError, match=r"no train\.jsonl, validation\.jsonl, test\.jsonl"):
            export(tmp_path, "alpaca", tmp_path / "out")

    def test_a_damaged_report_of_the_merge_is_named(self, tmp_path):
        source = merged_folder(tmp_path / "merged")
        (source / "merge.json").write_text("{")
        with pytest.raises(SourceError, match=r"merge\.json cannot be read"):
            export(source, "alpaca", tmp_path / "out")


class TestOneFile:
    def test_a_name_that_ends_in_jsonl_is_one_file(self, tmp_path):
        export([example()], "alpaca", tmp_path / "out.jsonl")
        assert [file.name for file in tmp_path.iterdir()] == ["out.jsonl"]

    def test_several_splits_do_not_fit(self, tmp_path):
        with pytest.raises(UserError, match=r"2 splits \(train, test\)"):
            export({"train": [example()], "test": [real()]}, "alpaca", tmp_path / "out.jsonl")

    def test_a_format_has_its_own_suffix(self, tmp_path):
        with pytest.raises(UserError, match=r"alpaca is written to \.jsonl files"):
            export([example()], "alpaca", tmp_path / "out.parquet")


class TestWhatIsThereAlready:
    def test_an_earlier_export_is_replaced_as_a_whole(self, tmp_path):
        out = tmp_path / "out"
        export({"train": [example()], "test": [real()]}, "alpaca", out)
        export([example(), real()], "parquet", out)
        assert sorted(contents(out)) == ["README.md", "manifest.json", "train.parquet"]
        assert [file.name for file in tmp_path.iterdir()] == ["out"]

    def test_an_empty_folder_is_filled(self, tmp_path):
        (tmp_path / "out").mkdir()
        export([example()], "alpaca", tmp_path / "out")
        assert verify(tmp_path / "out") == []

    def test_a_folder_of_somebody_else_is_refused_and_left(self, tmp_path):
        (tmp_path / "thesis.txt").write_text("years of work")
        with pytest.raises(UserError, match="did not write it"):
            export([example()], "alpaca", tmp_path)
        assert (tmp_path / "thesis.txt").read_text() == "years of work"

    def test_a_note_put_into_an_export_is_not_thrown_away(self, tmp_path):
        out = tmp_path / "out"
        export([example()], "alpaca", out)
        (out / "note.txt").write_text("mine")
        with pytest.raises(UserError, match=r"also holds note\.txt"):
            export([example()], "alpaca", out)
        assert (out / "note.txt").exists()

    def test_a_file_in_the_place_of_the_folder_is_refused(self, tmp_path):
        (tmp_path / "out").write_text("x")
        with pytest.raises(UserError, match="out is not a folder"):
            export([example()], "alpaca", tmp_path / "out")

    def test_the_folder_one_stands_in_can_be_named_by_a_dot(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "mine.txt").write_text("x")
        with pytest.raises(UserError, match="did not write it"):
            export([example()], "alpaca", ".")

    def test_the_source_is_not_replaced_by_its_export(self, tmp_path):
        source = merged_folder(tmp_path / "merged")
        before = contents(source)
        with pytest.raises(UserError, match="did not write it"):
            export(source, "alpaca", source)
        assert contents(source) == before


class TestFailure:
    def test_an_unfit_row_leaves_the_old_folder(self, tmp_path):
        out = tmp_path / "out"
        export([example()], "alpaca", out)
        before = contents(out)
        with pytest.raises(UserError, match="alpaca needs"):
            export([example(), example("dpo")], "alpaca", out)
        assert contents(out) == before
        assert [file.name for file in tmp_path.iterdir()] == ["out"]

    def test_a_killed_export_leaves_the_old_folder(self, tmp_path):
        out = tmp_path / "out"
        export([example()], "alpaca", out)
        before = contents(out)
        code = (
            "import os, signal, sys; sys.path.insert(0, sys.argv[2]); from exports import example\n"
            "from seedbed.export import export\n"
            "def rows():\n"
            "    yield from (example(id=str(i)) for i in range(5000))\n"
            "    os.kill(os.getpid(), signal.SIGKILL)\n"
            "export(rows(), 'alpaca', sys.argv[1])"
        )
        done = subprocess.run([sys.executable, "-c", code, out, TESTS], check=False)
        assert done.returncode == -9
        assert contents(out) == before
        export([example(), real()], "alpaca", out)
        assert verify(out) == []

    def test_a_machine_that_stopped_between_the_two_renames_loses_nothing(self, tmp_path):
        out = tmp_path / "out"
        export([example()], "alpaca", out)
        before = contents(out)
        out.rename(tmp_path / ".out.old")  # what whole_folder has done by then
        with pytest.raises(UserError, match="alpaca needs"):
            export([example("dpo")], "alpaca", out)
        assert contents(out) == before

    @pytest.mark.parametrize("format_name", ["alpaca", "parquet"])
    def test_a_full_disk_is_named_and_leaves_nothing(self, format_name, tmp_path):
        """A limit on the size of files stands in for it: the same call fails, with another number."""
        code = (
            "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
            "sys.path.insert(0, sys.argv[2]); from exports import example\n"
            "from seedbed.export import export\n"
            "export((example(id=str(i), label=str(i)) for i in range(20000)), sys.argv[3], sys.argv[1])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, tmp_path / "out", TESTS, format_name],
            capture_output=True,
            text=True,
            check=False,
        )
        assert f"Cannot write {tmp_path / 'out'}" in done.stderr
        assert "File too large" in done.stderr
        assert "Check the folder and its free space" in done.stderr
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_cannot_be_made_is_named(self, tmp_path):
        (tmp_path / "file").write_text("x")
        with pytest.raises(UserError, match=r"Cannot write .*Not a directory"):
            export([example()], "alpaca", tmp_path / "file" / "out")
        with pytest.raises(UserError, match=r"Cannot write .*No such file"):
            export([example()], "alpaca", tmp_path / "none" / "out")

    def test_without_pyarrow_parquet_says_what_to_install(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(UserError, match=r"pyarrow.*pip install \"seedbed\[parquet\]\""):
            export([example()], "parquet", tmp_path / "out")
        assert list(tmp_path.iterdir()) == []


class TestManifest:
    @pytest.fixture
    def out(self, tmp_path):
        export(merged_folder(tmp_path / "merged"), "openai-messages", tmp_path / "out")
        return tmp_path / "out"

    def test_it_has_the_fingerprint_of_every_file(self, out):
        found = json.loads((out / "manifest.json").read_text())
        assert set(found["files"]) == {"README.md", "train.jsonl", "test.jsonl"}
        for name, said in found["files"].items():
            data = (out / name).read_bytes()
            assert said["sha256"] == hashlib.sha256(data).hexdigest()
            assert said["bytes"] == len(data)
        assert found["files"]["train.jsonl"]["rows"] == 24

    def test_it_says_what_the_data_set_was_made_of(self, out):
        found = manifests.read(out)
        merged = out.parent / "merged"
        assert found["format"] == "openai-messages"
        assert found["merge"] == {"target_fraction": 0.3, "n_duplicates": 2}
        assert found["inputs"]["train"] == manifests.fingerprint(merged / "train.jsonl")
        assert set(found["inputs"]) == {"train", "test", "merge"}
        assert found["models"] == [{"name": "small.gguf", "sha256": "ab" * 32, "rows": 16}]
        assert found["recipes"] == [{"hash": "r" * 16, "document": None}]
        assert found["store_revision"] is None

    def test_it_names_no_path_and_no_time(self, out):
        text = (out / "manifest.json").read_text() + (out / "README.md").read_text()
        assert str(out.parent) not in text
        assert str(out.parent.name) not in text

    def test_verify_is_content_with_what_was_exported(self, out):
        done = run("verify", out)
        assert done.exit_code == 0
        assert "All 3 files" in done.output

    def test_verify_says_what_differs_and_exits_1(self, out):
        data = (out / "train.jsonl").read_bytes()
        (out / "train.jsonl").write_bytes(data.replace(b"real", b"REAL", 1))
        with (out / "README.md").open("a") as file:
            file.write("More.\n")
        (out / "test.jsonl").unlink()
        (out / "extra.txt").write_text("x")
        done = run("verify", out)
        assert done.exit_code == 1
        lines = done.output.splitlines()
        assert len(lines) == 4
        assert "README.md has" in lines[0]
        assert lines[1] == "test.jsonl cannot be read: No such file or directory"
        assert "train.jsonl has other contents" in lines[2]
        assert lines[3] == "extra.txt is not in the manifest"

    @pytest.mark.parametrize("text", ["{", "[]", "{}", '{"seedbed_manifest": 2, "files": {}}'])
    def test_a_manifest_that_cannot_be_read_is_named(self, text, tmp_path):
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(SourceError, match=r"manifest\.json is"):
            verify(tmp_path)

    def test_a_manifest_cannot_point_outside_its_folder(self, tmp_path):
        files = {"../secret": {"sha256": "", "bytes": 0}}
        (tmp_path / "manifest.json").write_text(json.dumps({"seedbed_manifest": 1, "files": files}))
        with pytest.raises(SourceError, match="is not a manifest"):
            verify(tmp_path)

    def test_a_folder_without_manifest_is_no_export(self, tmp_path):
        done = run("verify", tmp_path)
        assert done.exit_code == 2
        assert "Cannot read" in done.output


class TestCommand:
    def test_it_says_what_was_written(self, tmp_path):
        source = merged_folder(tmp_path / "merged")
        done = run("export", source, "--format", "alpaca", "-o", tmp_path / "out")
        assert done.exit_code == 0
        assert "24 train, 2 test rows written to" in done.output

    def test_options_reach_the_card(self, tmp_path):
        source = merged_folder(tmp_path / "merged")
        options = ("--license", "apache-2.0", "--language", "en", "--language", "de")
        out = tmp_path / "out"
        done = run("export", source, "--format", "alpaca", "-o", out, "--title", "Leases", *options)
        assert done.exit_code == 0
        card = (out / "README.md").read_text()
        assert "license: apache-2.0\nlanguage:\n- en\n- de\n" in card
        assert "\n# Leases\n" in card

    def test_chat_writes_messages(self, tmp_path):
        source = merged_folder(tmp_path / "merged")
        out = tmp_path / "out"
        run("export", source, "--format", "trl-prompt-completion", "--chat", "-o", out)
        first = json.loads((out / "train.jsonl").read_text().splitlines()[0])
        assert first["prompt"][0]["role"] == "user"

    @pytest.mark.parametrize("name", FORMATS)
    def test_the_help_names_every_format(self, name):
        assert name in " ".join(run("export", "--help").output.split()).replace("- ", "-")

    def test_an_unknown_format_is_refused_before_anything_is_read(self, tmp_path):
        done = run("export", tmp_path / "none", "--format", "csv", "-o", tmp_path / "out")
        assert done.exit_code == 2
        assert "No format is named 'csv'" in done.output


def test_memory_does_not_grow_with_the_rows(tmp_path):
    """100,000 rows, some 140 MB of JSON, in less than 60 MB beyond what the modules take."""
    code = (
        "import resource, sys; sys.path.insert(0, sys.argv[2])\n"
        "from exports import example; import pyarrow.parquet; from seedbed.export import export\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak()\n"
        "export((example(id=str(i)) for i in range(100000)), 'alpaca', sys.argv[1])\n"
        "print((peak() - before) / 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "out", TESTS],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) < 60


def test_unreviewed_rows_keep_the_state_of_their_gate(tmp_path):
    export([unreviewed()], "alpaca", tmp_path / "out.jsonl")
    row = json.loads((tmp_path / "out.jsonl").read_text())
    assert (row["metadata"]["verdict"], row["metadata"]["gate"]) == ("", "passed")
