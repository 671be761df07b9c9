"""Files of records: read as their columns say, and a first recipe derived on the command line."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from records import TRANSACTIONS, bank_recipe, bank_sources
from seedbed import cli, ingest, recipe
from seedbed.commands import intake
from seedbed.errors import UserError

EUROPEAN = """\
Buchungstext;Betrag;Datum;Kategorie
Markthalle Gent;-12,50;31.01.2025;Essen
Miete Februar;-1.250,00;01.02.2025;Wohnen
Bus Linie 4;-3,20;14.02.2025;Essen
Strom Abschlag;-88,10;15.02.2025;Wohnen
"""


@pytest.fixture
def german(tmp_path):
    """A file as a European spreadsheet writes it, and its recipe."""
    from seedbed.first_recipe import first_recipe

    file = tmp_path / "buchungen.csv"
    file.write_text(EUROPEAN, encoding="utf-8-sig")
    return file, recipe.parse(first_recipe(file, "expand", label="Kategorie").recipe)


@pytest.mark.parametrize("technique", ["expand", "paraphrase"])
def test_a_label_column_that_is_not_there_is_named(german, technique):
    from seedbed.first_recipe import first_recipe

    with pytest.raises(UserError, match="no column 'Class'"):
        first_recipe(german[0], technique, label="Class")


def test_a_delimiter_within_quotes_is_none(tmp_path):
    from seedbed.first_recipe import first_recipe

    file = tmp_path / "bookings.csv"
    file.write_text('"What, where";"How much, EUR"\n"Market, Ghent";12\n"Rent, flat";900\n')
    assert [c.header for c in first_recipe(file, "expand").columns] == [
        "What, where",
        "How much, EUR",
    ]


def test_numbers_and_dates_are_brought_into_one_spelling(german):
    file, plan = german
    report = ingest.ingest([file], plan.spec, labels=plan.labels)
    assert report.problems == ()
    assert dict(report.sources[1].fields) == {
        "buchungstext": "Miete Februar",
        "betrag": "-1250.00",
        "datum": "2025-02-01",
        "kategorie": "Wohnen",
    }
    assert report.sources[1].group == "Wohnen"


def test_a_record_that_was_read_reads_the_same_again():
    plan = bank_recipe()
    for source in bank_sources(plan):
        again = {f.name: f.read(source.fields.get(f.name)) for f in plan.spec.source_fields}
        assert again == dict(source.fields)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("Bus;viel;31.01.2025;Essen", "'betrag' is 'viel', not a number"),
        ("Bus;-1,00;31.02.2025;Essen", "'datum' is '31.02.2025', which is no date"),
        ("Bus;-1,00;;Essen", "'datum' is missing or empty"),
        ("Bus;-1,00;31.01.2025;Reisen", "'Reisen' is not one of: Essen, Wohnen"),
    ],
)
def test_a_row_that_does_not_fit_is_named_and_the_others_go_in(german, row, message):
    file, plan = german
    file.write_text(f"{EUROPEAN}{row}\n", encoding="utf-8")
    report = ingest.ingest([file], plan.spec, labels=plan.labels)
    assert len(report.sources) == 4
    [problem] = report.problems
    assert problem.line == 6
    assert message in str(problem)


def test_text_files_hold_no_records(tmp_path):
    file = tmp_path / "seeds.txt"
    file.write_text("One line.\n", encoding="utf-8")
    [problem] = ingest.ingest([file], bank_recipe().spec).problems
    assert "type .txt are not read" in str(problem)


def test_a_dry_run_names_the_labels_that_the_import_would_refuse(german, monkeypatch):
    file, plan = german
    file.write_text(f"{EUROPEAN}Bus;-1,00;31.01.2025;Reisen\n", encoding="utf-8")
    server = SimpleNamespace(
        project=lambda _: {"recipe": plan.model_dump(mode="json")},
        tokenizer=lambda: None,  # it cannot see the model
        present_sources=lambda *_: set(),
    )
    monkeypatch.setattr(intake, "backend", lambda: server)
    done = CliRunner().invoke(cli.main, ["import", "bank", str(file), "--dry-run"])
    assert "Tokens are an estimate: the server cannot see the model." in done.stdout
    assert "line 6: The label 'Reisen' is not one of: Essen, Wohnen" in done.stderr
    assert "4 sources" in done.stdout


def seedbed(folder, *arguments):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SEEDBED", "LABEL_STUDIO"))}
    settings = {"SEEDBED_HOME": str(folder), "SEEDBED_URL": "http://localhost:9"}
    return subprocess.run(
        [sys.executable, "-m", "seedbed", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=clean | settings,
        check=False,
    )


def test_init_shows_what_it_derived_and_writes_a_recipe_that_can_be_edited(tmp_path):
    arguments = ("init", "My bank", "--technique", "expand", "--seeds", str(TRANSACTIONS))
    first = seedbed(tmp_path, *arguments)
    assert "  amount     number, 2 decimals, -2427.83 to 3770.05" in first.stdout
    assert "fraud 6" in first.stdout
    written = tmp_path / "my-bank.recipe.yaml"
    assert recipe.load(written) == bank_recipe()
    assert first.returncode == 1  # there is no server here; the recipe is kept
    assert "is there already" not in seedbed(tmp_path, *arguments).stderr
    written.write_text(written.read_text().replace("2427.83", "3000.0"), encoding="utf-8")
    edited = seedbed(tmp_path, *arguments)
    assert edited.returncode == 2
    assert "is there already, and it differs" in edited.stderr
    assert "--recipe my-bank.recipe.yaml" in edited.stderr


def test_seeds_need_a_technique_and_no_recipe(tmp_path):
    result = seedbed(tmp_path, "init", "x", "--seeds", str(TRANSACTIONS))
    assert result.returncode == 2
    assert "--seeds goes with --technique" in result.stderr
