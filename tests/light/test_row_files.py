"""Rows of tables and JSON lines as offices and programs write them."""

import pytest

from seedbed.errors import SourceError
from seedbed.row_files import BadRow, Row, RowFile

KNOWN = ("text", "label")


def read(tmp_path, content, name="s.csv", known=KNOWN):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(RowFile(path, known))


@pytest.mark.parametrize(
    "content",
    [
        "text,label\nA; b,x\n",
        "Text;LABEL\r\nA; b;x\r\n".replace("A; b", '"A; b"'),
        "text\tlabel\nA; b\tx\n",
        'sep=;\r\ntext;label\r\n"A; b";x\r\n',
        '"sep=|"\ntext|label\nA; b|x\n',
        '"id","text","label",""\n1,A; b,x,,,\n',
        '"Nr, id";text;label\n1;"A; b";x\n',
        '"Notes\nof the office";text;label\n;"A; b";x\n',
        b"\xef\xbb\xbftext,label\nA; b,x\n",
        "text,label\nA; b,x\n".encode("utf-16"),
    ],
)
def test_tables_as_they_come(tmp_path, content):
    (row,) = read(tmp_path, content)
    assert isinstance(row, Row)
    assert {name: row.values[name] for name in KNOWN} == {"text": "A; b", "label": "x"}


def test_a_row_begins_where_its_first_line_stands_whatever_is_above(tmp_path):
    rows = read(tmp_path, 'sep=;\n"a\nb";text\n\n1;"x\ny"\n2;z\n')
    assert [(row.line, row.values["text"]) for row in rows] == [(5, "x\ny"), (7, "z")]


def test_names_that_differ_in_case_alone_stay_apart_where_both_are_there(tmp_path):
    (row,) = read(tmp_path, "Text,text\na,b\n")
    assert row.values == {"Text": "a", "text": "b"}
    (row,) = read(tmp_path, '{"Text": "a", "TEXT ": "b"}\n', "s.jsonl")
    assert row.values == {"text": "a", "TEXT ": "b"}


def test_a_short_row_has_empty_cells(tmp_path):
    (row,) = read(tmp_path, "text,label\na\n")
    assert row.values == {"text": "a", "label": ""}


def test_a_quote_that_never_closes_says_what_it_swallowed(tmp_path):
    good, bad = read(tmp_path, 'text,label\na,x\n"b,x\nc,x\nd,x\n')
    assert good.values["text"] == "a"
    assert bad == BadRow(
        3,
        "The row is not valid CSV: unexpected end of data. Close its quotes, and double inner ones. "
        "Nothing of lines 3 to 5 was read.",
    )


@pytest.mark.parametrize(
    ("content", "known", "says"),
    [
        ("text,Text,text\na,b,c\n", KNOWN, "Several columns are named 'text'."),
        ("n,n\na,b\n", (), "Several columns are named 'n'."),
        ('text,"label\na,b\n', KNOWN, "The header is not valid CSV"),
        ("text,label\ra,x\r", KNOWN, "The header is not valid CSV"),
    ],
)
def test_a_header_that_cannot_be_meant(tmp_path, content, known, says):
    with pytest.raises(SourceError, match=says):
        read(tmp_path, content, known=known)


def test_other_columns_may_be_named_twice(tmp_path):
    (row,) = read(tmp_path, "text,Notes,Notes,,\na,b,c,,\n")
    assert row.values == {"text": "a", "Notes": "c"}


def test_what_is_no_number_in_json_is_no_value(tmp_path):
    (row,) = read(tmp_path, '{"text": NaN, "label": -Infinity}\n', "s.jsonl")
    assert row.values == {"text": None, "label": None}
