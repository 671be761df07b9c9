"""The project's index on disk: always what the store says, whatever happened to the file."""

import shutil
import time

import numpy as np
import pytest
from sqlalchemy import update

from backend import grown
from filters.support import HashingEncoder
from seedbed.recipe import parse
from seedbed.records import Completion, Decision, SourceTask, Verdict
from seedbed_backend import neighbours, rescreen, screening
from seedbed_backend.filters import configure
from seedbed_backend.store import Batch, Rescreened, Run, StateChange
from seedbed_backend.store.schema import completions_table
from seedbed_backend.text_index import TextIndex, encode

COMPARING = ("dedup",)


class CountingEncoder(HashingEncoder):
    """Counts what it is asked for."""

    def __init__(self):
        self.asked = []

    def encode(self, texts):
        self.asked += texts
        return super().encode(texts)


class TurnedEncoder(CountingEncoder):
    """Another encoder of the same name and dimension."""

    def encode(self, texts):
        return super().encode(texts)[:, ::-1]


class WiderEncoder(CountingEncoder):
    """One of another dimension."""

    dimension = 300


TurnedEncoder.__name__ = WiderEncoder.__name__ = CountingEncoder.__name__


@pytest.fixture
def project(tmp_path):
    neighbours._loaded.clear()
    services, project, run = grown.grow(f"sqlite:///{tmp_path}/store.db", n_sources=6)
    yield services, project, run
    services.store.close()


def opened(services, project, run, encoder=None, new=()):
    known = neighbours.ProjectNeighbours(
        services.settings.home / "neighbours",
        services.store,
        encoder or CountingEncoder(),
        parse(project.recipe).spec,
        run,
        COMPARING,
        COMPARING,
    )
    known.refresh(new)
    return known


def as_another_process(services, project, run, **options):
    neighbours._loaded.clear()
    return opened(services, project, run, **options)


def near(known, text):
    texts = [text]
    [found] = known.near(
        texts, known.encoder.encode(texts), encode(texts), min_letters=0.4, min_cosine=0.9
    )
    return {match.reference.id: match.reference for match in found}


def survivors(services):
    return services.store.candidates(project_id="p1", states=("survivor",))


def path(services):
    return services.settings.home / "neighbours" / "p1.npz"


def test_holds_the_survivors_and_the_sources(project):
    services, _, _ = project
    known = opened(*project)
    expected = {s.candidate.id for s in survivors(services)}
    expected |= {s.id for s in services.store.sources("p1")}
    assert set(known.index.ids) - {""} == expected
    for stored in survivors(services):
        found = near(known, stored.candidate.fields["paraphrase"])
        assert found[stored.candidate.id].kind == "kept"
        assert found[stored.candidate.id].source_id == stored.candidate.source.id
    [source, *_] = services.store.sources("p1")
    assert near(known, source.fields["original"])[source.id].kind == "real"


def test_what_is_known_is_not_encoded_again(project):
    services, _, _ = project
    opened(*project)
    again = as_another_process(*project)
    assert again.encoder.asked == [neighbours._PROBE]
    assert len(again.index) > 6
    [new] = survivors(services)[:1]
    services.store.add_sources("p1", [SourceTask.of({"original": "One more source text."})])
    later = as_another_process(*project)
    assert later.encoder.asked == [neighbours._PROBE, "One more source text."]
    assert near(later, new.candidate.fields["paraphrase"])


def same_as_before(project, damage, encoder=None):
    """Damage the file, open it again, and say whether the index holds all that it held."""
    services, _, _ = project
    before = opened(*project)
    damage(path(services))
    again = as_another_process(*project, encoder=encoder)
    assert sorted(again.index.ids) == sorted(before.index.ids)
    for stored in survivors(services):
        assert stored.candidate.id in near(again, stored.candidate.fields["paraphrase"])
    n_entries = len(before.index)
    assert TextIndex.load(
        path(services), again.index.dimension, again._fingerprint(again.index.dimension)
    ), "the file is whole again"
    return len(again.encoder.asked) - len(survivors(services)) >= n_entries


def test_a_deleted_file_is_made_anew(project):
    assert same_as_before(project, lambda file: file.unlink())


def test_a_truncated_file_is_made_anew(project):
    assert same_as_before(project, lambda file: file.write_bytes(file.read_bytes()[:2000]))


def test_a_damaged_file_is_made_anew(project):
    def damage(file):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)

    assert same_as_before(project, damage)


def test_another_encoder_makes_it_anew(project):
    assert same_as_before(project, lambda file: None, WiderEncoder())
    assert same_as_before(project, lambda file: None, TurnedEncoder()), "even of the same name"


def test_the_same_encoder_does_not(project):
    opened(*project)
    again = as_another_process(*project, encoder=CountingEncoder())
    assert again.encoder.asked == [neighbours._PROBE]


def test_rows_that_another_worker_added_are_found(project):
    services, project_, run = project
    mine = opened(services, project_, run)
    ids = set(mine.index.ids)
    sources = services.store.sources("p1")
    grown.add_run(services, project_, sources, "run2")  # its worker writes the same file
    again = opened(services, project_, run)
    assert ids < set(again.index.ids)
    for stored in survivors(services):
        assert stored.candidate.id in near(again, stored.candidate.fields["paraphrase"])


def test_an_older_copy_of_the_file_is_brought_up_to_date(project):
    services, project_, run = project
    opened(services, project_, run)
    old = path(services).with_suffix(".old")
    shutil.copy(path(services), old)
    grown.add_run(services, project_, services.store.sources("p1"), "run2")
    newest = opened(services, project_, run)
    old.replace(path(services))
    restored = as_another_process(services, project_, run)
    assert sorted(restored.index.ids) == sorted(newest.index.ids)


def test_a_verdict_counts_at_once_also_on_what_is_indexed(project):
    services, _, _ = project
    known = opened(*project)
    [stored, *_] = survivors(services)
    text, id_ = stored.candidate.fields["paraphrase"], stored.candidate.id
    verdict = Verdict(id_, "REJECTED", {}, annotation_id=1, decided_at="2026-01-01T00:00:00+00:00")
    services.store.save_verdict(verdict)
    assert near(known, text)[id_].kind == "rejected"
    assert near(as_another_process(*project), text)[id_].kind == "rejected"
    services.store.withdraw_verdict(1)
    assert near(known, text)[id_].kind == "kept"


def test_what_a_reviewer_rejected_stays_whatever_becomes_of_it(project):
    services, project_, _ = project
    [stored, *_] = survivors(services)
    text, id_ = stored.candidate.fields["paraphrase"], stored.candidate.id
    services.store.save_verdict(Verdict(id_, "REJECTED", {}, annotation_id=1, decided_at="2026"))
    services.store.replace_screening(  # as if nobody had published it
        "run1", "r2", [Rescreened(id_, [], "dropped", "similarity", "too_far")]
    )
    with services.store._write() as connection:
        where = completions_table.c.id == id_
        connection.execute(
            update(completions_table).where(where).values(state="dropped", stage="x", reason="y")
        )
    assert services.store.candidate(id_).state == "dropped"
    assert near(as_another_process(*project), text)[id_].kind == "rejected"
    # so the same text cannot come again in a later run
    sources = services.store.sources("p1")
    run2 = Run("run2", "p1", project_.recipe_hash, target=1, budget=9, wave=1)
    services.store.create_run(run2, {sources[0].id: 0})
    services.store.add_batches([Batch("b2", "run2", 1, ((sources[0].id, 0, 1),), "screened")])
    again = Completion("again", sources[0].id, "prompt", 0, text, "stop", 1)
    services.store.save_completions("run2", "b2", [(again, {"paraphrase": text}, "")])
    services.store.set_states([StateChange("again", "kept")])
    stages = [f for f in configure(parse(project_.recipe)) if f.scope == "set"]
    screening.run_set_filters(services, parse(project_.recipe), stages, run2)
    dropped = services.store.candidate("again")
    assert (dropped.state, dropped.reason) == ("dropped", "duplicate_of_rejected")


def test_what_a_person_corrected_is_there_as_it_was_and_as_it_was_left(project):
    services, _, _ = project
    known = opened(*project)
    [stored, *_] = survivors(services)
    id_, corrected = (
        stored.candidate.id,
        "Entirely other words stand here since a person wrote them.",
    )
    assert near(known, corrected) == {}
    fixed = Verdict(id_, "FIXED", {"paraphrase": corrected}, annotation_id=1, decided_at="2026")
    services.store.save_verdict(fixed)
    known = as_another_process(*project)
    [found] = near(known, corrected).values()
    assert (found.kind, found.text) == ("kept", corrected)
    assert found.source_id == stored.candidate.source.id
    assert id_ in near(known, stored.candidate.fields["paraphrase"])
    services.store.withdraw_verdict(1)
    assert near(as_another_process(*project), corrected) == {}


def test_what_was_dropped_since_is_taken_out(project):
    services, project_, _ = project
    first = dict.fromkeys(["new1", "new2"], "A text that nobody has written before today.")
    late_run = a_late_run(services, project_, first)
    services.store.save_decisions([Decision("new1", "dedup", True)])
    known = opened(services, project_, late_run)
    assert "new1" in known.index.ids
    assert "new2" not in known.index.ids, "no filter has compared it yet"
    services.store.set_states([StateChange("new1", "dropped", "top_fraction", "below")])
    known.refresh()
    assert "new1" not in known.index.ids
    assert "new1" not in as_another_process(services, project_, late_run).index.ids


def test_a_kept_one_of_the_same_run_may_be_beaten_others_not(project):
    services, project_, run = project
    late_run = a_late_run(services, project_, {"new1": "A text of today."})
    services.store.save_decisions(
        [
            Decision("new1", "similarity", True, score=0.6),
            Decision("new1", "dedup", True, score=0.1),
        ]
    )
    own = near(opened(services, project_, late_run), "A text of today.")
    assert own["new1"].quality == pytest.approx(0.6), "before it was compared"
    others = near(opened(services, project_, run), "A text of today.")
    assert others["new1"].quality is None


def a_late_run(services, project, texts):
    """Add a run that is at work, with kept candidates by id; return it."""
    run = Run("late", project.id, project.recipe_hash, target=1, budget=9, wave=1)
    [source, *_] = services.store.sources("p1")
    services.store.create_run(run, {source.id: 0})
    services.store.add_batches([Batch("late-1", run.id, 1, ((source.id, 0, len(texts)),))])
    rows = [
        (Completion(id_, source.id, "prompt", n, text, "stop", 1), {"paraphrase": text}, "")
        for n, (id_, text) in enumerate(texts.items())
    ]
    services.store.save_completions(run.id, "late-1", rows)
    services.store.set_states([StateChange(id_, "kept") for id_ in texts])
    return services.store.run(run.id)


def close(services, project, run):
    recipe = parse(project.recipe)
    stages = [f for f in configure(recipe) if f.scope == "set"]
    screening.run_set_filters(services, recipe, stages, run)
    return {s.candidate.id: (s.state, s.reason) for s in services.store.candidates(run_id=run.id)}


def add_wave(services, run, texts, scores):
    [source, *_] = services.store.sources("p1")
    batch = Batch(f"late-{time.monotonic_ns()}", run.id, 2, ((source.id, 5, len(texts)),))
    services.store.add_batches([batch])
    rows = [
        (Completion(id_, source.id, "prompt", 5 + n, text, "stop", 1), {"paraphrase": text}, "")
        for n, (id_, text) in enumerate(texts.items())
    ]
    services.store.save_completions(run.id, batch.id, rows)
    services.store.set_states([StateChange(id_, "kept") for id_ in texts])
    services.store.save_decisions(
        [Decision(id_, "similarity", True, score=score) for id_, score in scores.items()]
    )


TEXT = "The courier leaves the parcel with a neighbour when nobody opens the door at noon."
NEAR = "The courier leaves the parcel with the neighbour when nobody opens the door at noon."


def test_of_two_waves_the_better_one_stays_whichever_came_first(project):
    services, project_, _ = project
    run = a_late_run(services, project_, {"weak": TEXT})
    services.store.save_decisions([Decision("weak", "similarity", True, score=0.4)])
    assert close(services, project_, run) == {"weak": ("kept", "")}
    add_wave(services, run, {"strong": NEAR}, {"strong": 0.9})
    found = close(services, project_, run)
    assert found == {"weak": ("dropped", "duplicate"), "strong": ("kept", "")}
    [said] = [d for d in services.store.decisions("weak") if d.filter == "dedup"]
    assert not said.keep
    assert (said.evidence["match"], said.evidence["kind"]) == ("strong", "candidate")
    assert said.evidence["similarity"] > 0.4
    assert said.evidence["text"] == NEAR
    add_wave(services, run, {"late_and_weak": TEXT.upper()}, {"late_and_weak": 0.5})
    assert close(services, project_, run)["late_and_weak"] == ("dropped", "duplicate_of_kept")


def test_screening_again_replaces_as_the_waves_did(project):
    services, project_, _ = project
    run = a_late_run(services, project_, {"weak": TEXT})
    services.store.save_decisions([Decision("weak", "similarity", True, score=0.4)])
    close(services, project_, run)
    add_wave(services, run, {"strong": NEAR}, {"strong": 0.9})
    close(services, project_, run)
    recipe = parse(project_.recipe)
    again = rescreen.screen_run(services, recipe, run, [])
    found = {o.candidate_id: o for o in again.outcomes}
    assert (found["weak"].state, found["weak"].stage) == ("dropped", "dedup")
    assert found["strong"].state == "survivor"
    assert list(found["weak"].decisions) == services.store.decisions("weak")
    assert list(found["strong"].decisions)[:2] == services.store.decisions("strong")


def test_waves_and_one_wave_keep_the_same(tmp_path):
    """Whatever was split into waves, and in which order, the same candidates stay."""
    texts = {
        "a": (TEXT, 0.7),
        "b": (NEAR, 0.9),
        "c": (TEXT.upper(), 0.3),
        "d": ("A wholly different sentence about the weather in the mountains.", 0.2),
        "e": ("Another wholly different sentence about the weather in the mountains.", 0.5),
    }
    outcomes = []
    for number, waves in enumerate(
        (["abcde"], ["ab", "cde"], ["c", "a", "b", "d", "e"], list("edcba"))
    ):
        (tmp_path / str(number)).mkdir()
        services, project, _ = grown.grow(
            f"sqlite:///{tmp_path / str(number)}/store.db", n_sources=2
        )
        run = a_late_run(services, project, {})
        for wave in waves:
            chosen = {name: texts[name] for name in wave}
            add_wave(
                services,
                run,
                {name: text for name, (text, _) in chosen.items()},
                {name: score for name, (_, score) in chosen.items()},
            )
            found = close(services, project, run)
        outcomes.append({name for name, (state, _) in found.items() if state == "kept"})
        services.store.close()
    assert outcomes == [{"b", "e"}] * 4


def test_only_new_rows_are_read_for_a_wave(project, monkeypatch):
    services, project_, _ = project
    run = a_late_run(services, project_, {"one": TEXT})
    close(services, project_, run)
    read = []
    monkeypatch.setattr(
        services.store, "_candidates", remembering(services.store._candidates, read)
    )
    add_wave(services, run, {"two": "Nothing that was ever said before, by anyone."}, {"two": 0.5})
    recipe = parse(project_.recipe)
    stages = [f for f in configure(recipe) if f.scope == "set"]
    screening.run_set_filters(services, recipe, stages, run)
    assert [stored.candidate.id for found in read for stored in found] == ["two"]


def remembering(function, results):
    def call(*args):
        results.append(function(*args))
        return results[-1]

    return call


def test_vectors_stay_unit_length_in_the_file(project):
    known = as_another_process(*project)
    vectors = np.stack([known.index.vector(id_) for id_ in known.index.ids])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
