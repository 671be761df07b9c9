import random

import pytest

from filters.support import HashingEncoder, candidate
from seedbed.recipe import Recipe
from seedbed.records import Completion
from seedbed_backend.insights.base import ReportData
from seedbed_backend.insights.membership import INSIGHT, MIN_ROWS
from seedbed_backend.store import StoredCandidate

WORDS = [f"word{n}" for n in range(400)]


def sentence(rng):
    return " ".join(rng.choices(WORDS, k=12))


def changed(text, rng):
    """Exchange two words: a paraphrase, to this encoder."""
    words = text.split()
    for _ in range(2):
        words[rng.randrange(len(words))] = rng.choice(WORDS)
    return " ".join(words)


def stored(number, original, text, *, technique="paraphrase", state="survivor"):
    if technique == "qa":
        source, fields = {"passage": original}, {"question": "Why?", "answer": text}
    else:
        source, fields = {"original": original}, {"paraphrase": text}
    made = candidate(f"c{number}", source, **fields)
    is_dropped = state == "dropped"
    return StoredCandidate(
        made, "r1", "p1", state, "dedup" if is_dropped else "", "duplicate" if is_dropped else "",
        None, Completion(made.id, made.source.id, "", 0, "", "stop", 1), {}, {},
        None, "", None, None,
    )  # fmt: skip


def project(n_real, n_leaked, *, n_held_out=0, n_synthetic=80, technique="paraphrase"):
    """Grow one paraphrase a source; the first `n_leaked` paraphrase another source than their own."""
    rng = random.Random(5)
    real = [sentence(rng) for _ in range(n_real + n_held_out)]
    used = real[:n_real]
    candidates = []
    for number, own in enumerate(used):
        seen = used[number - 1] if number < n_leaked else own
        state = "survivor" if number < n_synthetic else "dropped"
        candidates.append(stored(number, own, changed(seen, rng), technique=technique, state=state))
    field = "passage" if technique == "qa" else "original"
    sources = [candidate(source={field: text}).source for text in real]
    return ReportData(Recipe(technique=technique), sources, candidates, HashingEncoder())


@pytest.mark.parametrize("n_held_out", [0, 60])
@pytest.mark.parametrize("technique", ["paraphrase", "qa"])
class TestVerdict:
    def test_paraphrases_of_the_own_source_give_nothing_away(self, n_held_out, technique):
        finding = INSIGHT.find(project(120, 0, n_held_out=n_held_out, technique=technique))
        near = finding.data["nearest_5_percent"]
        assert near["low"] <= 0.05 <= near["high"]
        assert not finding.warnings
        assert finding.data["median_ratio"] == pytest.approx(1.0, abs=0.1)
        assert finding.data["is_held_out"] == bool(n_held_out)
        assert any(line.startswith("No sign") for line in finding.lines)

    def test_paraphrases_of_other_sources_are_noticed(self, n_held_out, technique):
        finding = INSIGHT.find(project(120, 24, n_held_out=n_held_out, technique=technique))
        near = finding.data["nearest_5_percent"]
        assert near["low"] > 0.05
        assert near["share"] == pytest.approx(0.3, abs=0.1)
        assert finding.warnings == ["Synthetic rows lie nearer to real ones than unseen rows do."]


def test_few_rows_get_no_verdict():
    finding = INSIGHT.find(project(MIN_ROWS - 5, 10))
    assert finding.data["is_small"]
    assert not finding.warnings
    assert f"Too few rows for a verdict: {MIN_ROWS} of each are needed." in finding.lines


def test_none_found_among_few_is_no_proof():
    finding = INSIGHT.find(project(120, 0, n_synthetic=25))
    assert finding.data["nearest_5_percent"]["high"] > 0.1


def test_the_same_project_gives_the_same_finding():
    assert INSIGHT.find(project(60, 6)) == INSIGHT.find(project(60, 6))


def test_says_nothing_without_survivors_or_with_a_single_source():
    assert INSIGHT.find(project(40, 0, n_synthetic=0)) is None
    assert INSIGHT.find(project(1, 0)) is None


def test_headings_that_documents_share_stand_for_no_real_row():
    rng = random.Random(3)
    passages = [f"Payment terms\n{sentence(rng)}" for _ in range(120)]
    sources = [candidate(source={"passage": text}).source for text in passages]
    grown = [stored(n, text, changed(text.split("\n")[1], rng), technique="qa")
             for n, text in enumerate(passages[:60])]  # fmt: skip
    finding = INSIGHT.find(ReportData(Recipe(technique="qa"), sources, grown, HashingEncoder()))
    _, n_rows, low, _ = finding.rows[1]
    assert n_rows == 60  # one sentence of each of the others
    assert low > 0.2


def test_real_rows_that_repeat_each_other_give_no_verdict():
    rng = random.Random(3)
    texts = [sentence(rng) for _ in range(60)]
    sources = [candidate(source={"original": t + end}).source for t in texts for end in ("", " ")]
    grown = [stored(n, s.fields["original"], changed(s.fields["original"], rng))
             for n, s in enumerate(sources[::2])]  # fmt: skip
    data = ReportData(Recipe(technique="paraphrase"), sources, grown, HashingEncoder())
    finding = INSIGHT.find(data)
    assert any(line.startswith("No verdict: 5 %") for line in finding.lines)
