from __future__ import annotations

import math
import random
import re
import time
from itertools import pairwise

import pytest

from growing import SOURCES
from seedbed.documents import Block, Document, chunks
from seedbed.documents.plain import read_markdown, read_plain
from seedbed.documents.sentences import sentences

CONTRACTS = sorted((SOURCES / "contracts").glob("*.md"))


def words(texts):
    """A tokenizer that everybody can follow: a word is a token, an ideograph too."""
    return [
        len(re.findall(r"[\u3040-\u30ff\u4e00-\u9fff]|[^\s\u3040-\u30ff\u4e00-\u9fff]+", t))
        for t in texts
    ]


def letters(texts):
    """A tokenizer of four letters a token, white space included, as byte-level ones count."""
    return [math.ceil(len(text) / 4) for text in texts]


def uneven(texts):
    """One whose wholes have more tokens than their parts: each word counts its neighbours."""
    return [sum(1 + (len(text.split()) > 3) for _ in text.split()) for text in texts]


def plain(tmp_path, text: str) -> Document:
    path = tmp_path / "d.txt"
    path.write_bytes(text.encode())
    return read_plain(path)


def markdown(tmp_path, text: str) -> Document:
    path = tmp_path / "d.md"
    path.write_bytes(text.encode())
    return read_markdown(path)


def texts(document, *args, **options) -> list[str]:
    return [chunk.text for chunk in chunks.cut(document, *args, **options)]


# --- what holds for every text --------------------------------------------------------------------

ALPHABET = [
    *"abcdefgh ABC 012 .,;:!?()- \n\n\t", "\r\n", "\n\n", ". ", ".\n", "; ", "# ", "## ", "- ", "1. ",
    "🙂", "é", "文", "。", "、", "の", "word ", "Sentence. ", "A longer clause, ", "x" * 50, "\u3000",
    "\u2028", "e.g. ", "Dr. ", "| a | b |\n",
]  # fmt: skip


def random_text(rng: random.Random) -> str:
    return "".join(rng.choices(ALPHABET, k=rng.choice((0, 3, 40, 400, 1500))))


@pytest.mark.parametrize("count", [words, letters, uneven, chunks.estimate])
@pytest.mark.parametrize("seed", range(12))
def test_every_chunk_is_verbatim_within_the_limit_and_nothing_is_lost(tmp_path, seed, count):
    rng = random.Random(f"{seed}")
    document = (plain, markdown)[seed % 2](tmp_path, random_text(rng))
    n_tokens = rng.choice((20, 33, 60, 200))
    overlap = rng.choice((0, 5, 10))
    end = 0
    for chunk in chunks.cut(document, n_tokens, overlap, count):
        assert chunk.text == document.text[chunk.start : chunk.end] == chunk.text.strip() != ""
        assert count([chunk.text])[0] == chunk.n_tokens <= n_tokens
        shared = document.text[chunk.start : chunk.start + chunk.n_shared]
        assert count([shared.strip()])[0] <= overlap
        assert chunk.start + chunk.n_shared >= end
        assert not document.text[end : chunk.start + chunk.n_shared].strip()
        assert chunk.end > end
        end = chunk.end
    assert not document.text[end:].strip()


@pytest.mark.parametrize("seed", range(200))
def test_blocks_and_sentences_tile_the_text(tmp_path, seed):
    document = (plain, markdown)[seed % 2](tmp_path, random_text(random.Random(f"tile {seed}")))
    assert "".join(document.text[b.start : b.end] for b in document.blocks) == document.text
    spans = list(sentences(document.text))
    assert "".join(document.text[start:end] for start, end in spans) == document.text


# --- where it is cut ------------------------------------------------------------------------------


def test_real_contracts_are_cut_at_headings_and_paragraphs():
    for path in CONTRACTS:
        document = read_markdown(path)
        found = chunks.cut(document, 200)
        assert all(chunk.text.startswith("#") for chunk in found)
        assert all(chunk.text.endswith((".", ";")) for chunk in found)
        assert min(chunk.n_tokens for chunk in found) > 60


def test_about_150_words_are_in_a_chunk_of_the_usual_size():
    counts = [len(text.split()) for path in CONTRACTS for text in texts(read_markdown(path))]
    assert 80 < sum(counts) / len(counts) < 150


def test_a_heading_stays_with_what_follows(tmp_path):
    body = "One two three four five six seven eight nine ten. " * 2
    text = "".join(f"## Part {i}\n\n### Its section\n\n{body}\n\n" for i in range(9))
    found = texts(markdown(tmp_path, text), 40, count=words)
    assert all(part.startswith("## Part") and part.endswith("ten.") for part in found)


def test_a_section_begins_a_chunk_once_the_one_before_is_half_full(tmp_path):
    text = "# A\n\n" + "word " * 64 + "\n\n# B\n\n" + "word " * 64
    assert [t[:3] for t in texts(markdown(tmp_path, text), 140, count=words)] == ["# A", "# B"]
    text = "# A\n\n" + "word " * 20 + "\n\n# B\n\n" + "word " * 20
    assert len(texts(markdown(tmp_path, text), 140, count=words)) == 1


def test_a_small_remainder_joins_the_others(tmp_path):
    sentence = "One two three four five six seven eight nine ten. "
    counts = words(texts(plain(tmp_path, sentence * 11), 100, count=words))
    assert sum(counts) == 110
    assert min(counts) >= 40


def test_a_lead_in_stays_with_its_list(tmp_path):
    text = "word " * 55 + "end.\n\nThe following are due:\n\n" + "word " * 39 + "end."
    first, second = texts(plain(tmp_path, text), 70, count=words)
    assert second.startswith("The following are due:")
    assert first.endswith("end.")


def test_a_table_is_cut_between_its_rows():
    rows = [f"cell {i} | one two three. Four five | six" for i in range(40)]
    blocks, at = [], 0
    for place, row in enumerate(rows):
        blocks.append(Block(at, at + len(row) + 1, is_joined=place > 0, is_row=True))
        at += len(row) + 1
    document = Document("".join(f"{row}\n" for row in rows), tuple(blocks))
    for text in texts(document, 60, count=words):
        assert text.splitlines()[0] in rows
        assert text.splitlines()[-1] in rows


@pytest.mark.parametrize(
    "text",
    [
        "The supplier pays the client in full. " * 640,  # a paragraph without a blank line
        "the supplier pays the client and the client pays the supplier " * 390,  # one "sentence"
        "word" * 6_000,
        "これは長い文書です" * 2_700,
        "🙂" * 24_000,
    ],
)
def test_24000_characters_without_a_break_are_split(tmp_path, text):
    assert len(text) >= 24_000
    for count in (words, letters, chunks.estimate):
        found = chunks.cut(plain(tmp_path, text), 200, count=count)
        assert all(count([chunk.text])[0] <= 200 for chunk in found)
        joined = "".join("".join(chunk.text.split()) for chunk in found)
        assert joined == "".join(text.split())
    # all but full, wherever there is a choice
    assert len(found) <= 1.25 * chunks.estimate([text])[0] / 200 + 1


def test_ideographs_are_cut_at_their_full_stops(tmp_path):
    text = "これは長い文書です。次の文もここにあります。\n" * 20
    found = texts(plain(tmp_path, text), 50, count=words)
    assert len(found) > 5
    assert all(part.endswith("。") for part in found)


def test_a_long_sentence_is_cut_at_its_semicolons(tmp_path):
    clauses = [f"clause {i} says that the one party pays the other what is due" for i in range(30)]
    for text in texts(plain(tmp_path, "; ".join(clauses)), 60, count=words)[:-1]:
        assert text.endswith(";")


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("See No. 5 and Art. 3 of the Act. It applies.", 2),
        ("Dr. Smith, e.g. in the U.S.C. A case. Next one.", 2),
        ("1. Payment. The client pays. 2. Term.", 3),
        ("He paid $3.50 to J. Doe. So what?", 2),
        ("Zahlbar z.B. bar bzw. per Karte. Ende.", 2),
        ("“Stop.” He left. (It was late.) All went.", 4),
        ("Due are:\n- rent\n- costs\n(a) heating\n(b) water", 5),
        ("version 2.0. and more", 1),
    ],
)
def test_sentences(text, n):
    assert len(list(sentences(text))) == n, [text[a:b] for a, b in sentences(text)]


# --- overlap --------------------------------------------------------------------------------------


@pytest.mark.parametrize("overlap", [10, 25, 40])
@pytest.mark.parametrize("seed", range(8))
def test_overlap_is_the_last_whole_sentences_as_near_to_it_as_their_borders_allow(
    tmp_path, overlap, seed
):
    rng = random.Random(f"overlap {seed}")
    text = " ".join(" ".join(["Word", *["word"] * rng.randint(2, 12)]) + "." for _ in range(120))
    document = plain(tmp_path, text)
    starts = {start for start, _ in sentences(text)}
    found = chunks.cut(document, 100, overlap, words)
    assert len(found) > 8
    for before, chunk in pairwise(found):
        border = chunk.start + chunk.n_shared
        last = max(start for start in starts if start < border)
        if words([text[last:border]])[0] > overlap:
            assert words([text[chunk.start : border]]) == [overlap]  # its last words
            continue
        assert chunk.start in starts
        n_shared = words([text[chunk.start : border]])[0]
        assert 0 < n_shared <= overlap
        assert text[chunk.start : border].strip() == before.text[-(before.end - chunk.start) :]
        earlier = max(start for start in starts if start < chunk.start)
        longer = words([text[earlier:border]])[0], words([text[earlier : chunk.end]])[0]
        # one sentence more would be too much, for the overlap or for the chunk
        assert longer[0] > overlap or longer[1] > 100


def test_overlap_within_a_long_sentence_is_its_last_words(tmp_path):
    document = plain(tmp_path, "one two three four five six seven eight " * 60)
    found = chunks.cut(document, 60, 12, words)
    for before, chunk in pairwise(found):
        shared = document.text[chunk.start : chunk.start + chunk.n_shared].strip()
        assert words([shared]) == [12]
        assert before.text.endswith(shared)


def test_overlap_stays_within_its_section(tmp_path):
    body = "One two three four five six seven eight nine ten. " * 5
    document = markdown(tmp_path, "".join(f"# Section {i}\n\n{body}\n\n" for i in range(6)))
    found = chunks.cut(document, 60, 20, words)
    assert [chunk.n_shared for chunk in found] == [0] * 6
    found = chunks.cut(document, 40, 20, words)
    assert {bool(chunk.n_shared) for chunk in found} == {True, False}
    for chunk in found:
        assert chunk.text.count("#") == chunk.text.startswith("#")
        assert bool(chunk.n_shared) != chunk.text.startswith("#")


def test_no_overlap_unless_asked_for(tmp_path):
    found = chunks.cut(plain(tmp_path, "One two three. " * 200), 60, count=words)
    assert all(a.end <= b.start for a, b in pairwise(found))


# --- counting -------------------------------------------------------------------------------------


def test_texts_are_counted_in_few_calls(tmp_path):
    calls = []

    def count(texts):
        calls.append(len(texts))
        return words(texts)

    chunks.cut(plain(tmp_path, ("One two three four. " * 30 + "\n\n") * 40), 50, 10, count)
    assert sum(map(bool, calls)) < 8


def test_the_estimate_is_of_the_size_of_real_counts():
    english = "The supplier answers a critical report within four hours, day and night."
    assert 13 <= chunks.estimate([english])[0] <= 18  # Llama 3: 14, Qwen 2: 14, Phi-3: 16
    assert chunks.estimate(["", " \n", "日本", "1234567"]) == [0, 0, 2, 3]


def test_half_a_megabyte_is_cut_within_seconds(tmp_path):
    document = plain(tmp_path, "".join(path.read_text() for path in CONTRACTS) * 10)
    started = time.perf_counter()
    chunks.cut(document)
    assert len(document.text) > 400_000
    assert time.perf_counter() - started < 20
