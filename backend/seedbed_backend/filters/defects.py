"""What makes a text unusable by itself: leaks, refusals, loops, cuts, mojibake, damage. Pure.

`examine` is shared by the filters that look for broken text. Each check forgives what the source
text has too: a document about JSON may be asked about in JSON.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from ftfy.badness import is_bad

from seedbed.text import STOPWORDS, plain, sentences, word_set, words
from seedbed_backend.english import begins_word
from seedbed_backend.filters.fluency import PROBLEMS, fluency, is_english
from seedbed_backend.filters.word_order import is_label

DEFECTS = (
    *("no_words", "mojibake", "prompt_leak", "markup", "refusal", "repetition", "truncated"),
    *("doubled_punctuation", *PROBLEMS),
)

_LEAKS = re.compile(
    r"""
    <\|[^|<>]{1,40}\|> | \[/?INST\] | <</?SYS>> | </?s> | <(?:start|end)_of_turn>  # chat tokens
    | ^\s*\#{2,}\s*(?:instruction|response|input|output)\b
    | ^\s*(?:user|assistant|system|human|ai|chosen|rejected|paraphrase|completion)\s*:  # roles
    | \{\{ | \}\} | \{% | %\} | (?<![\\\w}/])\{[a-z_]{2,20}\}(?!/)
    | (?-i:\$(?!([A-Z])\1+\b)[A-Z]{2}[A-Z_]*\b) | (?<!\w)%[sd]\b | <unk>
    | \[insert\b[^\]]{0,40}\] | <(?:insert|your)\b[^>]{0,40}>
    | (?<!\n)\[(?:your|name|company|date)\b[^\]]{0,40}\]
    | \[(?:your|name|company|date)\b[^\]]{0,40}\](?!\s*\Z)  # but where one signs a letter
    | \b(?:as|in)\s+(?:valid\s+)?json\b
    | \b(?:here\ is|here's)\ (?:the|a|my)\ (?:paraphrase|rewrite|rewritten|answer|question|json)
    | \b(?:the|this)\ (?:training\ set|system\ prompt|style\ guide)\b
    """,
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_MARKUP = re.compile(
    r"""
    </?(?:p|b|i|u|a|br|hr|div|span|em|strong|ul|ol|li|h[1-6]|table|t[rdh]|code|pre|html|body)\b
      [^<>]{0,200}>
    | ``` | ~~~ | (?<!\*)\*\*[^*\s] | ^\#{1,6}\s | \]\(https?: | &(?:nbsp|amp|lt|gt|quot|\#\d+);
    | ["']\w{1,40}["']\s*:\s*["'\[{] | \\[nt"]
    """,
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_REFUSAL = re.compile(
    r"""
    \bas\ an?\ (?:ai|artificial|(?:large\ )?language\ model)
    | \bi(?:'m|\ am)\ (?:just\ )?an?\ (?:ai|language\ model)
    | \A\W*(?:(?:i(?:'m|\ am)\ )?(?:very\ |so\ )?sorry\b|unfortunately|i\ apologi[sz]e)
      [^.!?]{0,60}\b(?:can't|cannot|can\ not|unable|won't|not\ able)
    | \A\W*i\ (?:can't|cannot|can\ not|won't|am\ unable\ to|am\ not\ able\ to)
      \ (?:help|assist|provide|answer|comply|create|write|generate|rewrite|paraphrase|do\ that)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_LOOP = re.compile(r"(\S)\1{7,}|(\S{2,20}?)\2{4,}|\b(\w+)(?:[\s,.]+\3\b){3,}", re.IGNORECASE)
_RULING = re.compile(r"[-_=.*~#\s]{8,}")
_END = re.compile(
    r"[.!?\u2026:;\u3002\uff01\uff1f\u061f\u06d4\u0964][\s\"')\]}\u201d\u2019\u00bb*_`]*\Z"
)
_CUT = re.compile(r"(?:[,(\[{]|\s[-\u2013\u2014]|\w-)\s*\Z")
_DANGLING = word_set(
    "a an the of to and or nor with by for from in into at as on than that which whose if because "
    "their its his my our your"
)
_CLAUSE_END = re.compile(r"[;,]\s+(?:and|or)\Z")  # an item of a list in a contract
_STOP_WITHIN = re.compile(r"[a-z]{2}[.!?]\s+[A-Z]")
_ITEM = re.compile(r"\s*(?:[-*\u2022\u2013]|\(?(?:\d{1,2}|[a-z]|[ivx]{1,4})[.):])\s")
_QUESTION = re.compile(
    r"\s*(?:what|who|whom|whose|which|when|where|why|how|is|are|was|were|do|does|did|can|could|will"
    r"|would|should|has|have|may)\b[^.!?]*\Z",
    re.IGNORECASE,
)
_ASKS_FOR_CODE = re.compile(
    r"\b(?:html|xml|json|yaml|markdown|latex|sql|regex|css|javascript|python|java|c\+\+|source code"
    r"|code|program|script|algorithm|array|web ?page|web ?site)\b",
    re.IGNORECASE,
)
_DOUBLED = re.compile(r"(?<![.,;:!?])(?:,,|;;|::|;\.|,\.|,;|,\?|;\?)(?![.,;:!?\w])")
_ENOUGH = 12  # words: a shorter text may be written without care, like a chat message
_PREPOSITIONS = word_set("at for from with of")
_ASKING = word_set("what who where how")
_CLAUSE_BREAK = re.compile(r"[,;.!?\n]+(?:\s+and\b)?|\s+and\b")
_SHORT = 80  # words: in a longer text a clause may well come again
_MAX_REPEATED = 0.35  # share of repeated word trigrams; 99 % of clean dev texts lie below 0.2


class Examination(NamedTuple):
    """What is wrong with a text: the defect or '', the words that show it, and a score in [0, 1].

    The score is 1 for a text without any finding, at most 0.25 for a defect.
    """

    defect: str
    found: tuple[str, ...]
    score: float


@lru_cache(maxsize=512)
def examine(
    text: str,
    source: str = "",
    instructions: frozenset[str] = frozenset(),
    *,
    may_refuse: bool = False,
) -> Examination:
    """Find the first defect of `text` (one of `DEFECTS`).

    `instructions` are word sequences of our own prompt, as from `phrases`. `may_refuse` says that
    to decline is no defect.
    """
    reason = _breakage(text, source, instructions)
    if reason and not (may_refuse and reason == "refusal"):
        return Examination(reason, (), 0.0)
    written = fluency(text, source)
    score = round(written.score, 4)
    if problem := written.problem:
        return Examination(problem.reason, problem.words[:5], min(score, 0.25))
    if doubled := _DOUBLED.findall(plain(text)):
        return Examination("doubled_punctuation", tuple(doubled[:5]), min(score, 0.25))
    if is_truncated(text, source):
        return Examination("truncated", (), min(score, 0.25))
    return Examination("", (), score)


def defect(text: str, source: str = "", instructions: frozenset[str] = frozenset()) -> str:
    """Name the first defect of `text`, or return ''. See `examine`."""
    return examine(text, source, instructions).defect


def _breakage(text: str, source: str, instructions: frozenset[str]) -> str:
    if not words(text):
        return "no_words"
    if is_bad(text) or "\ufffd" in text:
        return "mojibake"
    if _found(_LEAKS, text, source) or leaks_instructions(text, source, instructions):
        return "prompt_leak"
    if not _ASKS_FOR_CODE.search(source) and (_found(_MARKUP, text, source) or is_json(text)):
        return "markup"
    if is_repetitive(text, source):
        return "repetition"
    return "refusal" if is_refusal(text) and not is_refusal(source) else ""


def allows_refusal(style_rules: Iterable[Mapping[str, object]]) -> bool:
    """Tell whether the style guide has a rule about what must be declined."""
    return any(rule.get("measure") == "refuses_out_of_scope" for rule in style_rules)


def is_refusal(text: str) -> bool:
    """Tell whether the text refuses to answer, or speaks as a language model."""
    return bool(_REFUSAL.search(plain(text)))


def _found(pattern: re.Pattern[str], text: str, source: str) -> bool:
    known = {match.group().strip().casefold() for match in pattern.finditer(source)}
    return any(m.group().strip().casefold() not in known for m in pattern.finditer(text))


def phrases(text: str, size: int = 6) -> frozenset[str]:
    """Return every run of `size` words."""
    return frozenset(_runs(words(text), size))


def _runs(items: tuple[str, ...], size: int) -> Iterator[str]:
    return (" ".join(items[i : i + size]) for i in range(len(items) - size + 1))


def leaks_instructions(text: str, source: str, instructions: frozenset[str]) -> bool:
    """Tell whether `text` repeats words of our own prompt that the source does not have."""
    return bool(instructions) and bool((phrases(text) & instructions) - phrases(source))


def is_json(text: str) -> bool:
    """Tell whether the whole text is a JSON object or array."""
    try:
        return text.lstrip()[:1] in {"{", "["} and isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


def is_repetitive(text: str, source: str = "") -> bool:
    """Tell whether the text loops: a character, word or phrase on and on, or most trigrams again."""
    if _LOOP.search(_RULING.sub(" ", text)):
        return True
    said = words(text)
    if _has_loop(said) and not _has_loop(words(source)):
        return True
    if len(said) <= _SHORT and _is_said_twice(text) and not _is_said_twice(source):
        return True
    return repeated_fraction(_runs(said, 3)) > _MAX_REPEATED


def _is_said_twice(text: str) -> bool:
    """Tell whether the words of a clause of five words and more come again."""
    all_said = _spaced(words(text))
    clauses = [words(each) for each in _CLAUSE_BREAK.split(text)]
    return any(
        len(said) >= 5 and said[-1] not in STOPWORDS and all_said.count(_spaced(said)) > 1
        for said in clauses
    )


def _spaced(said: Sequence[str]) -> str:
    """Join words so that neighbours share no space and each can be counted."""
    return f" {'  '.join(said)} "


def _has_loop(said: Sequence[str]) -> bool:
    """Tell whether a phrase of up to 12 words comes three times on end, 8 words at least."""
    for period in range(2, min(12, len(said) // 3) + 1):
        enough = max(2 * period, 6)
        run = 0
        for place in range(period, len(said)):
            run = run + 1 if said[place] == said[place - period] else 0
            if run >= enough:
                return True
    return False


def repeated_fraction(items: Iterable[str]) -> float:
    """Return the share of items that have occurred before, in [0, 1]; 0 below six items."""
    counts = Counter(items)
    total = counts.total()
    return (total - len(counts)) / total if total >= 6 else 0.0


def is_truncated(text: str, source: str = "") -> bool:
    """Tell whether the text breaks off: a dangling or cut word, an open bracket, no end mark.

    A missing end mark counts where an earlier sentence on the line has one, and in a longer
    sentence whose source ends with one. A question, a list and a signature need none.
    """
    stripped = text.rstrip()
    if _END.search(stripped) or _CLAUSE_END.search(stripped):
        start, end = sentences(stripped)[-1]
        return _is_open(stripped) and _is_open(stripped[start:end]) and not _is_open(source)
    if _is_open(stripped) and not _is_open(source):
        return True
    if _stands_in(stripped, source):
        return False
    said = words(stripped)
    dangles = len(said) > 2 and said[-1] in _DANGLING and not _asks_with(said)
    if _CUT.search(stripped) or dangles:
        return not (_CUT.search(source.rstrip()) or words(source)[-1:] == said[-1:])
    if _is_cut_word(stripped, said, source):
        return True
    line = stripped.rsplit("\n", 1)[-1]
    if _ITEM.match(line) or _QUESTION.match(line):
        return False
    if len(said) >= _ENOUGH and _STOP_WITHIN.search(line) and line[-1].islower():
        return True
    is_sentence = len(said) >= 8 and (stripped[:1].isupper() or len(said) > 20)
    return is_sentence and line == stripped and bool(_END.search(source.rstrip()))


def _asks_with(said: Sequence[str]) -> bool:
    """Tell whether it is a question that ends with its preposition: "where's my card at"."""
    return said[-1] in _PREPOSITIONS and any(word.partition("'")[0] in _ASKING for word in said)


def _is_cut_word(text: str, said: Sequence[str], source: str) -> bool:
    """Tell whether the last word is only the beginning of one: "the court orde", "once in p"."""
    last = text.rsplit(None, 1)[-1].strip("\"'([\u201c\u2018")
    if len(said) < 4 or not last.isalpha() or last.isupper() or last.casefold() in words(source):
        return False
    if (last[0].isupper() and len(said) < 8) or (len(last) == 1 and is_label(said[-2])):
        return False
    return begins_word(last) and is_english(text)


def _stands_in(text: str, source: str) -> bool:
    """Tell whether `text` is a piece of the source that ends where the source has punctuation."""
    place = source.find(text)
    return place >= 0 and source[place + len(text) :][:1] in {"", *".,;:!?\n"}


def _is_open(text: str) -> bool:
    flat = plain(text)
    if flat.count('"') % 2:
        return True
    # Only more opening than closing: "1)" and "a)" number lists.
    return any(flat.count(left) > flat.count(right) for left, right in ("()", "[]", "{}"))
