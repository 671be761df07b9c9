"""Two hundred candidates judged in a real Label Studio, every number compared with another's arithmetic.

`reviewing.story` acts it out once; each test looks at what was kept. What should come out is in the
book that the actors write by hand (`reviewing.book`), counted with scipy and statsmodels
(`reviewing.arithmetic`): no code of Seedbed's takes part on that side.
"""

from __future__ import annotations

import numpy
import pytest

from browser import chromium
from reviewing import arithmetic
from reviewing.book import as_verdict
from reviewing.story import FRACTION, LARGER, N_AT_THE_SCREEN, PAIRS, TARGET, Story
from reviewing.team import Person

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.xdist_group("review_of_200"),
    pytest.mark.timeout(1200),
]


@pytest.fixture(scope="module")
def story(stack, backend, store, label_studio):
    manager = Person(label_studio.url, label_studio.user, label_studio.password)
    told = Story(stack, backend, store, manager)
    told.begin()
    told.plan()
    told.work_live()
    told.repeat_messages()
    told.work_unheard()
    if program := chromium.find():
        told.work_at_the_screen(program)
    told.close()
    told.decide()
    told.enlarge()
    yield told
    told.leave()


MOMENTS = ("begun", "live", "repeated", "synced", "screen", "closed")
"""When Seedbed knows all that people did."""


@pytest.fixture(params=MOMENTS)
def kept(request, story):
    """What was kept at each of them."""
    if request.param not in story.moments:
        pytest.skip("no Chromium on this machine")
    return story.moments[request.param]


def expected_verdicts(book):
    return {cid: as_verdict(said) for cid, said in book.verdicts().items()}


# --- the sample ----------------------------------------------------------------------------------


def test_two_hundred_are_before_people(story):
    assert len(story.survivors) == 1000
    assert 190 <= len(story.sample) <= 210


def test_every_stratum_of_every_run_has_its_share_of_the_sample(story):
    for survivors in arithmetic.by(story.survivors, "run").values():
        for stratum, some in arithmetic.by(survivors, "stratum").items():
            assert arithmetic.is_fair_share(some, FRACTION), stratum


def test_the_sample_tab_shows_the_sample_in_its_random_order(story):
    shown = story.moments["begun"].tabs["Review sample"]
    draws = {s.id: s.draw for s in story.sample} | {c.id: c.draw for c in story.canaries.values()}
    assert shown == sorted(draws, key=lambda cid: draws[cid])


# --- verdicts ------------------------------------------------------------------------------------


def test_every_verdict_is_what_its_reviewer_meant(story, kept):
    assert kept.verdicts == expected_verdicts(kept.book)


def test_what_no_message_told_is_found_by_a_sync(story):
    before, unheard = story.moments["repeated"], story.moments["unheard"]
    assert unheard.verdicts == before.verdicts
    assert unheard.verdicts != expected_verdicts(unheard.book)


def test_every_task_says_in_label_studio_what_stands(story, kept):
    status = {cid: said.status for cid, said in kept.book.verdicts().items()}
    for cid, shown in kept.marks.items():
        if cid in story.canaries:
            continue
        word = status.get(cid, "")
        assert shown == (word, "yes" if word in arithmetic.GOOD else ""), cid


def test_at_the_screen_the_sample_is_served_in_its_order(story):
    if "screen" not in story.moments:
        pytest.skip("no Chromium on this machine")
    assert len(story.served) == N_AT_THE_SCREEN
    assert story.served == story.to_be_served[:N_AT_THE_SCREEN]


STATUS_TABS = {"Accepted": "ACCEPTED", "Fixed": "FIXED", "Rejected": "REJECTED"}


def test_the_tabs_show_what_stands(story, kept):
    for title, status in STATUS_TABS.items():
        shown = {cid for cid in kept.tabs[title] if cid not in story.canaries}
        standing = kept.book.verdicts().items()
        assert shown == {cid for cid, said in standing if said.status == status}, title


def test_the_sample_tab_shows_what_nobody_has_touched_yet(story, kept):
    shown = [cid for cid in kept.tabs["Review sample"] if cid not in story.canaries]
    waiting = [s for s in story.sample if not kept.book.of(s.id)]
    assert shown == [s.id for s in sorted(waiting, key=lambda s: s.draw)]


def test_what_waits_for_a_decision_is_in_a_tab(story, kept):
    """Each sampled one without a verdict: nobody has touched it, it was skipped, or is undecided."""
    titles = ("Review sample", "Skipped", "Undecided")
    shown = [cid for title in titles for cid in kept.tabs[title]]
    assert len(shown) == len(set(shown))
    waiting = {s.id for s in story.sample if kept.book.standing(s.id) is None}
    assert waiting <= set(shown)
    assert kept.book.verdicts().keys().isdisjoint(shown)
    skipped = {cid for cid in kept.book.candidates() if kept.book.is_skipped(cid)}
    assert set(kept.tabs["Skipped"]) == skipped


# --- the gate ------------------------------------------------------------------------------------


def close_to(expected):
    return {
        name: value if value is None or isinstance(value, int) else pytest.approx(value, abs=1e-9)
        for name, value in expected.items()
    }


def counts_in(found):
    return {name: found[name] for name in arithmetic.counts(EMPTY, [], FRACTION)}


EMPTY = arithmetic.Book()


def test_the_gate_counts_as_statsmodels_does(story, kept):
    gate = kept.gate
    whole = arithmetic.counts(kept.book, story.survivors, FRACTION)
    assert counts_in(gate["overall"]) == close_to(whole)
    runs = arithmetic.by(story.survivors, "run")
    assert [run["run"] for run in gate["runs"]] == sorted(runs, reverse=True)  # the newest first
    for run in gate["runs"]:
        expected = arithmetic.counts(kept.book, runs[run["run"]], FRACTION)
        assert counts_in(run) == close_to(expected)
        assert run["state"] == arithmetic.state(expected, TARGET)
        assert run["n_more"] == arithmetic.n_more(expected, TARGET)


def test_the_gate_counts_every_stratum(story, kept):
    runs = arithmetic.by(story.survivors, "run")
    for run in kept.gate["runs"]:
        strata = arithmetic.by(runs[run["run"]], "stratum")
        assert {row["stratum"] for row in run["strata"]} == set(strata)
        for row in run["strata"]:
            some = strata[row["stratum"]]
            assert counts_in(row) == close_to(arithmetic.counts(kept.book, some, FRACTION))
            found = {reason["reason"]: reason["n"] for reason in row["reasons"]}
            assert found == arithmetic.reasons(kept.book, some, FRACTION)


def test_runs_open_and_then_pass_or_need_more(story):
    kept = [story.moments[moment] for moment in MOMENTS if moment in story.moments]
    states = [{run["run"]: run["state"] for run in moment.gate["runs"]} for moment in kept]
    first, second = story.run_id("first"), story.run_id("second")
    assert [s[first] for s in states] == ["open"] * (len(kept) - 1) + ["passed"]
    assert [states[0][second], states[1][second], states[-1][second]] == [
        "open",
        "open",
        "needs_review",
    ]


# --- what the manager may do ---------------------------------------------------------------------


def state_and_release(kept):
    return {run["run"]: (run["state"], run["is_released"]) for run in kept.gate["runs"]}


def test_a_manager_overrules_the_gate(story):
    first, second = story.run_id("first"), story.run_id("second")
    assert state_and_release(story.moments["released"]) == {
        first: ("passed", True),
        second: ("released", True),
    }
    assert state_and_release(story.moments["held"]) == {
        first: ("held", False),
        second: ("released", True),
    }


def test_a_larger_sample_counts_what_was_judged_outside_and_waits_for_the_rest(story):
    kept = story.moments["enlarged"]
    assert kept.gate["is_forced"]
    assert kept.gate["review_fraction"] == LARGER
    expected = arithmetic.counts(kept.book, story.survivors, LARGER)
    assert counts_in(kept.gate["overall"]) == close_to(expected)
    assert expected["n_waiting"] > 40
    shown = [cid for cid in kept.tabs["Review sample"] if cid not in story.canaries]
    waiting = [s for s in story.survivors if s.draw < LARGER and not kept.book.of(s.id)]
    assert shown == [s.id for s in sorted(waiting, key=lambda s: s.draw)]


# --- what is handed out --------------------------------------------------------------------------


def approved(book):
    return {cid: said.fields for cid, said in book.verdicts().items() if said.status != "REJECTED"}


def unjudged(story, book, *runs):
    """Return what nobody has judged of some runs, as it was shown; what was skipped stays out."""
    of_runs = {story.run_id(run) for run in runs}
    some = [s.id for s in story.survivors if s.run in of_runs]
    free = [c for c in some if book.standing(c) is None and not any(s.is_skip for s in book.of(c))]
    return {cid: story.shown[cid] for cid in free}


def test_only_what_people_accepted_or_fixed_is_handed_out(story):
    for moment in ("closed", "held"):
        kept = story.moments[moment]
        assert kept.pulled["reviewed"] == approved(kept.book)


@pytest.mark.parametrize(
    ("moment", "runs"),
    [("closed", ["first"]), ("released", ["first", "second"]), ("held", ["second"])],
)
def test_the_gate_decides_about_what_nobody_has_judged(story, moment, runs):
    kept = story.moments[moment]
    expected = approved(kept.book) | unjudged(story, kept.book, *runs)
    assert len(expected) > 300
    assert kept.pulled["gated"].keys() == expected.keys()
    assert kept.pulled["gated"] == expected


def test_every_corrected_answer_becomes_a_preference_pair(story):
    kept = story.moments["closed"]
    expected = {
        cid: {"chosen": said.fields["answer"], "rejected": story.shown[cid]["answer"]}
        for cid, said in kept.book.verdicts().items()
        if said.status == "FIXED" and said.fields["answer"] != story.shown[cid]["answer"]
    }
    assert kept.pulled[PAIRS] == expected


# --- the reviewers -------------------------------------------------------------------------------


def last_words(book):
    """Return each person's newest word on each candidate that decides something."""
    return {
        (cid, said.reviewer): said
        for cid in book.candidates()
        for said in book.of(cid)
        if said.status
    }


def report_on(story, person):
    rows = story.moments["closed"].reviewers["reviewers"]
    return next(row for row in rows if row["reviewer"] == person.id)


@pytest.mark.parametrize("name", ["anna", "ben"])
def test_each_reviewer_is_counted_and_timed(story, name):
    person = getattr(story, name)
    words = last_words(story.moments["closed"].book)
    own = [said for (_, reviewer), said in words.items() if reviewer == person.id]
    row = report_on(story, person)
    assert row["n_judged"] == len(own)
    assert row["n_rejected"] == sum(said.status == "REJECTED" for said in own)
    assert row["median_seconds"] == pytest.approx(float(numpy.median([s.seconds for s in own])))


@pytest.mark.parametrize("name", ["anna", "ben"])
def test_canaries_tell_who_looks(story, name):
    person = getattr(story, name)
    caught = story.caught[person.id]
    found = report_on(story, person)["canaries"]
    assert (found["n"], found["n_caught"]) == (len(caught), sum(caught))
    low, high = arithmetic.interval(sum(caught), len(caught))
    assert (found["low"], found["high"]) == pytest.approx((low, high))


def test_no_canary_is_counted_or_handed_out(story):
    assert len(story.canaries) >= 10
    for kept in story.moments.values():
        assert not story.canaries.keys() & kept.verdicts.keys()
        for rows in kept.pulled.values():
            assert not story.canaries.keys() & rows.keys()


def test_agreement_is_what_statsmodels_says(story):
    book = story.moments["closed"].book
    words = last_words(book)
    a, b = story.anna.id, story.ben.id
    pairs = [
        (words[cid, a].status, words[cid, b].status)
        for cid in book.candidates()
        if (cid, a) in words and (cid, b) in words
    ]
    is_good = {"ACCEPTED": "accepted", "FIXED": "accepted", "REJECTED": "rejected"}
    about = [(is_good[one], is_good[two]) for one, two in pairs]
    found = story.moments["closed"].reviewers["agreement"]
    assert found["n_double"] == len(pairs)
    assert found["n_agreed"] == sum(one == two for one, two in about)
    (kappa,) = [row for row in found["kappa"] if {row["a"], row["b"]} == {a, b}]
    assert kappa["n"] == len(pairs)
    assert kappa["kappa"] == pytest.approx(arithmetic.kappa(about, ["accepted", "rejected"]))
    assert kappa["kappa_status"] == pytest.approx(arithmetic.kappa(pairs, list(is_good)))
    assert found["alpha"] == pytest.approx(arithmetic.alpha(about))
    assert found["alpha_status"] == pytest.approx(arithmetic.alpha(pairs))
