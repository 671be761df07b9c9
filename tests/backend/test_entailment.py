"""The NLI model: real cross-encoders, tiny and with random weights, from folders."""

import json
import subprocess
import sys

import numpy as np
import pytest

from seedbed.errors import ModelError
from seedbed_backend.entailment import EntailmentModel
from seedbed_backend.settings import Settings

WORDS = "the a cat dog eats sleeps not fish on mat ? ."
PAIRS = [("the cat eats fish .", "the cat eats ."), ("the dog sleeps .", "the cat sleeps .")]


def save(folder, labels, seed=0):
    """Save a BERT of 2 layers and width 16 with one output a label."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    vocabulary = folder.parent / "vocabulary.txt"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS.split()]
    vocabulary.write_text("\n".join(words), encoding="utf-8")
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64, initializer_range=0.5,
        id2label=dict(enumerate(labels)), label2id={name: n for n, name in enumerate(labels)},
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    BertTokenizerFast(vocab_file=str(vocabulary), model_max_length=64).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    labels = ["contradiction", "entailment", "neutral"]
    return save(tmp_path_factory.mktemp("nli") / "tiny", labels)


def relabel(folder, target, labels):
    """Copy a model with other names for the same outputs."""
    target.mkdir()
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    config = json.loads((target / "config.json").read_text())
    config["id2label"] = {str(n): name for n, name in enumerate(labels)}
    config["label2id"] = {name: n for n, name in enumerate(labels)}
    (target / "config.json").write_text(json.dumps(config))
    return target


def test_reads_the_place_of_entailment_from_the_labels(folder, tmp_path):
    orders = {
        "first": ["ENTAILMENT", "neutral", "contradiction"],
        "second": ["contradiction", "entailment", "neutral"],
        "third": ["contradiction", "neutral", "Entailment"],
    }
    columns = [
        EntailmentModel(relabel(folder, tmp_path / name, labels)).entailment(PAIRS)
        for name, labels in orders.items()
    ]
    assert np.sum(columns, axis=0) == pytest.approx([1.0, 1.0], abs=1e-5)
    assert len({round(float(column[0]), 5) for column in columns}) == 3


def test_not_entailment_is_not_entailment(tmp_path):
    two = save(tmp_path / "two", ["not_entailment", "entailment"])
    turned = relabel(two, tmp_path / "turned", ["entailment", "not_entailment"])
    one, other = EntailmentModel(two).entailment(PAIRS), EntailmentModel(turned).entailment(PAIRS)
    assert one + other == pytest.approx([1.0, 1.0], abs=1e-5)


def test_a_model_with_one_output_is_a_score(tmp_path):
    model = EntailmentModel(save(tmp_path / "one", ["LABEL_0"]))
    scores = model.entailment(PAIRS)
    assert ((scores > 0) & (scores < 1)).all()
    assert model.describe() == ["one score"]


def test_batches_give_what_single_pairs_give(folder):
    pairs = [(f"the {word} eats .", "the cat eats .") for word in WORDS.split()]
    together = EntailmentModel(folder, batch_size=5).entailment(pairs)
    alone = [float(EntailmentModel(folder, batch_size=1).entailment([pair])[0]) for pair in pairs]
    assert together == pytest.approx(alone, abs=1e-4)
    assert EntailmentModel(folder).entailment([]).shape == (0,)


def test_each_pair_is_computed_once_and_forgotten_on_close(folder, monkeypatch):
    model = EntailmentModel(folder, cache_size=2)
    seen = []
    compute = model._compute
    monkeypatch.setattr(model, "_compute", lambda pairs: seen.append(list(pairs)) or compute(pairs))
    first = model.entailment([PAIRS[0], PAIRS[0], PAIRS[1]])
    assert model.entailment(PAIRS) == pytest.approx([first[0], first[2]])
    assert seen == [PAIRS]
    model.close()
    model.entailment(PAIRS[:1])
    assert seen == [PAIRS, PAIRS[:1]]


def test_any_text_gets_a_probability(folder):
    texts = ["", " ", "\ud800", "word " * 2000, "\u05e9\u05dc\u05d5\u05dd", "😀"]
    scores = EntailmentModel(folder).entailment([(a, b) for a in texts for b in texts])
    assert ((scores >= 0) & (scores <= 1)).all()


def test_says_what_it_has_loaded(folder):
    model = EntailmentModel(folder)
    assert model.name == "tiny"
    assert model.describe() == ["labels: contradiction, entailment, neutral"]


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"no config\.json") as caught:
        EntailmentModel(tmp_path)
    assert "SEEDBED_NLI_MODEL" in caught.value.hint


def test_a_damaged_model_says_so_at_its_first_use(folder, tmp_path):
    broken = relabel(folder, tmp_path / "broken", ["contradiction", "entailment", "neutral"])
    (broken / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot be loaded"):
        EntailmentModel(broken).entailment(PAIRS)


def test_labels_without_entailment_are_refused_with_their_names(folder, tmp_path):
    other = relabel(folder, tmp_path / "other", ["negative", "neutral", "positive"])
    with pytest.raises(ModelError, match="negative, neutral, positive: none is entailment"):
        EntailmentModel(other).describe()


def test_the_setting_starts_from_the_model_folder():
    environment = {"MODEL_DIR": "/models", "SEEDBED_NLI_MODEL": "nli"}
    assert str(Settings.from_environment(environment).nli_model) == "/models/nli"
    assert Settings.from_environment({}).nli_model is None


def test_naming_a_model_imports_no_torch():
    code = (
        "import sys; import seedbed_backend.services, seedbed_backend.filters as f; f.filters()\n"
        "print([m for m in ('torch', 'sentence_transformers', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
