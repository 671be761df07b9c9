"""Real files of every type, made here, read back."""

from __future__ import annotations

import random
import tracemalloc
import zipfile

import docx
import pytest
from docx.oxml import OxmlElement

import pdfs
from growing import SOURCES
from seedbed import documents, registry
from seedbed.documents import Document, chunks, locate, read_document
from seedbed.errors import SourceError
from seedbed.ingest import ingest

QA = registry.technique("qa")
CONTRACT = "\n\n".join(
    (SOURCES / "contracts" / name).read_text().strip()
    for name in ("01-supplier-customer.md", "02-vendor-buyer.md")
)


def blocks(document: Document) -> list[str]:
    return [document.text[b.start : b.end].strip() for b in document.blocks]


def headings(document: Document) -> list[tuple[int, str]]:
    found = [(b.level, document.text[b.start : b.end].strip()) for b in document.blocks]
    return [(level, text) for level, text in found if level]


def page_text(document: Document, number: int) -> str:
    (page,) = [page for page in document.pages if page.number == number]
    return document.text[page.start : page.end]


def squeezed(text: str) -> str:
    return " ".join(text.replace("#", " ").split())


# --- PDF -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def contract(tmp_path_factory):
    path = tmp_path_factory.mktemp("pdf") / "contract.pdf"
    pdfs.article(path, CONTRACT)
    return path


def test_a_pdf_gives_back_the_text_that_was_set_in_it(contract):
    document = read_document(contract)
    assert squeezed(document.text) == squeezed(CONTRACT)
    assert blocks(document) == [squeezed(block) for block in CONTRACT.split("\n\n")]
    assert headings(document)[0] == (1, "Service agreement between the Supplier and the Customer")
    levels = [level for level, _ in headings(document)]
    assert (levels.count(1), levels.count(2)) == (2, CONTRACT.count("\n## "))
    assert document.n_pages == 5


def test_the_same_pdf_gives_the_same_text(contract):
    assert read_document(contract) == read_document(contract)


def test_running_headers_and_page_numbers_are_left_out_of_the_text_but_not_of_its_pages(contract):
    document = read_document(contract)
    assert pdfs.HEADER not in document.text
    assert "Page 2" not in document.text
    for page in document.pages:
        # what is counted over on a page: header and page number, with their line ends
        assert page.offset == len(f"{pdfs.HEADER}\nPage {page.number}\n")


def test_a_line_that_carries_another_number_on_each_page_is_no_running_header(tmp_path):
    path = tmp_path / "statements.pdf"
    pdfs.lines(
        path,
        *[
            [(72, 800, "Acme Bank"), (72, 780, f"Closing balance {417 * n} francs"),
             (72, 700, f"This is the statement of month {n}."), (72, 40, f"{n + 6}")]
            for n in range(1, 6)
        ],
    )  # fmt: skip
    text = read_document(path).text
    assert [f"Closing balance {417 * n} francs" in text for n in range(1, 6)] == [True] * 5
    assert "Acme Bank" not in text
    assert not any(line.strip().isdigit() for line in text.splitlines())


def test_page_numbers_of_two_pages_are_left_out_and_titles_stay(tmp_path):
    pdfs.lines(
        tmp_path / "d.pdf",
        *[[(72, 800, f"Part {n}"), (72, 700, f"It is about {n}."), (280, 30, f"Page {n} of 2")]
          for n in (1, 2)],
    )  # fmt: skip
    text = read_document(tmp_path / "d.pdf").text
    assert "Page" not in text
    assert ("Part 1" in text, "Part 2" in text) == (True, True)


def test_a_paragraph_goes_on_over_line_and_page_ends(tmp_path):
    path = tmp_path / "d.pdf"
    pdfs.lines(
        path,
        [(72, 120, "The supplier pays the client each month, and the client"),
         (72, 106, "confirms every payment within ten days of"),
         (72, 92, "receiving it, so that")],
        [(72, 800, "neither of them waits."), (72, 770, "A second paragraph stands here.")],
    )  # fmt: skip
    document = read_document(path)
    assert blocks(document) == [
        "The supplier pays the client each month, and the client confirms every payment within ten "
        "days of receiving it, so that neither of them waits.",
        "A second paragraph stands here.",
    ]
    assert [(p.number, p.start) for p in document.pages] == [(1, 0), (2, 120)]
    assert document.page_spans(100, 130) == [[1, 100, 120], [2, 0, 10]]


def test_a_word_cut_at_a_lines_end_is_mended_where_the_document_knows_it_whole(tmp_path):
    path = tmp_path / "d.pdf"
    pdfs.lines(
        path,
        [(72, 700, "All information is private. This infor-"), (72, 686, "mation is well-"),
         (72, 672, "known and kept in the data-"), (72, 658, "base.")],
    )  # fmt: skip
    (text,) = blocks(read_document(path))
    assert text == (
        "All information is private. This information is well-known and kept in the data-base."
    )


def test_a_word_cut_at_a_pages_end_is_not_joined_to_the_footer(tmp_path):
    path = tmp_path / "d.pdf"
    pdfs.lines(
        path,
        *[
            [
                (72, 700, f"Sheet {n} says that all of this infor-"),
                (72, 686, "Annex to the contract"),
            ]
            for n in (1, 2, 3)
        ],
        [(72, 700, "mation is private."), (72, 686, "Annex to the contract")],
    )
    text = read_document(path).text
    assert "Annex" not in text
    assert text.count("infor-") == 3
    assert text.endswith("infor- mation is private.\n")


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_paragraphs_of_a_turned_page_are_found(tmp_path, turn):
    one = ["The tenant pays the rent of the flat on the first day", "of each month."]
    two = ["The landlord repairs what is worn out in the flat and", "pays for it."]
    pdfs.turned(tmp_path / "d.pdf", turn, [*one, "", *two])
    assert blocks(read_document(tmp_path / "d.pdf")) == [" ".join(one), " ".join(two)]


def test_list_items_begin_blocks(tmp_path):
    path = tmp_path / "d.pdf"
    pdfs.lines(
        path,
        [(72, 700, "The following are due on the first of each month:"),
         (72, 686, "(a) the rent, in full;"), (72, 672, "(b) the costs of heating."),
         (72, 658, "1. A numbered one.")],
    )  # fmt: skip
    assert [text[:3] for text in blocks(read_document(path))] == ["The", "(a)", "(b)", "1. "]


def test_a_pdf_with_no_text_is_refused_by_its_pages(tmp_path):
    pdfs.scan(tmp_path / "scan.pdf", 3)
    with pytest.raises(SourceError, match=r"^Pages 1-3 have no text: scanned; run OCR first\.$"):
        read_document(tmp_path / "scan.pdf")


def test_a_partly_scanned_pdf_goes_in_and_its_pictures_are_named(tmp_path):
    path = tmp_path / "scan.pdf"
    pdfs.scan(path, 7, text_pages={1: "The first page says much.", 5: "So does the fifth page."})
    document = read_document(path)
    assert document.notes == ("Pages 2-4 and 6-7 have no text: scanned; run OCR first.",)
    assert (document.n_pages, [page.number for page in document.pages]) == (7, [1, 5])
    assert page_text(document, 5).strip() == "So does the fifth page."


def test_an_empty_page_is_nothing_to_warn_of(tmp_path):
    pdfs.lines(tmp_path / "d.pdf", [(72, 700, "Some words.")], [])
    assert read_document(tmp_path / "d.pdf").notes == ()


def test_bad_pdfs_are_named_and_the_next_file_goes_on(tmp_path):
    pdfs.encrypted(tmp_path / "a-locked.pdf", "secret")
    (tmp_path / "b-broken.pdf").write_bytes(b"%PDF-1.7\nnothing")
    (tmp_path / "c-empty.pdf").write_bytes(b"")
    (tmp_path / "d-text.pdf").write_text("no PDF at all")
    pdfs.lines(tmp_path / "e-blank.pdf", [])
    pdfs.lines(tmp_path / "f-good.pdf", [(72, 700, "The rent is 900 euros.")])
    report = ingest([tmp_path], QA)
    assert [source.fields["passage"] for source in report.sources] == ["The rent is 900 euros."]
    assert [str(problem).split(":")[1].split(".")[0] for problem in report.problems] == [
        " The PDF is encrypted",
        " The PDF is damaged or none at all",
        " The file holds no text",
        " The PDF is damaged or none at all",
        " The file holds no text",
    ]


def test_the_same_page_three_times_is_more_than_running_lines(tmp_path):
    page = [(72, 700, "Notice to the tenant."), (72, 680, "The rent is due.")]
    pdfs.lines(tmp_path / "d.pdf", page, page, page)
    document = read_document(tmp_path / "d.pdf")
    assert document.text.count("The rent is due.") == 3


def test_what_is_filled_in_in_a_form_is_read(tmp_path):
    pdfs.form(tmp_path / "d.pdf", {"Name:": "Erika Mustermann", "City:": "Zürich"})
    before = (tmp_path / "d.pdf").read_bytes()
    document = read_document(tmp_path / "d.pdf")
    assert {"Name:", "City:", "Erika", "Mustermann", "Zürich"} <= set(document.text.split())
    assert document.text == page_text(document, 1)
    assert (tmp_path / "d.pdf").read_bytes() == before


# --- DOCX ----------------------------------------------------------------------------------------


def docx_file(path, *, with_breaks=True):
    file = docx.Document()
    file.add_heading("Lease", 0)
    file.add_heading("Rent", 1)
    file.add_paragraph("The rent is 900 euros.")
    table = file.add_table(2, 2)
    for row, values in zip(table.rows, (("Month", "Due"), ("May", "900")), strict=True):
        for cell, value in zip(row.cells, values, strict=True):
            cell.text = value
    file.add_heading("Notice", 2)
    paragraph = file.add_paragraph("It ends with a notice of ")
    run = paragraph.add_run("three months.")
    if with_breaks:
        run._r.insert(0, OxmlElement("w:lastRenderedPageBreak"))
    deleted = OxmlElement("w:del")
    gone = OxmlElement("w:r")
    text = OxmlElement("w:delText")
    text.text = "never"
    gone.append(text)
    deleted.append(gone)
    paragraph._p.append(deleted)
    file.save(path)
    return path


def test_a_docx_gives_headings_tables_and_the_pages_that_word_left(tmp_path):
    document = read_document(docx_file(tmp_path / "lease.docx"))
    assert headings(document) == [(1, "Lease"), (1, "Rent"), (2, "Notice")]
    assert blocks(document)[2:5] == ["The rent is 900 euros.", "Month | Due", "May | 900"]
    assert blocks(document)[-1] == "It ends with a notice of three months."
    assert [page.number for page in document.pages] == [1, 2]
    assert page_text(document, 2).strip() == "three months."
    assert document.heading(document.text.index("three")) == "Rent > Notice"


def test_a_docx_without_rendered_breaks_has_no_pages(tmp_path):
    document = read_document(docx_file(tmp_path / "lease.docx", with_breaks=False))
    assert (document.pages, document.n_pages) == ((), 0)
    assert "page" not in document.provenance(0, 10)


def test_a_real_contract_comes_through_a_docx_whole(tmp_path):
    file = docx.Document()
    for block in CONTRACT.split("\n\n"):
        if block.startswith("#"):
            file.add_heading(block.lstrip("# "), block.count("#", 0, 6))
        else:
            file.add_paragraph(" ".join(block.split()))
    file.save(tmp_path / "c.docx")
    document = read_document(tmp_path / "c.docx")
    assert blocks(document) == [squeezed(block) for block in CONTRACT.split("\n\n")]
    assert len(headings(document)) == CONTRACT.count("\n## ") + 2


def test_bad_docx_files_are_named(tmp_path):
    (tmp_path / "a.docx").write_bytes(b"no zip")
    (tmp_path / "b.docx").write_bytes(b"\xd0\xcf\x11\xe0" + b"\0" * 600)
    with zipfile.ZipFile(tmp_path / "c.docx", "w") as package:
        package.writestr("hello.txt", "x")
    with zipfile.ZipFile(tmp_path / "d.docx", "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("[Content_Types].xml", "<x/>")
        package.writestr("word/document.xml", b"0" * (80 << 20))
    whole = docx_file(tmp_path / "e.docx").read_bytes()
    (tmp_path / "e.docx").write_bytes(whole[: len(whole) // 2])
    with zipfile.ZipFile(tmp_path / "f.docx", "w") as package:
        package.writestr("[Content_Types].xml", "<x/>")
    with zipfile.ZipFile(tmp_path / "g.docx", "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("[Content_Types].xml", "<x/>")
        for number in range(10):
            package.writestr(f"word/media/{number}.bmp", b"0" * (60 << 20))
    unknown = bytearray(docx_file(tmp_path / "h.docx").read_bytes())
    at = unknown.index(b"PK\x01\x02")
    unknown[at + 10 : at + 12] = b"\x63\0"  # a way of packing that nobody knows
    (tmp_path / "h.docx").write_bytes(unknown)
    assert (tmp_path / "d.docx").stat().st_size < 200_000
    said = [
        problem.message.split(",")[0].split(".")[0] for problem in ingest([tmp_path], QA).problems
    ]
    assert said == [
        "The file is no DOCX",
        "The file is encrypted",
        "The file is no DOCX",
        "The file unpacks to 80 MiB",
        "The file is no DOCX",
        "The file is no DOCX",
        "The file unpacks to 600 MiB",
        "The file is no DOCX",
    ]


# --- HTML ----------------------------------------------------------------------------------------

PAGE = """<!doctype html><html><head><title>T</title><style>p {color: red}</style></head><body>
<header>Our logo</header><nav><a href="/">Home</a></nav>
<h1>Lease</h1><p>The <b>rent</b> is 900
   euros.<br>It is due&nbsp;on the 1st.</p>
<ul><li>One thing</li><li><p>Another</p></li></ul>
<table><tr><th>Month</th><th>Due</th></tr><tr><td>May</td><td>900</td></tr></table>
<script>alert("no")</script><!-- no --><p hidden>Unseen</p>
<pre>a
  b</pre><div>Loose text<div>and more</div></div>
<h2>Notice</h2>Three months.<footer>Imprint</footer></body></html>"""


def test_html_gives_what_a_reader_reads(tmp_path):
    (tmp_path / "p.html").write_text(PAGE)
    document = read_document(tmp_path / "p.html")
    assert headings(document) == [(1, "Lease"), (2, "Notice")]
    assert blocks(document) == [
        "Lease",
        "The rent is 900 euros.\nIt is due\xa0on the 1st.",
        "- One thing",
        "- Another",
        "Month | Due",
        "May | 900",
        "a\n  b",
        "Loose text",
        "and more",
        "Notice",
        "Three months.",
    ]


@pytest.mark.parametrize(("begin", "end"), [("main", "main"), ('div role="main"', "div")])
def test_the_main_part_of_a_page_is_all_that_is_read(tmp_path, begin, end):
    page = f"<body><div>Menu A B</div><{begin}><h1>Law</h1><p>Text of the law.</p></{end}></body>"
    (tmp_path / "p.htm").write_text(page)
    assert blocks(read_document(tmp_path / "p.htm")) == ["Law", "Text of the law."]


@pytest.mark.parametrize(
    ("codec", "declared", "name"),
    [
        ("utf-8", "", "UTF-8"),
        ("utf-16", "", "UTF-16"),
        ("cp1252", '<meta charset="iso-8859-1">', "Windows-1252"),
        ("cp1251", '<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">',
         "Windows-1251"),
    ],
)  # fmt: skip
def test_html_is_read_in_the_encoding_that_it_names(tmp_path, codec, declared, name):
    said = "Плата за аренду." if codec == "cp1251" else "Prüfung für die Miete."
    (tmp_path / "p.html").write_bytes(f"<html>{declared}<p>{said}</p>".encode(codec))
    document = read_document(tmp_path / "p.html")
    assert (blocks(document), document.encoding) == ([said], name)


def test_an_html_file_of_50_mb_is_refused(tmp_path):
    with (tmp_path / "p.html").open("wb") as file:
        file.truncate(50 << 20)
    with pytest.raises(SourceError, match=r"The file has 50 MiB, more than 16\. Split it\."):
        read_document(tmp_path / "p.html")


def test_html_nested_without_end_is_refused_or_read_but_does_not_break(tmp_path):
    (tmp_path / "p.html").write_text("<div>" * 30_000 + "deep")
    report = ingest([tmp_path / "p.html"], QA)
    assert len(report.sources) + len(report.problems) == 1


# --- text and Markdown ----------------------------------------------------------------------------


def test_headings_of_plain_text_are_short_lines_in_capitals_or_numbered(tmp_path):
    path = tmp_path / "note.txt"
    path.write_text(
        "CHIEF COMPLAINT\n\nPain in the knee.\n\nTitle\n=====\n\n3. Medication\n\nAspirin.\n\n"
        "This is a line by itself\n\nNO.\n\n§ 12 Notice.\n\nThree months.\n"
    )
    assert headings(read_document(path)) == [
        (2, "CHIEF COMPLAINT"),
        (1, "Title\n====="),
        (2, "3. Medication"),
        (2, "§ 12 Notice."),
    ]


def test_markdown_headings_are_not_those_within_code(tmp_path):
    path = tmp_path / "d.md"
    path.write_text(
        "# One\n\nText.\n\n```\n# a comment\n\nrun\n```\n\nTwo\n---\n\n### Three\nText.\n"
    )
    document = read_document(path)
    assert headings(document) == [(1, "# One"), (2, "Two\n---"), (3, "### Three")]
    assert document.heading(len(document.text)) == "One > Two > Three"


# --- encodings -----------------------------------------------------------------------------------

GERMAN = "Die Kündigung erfolgt schriftlich; für Schäden haftet der Verkäufer in voller Höhe. " * 4
RUSSIAN = "Договор вступает в силу после подписания обеими сторонами и действует бессрочно. " * 4
JAPANESE = "この契約は双方の署名により発効し、書面による通知で終了することができます。" * 6


@pytest.mark.parametrize(
    ("text", "codec"),
    [(GERMAN, "cp1252"), (RUSSIAN, "cp1251"), (RUSSIAN, "koi8-r"), (JAPANESE, "shift_jis"),
     (JAPANESE, "euc_jp"), ("Café", "latin-1"), (GERMAN, "utf-16-le"), (GERMAN, "utf-8-sig")],
)  # fmt: skip
def test_a_text_in_another_encoding_is_read_and_that_is_said(tmp_path, text, codec):
    path = tmp_path / "d.txt"
    path.write_bytes(text.encode(codec))
    document = read_document(path)
    assert document.text == text
    is_known = codec == "utf-8-sig"
    assert is_known or "save it as UTF-8 if letters look wrong" in document.notes[0]


def test_a_binary_file_is_no_text(tmp_path):
    path = tmp_path / "d.txt"
    path.write_bytes(random.Random(1).randbytes(5_000))
    with pytest.raises(SourceError, match="The file is not text"):
        read_document(path)


# --- places --------------------------------------------------------------------------------------


@pytest.mark.parametrize("overlap", [0, 20])
def test_a_span_of_a_passage_is_found_again_on_its_page(contract, overlap):
    document = read_document(contract)
    own = {page.number: page for page in document.pages}
    rng = random.Random(3)
    n_over_pages = 0
    for chunk in chunks.cut(document, 250, overlap):
        where = {"file": "contract.pdf", **document.provenance(chunk.start, chunk.end)}
        start = rng.randrange(len(chunk.text))
        end = rng.randrange(start, len(chunk.text)) + 1
        place = locate(where, start, end)
        assert document.text[place.start : place.end] == chunk.text[start:end]
        pieces = [
            document.text[own[page].start + first - own[page].offset :][: last - first]
            for page, first, last in place.pages
        ]
        assert "".join(pieces) == chunk.text[start:end]
        n_over_pages += len(locate(where).pages) > 1
    assert n_over_pages


WHERE = {
    "file": "lease.pdf", "char_start": 100, "char_end": 200, "page": 3, "page_end": 4,
    "page_spans": [[3, 50, 90], [4, 0, 60]], "heading": "Lease",
}  # fmt: skip


@pytest.mark.parametrize(
    "provenance",
    [
        WHERE,
        {"source_id": "x", "source": WHERE},
        {f"source.{key}": value for key, value in WHERE.items()},
        {**WHERE, "page_spans": "[3, 50, 90], [4, 0, 60]"},  # as Label Studio's table shows it
    ],
)
def test_a_place_is_read_from_a_source_and_from_an_example(provenance):
    assert locate(provenance, 10, 20).pages == ((3, 60, 70),)
    assert locate(provenance, 30, 50).pages == ((3, 80, 90), (4, 0, 10))
    assert str(locate(provenance, 10, 20)) == "lease.pdf, page 3, characters 60-70 of that page"
    whole = locate(provenance)
    assert (whole.start, whole.end, whole.heading) == (100, 200, "Lease")
    assert locate(provenance, 90, 1_000).end == 200


def test_a_row_of_a_table_is_no_piece_of_a_document():
    assert locate({"file": "s.csv", "line": 3}) is None
    assert locate({}) is None


def test_a_document_without_pages_is_located_in_its_text():
    place = locate({"file": "d.md", "char_start": 10, "char_end": 30}, 2, 5)
    assert str(place) == "d.md, characters 12-15"


# --- limits --------------------------------------------------------------------------------------


def test_a_text_beyond_the_limit_is_refused_before_it_is_cut(tmp_path):
    path = tmp_path / "d.txt"
    path.write_text("A line of words without end.\n" * 400_000)
    with pytest.raises(
        SourceError, match=r"11,600,000 characters, more than 10,000,000\. Split it"
    ):
        read_document(path)


def test_memory_for_a_large_document_is_bounded(tmp_path):
    path = tmp_path / "d.txt"
    path.write_text("A line of words without end.\n" * 5_000)
    tracemalloc.start()
    n = len(chunks.cut(documents.read_document(path)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n > 150
    assert peak < 40 * path.stat().st_size
