"""What a card is told of a project: all that decided about its rows, and no secret."""

import json

import pytest
from statsmodels.stats.proportion import proportion_confint

from backend.grown import grow
from seedbed.recipe import parse
from seedbed_backend import verdicts
from seedbed_backend.datasheet import datasheet
from seedbed_backend.store import GateDecision


@pytest.fixture
def told(tmp_path):
    """Return a function that grows a project and returns its datasheet."""

    def make(**settings):
        services, project, _ = grow(f"sqlite:///{tmp_path / 'store.db'}", **settings)
        return datasheet(services.store, project), services, project

    return make


def test_it_says_what_made_the_rows(told):
    found, services, project = told(keep_fraction=0.5)
    (recipe,) = found["recipes"]
    assert recipe["hash"] == project.recipe_hash
    assert parse(recipe["document"]).hash == project.recipe_hash
    filters = {each["filter"]: each["options"] for each in recipe["filters"]}
    assert list(filters) == ["similarity", "dedup", "top_fraction"]
    assert filters["similarity"]["minimum"] == 0.30
    assert filters["top_fraction"]["keep_fraction"] == 0.5
    assert "privacy" in recipe["off"]
    assert found["store_revision"] == services.store.revision()
    assert found["funnel"]["n_attempts"] == 72
    json.dumps(found)


def test_the_gate_and_the_rate_of_the_sample_are_told(told):
    found, services, project = told(review_fraction=0.2)
    gate = {**found["gates"][0]}
    assert (gate["run"], gate["state"], gate["n_judged"], gate["reason"]) == ("run1", "open", 0, "")
    assert (found["acceptance"]["n_judged"], found["acceptance"]["rate"]) == (0, None)
    sampled = [s for s in services.store.candidates(states=("survivor",)) if s.draw < 0.2]
    for each in sampled:
        services.label_studio.judge(each.review_task, "accept")
    verdicts.sync(services, project.id)
    accepted = datasheet(services.store, project)["acceptance"]
    assert accepted["n_judged"] == accepted["n_accepted"] == len(sampled) > 0
    assert (accepted["rate"], accepted["high"]) == (1.0, 1.0)
    low, _ = proportion_confint(len(sampled), len(sampled), method="wilson")
    assert accepted["low"] == pytest.approx(low)


def test_a_managers_reason_is_told_and_not_the_name(told):
    _, services, project = told()
    decision = GateDecision("run1", "release", "for a pilot", "ann@example.org", {})
    services.store.add_gate_decision(decision)
    found = datasheet(services.store, project)
    assert [(g["state"], g["reason"]) for g in found["gates"]] == [("released", "for a pilot")]
    assert "ann@" not in json.dumps(found)


def test_a_recipe_by_which_it_was_screened_again_is_told_too(told):
    _, services, project = told()
    other = parse({**project.recipe, "keep_fraction": 0.4})
    services.store.save_recipe(other.hash, other.model_dump(mode="json"))
    services.store.update_run("run1", screened_by=other.hash)
    found = datasheet(services.store, project)
    assert [each["hash"] for each in found["recipes"]] == sorted([project.recipe_hash, other.hash])


def test_the_judge_is_named(told):
    found, *_ = told(judge={"enabled": True, "minimum": 0.0, "minimum_grade": 1})
    (judge,) = found["judges"]
    assert judge["name"] == "echo"
    assert judge["n"] > 0


@pytest.mark.parametrize(
    "options",
    [
        {"default": "pseudonym", "key": "our secret"},
        {"actions": {"EMAIL_ADDRESS": "pseudonym"}, "key": "our secret"},
        {"unsourced": "pseudonym", "key": "our secret"},
    ],
)
def test_what_pseudonyms_depend_on_is_withheld(told, options):
    found, *_ = told(filters={"privacy": options}, rng_seed=73)
    (recipe,) = found["recipes"]
    assert recipe["withheld"] == ["rng_seed", "filters.privacy.key"]
    assert "our secret" not in json.dumps(found)
    assert "rng_seed" not in recipe["document"]


def test_without_pseudonyms_the_seed_is_told(told):
    found, *_ = told(rng_seed=73)
    (recipe,) = found["recipes"]
    assert recipe["document"]["rng_seed"] == 73
    assert recipe["withheld"] == []
