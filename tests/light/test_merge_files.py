"""`seedbed merge` as people use it: files in, a folder out, and every bad line named."""

from __future__ import annotations

import csv
import json

import pytest
from click.testing import CliRunner

from records import TRANSACTIONS, bank_recipe
from seedbed.cli import main
from seedbed.errors import SourceError
from seedbed.export import read_examples, training_row
from seedbed.merging.example_files import Plain, read
from seedbed.recipe import technique_of
from seedbed.records import Example, SourceTask

TEXTS = [
    "My parcel has been on its way for two weeks now.",
    "Why was my card charged twice in March?",
    "The courier left the box with a neighbour whom I do not know.",
    "Please send the refund to another account.",
    "I cannot find the invoice of last year.",
    "Does the warranty cover water damage?",
    "The app closes whenever I open the settings.",
    "Can I change the delivery address after ordering?",
]

LIFT = "The lift is broken again today."


def made(n: int, text: str, label: str = "", **changes) -> dict:
    source = {"original": f"original {n}", **({"label": label} if label else {})}
    example = Example(
        f"x{n}", "paraphrase", "synthetic", source, {"paraphrase": text}, label,
        {"source_id": SourceTask.of(source).id, "verdict": "ACCEPTED", "model": "m"},
    )  # fmt: skip
    return {**example.to_dict(), **changes}


def write(path, rows):
    if path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def plain(technique: str, *, is_labelled: bool = False) -> Plain:
    return Plain(technique_of(technique, {}), is_labelled)


def only(path, how: Plain) -> Example:
    [example] = read(path, "real", how)
    return example


class TestPlainRows:
    @pytest.mark.parametrize(
        "row",
        [
            {"original": TEXTS[0], "label": "delivery"},
            {"text": TEXTS[0], "label": "delivery", "customer": 17},
            {"prompt": TEXTS[0], "completion": "delivery"},
            {
                "messages": [
                    {"role": "user", "content": TEXTS[0]},
                    {"role": "assistant", "content": "delivery"},
                ]
            },
        ],
    )
    def test_a_labelled_text_is_the_same_example_however_it_is_written(self, tmp_path, row):
        example = only(write(tmp_path / "own.jsonl", [row]), plain("paraphrase", is_labelled=True))
        source = {"original": TEXTS[0], "label": "delivery"}
        assert (dict(example.source), example.label, example.origin) == (source, "delivery", "real")
        assert dict(example.provenance) == {
            "source_id": SourceTask.of(source).id, "file": "own.jsonl", "file_line": 1,
        }  # fmt: skip
        row = training_row(example)
        assert (row.prompt, row.completion) == (TEXTS[0], "delivery")

    @pytest.mark.parametrize(
        ("technique", "row"),
        [
            ("paraphrase", {"prompt": "A long text.", "completion": "A text that is long."}),
            ("paraphrase", {"original": "A long text.", "paraphrase": "A text that is long."}),
            (
                "qa",
                {
                    "passage": "P 1.\n\nP 2.",
                    "question": "Which?",
                    "answer": "2",
                    "document": "a.pdf",
                },
            ),
            ("qa", {"prompt": "P 1.\n\nP 2.\n\nWhich?", "completion": "2"}),
            ("dpo", {"prompt": "May I?", "chosen": "Yes.", "rejected": "Hello!"}),
            ("expand", {"text": "A new text."}),
        ],
    )
    def test_every_technique_reads_its_rows(self, tmp_path, technique, row):
        example = only(write(tmp_path / "own.jsonl", [row]), plain(technique))
        assert example.technique == technique
        assert training_row(example).completion in row.values()
        assert example.provenance.get("document") == row.get("document")
        if technique == "qa":
            assert example.source["passage"] == "P 1.\n\nP 2."

    def test_records_are_read_by_their_columns(self):
        spec = bank_recipe().spec
        examples = list(read(TRANSACTIONS, "real", Plain(spec, True)))
        assert len(examples) == 96
        assert examples[0].record == spec.record
        assert training_row(examples[0]).completion == examples[0].label != ""

    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    def test_csv_of_any_delimiter_with_a_mark_and_quoted_lines(self, tmp_path, delimiter):
        path = tmp_path / "own.csv"
        rows = [["label", "text"], ["a", 'one, "two";\nthree\tfour'], ["", ""], ["b", "last"]]
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            csv.writer(file, delimiter=delimiter).writerows(rows)
        first, last = read(path, "real", plain("paraphrase", is_labelled=True))
        assert first.source["original"] == 'one, "two";\nthree\tfour'
        assert (first.provenance["file_line"], last.provenance["file_line"]) == (2, 5)

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            (
                {"title": "x"},
                "no row of the technique paraphrase; it has title. Give it original, label",
            ),
            ({"original": "x"}, "no row of the technique paraphrase; it has original"),
            ({"original": ["x"], "label": "a"}, "'original' is a list, not text"),
            (
                {"original": "x", "paraphrase": "y"},
                "the row has no label, and the synthetic rows have",
            ),
            (
                {"messages": [{"role": "user", "content": "x"}]},
                "are not one of the user and one of the",
            ),
            ({"messages": "x"}, "are not one of the user and one of the assistant"),
            ({"text": "a\ud800", "label": "b"}, "half a surrogate pair"),
        ],
    )
    def test_a_row_that_is_none_is_named(self, tmp_path, row, message):
        good = {"original": TEXTS[0], "label": "a"}
        path = write(tmp_path / "own.jsonl", [good, row])
        with pytest.raises(SourceError) as error:
            list(read(path, "real", plain("paraphrase", is_labelled=True)))
        assert str(error.value).startswith("own.jsonl, line 2: ")
        assert message in str(error.value)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b'{"original": \n', "line 1: The line is not valid JSON"),
            (b"[1]\n", "line 1: The line is a JSON list, not an object"),
            (
                '\n{"original": "Grüße, caf'.encode() + b'\xe9"}\n',
                "line 2: Byte 27 .0xe9. is not UTF-8",
            ),
            (b"[" * 100_000, "line 1: The line is not valid JSON"),
        ],
    )
    def test_a_line_that_cannot_be_read_is_named(self, tmp_path, content, message):
        path = tmp_path / "own.jsonl"
        path.write_bytes(content)
        with pytest.raises(SourceError, match=message):
            list(read(path, "real", plain("paraphrase")))

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("original,label\na,b,c\n", "line 2: The row has 3 cells, the header 2"),
            ('original,label\nx,a\n"open,b\n', "line 3: The row is not valid CSV"),
            ("title,label\nx,a\n", "line 2: this is no row of the technique paraphrase"),
        ],
    )
    def test_a_table_that_cannot_be_read_is_named(self, tmp_path, content, message):
        path = tmp_path / "own.csv"
        path.write_text(content)
        with pytest.raises(SourceError, match=message):
            list(read(path, "real", plain("paraphrase", is_labelled=True)))

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"origin": "real"}, "x2 is real, but stands among the synthetic ones"),
            ({"origin": "both"}, "origin is 'both', not real or synthetic"),
            ({"technique": "rhyme"}, "rhyme"),
            ({"output": {}}, "lacks the field 'paraphrase'"),
            ({"output": {"paraphrase": 7}}, "hold more than texts"),
            ({"source": None}, "not an example"),
        ],
    )
    def test_an_example_that_is_none_is_named(self, tmp_path, changes, message):
        path = write(
            tmp_path / "made.jsonl", [made(1, "One text."), made(2, "Another text.", **changes)]
        )
        with pytest.raises(SourceError) as error:
            list(read(path, "synthetic"))
        assert str(error.value).startswith("made.jsonl, line 2: ")
        assert message in str(error.value)


@pytest.fixture
def run(tmp_path):
    def merge(*arguments, fails=False):
        found = CliRunner().invoke(main, ["merge", *map(str, arguments)])
        assert found.exit_code == (2 if fails else 0), found.output
        return found.output

    return merge


@pytest.fixture
def files(tmp_path):
    own = [{"text": text, "label": "ab"[n % 2]} for n, text in enumerate(TEXTS)]
    synthetic = [made(n, f"{text[:-1]}, or so I was told by somebody else there yesterday.", "ab"[n % 2])
                 for n, text in enumerate(reversed(TEXTS))]  # fmt: skip
    return {
        "real": write(tmp_path / "own.csv", own),
        "more": write(tmp_path / "more.jsonl", [{"prompt": LIFT, "completion": "b"}]),
        "synthetic": write(tmp_path / "made.jsonl", synthetic),
        "out": tmp_path / "out",
    }  # fmt: skip


class TestCommand:
    def test_several_files_become_a_folder(self, run, files):
        said = run("--real", files["real"], "--real", files["more"], "--synthetic", files["synthetic"],
                   "-o", files["out"], "--test-fraction", 0.25, "--near", 1)  # fmt: skip
        assert "train: 10 rows, 7 real and 3 synthetic (30.0%; 30% wanted)." in said
        assert "test: 2 real rows, of 2 sources." in said
        assert "Held out by source, because the real rows name no documents." in said
        train = list(read_examples(files["out"] / "train.jsonl"))
        assert [e.provenance["model"] for e in train if e.origin == "synthetic"] == ["m"] * 3
        report = json.loads((files["out"] / "merge.json").read_text())
        assert [f["file"] for f in report["inputs"]["real"]] == ["more.jsonl", "own.csv"]
        assert report["files"]["train.jsonl"]["n_rows"] == 10

    def test_a_table_as_excel_saves_it_is_read_and_it_is_said_how(self, run, files, tmp_path):
        own = tmp_path / "Büro.csv"
        rows = [
            ["sep=;"],
            ["Nr", "TEXT", "Label"],
            *([i, f"Prüfung {t}", "a"] for i, t in enumerate(TEXTS[:4])),
        ]
        with own.open("w", newline="", encoding="cp1252") as file:
            csv.writer(file, delimiter=";").writerows(rows)
        said = run("--real", own, "--synthetic", files["synthetic"], "-o", files["out"])
        assert "Büro.csv: read as Windows-1252; save it as UTF-8 if letters look wrong." in said
        train = list(read_examples(files["out"] / "train.jsonl"))
        texts = {e.source["original"] for e in train if e.origin == "real"}
        assert texts == {f"Prüfung {text}" for text in TEXTS[:4]}

    def test_json_is_the_report(self, run, files):
        said = run(
            "--real", files["real"], "--synthetic", files["synthetic"], "-o", files["out"], "--json"
        )
        written = json.loads((files["out"] / "merge.json").read_text())
        assert {**written, **json.loads(said)} == written

    def test_a_test_set_of_the_team(self, run, files):
        said = run("--real", files["real"], "--synthetic", files["synthetic"], "--test", files["more"],
                   "-o", files["out"])  # fmt: skip
        assert "test: 1 real rows" in said
        [held] = read_examples(files["out"] / "test.jsonl")
        assert held.source["original"] == LIFT

    def test_nothing_is_written_where_something_is_wrong(self, run, files, tmp_path):
        bad = tmp_path / "bad.jsonl"
        bad.write_text(files["synthetic"].read_text() + "{broken\n")
        said = run("--real", files["real"], "--synthetic", bad, "-o", files["out"], fails=True)
        assert "bad.jsonl, line 9: The line is not valid JSON" in said
        other = write(
            tmp_path / "other.jsonl", [made(1, "x", technique="expand", output={"example": "x"})]
        )
        said = run("--real", files["real"], "--synthetic", files["synthetic"], "--synthetic", other,
                   "-o", files["out"], fails=True)  # fmt: skip
        assert (
            "other.jsonl has an example of the technique expand (x1), made.jsonl those of" in said
        )
        said = run(
            "--real", files["real"], "--synthetic", files["real"], "-o", files["out"], fails=True
        )
        assert "own.csv, line 2: this is not an example of Seedbed." in said
        assert not files["out"].exists()

    def test_plain_rows_need_synthetic_ones(self, run, files, tmp_path):
        empty = tmp_path / "empty.jsonl"
        empty.touch()
        said = run("--real", files["real"], "--synthetic", empty, "-o", files["out"], fails=True)
        assert "own.csv, line 2: this is a plain row, and there are no synthetic rows" in said

    def test_a_folder_of_somebody_else_stays(self, run, files):
        files["out"].mkdir()
        (files["out"] / "precious.txt").write_text("x")
        said = run(
            "--real",
            files["real"],
            "--synthetic",
            files["synthetic"],
            "-o",
            files["out"],
            fails=True,
        )
        assert "merge did not write it" in said
        assert [p.name for p in files["out"].iterdir()] == ["precious.txt"]
