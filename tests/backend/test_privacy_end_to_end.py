"""Personal data on its way through the pipeline: what the store keeps, and what people are shown."""

import pytest

from backend import grown
from backend.test_rescreen import ask
from seedbed_backend import findings
from seedbed_backend.insights import insights

MAIL, PHONE = "eva.lund@acme.example", "+49 30 901820"
PRIVACY = {"privacy": {"default": "mask", "key": "k"}}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Every source, and so every completion, ends in a mail address and a telephone number."""
    words = grown._source

    def source(n):
        own = words(n)
        return type(own).of(
            {"original": f"{own.fields['original']} {MAIL} {PHONE}"}, group=own.group
        )

    monkeypatch.setattr(grown, "_source", source)
    services, project, run = grown.grow(f"sqlite:///{tmp_path}/store.db", filters=PRIVACY)
    yield services, project, run
    services.store.close()


def shown(services):
    return str(list(services.label_studio.stored.values()))


def verdicts(services):
    from seedbed_backend.verdicts import sync

    sync(services, "p1")
    return {status: n for status, n in services.store.verdict_counts("p1").items() if n}


def test_people_are_shown_masks_and_the_store_keeps_the_original(project):
    services, _, run = project
    survivors = services.store.candidates(run_id=run.id, states=("survivor",))
    assert survivors
    assert all(MAIL in s.completion.text for s in survivors)
    assert all(MAIL in s.candidate.fields["paraphrase"] for s in survivors)
    assert MAIL not in shown(services)
    assert "901820" not in shown(services)
    [task, *_] = services.label_studio.stored.values()
    for text in (task["data"]["original"], task["data"]["candidate"]):
        assert text.endswith("<EMAIL> <PHONE>")


def test_a_verdict_stays_what_it_is_when_the_setting_changes(project):
    services, _, _ = project
    task = next(iter(services.label_studio.stored))
    services.label_studio.judge(task, "accept")
    assert verdicts(services) == {"ACCEPTED": 1}
    for name, changed in (("a1", {"default": "pseudonym"}), ("a2", False), ("a3", {})):
        ask(services, {"filters": {"privacy": changed}}, apply=True, name=name)
        assert verdicts(services) == {"ACCEPTED": 1}
        assert MAIL not in shown(services)


def test_what_is_dropped_by_a_stricter_setting_leaves_the_sample(project):
    services, _, run = project
    n_shown = len(services.label_studio.stored)
    result = ask(services, {"filters": {"privacy": {"default": "drop"}}}, apply=True)
    assert result["newly_dropped"]["n"] == n_shown
    dropped = {(r.stage, r.reason) for r in services.store.funnel(run_id=run.id).rows}
    assert ("privacy", "pii_in_source") in dropped


def test_the_report_tells_what_became_of_it(project):
    services, _, run = project
    finding = insights()["pii"].find(findings.read(services, "p1"))
    n_survivors = services.store.funnel(run_id=run.id).n_survivors
    rows = {row[0]: row for row in finding.rows}
    assert set(rows) == {"EMAIL_ADDRESS", "PHONE_NUMBER"}
    assert rows["EMAIL_ADDRESS"][1:4] == ("own source", "mask", n_survivors)
    assert MAIL not in str(finding)
    assert (
        insights()["membership"].find(findings.read(services, "p1")).data["n_synthetic"]
        == n_survivors
    )
