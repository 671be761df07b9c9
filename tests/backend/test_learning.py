"""From verdicts to a stricter screen: judged in Label Studio, calibrated, screened again."""

from __future__ import annotations

import pytest

from backend import grown
from seedbed.errors import UserError
from seedbed_backend import calibrate, rescreen, verdicts
from seedbed_backend.store import Analysis


def test_what_people_reject_teaches_a_threshold_that_drops_it(tmp_path):
    services, project, _ = grown.grow(
        f"sqlite:///{tmp_path}/store.db", n_sources=300, keep_fraction=1.0, review_fraction=0.2
    )
    store, server = services.store, services.label_studio
    with pytest.raises(UserError, match="0 verdicts so far"):
        calibrate.calibrate(store, project, 0.9)
    survivors = store.candidates(project_id="p1", states=("survivor",))
    # people take those that kept least of their source's words, which similarity scores highest
    for stored in survivors:
        if stored.draw < 0.25:  # they also look at some outside the sample
            is_good = stored.scores["similarity"] >= 0.8
            server.judge(stored.review_task, "accept" if is_good else "reject")
    verdicts.sync(services, "p1")

    found = calibrate.calibrate(store, project, 0.9)
    sample = [s for s in survivors if s.draw < 0.2]
    assert (found["n_judged"], found["n_outside_sample"] > 0) == (len(sample), True)
    assert 0.1 < found["rate"] < 0.9
    similarity = next(s for s in found["scores"] if s["name"] == "similarity")
    assert similarity["auroc"]["value"] == 1.0
    proposal = found["proposal"]
    assert proposal["name"] == "similarity"
    assert proposal["low"] >= 0.9

    recipe = rescreen.new_recipe(project, proposal["changes"])
    store.add_analysis(Analysis("a1", "p1", "rescreen", {"recipe": recipe.model_dump(mode="json")}))
    effect = rescreen.perform(services, store.analysis("a1"))
    assert effect["newly_dropped"]["n"] > 0
    assert {row["stage"] for row in effect["newly_dropped"]["reasons"]} == {"minimum_scores"}
    assert effect["newly_dropped"]["verdicts"] == {}  # whom people judged, stays
    assert effect["kept_by_verdict"]["verdicts"].keys() == {"REJECTED"}
    store.close()
