"""What a style rule can be measured by. Each measure returns how well a reply follows the rule.

1 is full compliance, 0 a plain breach, below 0.5 counts as broken; None where the rule does not
apply to the prompt. A rule of the style guide names its measure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from seedbed_backend.text import plain, sentences, words

Measure = Callable[[str, str], float | None]

_CLAUSE = re.compile(
    r"(?:\b(?:clauses?|sections?|sec\.|articles?|art\.|paragraphs?|para\.|annex|appendix|schedule"
    r"|exhibit|chapter|rules?|items?)\s*(?:no\.?\s*)?|§+\s*)"
    r"(?P<number>\d+(?:\.\d+)*|[ivxl]+\b|[a-z]\b(?!'))",
    re.IGNORECASE,
)
_FILLER = re.compile(
    r"""
    \A\W*(?:hi|hello|hey|dear|greetings|good\ (?:morning|afternoon|evening)|sure|certainly|okay|ok
      |absolutely|of\ course|(?:great|good)\ question|thanks?|thank\ you|no\ problem|well)\b
    | \bthank(?:s|\ you)\ for\ (?:your|reaching|contacting|asking)
    | \b(?:i|we)(?:'m|'re|\ am|\ are)\ (?:here|happy|glad|pleased|delighted|excited)\ to\b
    | \b(?:i|we)(?:'d|'ll|\ would|\ will)\ be\ (?:happy|glad|delighted|pleased)\ to\b
    | \b(?:i|we)\ hope\ (?:this|that|you)\b | \bhope\ (?:this|that)\ helps\b
    | \b(?:please\ )?(?:feel\ free|do(?:n't|\ not)\ hesitate)\ to\b
    | \blet\ (?:me|us)\ know\ (?:if|whether)\b
    | \bif\ you\ have\ any\ (?:other\ |further\ |more\ )?question
    | \b(?:i|we)(?:'ll|\ will|\ can)?\ (?:promise|guarantee|assure)\b
    | \brest\ assured\b | \bdon't\ worry\b
    | \bhave\ a\ (?:great|nice|good|wonderful|lovely)\ \w+
    | \b(?:best|kind|warm)\ (?:regards|wishes)\b
    | \bit(?:'s|\ is)\ (?:important|worth)\ (?:to\ note|noting)\b
    | \bas\ you\ (?:may|might)\ know\b | \bat\ the\ end\ of\ the\ day\b | \bneedless\ to\ say\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_CASUAL = re.compile(
    r"""
    \b\w+'(?:m|re|ve|ll|d)\b | n't\b | \b(?:it|that|there|what|he|she|let)'s\b | !
    | \b(?:yeah|yep|nope|gonna|wanna|gotta|kinda|sorta|dunno|ain't|hey|hi|guys|folks|stuff|cool
      |awesome|super|btw|lol|asap|fyi|ok|okay|thx|pls|u|ur)\b
    | [\u2600-\u27bf\U0001f300-\U0001faff]
    """,
    re.IGNORECASE | re.VERBOSE,
)
_MAX_SENTENCES = 2  # "one or two sentences"
_MAX_WORDS = 60


def concise(reply: str, _prompt: str) -> float:
    """Return 1 for one or two sentences of at most 60 words together, falling with the excess."""
    n_sentences, n_words = len(sentences(reply)), len(words(reply))
    excess = max(n_sentences / _MAX_SENTENCES, n_words / _MAX_WORDS, 1.0)
    return 1.0 / excess**2


def cites_source(reply: str, prompt: str) -> float | None:
    """Return 1 where the reply names a clause of the prompt, 0.25 for a made-up one, 0 for none."""
    known = {match["number"].casefold() for match in _CLAUSE.finditer(prompt)}
    known |= {m.casefold() for m in re.findall(r"^\s*(\d+(?:\.\d+)*)[.)]?\s", prompt, re.MULTILINE)}
    if not known:
        return None
    cited = {match["number"].casefold() for match in _CLAUSE.finditer(reply)}
    if cited & known:
        return 1.0
    return 0.25 if cited else 0.0


def no_filler(reply: str, _prompt: str) -> float:
    """Return 1 without greeting, filler or promise; every one costs 0.6."""
    return max(0.0, 1.0 - 0.6 * len(_FILLER.findall(plain(reply))))


def formal(reply: str, _prompt: str) -> float:
    """Return 1 without contractions, slang, exclamation marks and emoji; every one costs 0.6."""
    return max(0.0, 1.0 - 0.6 * len(_CASUAL.findall(plain(reply))))


MEASURES: Mapping[str, Measure] = {
    "cites_source": cites_source,
    "concise": concise,
    "formal": formal,
    "no_filler": no_filler,
}
