"""Rubrics: read from YAML, with errors that name the file and the key."""

import pytest

from seedbed import registry, rubrics
from seedbed.errors import RecipeError


@pytest.mark.parametrize("name", sorted(registry.techniques()))
def test_every_built_in_technique_has_a_rubric_of_questions(name):
    rubric = registry.technique(name).rubric
    assert rubric == rubrics.built_in(name)
    assert all(
        question.rstrip(" )").endswith(("?", "none")) for question in rubric.criteria.values()
    )
    if rubric.pair:
        outputs = {f.name for f in registry.technique(name).output_fields}
        assert set(rubric.pair) <= outputs


def test_a_rubric_of_ones_own_is_read_from_any_file(tmp_path):
    file = tmp_path / "letters.yaml"
    file.write_text("criteria:\n  polite: Is it polite?\n")
    assert rubrics.load(file).criteria == {"polite": "Is it polite?"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("criteria: {}", "criteria"),
        ("- polite", "is no rubric"),
        ('criteria: {Polite: "Is it?"}', "Polite"),
        ('criteria: {reason: "Why?"}', "'reason' cannot be the name of a criterion"),
        ("criteria: {polite: ''}", "polite"),
        ('criteria: {polite: "Is it?"}\nquestions: 3', "unknown key 'questions'"),
        ('criteria: {polite: "Is it?"}\npair: [a, b]', "go together"),
        ("criteria: {polite: 'Is it?}", "is not valid YAML"),
    ],
)
def test_what_is_wrong_with_a_rubric_is_said(tmp_path, text, message):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(RecipeError) as caught:
        rubrics.load(file)
    assert message in caught.value.message
    assert str(file) in caught.value.message


def test_a_rubric_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"none\.yaml"):
        rubrics.load(tmp_path / "none.yaml")
