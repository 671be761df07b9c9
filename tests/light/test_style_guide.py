"""A style guide stands in the recipe, or in a file beside it."""

import pytest

from seedbed import recipe
from seedbed.errors import RecipeError

RULES = """\
- name: short
  text: At most three sentences.
  measure: concise
  options: {max_sentences: 3}
- name: kind
  text: Be kind.
"""


@pytest.fixture
def write(tmp_path):
    def write(guide, named="guide.yaml"):
        (tmp_path / "guide.yaml").write_text(guide)
        file = tmp_path / "recipe.yaml"
        file.write_text(f"technique: dpo\nstyle_guide: {named}\n")
        return file

    return write


def test_a_guide_of_its_own_is_looked_for_beside_the_recipe(write):
    found = recipe.load(write(RULES))
    inline = recipe.parse(
        {
            "technique": "dpo",
            "style_guide": [
                {
                    "name": "short",
                    "text": "At most three sentences.",
                    "measure": "concise",
                    "options": {"max_sentences": 3},
                },
                {"name": "kind", "text": "Be kind."},
            ],
        }
    )
    assert found.hash == inline.hash
    assert [rule["name"] for rule in found.style_rules] == ["short", "kind"]


def test_a_guide_may_have_its_rules_under_a_key(write):
    indented = "rules:\n" + "".join(f"  {line}\n" for line in RULES.splitlines())
    assert len(recipe.load(write(indented)).style_guide) == 2


@pytest.mark.parametrize(
    ("guide", "message"),
    [
        ("rules: 3", r"guide\.yaml is no style guide"),
        ("[]", r"guide\.yaml is no style guide"),
        ("- name: a\n  text: [", r"style guide .*guide\.yaml is not valid YAML"),
        ("- text: Be kind.", r"guide\.yaml: 'name' is missing"),
        ("- name: kind\n  words: Be kind.", r"guide\.yaml: .*(words|text)"),
        ("- name: Be Kind\n  text: Be kind.", r"guide\.yaml: name: String should match pattern"),
        ("- name: a\n  text: A.\n- name: a\n  text: B.", "two rules have the name 'a'"),
    ],
)
def test_a_wrong_guide_is_named_with_what_is_wrong(write, guide, message):
    with pytest.raises(RecipeError, match=message):
        recipe.load(write(guide))


def test_a_guide_that_is_not_there_is_named(write):
    with pytest.raises(RecipeError, match=r"Cannot read the style guide .*none\.yaml"):
        recipe.load(write(RULES, named="none.yaml"))


def test_only_a_recipe_from_a_file_can_name_a_guide():
    with pytest.raises(RecipeError, match=r"style_guide: 'guide\.yaml' is a file"):
        recipe.parse({"technique": "dpo", "style_guide": "guide.yaml"})
