"""Documents through the whole stack: `seedbed import`, the model's own tokens, Label Studio, the store."""

import json

import pytest

from growing import SOURCES
from pdfs import article, scan
from seedbed import documents

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("label_studio")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Contracts as PDF and as Markdown, and what cannot be read beside them."""
    made = tmp_path_factory.mktemp("contracts")
    contracts = [path.read_text() for path in sorted((SOURCES / "contracts").glob("*.md"))[:3]]
    article(made / "contract.pdf", "\n\n".join(contracts[:2]))
    (made / "other.md").write_text(contracts[2])
    (made / "notes.txt").write_bytes("Die Prüfung läuft täglich.".encode("cp1252"))
    (made / "damaged.pdf").write_bytes(b"%PDF-1.7 broken")
    scan(made / "scanned.pdf", 2)
    (made / "photo.png").write_bytes(b"\x89PNG")
    return made


@pytest.fixture(scope="module")
def project(run_seedbed):
    run_seedbed("init", "intake", "--technique", "qa")
    return "intake"


@pytest.fixture(scope="module")
def imported(run_seedbed, project, folder):
    """Preview, then import; return both."""
    options = (project, folder, "--tokens", 120, "--overlap", 30)
    preview = run_seedbed("import", *options, "--dry-run", "--json")
    return json.loads(preview.stdout), run_seedbed("import", *options)


def test_the_preview_shows_chunks_and_imports_nothing(imported, folder):
    preview, _ = imported
    assert preview["imported"] is None
    assert preview["token_counts"]["is_estimate"] is False
    assert preview["token_counts"]["model"] == "Seedbed demo"
    files = {file["file"]: file for file in preview["files"]}
    pdf = files["contract.pdf"]
    assert pdf["n_pages"] == 5
    assert pdf["tokens"]["longest"] <= 120
    assert {chunk["page"] for chunk in pdf["chunks"]} >= {1, 2, 3, 4}
    assert pdf["chunks"][0]["begins"].startswith("Service agreement between the Supplier")
    assert files["notes.txt"]["notes"] == [
        "read as Windows-1252; save it as UTF-8 if letters look wrong"
    ]
    assert "scanned" in files["scanned.pdf"]["problems"][0]["message"]


def test_tokens_are_those_of_the_model(imported, backend, store):
    preview, _ = imported
    chunk = preview["files"][0]["chunks"][0]
    assert backend.count_tokens([store.source("intake", chunk["id"]).fields["passage"]]) == [
        chunk["tokens"]
    ]


def test_good_files_go_in_and_bad_ones_are_named(imported):
    preview, done = imported
    n = sum(file["n_sources"] for file in preview["files"])
    assert f"{n} sources imported, 0 already there, 3 left out." in done.stdout
    assert "contract.pdf: 5 pages, " in done.stdout
    for said in (
        "damaged.pdf: The PDF is damaged",
        "scanned.pdf: Pages 1-2 have no text: scanned; run OCR first.",
        "photo.png: Files of type .png are not read",
    ):
        assert f"left out: {said}" in done.stderr


def test_the_task_in_label_studio_says_where_its_passage_stands(imported, backend, server, folder):
    source_project = backend.project("intake")["source_project"]
    tasks = [server.task(task["id"]) for task in server.tasks(source_project)]
    document = documents.read_document(folder / "contract.pdf")
    found = [t for t in tasks if t["meta"]["provenance"]["file"] == "contract.pdf"]
    assert len(found) > 10
    for task in found:
        passage, where = task["data"]["passage"], task["meta"]["provenance"]
        assert document.text[where["char_start"] : where["char_end"]] == passage
        assert where["heading"].startswith("Service agreement")
        place = documents.locate(where, 5, 25)
        assert document.text[place.start : place.end] == passage[5:25]
        assert place.pages[0][0] in range(where["page"], where["page_end"] + 1)


def test_a_second_import_adds_nothing_and_the_preview_says_so(imported, run_seedbed, folder):
    preview, _ = imported
    n = preview["files"][0]["n_sources"]
    options = ("intake", folder / "contract.pdf", "--tokens", 120, "--overlap", 30)
    shown = run_seedbed("import", *options, "--dry-run").stdout
    assert f"duplicates, imported once only: {n} already imported" in shown
    assert (
        f"0 sources imported, {n} already there, 0 left out."
        in run_seedbed("import", *options).stdout
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--tokens", 0), "A passage cannot have 0 tokens."),
        (("--overlap", 150), "Passages of 200 tokens cannot overlap by 150. Use 0 to 100"),
        (("--tokens", 100_000), "A chunk of 100000 tokens does not fit Seedbed demo"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(project, run_seedbed, folder, options, says):
    refused = run_seedbed("import", project, folder, *options, code=2)
    assert says in " ".join(refused.stderr.split())


def test_nothing_to_import_is_an_error(project, run_seedbed, folder):
    refused = run_seedbed("import", project, folder / "damaged.pdf", code=2)
    assert "Nothing in these files can be imported." in refused.stderr
