"""The dataset card: true to the examples, silent or plain about what nobody told it."""

from __future__ import annotations

import json

import pytest
import yaml

from exports import PROVENANCE, SHA, example, mixed, real, unreviewed
from seedbed.export import About, export, manifest, write_jsonl

RECIPE = "r" * 16

PROJECT = {
    "name": "contracts",
    "technique": "qa",
    "store_revision": "0005",
    "recipes": [
        {
            "hash": RECIPE,
            "document": {"technique": "qa", "keep_fraction": 0.65},
            "withheld": [],
            "filters": [
                {"filter": "heuristics", "options": {"min_words": 3}},
                {"filter": "grounding", "options": {"minimum": 0.7}},
            ],
            "off": ["privacy"],
        }
    ],
    "judges": [{"name": "large.gguf", "sha256": "cd" * 32, "n": 40}],
    "funnel": {
        "n_attempts": 300,
        "n_pending": 0,
        "n_survivors": 100,
        "dropped": [{"stage": "dedup", "reason": "near_duplicate", "n": 200}],
    },
    "review_fraction": 0.15,
    "acceptance": {
        "n_sampled": 16,
        "n_judged": 15,
        "n_waiting": 1,
        "n_accepted": 10,
        "n_fixed": 3,
        "n_rejected": 2,
        "rate": 13 / 15,
        "low": 0.621,
        "high": 0.963,
        "target": 0.8,
    },
    "gates": [
        {
            "run": "0123456789ab",
            "state": "released",
            "n_sampled": 16,
            "n_judged": 15,
            "rate": 13 / 15,
            "low": 0.621,
            "high": 0.963,
            "reason": "good enough for a pilot",
        }
    ],
}


@pytest.fixture
def card(tmp_path):
    """Return a function that exports, and returns the card's text and its header."""

    def make(data, format_name="alpaca", **about):
        export(data, format_name, tmp_path / "out", about=About(**about))
        text = (tmp_path / "out" / "README.md").read_text()
        _, header, body = text.split("---\n", 2)
        return body.replace("\\", ""), yaml.safe_load(header)

    return make


def merged(tmp_path, report):
    """Write a merged folder with this report."""
    folder = tmp_path / "merged"
    folder.mkdir()
    write_jsonl(folder / "train.jsonl", (e.to_dict() for e in mixed("paraphrase")))
    (folder / "merge.json").write_text(json.dumps(report))
    return folder


class TestHeader:
    def test_it_names_files_size_and_tasks(self, card):
        _, header = card({"train": mixed("qa"), "test": [real("qa")]})
        assert header["configs"] == [
            {
                "config_name": "default",
                "data_files": [
                    {"split": "train", "path": "train.jsonl"},
                    {"split": "test", "path": "test.jsonl"},
                ],
            }
        ]
        assert header["size_categories"] == ["n<1K"]
        assert header["task_categories"] == ["question-answering", "text-generation"]
        assert header["tags"] == ["seedbed", "synthetic"]

    @pytest.mark.parametrize(
        ("technique", "tasks"),
        [("dpo", ["text-generation"]), ("paraphrase", ["text-classification"])],
    )
    def test_the_task_is_that_of_the_rows(self, technique, tasks, card):
        _, header = card([example(technique)], "llama-factory")
        assert header["task_categories"] == tasks

    def test_what_nobody_stated_is_not_made_up(self, card):
        body, header = card([example()])
        assert header["license"] == "other"
        assert "language" not in header
        assert "No licence was stated" in body
        assert "Languages: not stated." in body

    def test_real_rows_alone_are_not_called_synthetic(self, card):
        body, header = card([real()])
        assert header["tags"] == ["seedbed"]
        assert "0 were written by a language model" in body

    def test_what_people_corrected_is_counted(self, card):
        fixed = example(id="f", provenance={**PROVENANCE, "verdict": "FIXED"})
        body, _ = card([example(), fixed])
        assert "2 were written by a language model (100.0%)" in body
        assert "People corrected 1 of them." in body

    def test_sources_that_are_not_told_are_not_counted_as_one(self, card):
        body, _ = card([example(), real(id="r", provenance={"source_id": None})])
        assert "2 examples from 1 known sources" in body

    def test_ten_thousand_rows_are_a_size_of_their_own(self, card):
        _, header = card(example(id=str(i)) for i in range(10_000))
        assert header["size_categories"] == ["10K<n<100K"]


class TestCounts:
    def test_rows_and_origins_by_split(self, card):
        body, _ = card({"train": mixed("qa", 30), "test": [real("qa")]})
        assert "| train | 30 | 10 | 20 | 66.7% |" in body
        assert "| test | 1 | 1 | 0 | 0.0% |" in body

    def test_labels_by_technique(self, card):
        body, _ = card([example(), example(id="2"), real(label="refund")])
        assert "| paraphrase | billing | 0 | 2 | 100.0% |" in body
        assert "| paraphrase | refund | 1 | 0 | 0.0% |" in body

    def test_the_rows_of_rag_chunks_are_counted_as_they_are_written(self, card):
        body, _ = card(mixed("qa", 30), "rag-chunks")
        assert "| train | 15 | 10 | 20 |" in body

    def test_verdicts_and_policy(self, card):
        body, _ = card([example(), example(id="2"), unreviewed(), real()])
        assert "| ACCEPTED | 2 |" in body
        assert "| nobody looked | 1 |" in body
        assert "Policy gated: 1 synthetic rows were not looked at by anybody" in body
        assert "State of their run's acceptance gate: passed 1." in body
        assert "Reviewers of these rows: 1." in body

    def test_where_everything_was_judged_the_policy_is_reviewed(self, card):
        body, _ = card([example(), real()])
        assert "Policy reviewed" in body

    def test_scores_of_the_filters(self, card):
        body, _ = card([example(), unreviewed()])
        assert "| grounding | 1 | 0.9 | 0.9 |" in body
        assert "| dedup | 1 | 0.25 | 0.25 |" in body

    def test_documents_and_sampling(self, card):
        body, _ = card([example(), real()])
        assert "| lease.pdf | 1 |" in body
        assert "1 rows come from no document." in body
        assert '"temperature": 0.8' in body

    def test_many_labels_are_summed_up(self, card):
        body, _ = card(example(id=str(i), label=f"label{i:03}") for i in range(60))
        assert "The first 50 of 60; 10 are not listed." in body
        assert "label049" in body
        assert "| label050 |" not in body

    def test_markup_in_names_is_shown_and_not_obeyed(self, tmp_path):
        export([example(label="a|b <script>")], "alpaca", tmp_path / "out")
        text = (tmp_path / "out" / "README.md").read_text()
        assert "a\\|b \\<script\\>" in text


class TestOfTheServer:
    def test_recipe_filters_judge_and_acceptance_are_told(self, card):
        body, _ = card([example("qa")], projects=(PROJECT,))
        assert "| grounding | minimum: 0.7 |" in body
        assert f"| judge | large.gguf | {'cd' * 32} | 40 |" in body
        assert f"| generator | small.gguf | {SHA} | 1 |" in body
        assert "Acceptance rate 86.7%, 95 % Wilson interval 62.1% to 96.3%, of 15 judged" in body
        assert "10 accepted, 3 fixed, 2 rejected, 1 outstanding" in body
        assert "- Gate of run 01234567: released (a manager: good enough for a pilot);" in body
        assert "| dedup | near duplicate | 200 |" in body

    def test_without_it_the_card_says_what_is_not_known(self, card):
        body, _ = card([example("qa")])
        assert "The acceptance rate is not known here" in body
        assert f"## Recipe {RECIPE}" in body
        assert "What it says is not known: exported without its project" in body

    def test_the_manifest_keeps_recipe_and_store_revision(self, card, tmp_path):
        card([example("qa")], projects=(PROJECT,))
        found = manifest.read(tmp_path / "out")
        assert found["store_revision"] == "0005"
        assert found["recipes"] == [
            {"hash": RECIPE, "document": {"technique": "qa", "keep_fraction": 0.65}}
        ]
        assert found["judges"] == PROJECT["judges"]


class TestLimits:
    @pytest.mark.parametrize(
        ("data", "limit"),
        [
            ([unreviewed(), real()], "1 of 1 synthetic rows were never read by a person"),
            ([example()], "The training split holds no real row"),
            ([example(), real()], "50% of the training split is synthetic; 20% to 40% is where"),
            ([example()], "There is no test split"),
            ({"train": [real()], "test": [example()]}, "The test split holds 1 synthetic rows"),
            ([example()], "Labels with fewer than 20 rows: billing (1)"),
            ([example(provenance={})], "Of 1 synthetic rows the recipe is not known"),
            ([example(provenance={})], "Of 1 synthetic rows the model is not known"),
            ([real()], "1 rows are real, and as they were imported"),
        ],
    )
    def test_it_is_read_off_the_rows(self, data, limit, card):
        body, _ = card(data)
        assert limit in body

    def test_a_limit_that_does_not_apply_is_not_told(self, card):
        rows = [example(id=str(i)) for i in range(30)] + [real(id=f"r{i}") for i in range(70)]
        body, _ = card({"train": rows, "test": [real(id="t")]})
        for limit in ("never read", "of the training split is synthetic", "fewer than", "no test"):
            assert limit not in body

    def test_filters_that_were_off_and_a_low_interval_are_told(self, card):
        body, _ = card([example("qa")], projects=(PROJECT,))
        assert "Filters that were switched off in a recipe: privacy." in body
        assert "may be as low as 62% (95 % interval), below the target of 80%" in body


REPORT = {
    "target_fraction": 0.3,
    "left_out": {"synthetic": {"repeat_of_real": 4}},
    "examples": {"synthetic": {"repeat_of_real": [{"id": "x", "text": "a row left out"}]}},
    "groups": [{"technique": "paraphrase", "label": "billing", "n_wanted": 9, "n_used": 5}],
}


class TestMergeReport:
    def test_it_reads_as_people_write(self, tmp_path, card):
        report = {"train": {"n_rows": 9, "is_met": False}, "settings": {"rng_seed": 1}, "why": ""}
        body, _ = card(merged(tmp_path, REPORT | report))
        assert "| train rows | 9 |" in body
        assert "| train share met for every label | no |" in body
        assert "| settings random seed | 1 |" in body
        assert "| technique | label | wanted | used |\n| --- | --- | ---: | ---: |" in body
        assert "| why |" not in body

    def test_it_is_shown_whatever_it_holds(self, tmp_path, card):
        body, _ = card(merged(tmp_path, REPORT))
        assert "| target fraction | 0.3 |" in body
        assert "| left out synthetic repeat of real | 4 |" in body
        assert "a row left out" not in body
        assert "| paraphrase | billing | 9 | 5 |" in body

    def test_a_share_that_was_not_met_is_a_limit(self, tmp_path, card):
        body, _ = card(merged(tmp_path, REPORT))
        assert "was not met for paraphrase/billing: 5 of 9." in body
