"""Which language a text is in, by how common its words are in each. Pure, no model.

For rules about the language itself. `text.language`, which picks word lists, is quicker and guesses
English in doubt; `filters.fluency.is_english` knows English that is damaged.
"""

from __future__ import annotations

from functools import lru_cache
from math import fsum

from seedbed.text import words

LANGUAGES = ("de", "en", "es", "fr", "it", "nl", "pt")
_MIN_WORDS = 4
_LEAD = 0.3  # of a decade in frequency, on average: closer ones cannot be told apart


@lru_cache(maxsize=2048)
def language_of(text: str) -> str:
    """Return the language of `text`, one of `LANGUAGES`, or '' where that cannot be told."""
    from wordfreq import zipf_frequency  # the web process can do without

    said = [word for word in words(text) if word.isalpha()]
    if len(said) < _MIN_WORDS:
        return ""
    means = sorted(
        ((fsum(zipf_frequency(word, code) for word in said) / len(said)), code)
        for code in LANGUAGES
    )
    (second, _), (best, code) = means[-2:]
    return code if best - second >= _LEAD and best >= 3.0 else ""
