from __future__ import annotations

from seedbed import registry
from seedbed.documents import chunks
from seedbed.ingest import FileReport, IngestReport, Problem, ingest
from seedbed.preview import file_preview, preview_lines, problem_lines

QA = registry.technique("qa")
PARAPHRASE = registry.technique("paraphrase")
SECTION = "## Part {i}\n\n" + "The tenant pays the rent of {i} euros on the first. " * 12 + "\n\n"


def previews(paths, technique, present=(), **options):
    for file in ingest(paths, technique, **options).files:
        texts = [source.fields[technique.text_field] for source in file.sources]
        counts = chunks.estimate(texts)
        n_tokens = {s.id: n for s, n in zip(file.sources, counts, strict=True)}
        yield file_preview(file, technique, n_tokens, present)


def test_a_document_is_shown_by_its_sizes_and_first_chunks(tmp_path):
    path = tmp_path / "lease.md"
    path.write_text("# Lease\n\n" + "".join(SECTION.format(i=i) for i in range(5)))
    (preview,) = previews([path], QA)
    sizes = sorted(chunk["tokens"] for chunk in preview["chunks"])
    assert preview["tokens"] == {"shortest": sizes[0], "median": sizes[2], "longest": sizes[4]}
    head, *lines = preview_lines(preview)
    assert head == (f"lease.md: 5 sources of {sizes[0]} to {sizes[4]} tokens (median {sizes[2]})")
    assert lines[1].startswith("  “Lease > Part 1”, ")
    assert lines[1].endswith("tokens: ## Part 1 The tenant pays the rent of 1 euros on the first.…")
    assert lines[3:] == ["  … and 2 more"]


def test_rows_are_shown_with_labels_duplicates_and_what_was_assumed(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes("original,label\nCafé,a\nthé,a\nx,b\nCafé,a\ny,z\ny,z\n".encode("cp1252"))
    (preview,) = previews([path], PARAPHRASE, labels=("a", "b"))
    there = preview["chunks"][2]["id"]
    (preview,) = previews([path], PARAPHRASE, {there}, labels=("a", "b"))
    assert list(preview_lines(preview))[:6] == [
        "rows.csv: 3 sources of 1 to 3 tokens (median 2)",
        "  read as Windows-1252; save it as UTF-8 if letters look wrong",
        "  labels: a 2, b 1",
        "  labels that the recipe does not list, left out: z 2",
        "  duplicates, imported once only: 1 repeated in the file, 1 already imported",
        "  line 2, 3 tokens: Café",
    ]


def test_a_file_that_brings_nothing_says_so(tmp_path):
    (tmp_path / "e.md").write_text("")
    (preview,) = previews([tmp_path], QA)
    assert list(preview_lines(preview)) == ["e.md: nothing to import"]


def test_many_problems_of_a_file_are_counted():
    problems = [Problem("s.csv", line, "Bad.") for line in range(2, 12)]
    lines = list(problem_lines(IngestReport((FileReport("s.csv", problems=tuple(problems)),))))
    assert lines[0] == "s.csv, line 2: Bad."
    assert lines[-1] == "s.csv: … and 5 more problems of its lines"
    assert len(lines) == 6


def test_many_files_with_one_problem_take_one_line(tmp_path):
    for number in range(40):
        (tmp_path / f"{number:02}.png").write_bytes(b"x")
    (tmp_path / "e.md").write_text("")
    empty, pictures = problem_lines(ingest([tmp_path], QA))
    assert empty.startswith("e.md: The file holds no text.")
    assert pictures.startswith("00.png, 01.png, 02.png, 03.png, 04.png and 35 more files: Files of")
