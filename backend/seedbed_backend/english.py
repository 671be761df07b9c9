"""English words by how common they are, for checks of spelling, spacing and word order. Pure.

The words of three letters and more are those of the package wordfreq, the 30,000 most common; what
is not among them is rare or no word. It has names too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache

from seedbed.text import word_set

_SHORT = word_set(
    "a i am an as at be by do go he hi if in is it me my no of oh ok on or so to up us we vs"
)
# Common in contracts, banks, clinics and offices, and absent from the list.
_OFFICE = word_set(
    """
    whereof whereas hereunto
    therein thereunder thereby therefor thereto theretofore hereof herein hereto hereby hereunder
    heretofore forthwith foregoing ascertain withholding withstood franchisee mortgagee mortgagor
    assignee licensee licensor sublicensee lessee lessor indemnify indemnifying indemnity revocation
    omission omissions depository payee payer payor prepay reimburse reimbursement overdraft debit
    debits debited accrual accrue accrued escrow fintech refinance refinancing cashback contactless
    caption assay offline login logout reboot firmware webpage hotspot timestamp dropdown checkbox
    identifier identifiers metadata dataset datasets backend frontend inbox spreadsheet email emails
    emailed afebrile ibuprofen metformin aspirin insulin melena edema lumbar sutures suture bowel
    cyst cysts ejection rales gallop gallops murmur murmurs biopsy lesion lesions nausea vomiting
    dyspnea dysuria diarrhea wheezing palpitations hernia angina stent polyp polyps thyroid vertebrate
    intensification bystander bystanders devolved shelved imperialist authorize authorizes utilize
    utilizes analyze analyzes advertise advertises advertised mildly smear smears fatigue onset
    intake dosage daycare childcare landline voicemail tweet tweets upload download
    downloads prepaid postpaid renewal renewals
    """
)
_CAMEL = re.compile(r"(?:[A-Z][a-z]+){2,}")
_HUMP = re.compile(r"[A-Z][a-z]+")
_N_WORDS = 30_000
_RARE = 1.2  # once in 60 million words
_HARDLY_SEEN = 2.0  # once in 10 million: as often as slips of common words
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ENDINGS = (
    ("'s", ("",)), ("s", ("",)), ("es", ("", "e")), ("ies", ("y",)), ("ed", ("", "e")),
    ("ied", ("y",)), ("ing", ("", "e")), ("ly", ("", "le")), ("ally", ("", "al")), ("er", ("", "e")),
    ("ers", ("", "e")), ("able", ("", "e")), ("ability", ("able",)), ("ness", ("",)), ("less", ("",)),
    ("ment", ("",)), ("ments", ("",)), ("ation", ("e", "")), ("ations", ("e", "")), ("est", ("", "e")),
    ("or", ("", "e")), ("ors", ("", "e")), ("ity", ("", "e")), ("ize", ("",)), ("ized", ("",)),
    ("ise", ("",)), ("ised", ("",)), ("al", ("", "e")), ("ful", ("",)), ("ish", ("",)), ("y", ("",)),
    ("n't", ("",)), ("'ll", ("",)), ("'ve", ("",)), ("'re", ("",)), ("'d", ("",)), ("'m", ("",)),
)  # fmt: skip
_BEGINNINGS = (
    *("un", "re", "non", "pre", "mis", "dis", "in", "im", "over", "under", "out", "up", "sub"),
    *("inter", "multi", "anti", "co", "micro", "tele", "cyber", "auto", "bio", "super", "semi"),
)
# Glued to others these give a missing space away; longer function words are rarely part of a word.
_GLUE = word_set(
    """
    the and for with that this from are was were have has had will which your their our his her she
    they you not but its been can may shall must would should could if of to is in on by as be at it
    or we my me do so he how what there when where why who some any all does did
    """
)


@lru_cache(maxsize=1)
def ranks() -> Mapping[str, int]:
    """Return every word's place in the order of frequency, from 0."""
    from wordfreq import top_n_list  # the web process can do without

    common = top_n_list("en", _N_WORDS, ascii_only=True)
    known = [*sorted(_SHORT), *(word for word in common if word.isalpha() and len(word) > 2)]
    return {word: place for place, word in enumerate(dict.fromkeys([*known, *sorted(_OFFICE)]))}


@lru_cache(maxsize=16_384)
def is_word(word: str) -> bool:
    """Tell whether `word` (any case) is known, with or without an ending or a beginning."""
    folded = _folded(word)
    known = ranks()
    if folded in known:
        return True
    if len(folded) < 4:
        return False
    return _is_form(folded, known) or any(
        folded.startswith(beginning)
        and len(folded) - len(beginning) >= 4
        and (folded[len(beginning) :] in known or _is_form(folded[len(beginning) :], known))
        for beginning in _BEGINNINGS
    )


def _is_form(folded: str, known: Mapping[str, int]) -> bool:
    if f"{folded}s" in known and not folded.endswith(("che", "she", "sse", "xe")):
        return True
    for ending, replacements in _ENDINGS:
        if not folded.endswith(ending) or len(folded) - len(ending) < 2:
            continue
        base = folded[: -len(ending)]
        if any(base + each in known for each in replacements):
            return True
        if len(base) > 3 and base[-1] == base[-2] and base[:-1] in known:  # "planning"
            return True
    return False


@lru_cache(maxsize=16_384)
def is_nonword(word: str) -> bool:
    """Tell whether three letters and more are no word: not even wordfreq's 300,000 have it.

    In 1,600 clean texts of six domains one word in a thousand is that rare.
    """
    folded = _folded(word)
    if len(folded) < 3 or not folded.isascii() or not folded.isalpha() or is_word(folded):
        return False
    return _zipf(folded) < _RARE


@lru_cache(maxsize=16_384)
def _zipf(folded: str) -> float:
    """Return the logarithm of the frequency in a billion words; 0 for a word never seen."""
    from wordfreq import zipf_frequency

    return float(zipf_frequency(folded, "en"))


@lru_cache(maxsize=16_384)
def intended(word: str) -> str:
    """Return a common word that is one slip from an unknown one, or ''.

    A slip is a letter too much, too few, another, or two letters exchanged. Words of two letters
    and fewer are never judged; the shorter a word, the more common must be what was meant, since
    short words have many neighbours.
    """
    folded = _folded(word)
    limit = {3: 300, 4: 3000, 5: 8000}.get(len(folded), 25_000)
    if len(folded) < 3 or not folded.isascii() or not folded.isalpha() or is_word(folded):
        return ""
    known = ranks()
    meant = [each for each in _slips(folded) if known.get(each, limit) < limit and len(each) > 1]
    return min(meant, key=known.__getitem__) if meant else ""


def _slips(word: str) -> Iterator[str]:
    for place in range(len(word) + 1):
        before, after = word[:place], word[place:]
        if after:
            yield before + after[1:]
        if len(after) > 1:
            yield before + after[1] + after[0] + after[2:]
        for letter in _LETTERS:
            yield before + letter + after
            if after:
                yield before + letter + after[1:]


@lru_cache(maxsize=16_384)
def pieces(word: str) -> tuple[str, ...]:
    """Split a word that is several common words without spaces, or return ().

    One piece must be a function word ("cardfor", "touse"), or the whole never seen and long
    ("exchangeforeign"): two nouns together may be a compound.
    """
    folded = _folded(word)
    if (
        not 4 <= len(folded) <= 60
        or not folded.isascii()
        or not folded.isalpha()
        or is_word(folded)
    ):
        return ()
    is_new = _zipf(folded) < _RARE + 0.2
    if word[-1] == "I" and word[:-1].islower() and word[:-1] in ranks():  # "canI"
        return (word[:-1], "i")
    if word[0] == "I" and word[1:].islower() and is_new and ranks().get(word[1:], 500) < 500:
        return ("i", word[1:])  # "Ihave"
    if _CAMEL.fullmatch(word) and all(map(is_word, _HUMP.findall(word))):
        return ()  # a name in code or of a brand: "NotFoundError"
    found = _split(folded)
    if min(map(len, found), default=0) == 1 and intended(folded):
        return ()
    if not is_new and not (_zipf(folded) < _HARDLY_SEEN and min(map(len, found), default=0) > 1):
        return found if found and all(piece in _GLUE for piece in found) else ()
    if word[0].isupper() and not is_new and len(found) < 3:  # a name: "Orwell"
        return found if any(piece in _GLUE and len(piece) > 2 for piece in found) else ()
    is_long = is_new and word.islower() and len(folded) >= 8 and min(map(len, found), default=0) > 2
    return found if is_long or any(piece in _GLUE for piece in found) else ()


def _split(folded: str) -> tuple[str, ...]:
    """Return the fewest common words that make up all of `folded`, or ()."""
    known = ranks()
    best: list[tuple[str, ...] | None] = [(), *[None] * len(folded)]
    for end in range(1, len(folded) + 1):
        for start in range(max(0, end - 18), end):
            before, piece = best[start], folded[start:end]
            if before is None or not _is_piece(piece, known):
                continue
            current = best[end]
            if current is None or len(before) + 1 < len(current):
                best[end] = (*before, piece)
    found = best[len(folded)]
    return found if found and len(found) > 1 else ()


def _is_piece(piece: str, known: Mapping[str, int]) -> bool:
    if len(piece) < 3:
        return piece in _GLUE or piece in {"a", "i"}
    limit = 2500 if len(piece) == 3 else 15_000
    if known.get(piece, limit) < limit:
        return True
    return len(piece) > 5 and _is_form(piece, known)


# Two letters that a text may end with; other pairs are the beginning of a word.
_PAIRS = word_set(
    "am an as at be by do go he hi if in is it me my no of oh ok on or so to up us we vs tv pm mr ms "
    "dr st kg mg ml mm cm km uk eu ny la pc id ip ad ed ex al bc ce co ft lb oz hr cd iv ii vi ix jr "
    "pp op ca cc uv ph"
)


@lru_cache(maxsize=16_384)
def begins_word(fragment: str) -> bool:
    """Tell whether `fragment` is no word, but the beginning of a common one ("reg", "orde")."""
    folded = _folded(fragment)
    if not folded.isascii() or not folded.isalpha() or folded in ranks():
        return False
    if len(folded) > 2 and is_word(folded) and _zipf(folded) >= _HARDLY_SEEN:
        return False
    if len(folded) < 3:
        return folded not in (_PAIRS if len(folded) == 2 else "aixy")
    return any(word.startswith(folded) for word in _common())


@lru_cache(maxsize=1)
def _common() -> tuple[str, ...]:
    return tuple(ranks())[:15_000]


def _folded(word: str) -> str:
    folded = word.casefold()
    if folded.isascii():
        return folded
    parts = unicodedata.normalize("NFKD", folded.replace("\u2019", "'"))
    return "".join(each for each in parts if not unicodedata.combining(each))
