"""What makes a text unusable by itself: leaks, refusals, loops, cuts, mojibake. Pure.

`defect` is shared by the filters that look for broken text. Each check forgives what the source
text has too: a document about JSON may be asked about in JSON.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from ftfy.badness import is_bad

from seedbed_backend.text import plain, word_set, words

DEFECTS = ("no_words", "mojibake", "prompt_leak", "markup", "refusal", "repetition", "truncated")

_LEAKS = re.compile(
    r"""
    <\|[^|<>]{1,40}\|> | \[/?INST\] | <</?SYS>> | </?s> | <(?:start|end)_of_turn>  # chat tokens
    | ^\s*\#{2,}\s*(?:instruction|response|input|output)\b
    | ^\s*(?:user|assistant|system|human|ai|chosen|rejected|paraphrase|completion)\s*:  # roles
    | \{\{ | \}\} | \{% | %\}
    | \[(?:insert|your|name|company|date)\b[^\]]{0,40}\] | <(?:insert|your)\b[^>]{0,40}>
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
_MAX_REPEATED = 0.35  # share of repeated word trigrams; 99 % of clean dev texts lie below 0.2


def defect(text: str, source: str = "", instructions: frozenset[str] = frozenset()) -> str:
    """Name the first defect of `text` (one of `DEFECTS`), or return ''.

    `instructions` are word sequences of our own prompt, as from `phrases`.
    """
    if not words(text):
        return "no_words"
    if is_bad(text) or "\ufffd" in text:
        return "mojibake"
    if _found(_LEAKS, text, source) or leaks_instructions(text, source, instructions):
        return "prompt_leak"
    if _found(_MARKUP, text, source) or is_json(text):
        return "markup"
    if _REFUSAL.search(plain(text)) and not _REFUSAL.search(plain(source)):
        return "refusal"
    if is_repetitive(text):
        return "repetition"
    return "truncated" if is_truncated(text, source) else ""


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


def is_repetitive(text: str) -> bool:
    """Tell whether the text loops: one character or word on and on, or most trigrams again."""
    if _LOOP.search(_RULING.sub(" ", text)):
        return True
    return repeated_fraction(_runs(words(text), 3)) > _MAX_REPEATED


def repeated_fraction(items: Iterable[str]) -> float:
    """Return the share of items that have occurred before, in [0, 1]; 0 below six items."""
    counts = Counter(items)
    total = counts.total()
    return (total - len(counts)) / total if total >= 6 else 0.0


def is_truncated(text: str, source: str = "") -> bool:
    """Tell whether the text breaks off: a dangling word, an open bracket, no end where one belongs.

    A missing end mark counts only in a longer sentence, and only where the source ends with one.
    """
    stripped = text.rstrip()
    if _is_open(stripped) and not _is_open(source):
        return True
    if _END.search(stripped):
        return False
    said = words(stripped)
    if _CUT.search(stripped) or (len(said) > 2 and said[-1] in _DANGLING):
        return not (_CUT.search(source.rstrip()) or words(source)[-1:] == said[-1:])
    is_sentence = len(said) >= 8 and (stripped[:1].isupper() or len(said) > 20)
    return is_sentence and bool(_END.search(source.rstrip()))


def _is_open(text: str) -> bool:
    flat = plain(text)
    if flat.count('"') % 2:
        return True
    # Only more opening than closing: "1)" and "a)" number lists.
    return any(flat.count(left) > flat.count(right) for left, right in ("()", "[]", "{}"))
