from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from functools import cache

import pytest

import seedbed
from seedbed.errors import UserError
from seedbed.merging import merge, source_of
from seedbed.provenance import shown_sources
from seedbed.records import Example
from seedbed.sameness import changed_fact, normalise


def real(text: str, label: str = "", source: str = "", **provenance) -> Example:
    fields = {"original": text} | ({"label": label} if label else {})
    return Example(
        f"r-{text}-{label}", "paraphrase", "real", fields, {"paraphrase": text}, label,
        {"source_id": source or f"s-{text}", **provenance},
    )  # fmt: skip


def synthetic(text: str, label: str = "", source: str = "s?", original: str = "") -> Example:
    fields = {"original": original or f"{source} said otherwise"}
    return Example(
        f"x-{text}-{label}", "paraphrase", "synthetic",
        fields | ({"label": label} if label else {}), {"paraphrase": text}, label,
        {"source_id": source, "verdict": "ACCEPTED"},
    )  # fmt: skip


def question(n: int, passage: str, asked: str, answer: str, document: str, origin="real"):
    return Example(
        f"{origin[0]}{n:05}", "qa", origin, {"passage": passage, "document": document},
        {"question": asked, "answer": answer, "quote": ""}, "",
        {"source_id": f"s-{passage}", "document": f"{document}.md"},
    )  # fmt: skip


class World:
    """Made-up rows with repeats, near repeats and children, from a seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        letters = "abcdefghijklmnop"
        self.words = [
            "".join(self.rng.choices(letters, k=self.rng.randint(2, 9))) for _ in range(900)
        ]

    def text(self, low: int, high: int) -> str:
        return " ".join(self.rng.choices(self.words, k=self.rng.randint(low, high)))

    def near(self, text: str, share: float = 0.12) -> str:
        """Return the text with some words left out or changed in a letter."""
        changed = []
        for word in text.split():
            draw = self.rng.random()
            if draw > share:
                changed.append(word)
            elif draw > share / 2:
                changed.append(word[:-1] + self.rng.choice("xyz"))
        return " ".join(changed) or text

    def labelled(self, n: int, n_made: int):
        texts = [self.text(3, 40) for _ in range(n)]
        texts += [self.near(text) for text in self.rng.sample(texts, n // 5)]
        labels = [self.rng.choice(["a", "a", "a", "b", "b", "c"]) for _ in texts]
        reals = [real(t, label) for t, label in zip(texts, labels, strict=True)]
        made = []
        for _ in range(n_made):
            place = self.rng.randrange(len(texts))
            text = self.rng.choice([
                self.text(3, 40), self.text(3, 40), self.near(texts[place], 0.5),
                self.near(self.rng.choice(texts)), self.rng.choice(texts),
                self.near(made[-1].output["paraphrase"]) if made else "first one",
            ])  # fmt: skip
            made.append(synthetic(text, labels[place], source_of(reals[place]), texts[place]))
        return reals, made

    def documents(self, n: int, n_made: int):
        passages = [(self.text(25, 60), f"contract {d}") for d in range(n) for _ in range(4)]
        shared = self.rng.sample(passages, n // 5)
        passages += [(self.near(p, 0.05), f"contract {self.rng.randrange(n)}") for p, _ in shared]
        reals = [
            question(k, passage, self.text(6, 10), self.text(1, 12), document)
            for k, (passage, document) in enumerate(passages)
        ]
        made = []
        for k in range(n_made):
            passage, document = self.rng.choice(passages)
            asked, answer = self.text(6, 10), self.text(1, 12)
            if self.rng.random() < 0.2:
                known = self.rng.choice(reals).output
                asked, answer = self.near(known["question"], 0.1), known["answer"]
            made.append(question(k, passage, asked, answer, document, "synthetic"))
        return reals, made


# An implementation of its own, as naive as can be.
@cache
def grams(text: str) -> set[str]:
    return {text[i : i + 5] for i in range(len(text) - 4)} if len(text) > 5 else {text}


def jaccard(a: str, b: str) -> float:
    return len(grams(a) & grams(b)) / len(grams(a) | grams(b))


def is_near(a: str, b: str, long: float = 0.40) -> bool:
    short = max(0.70, long)
    n = min(len(a), len(b))
    limit = short if n <= 40 else long if n >= 120 else short - (short - long) * (n - 40) / 80
    return bool(a and b) and jaccard(a, b) >= limit - 1e-12


def own_text(e: Example) -> str:
    if e.technique == "qa":
        return f"{e.output['question']}\n{e.output['answer']}"
    return e.output["paraphrase"]


def texts_of(e: Example) -> set[str]:
    return {normalise(own_text(e)), normalise(e.source.get("passage") or e.source["original"])}


def row_texts_of(e: Example) -> set[str]:
    """What makes two real rows nearly equal: a question alone does not."""
    return {normalise(e.source["passage"])} if e.technique == "qa" else texts_of(e)


def are_near(first, second) -> bool:
    return any(is_near(a, b) for a in first for b in second)


def labels_of(examples, origin: str) -> Counter[str]:
    return Counter(e.label for e in examples if e.origin == origin)


def shuffled(rows, seed):
    return random.Random(seed).sample(rows, len(rows))


@cache
def made_up(kind: str, seed: int):
    rows = getattr(World(seed), kind)(*((90, 260) if kind == "labelled" else (25, 120)))
    return rows, merge(*rows, 0.25, seed, 0.15, validation_fraction=0.1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["labelled", "documents"])
class TestWhateverComesIn:
    @pytest.fixture
    def rows(self, kind, seed):
        return made_up(kind, seed)[0]

    @pytest.fixture
    def merged(self, kind, seed):
        return made_up(kind, seed)[1]

    def test_no_synthetic_row_descends_from_or_is_near_a_held_out_row(self, merged):
        held_out = [*merged.test, *merged.validation]
        assert merged.test and merged.validation and merged.report.n_synthetic
        for e in merged.train:
            for other in held_out:
                assert source_of(e) != source_of(other)
                texts = texts_of if e.origin == "synthetic" else row_texts_of
                assert not are_near(texts(e), texts(other))

    def test_held_out_rows_are_real_and_of_sources_and_documents_of_their_own(self, merged):
        sides = [merged.train, merged.validation, merged.test]
        assert {e.origin for side in sides[1:] for e in side} == {"real"}
        for a, b in ((0, 1), (0, 2), (1, 2)):
            assert not {*map(source_of, sides[a])} & {*map(source_of, sides[b])}
            if merged.report.split_by == "document":
                first, second = ({e.source["document"] for e in sides[n]} for n in (a, b))
                assert not first & second

    def test_near_real_rows_are_on_one_side(self, merged):
        for e in merged.test:
            for other in merged.validation:
                assert not are_near(row_texts_of(e), row_texts_of(other))

    def test_no_synthetic_row_repeats_another_row_of_train(self, merged):
        made = [e for e in merged.train if e.origin == "synthetic"]
        for n, e in enumerate(made):
            for other in [*made[:n], *(e for e in merged.train if e.origin == "real")]:
                a, b = own_text(e), own_text(other)
                is_own = other.origin == "real" and source_of(e) == source_of(other)
                assert normalise(a) != normalise(b)
                if not is_own and is_near(normalise(a), normalise(b)):
                    agree = source_of(e) == source_of(other) and e.technique == "paraphrase"
                    assert changed_fact(a, b, is_same_content=agree) or changed_fact(b, a)

    def test_shares_are_exact_where_they_can_be_met(self, merged):
        n_real = labels_of(merged.train, "real")
        n_made = labels_of(merged.train, "synthetic")
        ratio = Fraction(1, 3)  # a quarter of the whole
        wanted = {g.label: g.n_wanted for g in merged.report.groups}
        assert sum(wanted.values()) == round(sum(n_real.values()) * ratio)
        for g in merged.report.groups:
            assert abs(g.n_wanted - n_real[g.label] * ratio) < 1
            assert n_made[g.label] == g.n_used == min(g.n_wanted, g.n_usable)
            assert g.is_met or g.why

    def test_every_row_is_in_train_held_out_or_counted(self, rows, merged):
        report = merged.report
        n_real = report.n_real + len(merged.test) + len(merged.validation)
        assert n_real + sum(report.real_left_out.values()) == len(rows[0])
        assert report.n_synthetic + sum(report.left_out.values()) == len(rows[1])
        assert sum(g.n_given for g in report.groups) == len(rows[1])
        by_label = Counter()
        for g in report.groups:
            by_label.update(g.left_out)
        assert by_label == Counter(report.left_out)

    def test_nothing_of_a_row_is_lost(self, rows, merged):
        given = {e.id: e for side in rows for e in side}
        for split in merged.splits.values():
            assert all(e == given[e.id] for e in split)

    def test_the_order_of_the_input_does_not_matter(self, rows, merged, seed):
        again = merge(
            iter(shuffled(rows[0], 1)), iter(shuffled(rows[1], 2)), 0.25, seed, 0.15,
            validation_fraction=0.1,
        )  # fmt: skip
        assert again == merged

    def test_another_seed_holds_other_rows_out(self, rows, merged, seed):
        assert merge(*rows, 0.25, seed + 1, 0.15, validation_fraction=0.1).test != merged.test


def distinct(n: int, seed: int = 0) -> list[str]:
    world = World(seed)
    return [world.text(12, 16) for _ in range(n)]


class TestShares:
    @pytest.mark.parametrize("fraction", [0.20, 0.25, 0.30, 0.40])
    def test_share_is_met_overall_and_per_label(self, fraction):
        texts = distinct(320)
        reals = [real(t, "a") for t in texts[:90]] + [real(t, "b") for t in texts[90:120]]
        made = [synthetic(t, "ab"[n % 2]) for n, t in enumerate(texts[120:])]
        merged = merge(reals, made, fraction)
        assert merged.report.is_met
        assert merged.report.n_synthetic == round(
            Fraction(str(fraction)) * 120 / (1 - Fraction(str(fraction)))
        )
        assert merged.report.synthetic_fraction == pytest.approx(fraction, abs=0.005)
        assert merged.test == merged.validation == ()

    def test_shortfall_is_said_and_not_filled_from_elsewhere(self):
        texts = distinct(260)
        reals = [real(t, "a") for t in texts[:70]] + [real(t, "b") for t in texts[70:140]]
        made = [synthetic(t, "a") for t in texts[140:240]] + [
            synthetic(t, "b") for t in texts[240:250]
        ]
        made.append(synthetic(texts[0], "b"))
        report = merge(reals, made, 0.30).report
        assert not report.is_met
        assert {g.label: (g.n_given, g.n_wanted, g.n_usable, g.n_used) for g in report.groups} == {
            "a": (100, 30, 100, 30),
            "b": (11, 30, 10, 10),
        }
        assert "22.2%; 30% wanted" in str(report)
        assert (
            "b: 70 real rows, 10 of 30 synthetic rows wanted (12.5%): 11 came in, "
            "of which 1 repeat a real row." in str(report)
        )

    def test_a_label_without_real_rows_gets_no_share(self):
        texts = distinct(12)
        report = merge([real(t, "a") for t in texts[:10]], [synthetic(texts[10], "new")]).report
        assert [(g.label, g.n_wanted, g.n_usable) for g in report.groups] == [
            ("a", 4, 0),
            ("new", 0, 1),
        ]
        assert report.left_out == {"unknown_label": 1}
        assert (
            "new: 0 real rows, 0 of 0 synthetic rows wanted (0.0%): train has no real rows of this label"
            in str(report)
        )

    def test_labels_that_may_be_one_are_named(self):
        texts = distinct(30)
        labels = ["fees"] * 9 + ["Fees "] + ["level 1"] * 5 + ["level 2"] * 5
        made = [
            synthetic(texts[20], "feees"),
            synthetic(texts[21], "level 1"),
            synthetic(texts[22]),
        ]
        report = merge(
            [real(t, label) for t, label in zip(texts, labels, strict=False)], made
        ).report
        assert report.alike_labels == [("Fees ", "fees"), ("feees", "fees")]
        assert "'feees' and 'fees' may be one label: correct it." in str(report)

    def test_unlabelled_rows_are_one_group(self):
        texts = distinct(120)
        merged = merge([real(t) for t in texts[:70]], [synthetic(t) for t in texts[70:]], 0.30)
        assert merged.report.n_synthetic == 30
        assert [g.name for g in merged.report.groups] == ["(no label)"]


PAYS = "The supplier sends the customer an invoice for all services of the month within {} days of its end."


class TestRepeats:
    def test_equal_texts_are_left_out_whatever_their_form(self):
        texts = distinct(20)
        made = [synthetic(f"- {texts[0].upper()}!"), synthetic(texts[18]), synthetic(f"{texts[18]}."),
                synthetic(texts[19])]  # fmt: skip
        merged = merge([real(t) for t in texts[:18]], made, 0.40)
        assert merged.report.left_out == {"repeat_of_real": 1, "repeat_of_synthetic": 1}
        assert merged.report.n_synthetic == 2

    def test_a_real_row_that_repeats_is_left_out_but_its_children_are_its_relatives(self):
        texts = distinct(12)
        reals = [real(t) for t in texts[:10]]
        twin = Example.from_dict(
            {**real(f"{texts[0]} ").to_dict(), "provenance": {"source_id": "twin"}}
        )
        merged = merge([*reals, twin], [synthetic(texts[11], source="twin")], test=[reals[0]])
        assert merged.report.real_left_out == {"held_out_source": 1, "repeat_of_real": 1}
        assert merge([*reals, twin], []).report.real_left_out == {"repeat_of_real": 1}
        held = merge(reals[1:], [synthetic(texts[11], source="twin")], test=[reals[0], twin])
        assert held.report.left_out == {"held_out_source": 1}

    def test_near_texts_are_left_out_unless_they_differ_in_a_fact(self):
        others = [real(t) for t in distinct(10)]
        made = [
            synthetic(PAYS.format(30).replace("sends the", "sends a")),
            synthetic(PAYS.format(60)),
            synthetic(PAYS.format(60).replace("all services", "every service")),
            synthetic(PAYS.format(30).replace("sends", "never sends")),
        ]
        report = merge([real(PAYS.format(30)), *others], made, 0.40).report
        assert report.left_out == {"near_real": 1, "near_synthetic": 1}
        [shown] = report.examples["synthetic"]["near_real"]
        assert shown["match"] == f"r-{PAYS.format(30)}-"
        assert 0.4 < shown["similarity"] < 1

    def test_a_paraphrase_may_be_near_its_own_source(self):
        others = [real(t) for t in distinct(10)]
        child = synthetic(PAYS.format(30).replace("sends the", "sends a"), source="own")
        report = merge([real(PAYS.format(30), source="own"), *others], [child]).report
        assert report.left_out == {}

    def test_what_a_person_has_judged_stays(self):
        judged = synthetic(PAYS.format(30))
        unseen = Example.from_dict(
            {**synthetic(f"{PAYS.format(30)} ").to_dict(), "id": "a", "provenance": {}}
        )
        merged = merge([real(t) for t in distinct(10)], [unseen, judged])
        assert [e.id for e in merged.train if e.origin == "synthetic"] == [judged.id]

    def test_the_same_candidate_twice_is_one(self):
        first = synthetic("One text of a candidate that was pulled in spring.")
        later = Example.from_dict(
            {**first.to_dict(), "output": {"paraphrase": "Quite another one."}}
        )
        report = merge([real(t) for t in distinct(10)], [first, later]).report
        assert report.left_out == {"repeat_of_synthetic": 1}


class TestHoldingOut:
    def test_near_in_letters_is_enough_whatever_differs(self):
        texts = distinct(30)
        reals = [real(t) for t in texts[:20]]
        made = [
            synthetic(PAYS.format(60)),
            synthetic(PAYS.format(30).replace("sends", "never sends")),
        ]
        report = merge(reals, [*made, synthetic(texts[25])], test=[real(PAYS.format(30))]).report
        assert report.left_out == {"near_held_out": 2}
        assert report.n_synthetic == 1

    def test_a_question_leaks_through_a_passage_that_is_near_a_held_out_one(self):
        world = World(1)
        passage = world.text(40, 50)
        others = [question(n, world.text(40, 50), "q", world.text(3, 4), f"c{n}") for n in range(9)]
        child = question(
            99, world.near(passage, 0.05), world.text(8, 9), "yes", "other", "synthetic"
        )
        held = question(50, passage, world.text(8, 9), "no", "held")
        report = merge(others, [child], test=[held]).report
        assert report.left_out == {"near_held_out": 1}

    def test_real_rows_near_the_teams_own_test_set_are_no_training_rows(self):
        texts = distinct(20)
        test = [real(texts[0]), real(PAYS.format(30))]
        merged = merge([*map(real, texts), real(PAYS.format(90))], [], test=test)
        assert merged.report.real_left_out == {"held_out_source": 1, "near_held_out": 1}
        assert {e.id for e in merged.test} == {e.id for e in test}

    def test_real_rows_of_one_source_stay_on_one_side(self):
        texts = distinct(50)
        merged = merge(
            [real(t, source=f"s{n // 5}") for n, t in enumerate(texts)], [], 0.30, 1, 0.30
        )
        assert len(merged.test) == 15
        assert set(map(source_of, merged.test)).isdisjoint(map(source_of, merged.train))

    def test_labels_keep_their_shares(self):
        texts = distinct(100)
        reals = [real(t, "a" if n < 80 else "b") for n, t in enumerate(texts)]
        merged = merge(reals, [], 0.30, 1, 0.20, validation_fraction=0.10)
        assert labels_of(merged.test, "real") == {"a": 16, "b": 4}
        assert labels_of(merged.validation, "real") == {"a": 8, "b": 2}

    def test_documents_are_held_out_where_there_are_enough(self):
        reals, made = World(3).documents(12, 0)
        few = [
            e for e in reals if e.source["document"] in {"contract 1", "contract 2", "contract 3"}
        ]
        assert merge(reals, made, 0.3, 1, 0.2).report.split_by == "document"
        by_source = merge(few, made, 0.3, 1, 0.2).report
        assert by_source.split_by == "source"
        assert "there are 3 documents, fewer than 5" in str(by_source)
        assert merge(reals, made, 0.3, 1, 0.2, split_by="source").report.split_by == "source"

    def test_sources_are_held_out_where_all_documents_hang_together(self):
        world = World(5)
        clause = world.text(40, 50)
        reals = [
            question(10 * d + n, world.near(clause, 0.02) if n == 0 else world.text(40, 50), "q?",
                     world.text(2, 3), f"contract {d}")
            for d in range(10) for n in range(4)
        ]  # fmt: skip
        report = merge(reals, [], 0.3, 1, 0.2).report
        assert (report.split_by, report.n_held_out("test")) == ("source", 8)
        assert "whole documents would give 0 of 8 rows wanted for test" in report.split_why
        with pytest.raises(
            UserError, match="0 of 8 rows wanted for test: too few rows, or too many"
        ):
            merge(reals, [], 0.3, 1, 0.2, split_by="document")

    def test_a_table_is_no_document(self):
        reals = [real(t, document=f"seeds-{n}.csv", line=7) for n, t in enumerate(distinct(20))]
        assert "name no documents" in merge(reals, [], 0.3, 1, 0.2).report.split_why

    def test_documents_of_a_test_set_stay_out_when_sources_are_held_out_for_validation(self):
        reals, _ = World(4).documents(12, 0)
        of_one = [e for e in reals if e.source["document"] == "contract 1"]
        others = [e for e in reals if e.source["document"] != "contract 1"]
        world = World(9)
        child = question(1, world.text(30, 40), "q", world.text(5, 6), "contract 1", "synthetic")
        merged = merge(others, [child], test=of_one, validation_fraction=0.3)
        assert merged.report.split_by == "document"
        assert merged.report.left_out == {"held_out_source": 1}

    def test_documents_cannot_be_held_out_where_none_is_named(self):
        with pytest.raises(UserError, match="name no documents"):
            merge([real(t) for t in distinct(10)], [], 0.3, 1, 0.2, split_by="document")

    def test_near_can_be_narrowed(self):
        reals = [real(PAYS.format(n)) for n in range(10, 30)]
        with pytest.raises(UserError, match="hang together"):
            merge(reals, [], 0.3, 1, 0.2)
        assert len(merge(reals, [], 0.3, 1, 0.2, near=1.0).test) == 4


class TestRefusals:
    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            (
                {"synthetic_fraction": 0.19},
                r"synthetic_fraction is 0.19; it must lie in 0\.20-0\.40",
            ),
            ({"synthetic_fraction": float("nan")}, "synthetic_fraction is nan"),
            ({"test_fraction": 0.6}, r"test_fraction is 0\.6"),
            (
                {"test_fraction": 0.5, "validation_fraction": 0.4},
                "test_fraction . validation_fraction is 0.9",
            ),
            ({"near": 0.1}, "near is 0.1"),
            ({"split_by": "page"}, "split_by is 'page'"),
            ({"test_fraction": 0.1, "test": []}, "a test set, and a test_fraction too"),
            ({"test": []}, "test set has no rows"),
        ],
    )
    def test_settings_out_of_range(self, settings, message):
        with pytest.raises(UserError, match=message):
            merge([real("one text")], [], **settings)

    def test_no_real_rows(self):
        with pytest.raises(UserError, match="no real examples"):
            merge([], [synthetic("one text")])

    def test_rows_on_the_wrong_side(self):
        with pytest.raises(UserError, match="is synthetic, but stands among the real"):
            merge([real("a"), synthetic("b")], [])
        with pytest.raises(UserError, match="is real, but stands among the synthetic"):
            merge([real("a")], [real("b")])
        with pytest.raises(UserError, match="is synthetic, but stands among the real"):
            merge([real("a")], [], test=[synthetic("b")])

    def test_several_techniques(self):
        with pytest.raises(
            UserError, match="several kinds: paraphrase, such as r-a- and qa, such as s00001"
        ):
            merge([real("a")], [question(1, "p", "q", "a", "d", "synthetic")])

    def test_nothing_left_to_train_on(self):
        with pytest.raises(UserError, match="No real row is left to train on"):
            merge([real("one text")], [], test=[real("one text")])


class TestFolder:
    def test_merge_is_there_from_the_package(self, tmp_path):
        reals, made = World(1).labelled(60, 60)
        merged = seedbed.merge(reals, made, test_fraction=0.2)
        merged.write(tmp_path / "data")
        merged.write(tmp_path / "data")  # its own folder is replaced
        files = sorted(p.name for p in (tmp_path / "data").iterdir())
        assert files == ["merge.json", "test.jsonl", "train.jsonl"]
        assert [p.name for p in tmp_path.iterdir()] == ["data"]
        lines = (tmp_path / "data" / "train.jsonl").read_text("utf-8").splitlines()
        assert [Example.from_dict(json.loads(line)) for line in lines] == list(merged.train)

    def test_the_same_merge_writes_the_same_bytes(self, tmp_path):
        reals, made = World(1).labelled(60, 60)
        for name, seed in (("one", 1), ("two", 2)):
            merge(shuffled(reals, seed), shuffled(made, seed), 0.3, 1, 0.2).write(tmp_path / name)
        for file in (tmp_path / "one").iterdir():
            assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()

    def test_only_a_merged_folder_is_replaced(self, tmp_path):
        merged = merge([real("one text")], [])
        (tmp_path / "mine").mkdir()
        merged.write(tmp_path / "mine")  # empty: nothing is lost
        (tmp_path / "mine" / "merge.json").unlink()
        with pytest.raises(UserError, match=r"has no merge\.json: merge did not write it"):
            merged.write(tmp_path / "mine")
        (tmp_path / "file").write_text("x")
        with pytest.raises(UserError, match="is a file; merge writes a folder"):
            merged.write(tmp_path / "file")

    def test_a_folder_stays_when_writing_fails(self, tmp_path, monkeypatch):
        merged = merge([real("one text")], [])
        merged.write(tmp_path / "data")
        before = (tmp_path / "data" / "train.jsonl").read_bytes()

        def fail(_file):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", fail)
        with pytest.raises(UserError, match="No space left on device"):
            merge([real("another text")], []).write(tmp_path / "data")
        assert (tmp_path / "data" / "train.jsonl").read_bytes() == before
        assert [p.name for p in tmp_path.iterdir()] == ["data"]


def test_a_prompt_that_showed_a_held_out_source_counts_as_descent():
    world = World(5)
    reals = [real(world.text(8, 20)) for _ in range(40)]
    sources = [source_of(each) for each in reals]
    made = []
    for n in range(60):
        own, *beside = world.rng.sample(sources, 4)
        row = synthetic(world.text(8, 20), source=own)
        # as a pull gives it: a list in the task's flat table
        made.append(replace(row, provenance={**row.provenance, "shown_sources": ", ".join(beside)}))
        assert len(shown_sources(made[n].provenance)) == 3
    merged = merge(reals, made, test_fraction=0.2)
    held_out = {source_of(each) for each in merged.test}
    used = [each for each in merged.train if each.origin == "synthetic"]
    assert used
    assert all(held_out.isdisjoint({source_of(e), *shown_sources(e.provenance)}) for e in used)
    n_seen = sum(
        source_of(e) not in held_out and not held_out.isdisjoint(shown_sources(e.provenance))
        for e in made
    )
    assert merged.report.left_out["held_out_shown"] == n_seen > 0
    risked = merge(reals, made, test_fraction=0.2, allows_shown=True)
    assert "held_out_shown" not in risked.report.left_out
    assert risked.test == merged.test
