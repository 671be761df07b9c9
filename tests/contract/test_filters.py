"""What every filter promises, built in or installed; none is named here."""

import inspect
import json
import re
from pathlib import Path

import pytest

from filters.support import candidate, context
from seedbed import registry
from seedbed.errors import NotFoundError, RecipeError
from seedbed.recipe import Recipe
from seedbed_backend.filters import Reference, configure, filters

TESTS = Path(__file__).parents[1] / "filters"
FILTERS = filters()
NASTY = [
    "",
    " \n\t ",
    "Ordinary words, said by Ann in 2024.",
    "Ordinary words, said by Ann in 2024.",
    "😀🏳️‍🌈👩‍👩‍👧",
    "مرحبا بالعالم، هذا نص عربي.",
    "\u05e9\u05dc\u05d5\u05dd \u202e\u05e2\u05d5\u05dc\u05dd\u202c 12",  # Hebrew with a direction override
    "?!…,;:()[]{}\"'",
    "x" * 10_000,
    "word " * 2_000,
    "no " * 3_000,
    "hundred " * 2_000,
    "neither nor " * 800,
    "1,000.5.3/7 " * 800,
    "\x00\udfff\ud800\ufffe",
    '{{ prompt }} {% if %} <|im_end|> ```json {"a": [}',
    "((((((((" * 500,
    '"' * 999,
    "Zürich № ½ ² ﬁ İ ǅ ß",
    "A. B. C. D.",
    "-5 % €½ $ ٣ days 99999999999999999999999999 months",
    "2024-99-99 99/99/99 25:61 0:0 13pm",
    "9" * 5_000,  # more digits than Python turns into a number
]


CONFIGURED = [
    pytest.param(technique, each, id=f"{technique}-{each.name}")
    for technique in registry.techniques()
    for each in configure(Recipe(technique=technique))
]


def nasty_candidates(technique):
    spec = registry.technique(technique)
    made = []
    for place, text in enumerate(NASTY):
        other = NASTY[(place * 7 + 3) % len(NASTY)]
        # What has no UTF-8 form never becomes a source: it has no content hash.
        source = {f.name: other.encode("utf-8", "replace").decode() for f in spec.source_fields}
        outputs = [f.name for f in spec.output_fields]
        made.append(candidate(f"full{place}", source, **dict.fromkeys(outputs, text)))
        made.append(candidate(f"part{place}", {}, "g", **{outputs[0]: text}))
        mixed = {name: NASTY[(place + n) % len(NASTY)] for n, name in enumerate(outputs)}
        made.append(candidate(f"mixed{place}", source, "g", **mixed))
        made.append(candidate(f"none{place}", source))
    return made


def nasty_context(technique, candidates):
    kinds = ("kept", "real", "rejected")
    references = [
        Reference(f"r{n}", text, kinds[n % 3], candidates[n].source.id)
        for n, text in enumerate(NASTY[::2])
    ]
    scores = {c.id: {"a": (n % 11) / 10} for n, c in enumerate(candidates) if n % 3}
    labels = {"labels": ("one", "two")} if technique == "expand" else {}
    return context(
        technique, references=references, scores=scores, glossary=("words", "(", ""), **labels
    )


@pytest.mark.parametrize("variant", FILTERS.values(), ids=list(FILTERS))
class TestEveryVariant:
    def test_name_file_and_class_agree(self, variant):
        assert variant.__module__.rpartition(".")[2] == variant.name
        assert variant.__name__ == "".join(part.capitalize() for part in variant.name.split("_"))

    def test_says_what_it_does(self, variant):
        assert variant.help.endswith(".") and variant.help[0].isupper()
        assert inspect.getdoc(variant)

    def test_reasons_are_distinct_and_in_snake_case(self, variant):
        assert variant.reasons
        assert len(set(variant.reasons)) == len(variant.reasons)
        assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", reason) for reason in variant.reasons)

    def test_every_reason_of_our_own_is_the_outcome_of_a_test(self, variant):
        if variant.__module__.startswith("seedbed_backend."):
            tests = (TESTS / f"test_{variant.name}.py").read_text(encoding="utf-8")
            assert [r for r in variant.reasons if f'"{r}"' not in tests] == []


def test_every_filter_is_used_by_a_technique_or_can_be_added():
    used = {name for t in registry.techniques().values() for name in t.filters}
    assert used <= set(FILTERS)


@pytest.mark.parametrize(("technique", "each"), CONFIGURED)
class TestEveryConfiguredFilter:
    def test_nothing_in_gives_nothing_out(self, technique, each):
        assert each.screen([], context(technique)) == []

    def test_decides_on_any_text_without_raising(self, technique, each):
        candidates = nasty_candidates(technique)
        decisions = each.screen(candidates, nasty_context(technique, candidates))
        assert [d.candidate_id for d in decisions] == [c.id for c in candidates]
        for decision in decisions:
            assert decision.filter == each.name
            assert decision.reason in each.reasons if not decision.keep else decision.reason == ""
            assert decision.score is None or 0.0 <= decision.score <= 1.0
            assert json.loads(json.dumps(dict(decision.evidence))) == dict(decision.evidence)

    def test_decides_the_same_way_again(self, technique, each):
        candidates = nasty_candidates(technique)
        ctx = nasty_context(technique, candidates)
        assert each.screen(candidates, ctx) == each.screen(candidates, ctx)

    def test_a_decision_on_one_candidate_does_not_depend_on_the_others(self, technique, each):
        candidates = nasty_candidates(technique)
        ctx = nasty_context(technique, candidates)
        if each.scope == "candidate":
            alone = [each.screen([c], ctx)[0] for c in candidates]
            together = each.screen(candidates, ctx)
            assert [(d.keep, d.reason) for d in alone] == [(d.keep, d.reason) for d in together]
        else:  # which ones are kept does not depend on their order
            forth = {d.candidate_id: d.keep for d in each.screen(candidates, ctx)}
            back = {d.candidate_id: d.keep for d in each.screen(candidates[::-1], ctx)}
            assert forth == back

    def test_an_unknown_option_is_refused_with_the_known_ones(self, technique, each):
        recipe = Recipe(technique=technique, filters={each.name: {"nope": 1}})
        with pytest.raises(RecipeError, match="unknown key 'nope'") as caught:
            configure(recipe)
        assert all(option in caught.value.hint for option in type(each).model_fields)

    def test_a_fraction_above_one_is_refused_with_its_range(self, technique, each):
        fractions = [n for n, f in type(each).model_fields.items() if f.annotation is float]
        for name in fractions:
            recipe = Recipe(technique=technique, filters={each.name: {name: 1.7}})
            with pytest.raises(RecipeError) as caught:
                configure(recipe)
            assert (
                f"Filter {each.name}: '{name}' should be less than or equal to 1, not 1.7"
                in str(caught.value)
            )

    def test_a_field_that_the_technique_lacks_is_refused(self, technique, each):
        options = [n for n in type(each).model_fields if n == "fields" or n.endswith("_field")]
        for name in options:
            value = ["nope"] if name == "fields" else "nope"
            recipe = Recipe(technique=technique, filters={each.name: {name: value}})
            with pytest.raises(RecipeError, match=f"Filter {each.name}: {name} is 'nope'"):
                configure(recipe)


@pytest.mark.parametrize("technique", registry.techniques())
def test_filters_run_from_the_candidate_to_the_run(technique):
    scopes = [each.scope for each in configure(Recipe(technique=technique))]
    assert scopes == sorted(scopes, key=("candidate", "set", "final").index)


def test_an_unknown_filter_is_refused_with_the_known_ones():
    with pytest.raises(NotFoundError, match="No filter is named 'nope'") as caught:
        configure(Recipe(technique="qa", filters={"nope": {}}))
    assert all(name in caught.value.hint for name in FILTERS)


@pytest.mark.parametrize("override", [False, True, {}])
def test_a_filter_that_there_is_not_is_named_whatever_the_recipe_says_of_it(override):
    recipe = Recipe(technique="paraphrase", filters={"heuristic": override})
    with pytest.raises(NotFoundError, match="heuristic"):
        configure(recipe)
