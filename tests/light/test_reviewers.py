"""What `seedbed reviewers` prints, from a report as the server sends it."""

from seedbed.commands.reviewers import sections
from seedbed.sections import to_markdown

INTERVAL = {"rate": 0.5, "low": 0.1, "high": 0.9}
NOTHING = {"rate": None, "low": 0.0, "high": 1.0}
URL = "http://ls/projects/2/data?task=7"
ANN = {
    "reviewer": 1,
    "name": "ann@example.com",
    "n_judged": 2,
    "n_accepted": 1,
    "n_fixed": 0,
    "n_rejected": 1,
    **INTERVAL,
    "median_seconds": 12.0,
    "canaries": {"n": 2, "n_caught": 1, **INTERVAL},
    "too_fast": {
        "n": 1,
        "n_timed": 2,
        "tasks": [7],
        "details": [
            {"candidate": "c", "task": 7, "url": URL, "seconds": 1.5, "least_seconds": 6.9,
             "n_words": 80}
        ],
    },
}  # fmt: skip
BOB = {
    **ANN,
    "reviewer": 2,
    "name": None,
    "median_seconds": None,
    "canaries": {"n": 0, "n_caught": 0, **NOTHING},
    "too_fast": {"n": 0, "n_timed": 0, "tasks": [], "details": []},
}
REPORT = {
    "project": "p1",
    "rule": {"words_per_minute": 700, "min_seconds": 2.0},
    "reviewers": [ANN, BOB],
    "agreement": {
        "n_double": 6,
        "n_agreed": 3,
        "n_same_status": 2,
        **INTERVAL,
        "min_pairs": 5,
        "kappa": [{"a": 1, "b": 2, "n": 6, "kappa": 0.25, "kappa_reason": "",
                   "kappa_status": None, "kappa_status_reason": "everybody said x"}],
        "alpha": 0.333,
        "alpha_reason": "",
        "alpha_status": None,
        "alpha_status_reason": "too few",
    },
    "disagreements": [
        {"candidate": "c", "task": 7, "url": URL, "is_about_acceptance": True, "is_settled": settled,
         "verdicts": [{"reviewer": 1, "name": "ann@example.com", "status": "ACCEPTED"},
                      {"reviewer": 2, "name": None, "status": "REJECTED"}]}
        for settled in (False, True)
    ],
    "canaries": {"n": 4, "n_shown": 2, "n_caught": 1, **INTERVAL,
                 "kinds": [{"kind": "changed_number", "n": 2, "n_caught": 1, **INTERVAL}]},
}  # fmt: skip


def test_the_report_in_words_is_honest_about_small_numbers():
    said = to_markdown("Reviewers", sections(REPORT))
    for part in (
        "1 of 2, 50% \\[10%, 90%\\]",  # canaries
        "user 2",  # a name that is not known
        "none met",
        "12 s",
        "Fewer than 30 canaries, so compare intervals, not rates: ann@example.com.",
        "4 mixed in, 2 judged so far, 1 noticed: 50% \\[10%, 90%\\].",
        "changed number",
        "6 judged by two people or more; 3 of them alike",
        "accept or reject: 0.33",
        "not known (too few)",
        "not known (everybody said x)",
        "6 is few",
        "Reported, not judged",
    ):
        assert part in said, part


def test_what_is_to_be_done_is_listed_with_links():
    listed = {section.title: section for section in sections(REPORT)}
    assert listed["To be settled"].rows == [("ann@example.com accepted; user 2 rejected", URL)]
    assert listed["Judged faster than it can be read"].rows == [
        ("ann@example.com", "1.5 s", "6.9 s for 80 words", URL)
    ]


def test_without_anything_it_says_how_to_get_it():
    nothing = {**REPORT, "reviewers": [], "disagreements": []}
    nothing["canaries"] = {"n": 0, "n_shown": 0, "n_caught": 0, **NOTHING, "kinds": []}
    nothing["agreement"] = {**REPORT["agreement"], "n_double": 0, "kappa": []}
    said = to_markdown("Reviewers", sections(nothing)).replace("\\", "")
    for part in ("Nobody has judged", "`canary_fraction`", "`double_review_fraction`"):
        assert part in said
