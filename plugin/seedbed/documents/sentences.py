"""Where sentences end in a text, for cutting: a wrong border is worse than a missed one.

Made for legal, clinical and technical prose: "No. 5", "Dr. Smith", "e.g. this" and "1. Payment" are
not borders; a new list item or table line is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_ITEM = (  # what a list item or a table line begins with
    r"[-*\u2022\u2013\u25aa\uf0b7]\s|\(?[0-9]{1,3}[.)]\s|\(?[a-zA-Z][.)]\s|\([ivxIVX]{1,5}\)\s|\|"
)
_STARTS_ITEM = re.compile(_ITEM)
_BORDER = re.compile(
    r"[.!?\u2026]+[\"'\u201d\u2019)\]]*\s+"  # a Latin full stop needs a space behind it,
    r"|[\u3002\uff01\uff1f\uff61]+[\u300d\u300f\uff09\u201d]*\s*"  # an ideographic one does not
    r"|\s*\n\s*\n\s*"
    rf"|\n(?=\s*(?:{_ITEM}))"
)
_SHORT_FORMS = """
mr mrs ms dr prof st sr jr no nos nr art arts sec secs para paras cl clause fig figs eq vol vols ch pp p
pt ed eds cf vs v approx dept e.g i.e viz al rev gen col capt stat pub tab app
jan feb mar apr jun jul aug sep sept oct nov dec
z.b d.h u.a bzw ca evtl ggf inkl vgl abs ziff hr fr mme mlle
"""
"""English, German and French ones, without those that mostly end a sentence (etc., Inc., Ltd.)."""

_ABBREVIATIONS = frozenset(_SHORT_FORMS.split())
_LAST_WORD = re.compile(r"([^\s(\[\"']+)[.!?\u2026]+[\"'\u201d\u2019)\]]*\s*$")
_ENUMERATOR = re.compile(r"\s*[(\[]?(?:[0-9]{1,3}(?:\.[0-9]{1,3})*|[a-zA-Z]|[ivxIVX]{1,5})[.)]+\s*")


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Yield each sentence's (start, end) with the white space behind it; they tile the text."""
    start = 0
    for border in _BORDER.finditer(text):
        end = border.end()
        if end < len(text) and _is_border(text, start, border):
            yield start, end
            start = end
    if start < len(text):
        yield start, len(text)


def _is_border(text: str, start: int, border: re.Match[str]) -> bool:
    end = border.end()
    if not border[0].strip():
        return bool(text[start:end].strip())
    if border[0][0] not in ".!?\u2026":
        return True
    if "\n" in border[0] and _STARTS_ITEM.match(text, end):
        return True
    if text[end].islower() or _ENUMERATOR.fullmatch(text, start, end):
        return False
    # the last word is short: no need to look further back
    word = _LAST_WORD.search(text, max(start, border.start() - 20), end)
    if not word or border[0][0] != ".":
        return True
    said = word[1]
    is_initial = len(said) == 1 and said.isupper() and said != "I"
    is_dotted = re.fullmatch(r"(?:\w\.)+\w", said) is not None  # U.S.C., z.B.
    return not (is_initial or is_dotted or said.lower() in _ABBREVIATIONS)
