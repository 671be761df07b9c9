from __future__ import annotations

import json
import tracemalloc

import pytest

from seedbed import registry
from seedbed.errors import UserError
from seedbed.ingest import MAX_LINE_BYTES, Problem, ingest, passages, read

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


def test_invalid_utf8_names_the_byte(tmp_path):
    content = b'{"original": "one"}\n{"original": "caf\xe9"}\n{"original": "three"}\n'
    path = put(tmp_path, "s.jsonl", content)
    report = ingest([path], PARAPHRASE)
    assert len(report.sources) == 2
    (problem,) = report.problems
    assert problem.line == 2
    assert f"Byte {content.index(0xE9)} (0xe9) is not UTF-8" in problem.message
    assert "Windows-1252" in problem.message


def test_utf16_is_refused_once(tmp_path):
    path = put(tmp_path, "s.csv", "original\nx\n".encode("utf-16"))
    assert problems_of(path) == ["s.csv: The file is UTF-16. Save it as UTF-8."]


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
        (b"orig\xff\n", "s.csv, line 1: Byte 4 (0xff) is not UTF-8."),
        (b"original\na\nb\xff\nc\n", "s.csv, line 3: Byte 12 (0xff) is not UTF-8."),
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
@pytest.mark.parametrize("n_words", [1, 7, 40, 150, 10_000])
def test_passages_are_verbatim_and_lose_nothing(tmp_path, suffix, n_words):
    path = put(tmp_path, f"lease.{suffix}", DOCUMENT)
    text = path.read_bytes().decode("utf-8-sig")
    end = 0
    for source in read(path, QA, n_words=n_words):
        where = source.provenance
        assert where["file"] == path.name
        assert source.fields["document"] == source.group == "lease"
        assert text[where["char_start"] : where["char_end"]] == source.fields["passage"]
        assert not text[end : where["char_start"]].strip()
        end = where["char_end"]
    assert not text[end:].strip()


def test_passages_are_of_about_the_wanted_size():
    found = [p.text for p in passages(DOCUMENT.splitlines(True), 60, has_headings=True)]
    assert all(15 <= len(text.split()) <= 90 for text in found)
    assert found[0].startswith("# Lease\n\nThe tenant")
    assert all(text.endswith((".", "months.")) for text in found)
    assert any(text.startswith("## Deposit\n\nGrüße") for text in found)


def test_passage_without_sentences_is_cut_between_words():
    found = [p.text for p in passages(["word " * 100], 30)]
    assert [len(text.split()) for text in found] == [30, 30, 30, 10]


def test_ideographs_count_as_words():
    found = list(passages(["これは長い文書です。次の文もここにあります。\n" * 20], 50))
    assert len(found) > 5
    assert all(p.text.endswith("。") for p in found)


def test_byte_order_mark_is_no_character(tmp_path):
    (source,) = ingest([put(tmp_path, "d.txt", b"\xef\xbb\xbfHello.")], QA).sources
    assert source.provenance == {"file": "d.txt", "char_start": 0, "char_end": 6}


def test_document_in_another_encoding_is_refused_whole(tmp_path):
    report = ingest([put(tmp_path, "d.txt", b"Hello.\n\nCaf\xe9.\n")], QA)
    assert report.sources == ()
    (problem,) = report.problems
    assert (problem.line, problem.message.split(".")[0]) == (3, "Byte 11 (0xe9) is not UTF-8")


def test_empty_document(tmp_path):
    assert problems_of(put(tmp_path, "d.md", " \n\n"), QA) == [
        "d.md: The file holds no text. Leave it out, or fill it."
    ]


def test_document_without_blank_lines_is_streamed(tmp_path):
    path = put(tmp_path, "d.txt", "A line of words without end.\n" * 400_000)
    tracemalloc.start()
    first = next(iter(read(path, QA)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert not isinstance(first, Problem)
    assert peak < 4 << 20 < path.stat().st_size


def test_passages_given_as_rows_keep_their_document(tmp_path):
    row = {"passage": "The shop opens at 9.", "document": "hours"}
    (source,) = ingest([put(tmp_path, "d.jsonl", json.dumps(row))], QA).sources
    assert (source.fields, source.group) == (row, "hours")


def test_passage_size_must_be_positive(tmp_path):
    with pytest.raises(UserError, match="0 words"):
        ingest([put(tmp_path, "d.txt", "x")], QA, n_words=0)
