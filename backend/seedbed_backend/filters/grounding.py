"""Whether the document supports the answer, and which words of it do."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pydantic import Field
from rapidfuzz.distance import LCSseq, Levenshtein

from seedbed.contrasts import is_negation_changed, negations, opposites
from seedbed.facts import missing_names, quantities
from seedbed.records import Candidate, Decision
from seedbed.text import (
    STOPWORDS,
    Span,
    content_words,
    jaccard,
    locate,
    sentences,
    stem,
    word_set,
    words,
)
from seedbed_backend.filters.base import Filter, ScreenContext
from seedbed_backend.filters.passages import (
    MAX_WINDOW,
    Document,
    best_window,
    coverage,
    document,
    is_number,
    said,
    sentence_shares,
    wanted_words,
    weight,
)
from seedbed_backend.filters.wording import is_light, keys

# What a feature is worth, in log-odds. A logistic regression on the 298 development rows
# (benchmarks/grounding_weights.py; ridge, five folds by source text; rows weighted so that those
# labelled by people count 65 %, constructed ones 20 %, those solvable by length 15 %).
BIAS = -2.43
WEIGHTS: Mapping[str, float] = {
    "covered": 2.94,
    "bigrams": 1.69,
    "run": -0.62,
    "numbers": -3.76,
    "names": -2.53,
    "apart": -0.16,
    "turned": -3.81,
    "swapped": -1.05,
    "personal": -3.43,
}


class Grounding(Filter):
    """Drops an answer that says something its document does not.

    Every sentence, list item, number, date and name of the answer is looked up. Numbers are
    compared by value, words by stem, synonym or common beginning; words that only report or frame
    (discuss, provide, various) count little. Dropped at once: a number, name or list item that is
    nowhere in the document, a sentence that negates or turns round the one that it repeats, one
    that repeats a sentence with a word exchanged, and an answer without any supporting passage.
    Else the score decides.

    The score is the estimated chance that the answer is supported: a logistic function of the share
    of the answer's words that its worst supported sentence finds in the document, the share of its
    word pairs, the longest run of unknown words, the missing numbers and names, those that stand
    apart from the passage that supports the rest, reversals, exchanged words and first persons.

    The evidence carries the supporting span: `start` and `end` in code points of the source (end
    exclusive) and `text`, which is source[start:end]; the model's own quote where it stands in the
    document (regardless of case, spacing and punctuation), else the passage that covers the answer
    best. `unsupported` is the sentence of the answer that is worst supported, where one is poor.
    """

    name = "grounding"
    help = "Drops an answer that its document does not support, and marks the supporting words."
    reasons = (
        "number_not_in_source",
        "name_not_in_source",
        "item_not_in_source",
        "negation_changed",
        "fact_exchanged",
        "quote_not_found",
        "not_covered",
        "facts_apart",
        "personal_statement",
    )

    answer_field: str
    source_field: str
    question_field: str = ""
    quote_field: str = ""
    # On the development rows .70 keeps .80 of the supported answers and .08 of the others, on unseen
    # texts; .50 keeps .90 and .18.
    minimum: float = Field(default=0.70, ge=0.0, le=1.0)
    # A passage with less than this share of the answer's content words is no evidence.
    min_evidence: float = Field(default=0.35, ge=0.0, le=1.0)

    def screen(self, candidates: Sequence[Candidate], context: ScreenContext) -> list[Decision]:
        """See Filter."""
        return [self._decide(candidate) for candidate in candidates]

    def _decide(self, candidate: Candidate) -> Decision:
        source = candidate.source.fields.get(self.source_field, "")
        answer = candidate.fields.get(self.answer_field, "")
        question = candidate.fields.get(self.question_field, "")
        quote = candidate.fields.get(self.quote_field, "").strip()
        quoted = locate(quote, source)
        span = quoted or best_passage(answer, question, source, self.min_evidence)
        support = examine(answer, source, quoted)
        evidence: dict[str, object] = {
            "covered": round(support.covered, 4),
            "is_quoted": quoted is not None,
            **support.found,
        }
        if span:
            evidence |= {"start": span.start, "end": span.end, "text": source[slice(*span)]}
        score = round(support.score, 4)
        if reason := self._reason(support, span):
            return self.drop(candidate, reason, score, **evidence)
        return self.keep(candidate, score, **evidence)

    def _reason(self, support: Support, span: Span | None) -> str:
        for feature, reason in _FATAL:
            if support.features.get(feature):
                return reason
        if support.is_empty:
            return "not_covered"
        if support.score < self.minimum:
            return support.weakest
        return "" if span else "quote_not_found"


_FATAL = (
    ("numbers", "number_not_in_source"),
    ("names", "name_not_in_source"),
    ("items", "item_not_in_source"),
    ("turned", "negation_changed"),
    ("swapped", "fact_exchanged"),
)


@dataclass(frozen=True, slots=True)
class Support:
    """How far a document supports an answer: features by name, and what was found for people."""

    features: Mapping[str, float]
    found: Mapping[str, object]
    is_empty: bool

    @property
    def covered(self) -> float:
        """Return the share of the words of the worst supported sentence, in [0, 1]."""
        return self.features["covered"]

    @property
    def score(self) -> float:
        """Return the estimated chance that the answer is supported, in [0, 1]."""
        if self.is_empty:
            return 0.0
        odds = BIAS + sum(worth * self.features[name] for name, worth in WEIGHTS.items())
        return 1.0 / (1.0 + math.exp(-odds))

    @property
    def weakest(self) -> str:
        """Name what costs the score most."""
        costs = {
            "not_covered": WEIGHTS["covered"] * (1 - self.features["covered"])
            + WEIGHTS["bigrams"] * (1 - self.features["bigrams"])
            - WEIGHTS["run"] * self.features["run"],
            "facts_apart": -WEIGHTS["apart"] * self.features["apart"],
            "personal_statement": -WEIGHTS["personal"] * self.features["personal"],
        }
        return max(costs, key=lambda reason: costs[reason])


def examine(answer: str, source: str, quoted: Span | None = None) -> Support:
    """Compare an answer with its document, sentence by sentence."""
    known = document(source)
    parts = _parts(answer)
    shares = [coverage(said(part), known) for part in parts] or [0.0]
    numbers = quantities(answer).missing_from(quantities(source))
    names = missing_names(answer, source)
    unknown, run = _unknown(answer, known)
    apart = [fact for part in parts for fact in _apart(part, known)]
    apart = [fact for fact in dict.fromkeys(apart) if fact not in {*numbers, *names}]
    swapped = [swap for part in parts for swap in exchanged(part, known)]
    items = [item for item in list_items(answer) if not any(map(known.has, said(item)))]
    features = {
        "covered": min(shares),
        "bigrams": _bigram_share(answer, known),
        "run": float(min(run, 4)),
        "numbers": float(min(len(numbers), 2)),
        "names": float(min(len(names), 2)),
        "items": float(len(items)),
        "apart": float(min(len(apart), 2)),
        "turned": float(
            is_turned(answer, source, quoted) or any(_is_repeat_turned(p, known) for p in parts)
        ),
        "swapped": float(min(len(swapped), 2)),
        "personal": float(is_personal(answer, source)),
    }
    found: dict[str, object] = {
        name: value
        for name, value in (
            ("numbers", numbers),
            ("names", names),
            ("items", items),
            ("words", unknown),
            ("apart", apart),
            ("exchanged", swapped),
        )
        if value
    }
    if parts and min(shares) < 0.8:
        found["unsupported"] = parts[shares.index(min(shares))]
    return Support(features, found, not words(answer))


def _unknown(answer: str, known: Document) -> tuple[list[str], int]:
    """Return the telling words that the document lacks, and the longest run of them."""
    found: dict[str, None] = {}
    run = longest = 0
    for word in words(answer):
        own = said(word)
        if not own or is_number(own[0]):
            continue
        if known.has(own[0]):
            run = 0
        elif not is_light(own[0]):
            found[word] = None
            run += 1
            longest = max(longest, run)
    return list(found), longest


def _bigram_share(answer: str, known: Document) -> float:
    """Return the share of neighbouring content words that are neighbours in the document too.

    One more is counted as found, so that an answer of two or three words does not hang on one pair.
    """
    pairs = list(pairwise(said(answer)))
    return (sum(pair in known.bigrams for pair in pairs) + 1) / (len(pairs) + 1)


def _apart(part: str, known: Document) -> list[str]:
    """Name the numbers and names of a sentence that stand elsewhere than what it rests on."""
    window = best_window(wanted_words(part), known)
    if window is None:
        return []
    near = known.passage(window.first - 1, window.last + 1)
    return [*quantities(part).missing_from(quantities(near)), *missing_names(part, near)]


@dataclass(frozen=True, slots=True)
class _Repeat:
    """A sentence that a document has nearly word by word: the words there, and both texts."""

    own: tuple[str, ...]
    other: tuple[str, ...]
    part: str
    sentence: str


def _repeat(part: str, known: Document) -> _Repeat | None:
    """Find the sentence that has at least three quarters of the five or more words, in order."""
    own = words(part)
    if len(own) < 5:
        return None
    shared = sentence_shares(set(said(part)), known)
    places = sorted(shared, key=lambda place: (-len(shared[place]), place))[:3]
    best, best_share = -1, 0.0
    for place in places:
        share = LCSseq.similarity(own, words(known.sentence(place))) / len(own)
        if share > best_share:
            best, best_share = place, share
    if best_share < 0.75:
        return None
    sentence = known.sentence(best)
    return _Repeat(own, words(sentence), part, sentence)


def exchanged(part: str, known: Document) -> list[str]:
    """Find one or two words that took another's place in a sentence that is repeated.

    Returns "old → new". No exchange: synonyms and forms of one word, words that only report, and a
    name that gave way to a common noun.
    """
    repeat = _repeat(part, known)
    if repeat is None:
        return []
    found = []
    for old_words, new_words in _replaced(repeat.other, repeat.own):
        old, new = _content(old_words), _content(new_words)
        if not old or not new or abs(len(old) - len(new)) > 1 or _keys(old) & _keys(new):
            continue
        if _is_capital(old[0], repeat.sentence) and not _is_capital(new[0], repeat.part):
            continue
        found.append(f"{' '.join(old)} → {' '.join(new)}")
    return found if len(found) <= 2 else []


def _replaced(
    other: tuple[str, ...], own: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield what gave way to what: up to three words between two or more that both have."""
    same = [s for s in Levenshtein.opcodes(other, own) if s.tag == "equal"]
    if same[-1].src_end - same[0].src_start > 1.5 * len(own):
        return  # picked up here and there in a long sentence: no repeat
    for before, after in pairwise(same):
        sizes = [each.dest_end - each.dest_start for each in (before, after)]
        old = other[before.src_end : after.src_start]
        new = own[before.dest_end : after.dest_start]
        if sum(sizes) > 2 and len(old) <= 3 and len(new) <= 3:
            yield old, new
    first, last = same[0], same[-1]
    if first.dest_start and first.dest_end - first.dest_start > 1:
        yield (
            other[max(0, first.src_start - first.dest_start) : first.src_start],
            own[: first.dest_start],
        )
    if last.dest_end < len(own) and last.dest_end - last.dest_start > 1:
        n_new = len(own) - last.dest_end
        yield other[last.src_end : last.src_end + n_new], own[last.dest_end :]


def _content(these: Sequence[str]) -> list[str]:
    return [w for w in these if w not in STOPWORDS and not is_light(stem(w))]


def _is_capital(word: str, text: str) -> bool:
    return any(found[0].isupper() for found in re.findall(re.escape(word), text, re.IGNORECASE))


def _is_repeat_turned(part: str, known: Document) -> bool:
    """Tell whether a repeated piece of a sentence negates where the document does not."""
    repeat = _repeat(part, known)
    if repeat is None:
        return False
    same = [s for s in Levenshtein.opcodes(repeat.other, repeat.own) if s.tag == "equal"]
    region = " ".join(repeat.other[same[0].src_start : same[-1].src_end])
    return is_negation_changed(region, " ".join(repeat.own))


def _keys(these: Sequence[str]) -> set[str]:
    return {key for word in these for key in keys(stem(word))}


_ITEM_MARK = re.compile(r"^\s*(?:[-*\u2022\u2013]|\(?\d{1,2}[.)]|\(?[a-z][.)])\s+", re.MULTILINE)
_ITEM_BREAK = re.compile(r"\s*(?:[,;]\s*(?:and|or)\b|[,;]|\b(?:and|or|as well as)\b)\s*")
_MAX_ITEM_WORDS = 5


def list_items(answer: str) -> list[str]:
    """Return the items of a list: marked lines, or two or more short parts of a mere enumeration."""
    if len(_ITEM_MARK.findall(answer)) > 1:
        parts = _ITEM_MARK.split(answer)
        return [part.strip() for part in parts if any(not is_light(s) for s in said(part))]
    if len(sentences(answer)) != 1:
        return []
    parts = [part.strip(" .") for part in _ITEM_BREAK.split(answer) if part.strip(" .")]
    if len(parts) < 2 or any(len(words(part)) > _MAX_ITEM_WORDS for part in parts):
        return []
    return [part for part in parts if any(not is_number(s) and not is_light(s) for s in said(part))]


_FIRST_PERSON = word_set("i me my mine we our ours i'm i've i'd i'll we're we've we'd we'll")


def is_personal(answer: str, source: str) -> bool:
    """Tell whether the answer speaks of itself where the document does not."""
    return bool(_FIRST_PERSON & set(words(answer))) and not _FIRST_PERSON & set(words(source))


def best_passage(answer: str, question: str, source: str, minimum: float) -> Span | None:
    """Return the one to three sentences that cover most words of the answer and its question.

    A longer passage must cover a tenth more for each further sentence. None where no passage covers
    the share `minimum` of the answer.
    """
    known = document(source)
    wanted: dict[str, float] = defaultdict(float)
    for stemmed in (*said(answer), *said(question)):
        wanted[stemmed] += weight(stemmed)
    total = sum(wanted.values())
    own = wanted_words(answer)
    shares = sentence_shares(wanted, known)
    best, best_share = None, 0.0
    for first in sorted(shares):
        have: set[str] = set()
        for last in range(first, min(first + MAX_WINDOW, len(known.spans))):
            have |= shares.get(last, set())
            share = sum(wanted[s] for s in have) / total - 0.1 * (last - first)
            if share > best_share + 1e-9 and _share_of(own, have) >= minimum:
                best = Span(known.spans[first].start, known.spans[last].end)
                best_share = share
    return best


def _share_of(wanted: Mapping[str, float], have: set[str]) -> float:
    total = sum(wanted.values())
    return sum(worth for s, worth in wanted.items() if s in have) / total if total else 1.0


def is_turned(answer: str, source: str, quoted: Span | None) -> bool:
    """Tell whether a sentence of the answer says the opposite of the words that it rests on.

    Those are the quote, where the answer is one sentence, else the nearest sentence. Judged only
    where the answer restates them (at least half of their content words): a short answer rests on
    the question's words and cannot be compared.
    """
    own = _parts(answer)
    if quoted and len(own) == 1:
        return _is_opposite(own[0], source[quoted.start : quoted.end])
    known = [source[start:end] for start, end in sentences(source)]
    for sentence in own:
        nearest = max(known, key=lambda each: _overlap(sentence, each), default="")
        if _is_opposite(sentence, nearest):
            return True
    return False


_YES_NO = re.compile(r"\A\W*(?:yes|no)\b\s*[,.:;!\u2013\u2014-]+\s*(?=\w)", re.IGNORECASE)


def _parts(answer: str) -> list[str]:
    """Return the sentences of an answer, without a leading "Yes," or "No,"."""
    rest = _YES_NO.sub("", answer)
    return [rest[start:end] for start, end in sentences(rest)]


def _overlap(a: str, b: str) -> float:
    return jaccard(content_words(a), content_words(b))


def _is_opposite(part: str, evidence: str) -> bool:
    own, known = set(content_words(part)), set(content_words(evidence))
    if len(own) < 3 or len(own & known) < 0.5 * len(known) or not known:
        return False
    if _DENIES.search(evidence) and not _DENIES.search(part) and not negations(part):
        return True
    return is_negation_changed(evidence, part) or bool(opposites(evidence, part))


_DENIES = re.compile(r"\bden(?:y|ies|ied|ying)\b", re.IGNORECASE)


FILTER = Grounding
