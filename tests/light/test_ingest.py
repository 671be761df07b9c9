from __future__ import annotations

import json
import tracemalloc

import pytest

from seedbed import registry
from seedbed.decoding import MAX_LINE_BYTES
from seedbed.errors import UserError
from seedbed.ingest import ingest, read

PARAPHRASE = registry.technique("paraphrase")
QA = registry.technique("qa")


def put(tmp_path, name: str, content) -> object:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def problems_of(path, technique=PARAPHRASE, **options) -> list[str]:
    return [str(problem) for problem in ingest([path], technique, **options).problems]


# --- rows ----------------------------------------------------------------------------------------


def test_jsonl_rows_become_sources_with_their_place(tmp_path):
    path = put(
        tmp_path, "seeds.jsonl", '{"original": " Grüße ", "label": "a", "id": 7}\n\n{"text": "x"}'
    )
    first, second = ingest([path], PARAPHRASE).sources
    assert (first.fields, first.group) == ({"original": "Grüße", "label": "a"}, "a")
    assert first.provenance == {"file": "seeds.jsonl", "line": 1}
    assert (second.fields, second.provenance["line"]) == ({"original": "x"}, 3)


def test_csv_rows_with_quotes_line_breaks_and_mark(tmp_path):
    path = put(tmp_path, "s.csv", b'\xef\xbb\xbforiginal,label\r\n"a, ""b""\nc",x\r\nd,\r\n')
    first, second = ingest([path], PARAPHRASE).sources
    assert first.fields == {"original": 'a, "b"\nc', "label": "x"}
    assert second.fields == {"original": "d"}
    assert second.provenance["line"] == 4


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_are_recognised(tmp_path, delimiter):
    path = put(tmp_path, "s.csv", f"label{delimiter}text\nx{delimiter}hello, you\n")
    (source,) = ingest([path], PARAPHRASE).sources
    assert source.fields == {"original": "hello, you", "label": "x"}


def test_columns_can_be_mapped(tmp_path):
    path = put(tmp_path, "s.csv", "body,class\nhello,x\n")
    (source,) = ingest([path], PARAPHRASE, columns={"original": "body", "label": "class"}).sources
    assert source.fields == {"original": "hello", "label": "x"}


def test_mapping_of_an_unknown_field_is_the_callers_mistake(tmp_path):
    with pytest.raises(UserError, match=r"no source field 'orig'.*original, label"):
        ingest([put(tmp_path, "s.csv", "a\nb\n")], PARAPHRASE, columns={"orig": "a"})


def test_text_file_is_one_example_a_line(tmp_path):
    report = ingest([put(tmp_path, "s.txt", "one\n\n  two \n")], PARAPHRASE)
    assert [s.fields["original"] for s in report.sources] == ["one", "two"]
    assert [s.provenance["line"] for s in report.sources] == [1, 3]


def test_duplicates_are_counted_across_files(tmp_path):
    one, two = put(tmp_path, "1.txt", "a\nb\na\n"), put(tmp_path, "2.txt", "b\nc\n")
    report = ingest([one, two], PARAPHRASE)
    assert (len(report.sources), report.n_duplicates) == (3, 2)


def test_files_of_one_name_stay_apart(tmp_path):
    for folder in ("Anna", "Bert", "Cleo/old"):
        (tmp_path / folder).mkdir(parents=True)
        put(
            tmp_path / folder,
            "Lease.txt",
            f"The rent of {folder} is due on the first of the month.",
        )
    paths = [tmp_path / "Anna/Lease.txt", tmp_path / "Bert", tmp_path / "Cleo", tmp_path / "Anna"]
    report = ingest(paths, QA)
    assert [file.file for file in report.files] == [
        "Anna/Lease.txt",
        "Bert/Lease.txt",
        "old/Lease.txt",
    ]
    assert len({source.fields["document"] for source in report.sources}) == 3


# --- what is wrong with a row ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"original": "x"', "not valid JSON"),
        ("[" * 100_000, "not valid JSON: nested too deeply"),
        ('["x"]', "a JSON list, not an object"),
        ('{"label": "a"}', "'original' is missing or empty"),
        ('{"original": "  "}', "'original' is missing or empty"),
        ('{"original": ["x"]}', "'original' is a list, not text"),
        ('{"original": true}', "'original' is a bool, not text"),
        ('{"original": "x", "label": "zzz"}', "The label 'zzz' is not one of: a, b"),
        ('{"original": "x\\ud800"}', "half a surrogate pair"),
        ('{"original": "x\\u0000"}', "holds a NUL"),
    ],
)
def test_a_bad_row_is_named_and_the_rest_goes_on(tmp_path, line, says):
    path = put(tmp_path, "s.jsonl", f'{{"original": "one"}}\n{line}\n{{"original": "three"}}\n')
    report = ingest([path], PARAPHRASE, labels=("a", "b"))
    assert [s.fields["original"] for s in report.sources] == ["one", "three"]
    (problem,) = report.problems
    assert (problem.file, problem.line) == ("s.jsonl", 2)
    assert says in problem.message
    assert str(problem).startswith("s.jsonl, line 2: ")


def test_damaged_utf8_names_the_byte_and_the_rest_goes_on(tmp_path):
    content = '{"original": "Grüße"}\n{"original": "caf'.encode() + b'\xe9"}\n{"original": "ok"}\n'
    report = ingest([put(tmp_path, "s.jsonl", content)], PARAPHRASE)
    assert [s.fields["original"] for s in report.sources] == ["Grüße", "ok"]
    (problem,) = report.problems
    assert problem.line == 2
    assert f"Byte {content.index(0xE9)} (0xe9) is not UTF-8" in problem.message
    assert report.files[0].notes == ()


def test_rows_of_another_encoding_go_in_and_it_is_said_how_they_were_read(tmp_path):
    content = 'original,label\n"Prüfung läuft “täglich”",a\nCafé,b\n'.encode("cp1252")
    report = ingest([put(tmp_path, "s.csv", content)], PARAPHRASE)
    assert [s.fields["original"] for s in report.sources] == ["Prüfung läuft “täglich”", "Café"]
    (file,) = report.files
    assert file.encoding == "Windows-1252"
    assert file.notes == ("read as Windows-1252; save it as UTF-8 if letters look wrong",)


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_rows_in_utf16_are_read(tmp_path, codec):
    path = put(tmp_path, "s.csv", "original,label\nGrüße,a\n日本,b\n".encode(codec))
    report = ingest([path], PARAPHRASE)
    assert [s.fields["original"] for s in report.sources] == ["Grüße", "日本"]
    assert [s.provenance["line"] for s in report.sources] == [2, 3]
    assert report.files[0].notes[0].startswith("read as UTF-")


@pytest.mark.parametrize("suffix", ["jsonl", "txt"])
def test_line_over_the_limit(tmp_path, suffix):
    row = '{"original": "%s"}' if suffix == "jsonl" else "%s"
    lines = [row % "one", row % ("x" * (3 * MAX_LINE_BYTES)), row % "three"]
    report = ingest([put(tmp_path, f"s.{suffix}", "\n".join(lines))], PARAPHRASE)
    assert [s.provenance["line"] for s in report.sources] == [1, 3]
    assert [(p.line, p.message) for p in report.problems] == [
        (2, "The line is longer than 1 MiB. Split it.")
    ]


def test_line_of_just_the_limit_is_read(tmp_path):
    report = ingest([put(tmp_path, "s.txt", "x" * (MAX_LINE_BYTES - 1) + "\ny")], PARAPHRASE)
    assert (len(report.sources), report.problems) == (2, ())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("hello\nyou\n", "s.csv: The first line names no column 'original'; it is: hello."),
        ("original\na\nb,c\nd\n", "s.csv, line 3: The row has 2 cells, the header 1."),
        ('original\na\n"b\nc\n', "s.csv, line 3: The row is not valid CSV"),
        ('original\na\n"b" c\nd\n', "s.csv, line 3: The row is not valid CSV"),
        ("", "s.csv: The file holds no text."),
        ("original\n", "s.csv: The file holds no text."),
        ("orig\u00fc\u00e4".encode() + b"\xff\n", "s.csv, line 1: Byte 8 (0xff) is not UTF-8."),
        (
            "original\n\u00fc\u00e4\nb".encode() + b"\xff\n",
            "s.csv, line 3: Byte 15 (0xff) is not UTF-8.",
        ),
    ],
)
def test_bad_csv(tmp_path, content, says):
    (problem,) = problems_of(put(tmp_path, "s.csv", content))
    assert problem.startswith(says)


def test_csv_without_a_mapped_column(tmp_path):
    path = put(tmp_path, "s.csv", "original\na\n")
    (problem,) = problems_of(path, columns={"label": "class"})
    assert "no column 'class'" in problem


def test_files_that_cannot_be_read_do_not_stop_the_rest(tmp_path):
    good = put(tmp_path, "good.txt", "x")
    folder = tmp_path / "folder.txt"
    folder.mkdir()
    pdf = put(tmp_path, "s.pdf", b"%PDF")
    report = ingest(
        [tmp_path / "none.csv", folder, pdf, put(tmp_path, "e.txt", "\n"), good], PARAPHRASE
    )
    assert len(report.sources) == 1
    assert [p.file for p in report.problems] == ["none.csv", "folder.txt", "s.pdf", "e.txt"]
    assert "No such file" in report.problems[0].message
    assert ".jsonl, .ndjson, .csv" in report.problems[2].message


def test_rows_are_streamed(tmp_path):
    path = put(tmp_path, "s.jsonl", '{"original": "one"}\n' + '{"original": "x"}\n' * 500_000)
    tracemalloc.start()
    stream = read(path, PARAPHRASE)
    assert next(stream).fields == {"original": "one"}
    assert sum(1 for _, _ in zip(range(1000), stream, strict=False)) == 1000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20 < path.stat().st_size


# --- documents -----------------------------------------------------------------------------------

SENTENCE = "The tenant pays the rent of {i} euros on the first of the month. "
DOCUMENT = (
    "# Lease\n\n" + "".join(SENTENCE.format(i=i) for i in range(32)) + "\n\n## Deposit\n\n"
    "Grüße 🙂 aus Zürich.\r\n" + "".join(SENTENCE.format(i=i) for i in range(5)) + "\n\n\n"
    "## Notice\nThree months.\n"
)


@pytest.mark.parametrize("suffix", ["md", "txt"])
@pytest.mark.parametrize("n_tokens", [20, 60, 200, 10_000])
def test_chunks_are_verbatim_and_lose_nothing(tmp_path, suffix, n_tokens):
    path = put(tmp_path, f"lease.{suffix}", DOCUMENT)
    text = path.read_bytes().decode()
    end = 0
    for source in read(path, QA, n_tokens=n_tokens):
        where = source.provenance
        assert where["file"] == path.name
        assert source.fields["document"] == source.group == "lease"
        assert text[where["char_start"] : where["char_end"]] == source.fields["passage"]
        assert not text[end : where["char_start"]].strip()
        end = where["char_end"]
    assert not text[end:].strip()


def test_a_chunk_names_the_headings_it_stands_under(tmp_path):
    report = ingest([put(tmp_path, "lease.md", DOCUMENT)], QA, n_tokens=100)
    headings = [s.provenance["heading"] for s in report.sources]
    assert headings[0] == "Lease"
    assert headings[-1].startswith("Lease > ")


def test_byte_order_mark_is_no_character(tmp_path):
    (source,) = ingest([put(tmp_path, "d.txt", b"\xef\xbb\xbfHello.")], QA).sources
    assert source.provenance == {"file": "d.txt", "char_start": 0, "char_end": 6}


def test_a_damaged_document_is_refused_whole(tmp_path):
    content = "Grüße.\n\nCaf".encode() + b"\xe9.\n"
    report = ingest([put(tmp_path, "d.txt", content)], QA)
    assert report.sources == ()
    (problem,) = report.problems
    assert str(problem).startswith("d.txt: Line 3: Byte 13 (0xe9) is not UTF-8. Save")


def test_empty_document(tmp_path):
    for name in ("d.md", "d.txt", "d.html"):
        assert problems_of(put(tmp_path, name, " \n\n"), QA) == [
            f"{name}: The file holds no text. Leave it out, or fill it."
        ]


def test_passages_given_as_rows_keep_their_document(tmp_path):
    row = {"passage": "The shop opens at 9.", "document": "hours"}
    (source,) = ingest([put(tmp_path, "d.jsonl", json.dumps(row))], QA).sources
    assert (source.fields, source.group) == (row, "hours")


@pytest.mark.parametrize("name", ["lease.pdf", "lease.docx", "lease.html"])
def test_documents_for_a_technique_of_examples_are_refused_with_advice(tmp_path, name):
    (problem,) = problems_of(put(tmp_path, name, "x"), PARAPHRASE)
    assert "paraphrase grows from examples, not from documents" in problem
    assert ".jsonl, .ndjson, .csv, .tsv, .txt, .md" in problem


@pytest.mark.parametrize(
    ("n_tokens", "overlap"), [(0, 0), (19, 0), (200, 200), (200, -1), (40, 21)]
)
def test_sizes_that_make_no_chunks_are_the_callers_mistake(tmp_path, n_tokens, overlap):
    with pytest.raises(UserError, match=r"tokens cannot|cannot have \d+ tokens"):
        ingest([put(tmp_path, "d.txt", "x")], QA, n_tokens=n_tokens, overlap=overlap)


# --- folders and what is said of a file -----------------------------------------------------------


def test_a_folder_gives_all_files_of_known_types_and_names_the_others(tmp_path):
    folder = tmp_path / "contracts"
    (folder / "2024").mkdir(parents=True)
    put(folder, "b.md", "# B\n\nSecond.")
    put(folder, "a.txt", "First.")
    put(folder / "2024", "b.md", "Third.")
    put(folder, "logo.png", b"\x89PNG")
    put(folder, "old.doc", b"\xd0\xcf\x11\xe0")
    put(folder, ".DS_Store", b"\0")
    put(folder, "~$a.docx", b"\0")
    report = ingest([folder], QA)
    assert [s.provenance["file"] for s in report.sources] == ["2024/b.md", "a.txt", "b.md"]
    assert [s.group for s in report.sources] == ["2024/b", "a", "b"]
    assert [str(p).split(":")[0] for p in report.problems] == ["logo.png", "old.doc"]
    assert "Save it as .docx" in report.problems[1].message


def test_an_empty_folder_is_named(tmp_path):
    assert problems_of(tmp_path, QA) == [f"{tmp_path.name}: The folder holds no files."]


def test_labels_and_duplicates_are_counted_file_by_file(tmp_path):
    one = put(tmp_path, "1.csv", "original,label\nx,a\ny,b\nx,a\nz,c\nw,c\n")
    two = put(tmp_path, "2.csv", "original,label\nx,a\nv,\n")
    first, second = ingest([one, two], PARAPHRASE, labels=("a", "b")).files
    assert (first.labels, first.unknown_labels) == ({"a": 1, "b": 1}, {"c": 2})
    assert (first.n_repeated, first.n_elsewhere) == (1, 0)
    assert (second.labels, second.n_elsewhere) == ({"": 1}, 1)


def test_the_same_text_in_another_document_goes_in_and_is_counted(tmp_path):
    for name in ("a.txt", "b.txt"):
        put(tmp_path, name, "This boilerplate stands in every contract of ours.")
    first, second = ingest([tmp_path], QA).files
    assert (first.n_same_text, second.n_same_text) == (0, 1)
    assert len(second.sources) == 1


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("a.xlsx", "Save the sheet as CSV (UTF-8)."),
        ("a.DOC", "Save it as .docx."),
        ("a.odt", "Save it as .docx."),
        ("a.json", "Write one object a line, as .jsonl."),
    ],
)
def test_files_of_other_types_say_what_to_make_of_them(tmp_path, name, advice):
    (problem,) = problems_of(put(tmp_path, name, "x"))
    assert problem.endswith(advice)
