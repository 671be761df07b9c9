"""Sections of a report: on screen, in Markdown and in HTML, whatever a model or a person wrote."""

import pytest

from seedbed.commands.rescreen import read_settings
from seedbed.errors import UserError
from seedbed.sections import Section, bars, of_finding, show, to_html, to_markdown

NASTY = "<script>alert(1)</script> | *bold* [x](http://a) `code` \n# title"
SECTION = Section(
    "Examples",
    ["1 of 2 shown."],
    ("why", "#n", "text"),
    [("too far", 2, NASTY), ("near copy", 0.25, "plain")],
    ["Look at this."],
)


def test_markdown_escapes_what_would_be_markup():
    text = to_markdown("Report", [SECTION])
    assert "<script>" not in text
    row = next(line for line in text.splitlines() if line.startswith("| too far"))
    assert row.replace("\\|", "").count("|") == 4
    assert "| --- | ---: | --- |" in text
    assert "> **Note:** Look at this." in text


def test_html_escapes_everything_and_loads_nothing():
    page = to_html("Report <1>", [SECTION], '<?xml version="1.0"?><svg><path/></svg>')
    assert "<script>" not in page
    assert "Report &lt;1&gt;" in page
    assert "<svg><path/></svg>" in page
    assert "<?xml" not in page
    assert "src=" not in page
    assert "@import" not in page


def test_on_screen_a_long_text_takes_one_line(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    show([SECTION, Section("Long", columns=("id", "text"), rows=[("abcdef123456", "word " * 99)])])
    said = capsys.readouterr().out
    assert "abcdef123456" in said
    assert max(map(len, said.splitlines())) <= 62
    assert "! Look at this." in said


def test_bars_show_a_histogram_in_one_line():
    assert bars([0, 1, 8]) == "·▂█"
    assert bars([0, 0]) == "··"
    assert bars([]) == ""


def test_a_finding_is_a_section_with_its_numbers_to_the_right():
    section = of_finding(
        {
            "title": "Lengths",
            "lines": ["a"],
            "columns": ["set", "words"],
            "rows": [["real", 12.5], ["synthetic", 11]],
            "warnings": [],
        }
    )
    assert list(section.columns) == ["set", "#words"]


def test_settings_are_read_as_nested_yaml():
    assert read_settings(
        ["filters.similarity.minimum=0.75", "filters.dedup=false", "glossary=[force majeure]"]
    ) == {
        "filters": {"similarity": {"minimum": 0.75}, "dedup": False},
        "glossary": ["force majeure"],
    }


@pytest.mark.parametrize("text", ["keep_fraction", "=3", "filters..minimum=2", "a=[1"])
def test_a_setting_that_cannot_be_read_is_named(text):
    with pytest.raises(UserError, match="--set"):
        read_settings([text])


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(UserError, match="contradicts"):
        read_settings(["filters.dedup=false", "filters.dedup.near_short=0.6"])
