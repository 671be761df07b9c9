"""How many tokens texts have for the project's model, as importing documents asks the web process."""

from __future__ import annotations

import httpx
import pytest

from growing import MODEL, SOURCES
from seedbed.backend_client import BackendClient
from seedbed.documents import chunks
from seedbed.documents.plain import read_markdown
from seedbed.errors import BackendError, UserError
from seedbed_backend.app import create_app
from seedbed_backend.settings import Settings
from seedbed_backend.store import Store

CONTRACT = SOURCES / "contracts" / "01-supplier-customer.md"


def make_client(tmp_path, **environment) -> BackendClient:
    """Return a client that talks to a web process in here, without a network between them."""
    settings = Settings.from_environment(
        {
            "SEEDBED_HOME": str(tmp_path),
            "SEEDBED_STORE_URL": f"sqlite:///{tmp_path}/store.db",
            "BASIC_AUTH_PASS": "x",
            "SEEDBED_WEBHOOK_SECRET": "y",
            **environment,
        }
    )
    store = Store.open(settings.store_url)
    store.migrate()
    store.close()
    client = BackendClient("http://seedbed", "seedbed", "x")
    client._http.close()
    client._http = httpx.Client(
        base_url="http://seedbed/api/",
        auth=("seedbed", "x"),
        transport=httpx.WSGITransport(app=create_app(settings)),
    )
    return client


@pytest.fixture
def client(tmp_path):
    made = make_client(tmp_path, SEEDBED_MODEL=str(MODEL))
    yield made
    made.close()


def test_tokens_are_counted_by_the_model(client):
    from llama_cpp import Llama

    model = Llama(str(MODEL), vocab_only=True, verbose=False)
    document = read_markdown(CONTRACT)
    texts = [chunk.text for chunk in chunks.cut(document, 60)]
    exact = [len(model.tokenize(text.encode(), add_bos=False)) for text in texts]
    model.close()
    counted = client.count_tokens(texts)
    # what stands beside a text in the prompt may join with its first or last letters
    assert all(abs(a - b) <= 2 for a, b in zip(counted, exact, strict=True))
    name, context_length = client.tokenizer()
    assert (name, context_length > 200) == ("Seedbed demo", True)


def test_chunks_have_at_most_as_many_of_the_models_tokens(client):
    found = chunks.cut(read_markdown(CONTRACT), 90, 20, client.count_tokens)
    assert client.count_tokens([chunk.text for chunk in found]) == [c.n_tokens for c in found]
    assert max(chunk.n_tokens for chunk in found) <= 90
    assert min(chunk.n_tokens for chunk in found) > 30


def test_many_texts_are_counted_in_parts(client, monkeypatch):
    monkeypatch.setattr("seedbed.backend_client.TEXTS_PER_CALL", 7)
    texts = [f"The tenant pays {n} euros." for n in range(30)]
    assert client.count_tokens(texts) == [client.count_tokens([text])[0] for text in texts]
    monkeypatch.setattr("seedbed.backend_client.CHARACTERS_PER_CALL", 40)
    assert len(client.count_tokens(texts)) == 30
    assert client.count_tokens([]) == []


def test_a_server_that_cannot_see_the_model_says_so(tmp_path):
    client = make_client(tmp_path, SEEDBED_MODEL=str(tmp_path / "gone.gguf"))
    assert client.tokenizer() is None
    with pytest.raises(BackendError, match="lost sight of the model"):
        client.count_tokens(["x"])
    client.close()


@pytest.mark.parametrize("body", [{}, {"texts": "x"}, {"texts": [1]}, {"texts": ["x"] * 2_001}])
def test_what_is_no_list_of_texts_is_refused(client, body):
    with pytest.raises(UserError, match=r"no list of strings|2001 entries"):
        client._call("POST", "tokens", body)
