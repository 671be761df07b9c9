"""The tab of the part of the sample that two people judge."""

from seedbed import registry
from seedbed.tabs import SAMPLE_TAB, SECOND_TAB, review_tabs, second_review_limit


def filters(tab):
    return {
        item["filter"].split(":")[-1]: (item["operator"], item["value"])
        for item in tab["filters"]["items"]
    }


def test_without_a_fraction_there_is_no_such_tab():
    titles = [tab["title"] for tab in review_tabs(registry.technique("qa"), 0.15)]
    assert SECOND_TAB not in titles


def test_it_stands_behind_the_sample_and_holds_what_one_person_has_judged_of_its_first_part():
    first, second, *_ = review_tabs(registry.technique("qa"), 0.15, 0.2)
    assert (first["title"], second["title"]) == (SAMPLE_TAB, SECOND_TAB)
    assert filters(second) == {"data.draw": ("less", 0.03), "total_annotations": ("equal", 1)}
    assert second["ordering"] == first["ordering"]
    assert second["hiddenColumns"] == first["hiddenColumns"]


def test_all_of_the_sample_can_be_judged_twice():
    assert second_review_limit(0.15, 1.0) == 0.15
