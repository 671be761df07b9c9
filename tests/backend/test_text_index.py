"""Texts found again: nothing that is near gets lost, and a file that cannot be used is not used."""

import itertools
import random

import numpy as np
import pytest

from filters.support import HashingEncoder
from seedbed.sameness import normalise
from seedbed.text import letter_similarity
from seedbed_backend.text_index import Match, TextIndex, encode

ENCODER = HashingEncoder()
FINGERPRINT = {"encoder": "hashing"}


def made_up(rng, n_words):
    return [
        "".join(rng.choice(part) for part in ("bdfgklmnprst", "aeiou") * rng.randint(1, 4))
        for _ in range(n_words)
    ]


def with_changes(rng, words, n):
    changed = list(words)
    for place in rng.sample(range(len(words)), n):
        changed[place] = made_up(rng, 1)[0]
    return changed


@pytest.fixture(scope="module")
def texts():
    """500 texts of 25 words, and 500 made of them by changing 1 to 10 words."""
    rng = random.Random(1)
    originals = [made_up(rng, 25) for _ in range(500)]
    changed = [with_changes(rng, words, 1 + n % 10) for n, words in enumerate(originals)]
    return [" ".join(words) for words in originals], [" ".join(words) for words in changed]


def an_index(texts, ids=None):
    index = TextIndex(ENCODER.dimension)
    index.add(ids or [f"t{n}" for n in range(len(texts))], texts, ENCODER.encode(texts))
    return index


def search(index, texts, min_letters=0.40, min_cosine=0.90):
    return index.search(
        texts, ENCODER.encode(texts), min_letters=min_letters, min_cosine=min_cosine
    )


def ids(found):
    return [[match.id for match in near] for near in found]


def test_finds_what_comparing_all_with_all_finds_by_letters(texts):
    known, asked = texts
    found = ids(search(an_index(known), asked, min_cosine=1.0))
    near = {
        (a, b)
        for (a, x), (b, y) in itertools.product(enumerate(asked), enumerate(known))
        if letter_similarity(normalise(x), normalise(y)) >= 0.40
    }
    proposed = {(a, int(id_[1:])) for a, own in enumerate(found) for id_ in own}
    assert len(near) > 300
    assert len(near & proposed) >= 0.98 * len(near)
    surely = {
        (a, b)
        for a, b in near
        if letter_similarity(normalise(asked[a]), normalise(known[b])) >= 0.50
    }
    assert len(surely) > 200
    assert surely <= proposed
    assert len(proposed) < 2 * len(near)


def test_finds_what_comparing_all_with_all_finds_by_meaning(texts):
    known, asked = texts
    found = search(an_index(known), asked, min_letters=1.0, min_cosine=0.80)
    cosines = np.round(ENCODER.encode(asked) @ ENCODER.encode(known).T, 4)
    expected = {(a, f"t{b}") for a, b in zip(*np.nonzero(cosines >= 0.80), strict=True)}
    assert len(expected) > 200
    proposed = {(a, m.id) for a, near in enumerate(found) for m in near}
    assert expected <= proposed
    for a, near in enumerate(found):
        for match in near:
            assert match.cosine == pytest.approx(cosines[a, int(match.id[1:])], abs=2e-4)


def test_finds_equal_texts_however_many_are_near():
    texts = [f"The same long text number {n} with one other word at its end" for n in range(300)]
    index = an_index(texts)
    for asked, id_ in (("the same long text number 7 with one other word at its end.", "t7"),):
        assert id_ in ids(search(index, [asked]))[0]


def test_finds_nothing_in_nothing():
    assert search(TextIndex(ENCODER.dimension), ["a text"]) == [[]]
    assert search(an_index(["a text"]), []) == []
    assert search(an_index(["a text"]), ["a text"]) == [[Match("t0", 1.0)]]


@pytest.mark.parametrize("text", ["", " ", "?!", "\ud800", "a", "日本語のテキスト", "x" * 50_000])
def test_takes_any_text(text):
    index = an_index([text, "another text"])
    assert "t0" in ids(search(index, [text]))[0]


def test_what_was_taken_out_is_not_found_and_the_others_still_are(texts):
    known, asked = texts
    index = an_index(known)
    before = ids(search(index, asked))
    gone = {f"t{n}" for n in range(0, 500, 3)}
    index.remove([*gone, "never there"])
    assert len(index) == 500 - len(gone)
    assert ids(search(index, asked)) == [[i for i in near if i not in gone] for near in before]
    assert index.vector("t0") is None
    assert np.array_equal(index.vector("t1"), ENCODER.encode([known[1]])[0])


def test_added_bit_by_bit_it_is_the_same(texts):
    known, asked = texts
    index = TextIndex(ENCODER.dimension)
    for start in range(0, 500, 70):
        part = known[start : start + 70]
        names = [f"t{n}" for n in range(start, start + len(part))]
        index.add(names, part, ENCODER.encode(part), encode(part))
    assert search(index, asked) == search(an_index(known), asked)


def test_comes_back_from_its_file(texts, tmp_path):
    known, asked = texts
    index = an_index(known)
    path = tmp_path / "new" / "p1.npz"
    index.save(path, FINGERPRINT)
    again = TextIndex.load(path, ENCODER.dimension, FINGERPRINT)
    assert search(again, asked) == search(index, asked)
    again.add(["more"], ["one more text"], ENCODER.encode(["one more text"]))
    again.save(path, FINGERPRINT)
    assert len(TextIndex.load(path, ENCODER.dimension, FINGERPRINT)) == 501
    assert [p.name for p in path.parent.iterdir()] == ["p1.npz"]


def test_an_empty_one_comes_back_too(tmp_path):
    TextIndex(4).save(tmp_path / "p1.npz", {})
    assert len(TextIndex.load(tmp_path / "p1.npz", 4, {})) == 0


@pytest.fixture
def saved(texts, tmp_path):
    an_index(texts[0][:50]).save(tmp_path / "p1.npz", FINGERPRINT)
    return tmp_path / "p1.npz"


def test_no_file_is_no_index(tmp_path):
    assert TextIndex.load(tmp_path / "p1.npz", ENCODER.dimension, FINGERPRINT) is None


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_no_index(saved, share):
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(share * len(whole))])
    assert TextIndex.load(saved, ENCODER.dimension, FINGERPRINT) is None


@pytest.mark.parametrize("place", [0.05, 0.3, 0.6, 0.9])
def test_a_damaged_file_is_no_index(saved, place):
    content = bytearray(saved.read_bytes())
    content[int(place * len(content))] ^= 0xFF
    saved.write_bytes(content)
    assert TextIndex.load(saved, ENCODER.dimension, FINGERPRINT) is None


def test_one_of_another_encoder_or_dimension_is_no_index(saved):
    assert TextIndex.load(saved, ENCODER.dimension, {"encoder": "other"}) is None
    assert TextIndex.load(saved, 128, FINGERPRINT) is None
    assert TextIndex.load(saved, ENCODER.dimension, FINGERPRINT) is not None


def test_a_failed_write_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()
    monkeypatch.setattr(np, "savez", lambda file, **_: file.write(b"half") and 1 / 0)
    with pytest.raises(ZeroDivisionError):
        TextIndex(4).save(saved, FINGERPRINT)
    assert saved.read_bytes() == before
    assert len(list(saved.parent.iterdir())) == 1
