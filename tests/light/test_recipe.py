import pytest
import yaml

from seedbed import recipe
from seedbed.errors import RecipeError


def test_a_recipe_needs_nothing_but_a_technique():
    found = recipe.parse({"technique": "paraphrase"})
    assert found.review_fraction == 0.15
    assert list(found.filter_options())[-1] == "top_fraction"


def test_the_hash_changes_with_every_setting():
    one = recipe.parse({"technique": "qa"})
    other = recipe.parse({"technique": "qa", "rng_seed": 2})
    assert one.hash == recipe.parse({"technique": "qa"}).hash != other.hash


def test_an_unknown_key_is_named_with_the_known_ones():
    with pytest.raises(RecipeError, match="unknown key 'tempreature'") as caught:
        recipe.parse({"technique": "qa", "tempreature": 1})
    assert "keep_fraction" in caught.value.hint


@pytest.mark.parametrize(
    ("written", "read"), [("off", "off"), ("separate", "separate"), ("512", 512), ("'off'", "off")]
)
def test_thinking_policies(written, read):
    data = yaml.safe_load(f"technique: qa\nsampling: {{thinking: {written}}}")
    assert recipe.parse(data).sampling.thinking == read


@pytest.mark.parametrize("value", ["on", True, 0, -1, 9000, 1.5])
def test_thinking_policy_that_does_not_exist(value):
    with pytest.raises(RecipeError, match=r"thinking.* none of: off, separate, 1 to 8192"):
        recipe.parse({"technique": "qa", "sampling": {"thinking": value}})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("review_fraction", 1.5),
        ("keep_fraction", 1.7),
        ("over_generation", 2.0),
        ("n_candidates", 0),
        ("n_candidates", "many"),
    ],
)
def test_a_value_out_of_range_is_named_with_what_was_given(key, value):
    with pytest.raises(RecipeError) as caught:
        recipe.parse({"technique": "qa", key: value})
    assert key in str(caught.value)
    assert str(value) in str(caught.value)


def test_an_unknown_technique_is_answered_with_the_known_ones():
    with pytest.raises(RecipeError, match=r"'summarise'.*paraphrase"):
        recipe.parse({"technique": "summarise"})


def test_a_file_that_is_no_yaml_is_named(tmp_path):
    file = tmp_path / "broken.yaml"
    file.write_text("technique: [")
    with pytest.raises(RecipeError, match=r"broken\.yaml is not valid YAML"):
        recipe.load(file)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"none\.yaml"):
        recipe.load(tmp_path / "none.yaml")


def test_overrides_change_single_options_and_false_switches_a_filter_off():
    found = recipe.parse(
        {
            "technique": "paraphrase",
            "keep_fraction": 0.5,
            "filters": {"similarity": {"minimum": 0.8}, "protected_terms": False},
        }
    )
    options = found.filter_options()
    assert options["similarity"]["minimum"] == 0.8
    assert options["similarity"]["maximum"] == 0.90
    assert "protected_terms" not in options
    assert options["top_fraction"]["keep_fraction"] == 0.5
