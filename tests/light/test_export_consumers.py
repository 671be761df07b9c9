"""Exported files in the hands of those who read them: datasets, TRL, pandas, and documented schemas."""

from __future__ import annotations

import json
from copy import deepcopy

import pytest

from exports import example, mixed, real, record, unreviewed
from seedbed.export import FORMATS, export
from seedbed.export.metadata import KEYS
from seedbed.export.parquet import TEXT_COLUMNS

pytestmark = pytest.mark.xdist_group("consumers")

TECHNIQUES = {
    "trl-prompt-completion": "qa",
    "trl-preference": "dpo",
    "trl-language-modeling": "qa",
    "openai-messages": "paraphrase",
    "sharegpt": "qa",
    "alpaca": "expand",
    "llama-factory": "dpo",
    "rag-chunks": "qa",
    "parquet": "qa",
}
CHAT = ("trl-prompt-completion", "trl-preference", "trl-language-modeling")

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def splits(technique):
    """Return train with rows of every kind, and a test split of real rows alone."""
    rows = mixed(technique)
    return {"test": [r for r in rows[24:] if r.origin == "real"], "train": rows[:24]}


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Return `datasets.load_dataset`, without a network and with its cache in a place of its own."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()

    def load_dataset(*arguments, **options):
        return datasets.load_dataset(*arguments, cache_dir=str(tmp_path / "cache"), **options)

    return load_dataset


class TestDatasets:
    @pytest.mark.parametrize("name", TECHNIQUES)
    def test_the_folder_loads_by_its_card(self, name, load, tmp_path):
        written = export(splits(TECHNIQUES[name]), name, tmp_path / "out")
        found = load(str(tmp_path / "out"))
        assert {split: rows.num_rows for split, rows in found.items()} == written

    @pytest.mark.parametrize("order", [("train", "test"), ("test", "train")])
    def test_the_files_load_in_any_order(self, order, load, tmp_path):
        export(splits("qa"), "alpaca", tmp_path / "out")
        files = {split: str(tmp_path / "out" / f"{split}.jsonl") for split in order}
        found = load("json", data_files=files)
        assert found["test"].features == found["train"].features
        assert [key.name for key in KEYS] == list(found["train"].features["metadata"])

    def test_rows_that_differ_only_after_the_first_block_load(self, load, tmp_path):
        """`datasets` guesses types from the first 10 MB: here real rows, of which little is known."""
        first = (real("qa", id=f"r{i}") for i in range(18000))
        then = (example("qa", id=f"s{i}", label="lease") for i in range(20))
        last = (unreviewed("qa", id=f"u{i}") for i in range(20))

        def rows():
            yield from first
            yield from then
            yield from last

        export(rows(), "openai-messages", tmp_path / "out")
        file = tmp_path / "out" / "train.jsonl"
        assert file.stat().st_size > 12 << 20
        found = load("json", data_files=str(file), split="train")
        assert found.num_rows == 18040
        assert found[18000]["metadata"]["score"] == 0.83
        assert json.loads(found[18030]["metadata"]["scores"]) == {"similarity": 1, "dedup": 0.25}

    def test_techniques_mixed_in_one_file_load(self, load, tmp_path):
        rows = [*mixed("qa", 6), *mixed("paraphrase", 6), *mixed("expand", 6)]
        export(rows, "openai-messages", tmp_path / "out")
        assert load(str(tmp_path / "out"), split="train").num_rows == 18

    def test_records_load_with_their_types(self, load, tmp_path):
        rows = [record("12.00"), record("7.50", memo="cash", id="id2")]
        export(rows, "records", tmp_path / "out")
        found = load(str(tmp_path / "out"), split="train")
        assert found["record"][0]["amount"] == 12.0
        assert found.features["record"]["amount"].dtype == "float64"

    def test_real_and_synthetic_rows_can_be_told_apart(self, load, tmp_path):
        export(splits("qa"), "parquet", tmp_path / "out")
        train = load(str(tmp_path / "out"), split="train")
        assert train.filter(lambda row: row["origin"] == "real").num_rows == 8


class TestParquet:
    def test_pandas_reads_typed_columns_with_real_nulls(self, tmp_path):
        import pandas

        export([example("qa"), real("qa"), unreviewed("qa")], "parquet", tmp_path / "out.parquet")
        table = pandas.read_parquet(tmp_path / "out.parquet")
        assert list(table.columns) == [*TEXT_COLUMNS, *(key.name for key in KEYS)]
        assert table["score"].dtype == "float64"
        assert table["score"].isna().tolist() == [False, True, False]
        assert table["verdict"].isna().tolist() == [False, True, True]
        assert json.loads(table["output"][0])["answer"] == "output answer 🙂"

    def test_pyarrow_reads_the_same_schema_whatever_the_rows(self, tmp_path):
        import pyarrow.parquet

        export([real("dpo")], "parquet", tmp_path / "1.parquet")
        export([example("qa"), record()], "parquet", tmp_path / "2.parquet")
        one, two = (pyarrow.parquet.read_table(tmp_path / f"{n}.parquet") for n in (1, 2))
        assert one.schema == two.schema
        assert one["chosen"].to_pylist() == ["output chosen 🙂"]
        assert one["completion"].to_pylist() == [None]
        assert json.loads(two["record"][1].as_py())["amount"] == 12.0

    def test_groups_of_rows_keep_their_order(self, tmp_path):
        import pyarrow.parquet

        export((example("qa", id=str(i)) for i in range(5001)), "parquet", tmp_path / "x.parquet")
        file = pyarrow.parquet.ParquetFile(tmp_path / "x.parquet")
        assert file.metadata.num_row_groups == 3
        assert file.read(["id"])["id"].to_pylist() == [str(i) for i in range(5001)]


class TestTrl:
    @pytest.fixture(scope="class")
    def tokenizer(self):
        """Make a tokenizer of bytes, with a chat template."""
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers
        from transformers import PreTrainedTokenizerFast

        letters = sorted(pre_tokenizers.ByteLevel.alphabet())
        specials = ["<|im_start|>", "<|im_end|>", "<pad>"]
        vocabulary = {token: number for number, token in enumerate([*specials, *letters])}
        tokenizer = Tokenizer(models.BPE(vocabulary, []))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        wrapped = PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<pad>"
        )
        wrapped.add_special_tokens({"additional_special_tokens": specials[:1]})
        wrapped.chat_template = CHATML
        return wrapped

    @pytest.fixture
    def train(self, tokenizer, tmp_path, load):
        """Train a model of a few thousand weights for one step on an exported folder."""
        from transformers import LlamaConfig, LlamaForCausalLM
        from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

        def step(format_name, technique, chat):
            export(mixed(technique, 6), format_name, tmp_path / "out", chat=chat)
            data = load(str(tmp_path / "out"), split="train")
            model = LlamaForCausalLM(
                LlamaConfig(
                    vocab_size=len(tokenizer),
                    hidden_size=8,
                    intermediate_size=8,
                    num_hidden_layers=1,
                    num_attention_heads=1,
                )
            )
            is_pair = technique == "dpo"
            trainer, config = (DPOTrainer, DPOConfig) if is_pair else (SFTTrainer, SFTConfig)
            reference = {"ref_model": deepcopy(model)} if is_pair else {}
            settings = config(
                output_dir=str(tmp_path / "model"),
                max_steps=1,
                per_device_train_batch_size=3,
                report_to=[],
                use_cpu=True,
                bf16=False,
                save_strategy="no",
                disable_tqdm=True,
            )
            made = trainer(
                model=model,
                args=settings,
                train_dataset=data,
                processing_class=tokenizer,
                **reference,
            )
            return made, data

        return step

    @pytest.mark.parametrize("name", CHAT)
    @pytest.mark.parametrize("chat", [False, True])
    def test_trl_tells_messages_from_texts(self, name, chat, load, tmp_path):
        from trl.data_utils import is_conversational, maybe_extract_prompt

        export(mixed(TECHNIQUES[name], 6), name, tmp_path / "out", chat=chat)
        (row, *_) = load(str(tmp_path / "out"), split="train")
        assert is_conversational(row) is chat
        # an explicit prompt is kept as it is, not guessed from what two replies have in common
        assert maybe_extract_prompt(dict(row)) == row

    @pytest.mark.slow
    @pytest.mark.filterwarnings("ignore")  # torch and transformers have many, for their own reasons
    @pytest.mark.parametrize("name", CHAT)
    @pytest.mark.parametrize("chat", [False, True])
    def test_trl_trains_on_it(self, name, chat, train):
        trainer, data = train(name, TECHNIQUES[name], chat)
        assert data.num_rows == 6
        loss = trainer.train().training_loss
        assert 0 < loss < 20

    @pytest.mark.slow
    @pytest.mark.filterwarnings("ignore")
    def test_trl_learns_from_the_completion_alone(self, train, tokenizer):
        trainer, _ = train("trl-prompt-completion", "qa", False)
        batch = next(iter(trainer.get_train_dataloader()))
        learned = [int(t) for t in batch["labels"][0] if t != -100]
        assert tokenizer.decode(learned, skip_special_tokens=True) == "output answer 🙂"


class TestSchemas:
    """What has no library here is held to the schema that its documentation describes."""

    def rows(self, name, technique, tmp_path, **options):
        export(mixed(technique, 6), name, tmp_path / "out.jsonl", **options)
        lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def test_openai_messages(self, tmp_path):
        import jsonschema

        message = {
            "type": "object",
            "required": ["role", "content"],
            "additionalProperties": False,
            "properties": {
                "role": {"enum": ["system", "user", "assistant"]},
                "content": {"type": "string", "minLength": 1},
            },
        }
        schema = {
            "type": "object",
            "required": ["messages"],
            "properties": {
                "messages": {
                    "type": "array",
                    "minItems": 1,
                    "items": message,
                    "contains": {"properties": {"role": {"const": "assistant"}}},
                }
            },
        }
        for row in self.rows("openai-messages", "qa", tmp_path):
            jsonschema.validate(row, schema)
            assert row["messages"][-1]["role"] == "assistant"

    def test_sharegpt(self, tmp_path):
        """Turns alternate, beginning with the human's, as trainers that read ShareGPT demand."""
        for row in self.rows("sharegpt", "qa", tmp_path):
            assert [turn["from"] for turn in row["conversations"]] == ["human", "gpt"]
            assert all(
                turn["value"] and set(turn) == {"from", "value"} for turn in row["conversations"]
            )

    def test_alpaca(self, tmp_path):
        for row in self.rows("alpaca", "paraphrase", tmp_path):
            assert list(row) == ["instruction", "input", "output", "metadata"]
            assert all(isinstance(row[key], str) for key in ("instruction", "input", "output"))


class TestLlamaFactory:
    """dataset_info.json as LLaMA-Factory documents it: its columns must be those of the files."""

    ALPACA = ("prompt", "query", "response", "chosen", "rejected", "history", "system")
    SHAREGPT = ("messages", "chosen", "rejected", "system", "tools")

    def info_and_rows(self, technique, chat, tmp_path, examples=None):
        out = tmp_path / "out"
        export({"train": examples or mixed(technique, 6)}, "llama-factory", out, chat=chat)
        info = json.loads((out / "dataset_info.json").read_text())
        return info, [json.loads(line) for line in (out / "train.jsonl").read_text().splitlines()]

    @pytest.mark.parametrize("technique", ["qa", "dpo"])
    @pytest.mark.parametrize("chat", [False, True])
    def test_its_columns_are_those_of_the_files(self, technique, chat, tmp_path):
        info, rows = self.info_and_rows(technique, chat, tmp_path)
        assert list(info) == ["seedbed_train"]
        said = info["seedbed_train"]
        assert said["file_name"] == "train.jsonl"
        assert said["formatting"] == ("sharegpt" if chat else "alpaca")
        assert said.get("ranking", False) is (technique == "dpo")
        assert set(said["columns"]) <= set(self.SHAREGPT if chat else self.ALPACA)
        for row in rows:
            assert set(said["columns"].values()) == set(row) - {"metadata"}

    def test_a_pair_in_messages_has_a_turn_for_each_side(self, tmp_path):
        _, rows = self.info_and_rows("dpo", True, tmp_path)
        for row in rows:
            assert [turn["from"] for turn in row["conversations"]] == ["human"]
            assert row["chosen"]["from"] == row["rejected"]["from"] == "gpt"

    def test_texts_without_prompt_are_for_pretraining(self, tmp_path):
        texts = [example("expand", output={"example": "x"}, label="")]
        info, rows = self.info_and_rows("expand", False, tmp_path, texts)
        assert info["seedbed_train"]["columns"] == {"prompt": "text"}
        assert rows[0]["text"] == "x"


def test_every_format_is_loaded_here():
    assert {*TECHNIQUES, "records"} == set(FORMATS)
