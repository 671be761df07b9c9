"""What a style rule can be measured by. Each measure says how well a reply follows the rule.

1 is full compliance, 0 a plain breach, below 0.5 counts as broken; None where the rule does not
apply to the prompt. A rule of the style guide names its measure, and sets its options.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from seedbed.errors import RecipeError
from seedbed.facts import missing_names, quantities
from seedbed.recipe import describe
from seedbed.text import plain, sentences, words
from seedbed_backend.filters.defects import is_refusal
from seedbed_backend.languages import LANGUAGES, language_of


class Options(BaseModel):
    """The options of a measure; this one has none."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Measure:
    """One way to measure a rule: `of(reply, prompt, options)` gives a share in [0, 1] or None."""

    name: str
    help: str
    of: Callable[[str, str, Any], float | None]
    options: type[Options] = Options


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the style guide in force, with its measure and the measure's options."""

    name: str
    measure: Measure
    options: Options = field(default_factory=Options)

    def of(self, reply: str, prompt: str) -> float | None:
        """Return how well `reply` follows the rule, in [0, 1]; None where it does not apply."""
        return self.measure.of(reply, prompt, self.options)


def measured_rules(rules: Sequence[Mapping[str, Any]]) -> list[Rule]:
    """Return the rules of a style guide that can be measured, in order.

    Raises RecipeError for a measure or an option that does not exist, and for a value out of range.
    """
    found = []
    for rule in rules:
        name, options = rule.get("measure", ""), rule.get("options", {})
        if not name:
            if options:
                raise RecipeError(f"The style rule {rule['name']!r} has options but no measure.")
            continue
        if name not in MEASURES:
            raise RecipeError(
                f"The style rule {rule['name']!r} names an unknown measure, {name!r}.",
                hint=f"Known: {', '.join(MEASURES)}; or leave it out.",
            )
        measure = MEASURES[name]
        try:
            found.append(Rule(rule["name"], measure, measure.options(**options)))
        except ValidationError as exc:
            known = ", ".join(measure.options.model_fields) or "none"
            raise RecipeError(
                f"The style rule {rule['name']!r}: {describe(exc)}.",
                hint=f"Options of the measure {name}: {known}.",
            ) from exc
    return found


class Length(Options):
    """Most sentences and words of a concise reply."""

    max_sentences: int = Field(default=2, ge=1, le=50)
    max_words: int = Field(default=60, ge=1, le=2000)


class SentenceLength(Options):
    """Most words of a sentence, on average."""

    max_words: int = Field(default=20, ge=3, le=100)


class Terms(Options):
    """The house's word → the words that must not stand for it."""

    terms: dict[str, list[str]] = Field(min_length=1)


class Words(Options):
    """Words and phrases to avoid."""

    words: list[str] = Field(min_length=1)


class Topics(Options):
    """Words one of which every request in scope has."""

    topics: list[str] = Field(min_length=1)


class Language(Options):
    """A language by its two letters; empty for that of the prompt."""

    language: str = Field(default="", pattern=rf"^(?:{'|'.join(LANGUAGES)})?$")


_CLAUSE = re.compile(
    r"(?:\b(?:clauses?|sections?|sec\.|articles?|art\.|paragraphs?|para\.|annex|appendix|schedule"
    r"|exhibit|chapter|rules?|items?)\s*(?:no\.?\s*)?|§+\s*)"
    r"(?P<number>\d+(?:\.\d+)*|[ivxl]+\b|[a-z]\b(?!'))",
    re.IGNORECASE,
)
_FILLER = re.compile(
    r"""
    \A\W*(?:hi|hello|hey|dear|greetings|good\ (?:morning|afternoon|evening|day)|sure|certainly|okay|ok
      |absolutely|of\ course|(?:great|good)\ question|thanks?|thank\ you|no\ problem|well)\b
    | \bthank(?:s|\ you)\ for\ (?:your|reaching|contacting|asking)
    | \b(?:what\ a|this\ is\ a|that\ is\ a)\ (?:great|good|very\ interesting|very\ good)\b
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
    | \bas\ you\ (?:may|might)\ (?:already\ )?know\b | \bat\ the\ end\ of\ the\ day\b
    | \bneedless\ to\ say\b | \bto\ be\ honest\b | \bfirst\ of\ all,\ let\ me\ say\b
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
_HEDGE = re.compile(
    r"""
    \b(?:perhaps|maybe|possibly|probably|presumably|supposedly|basically|arguably|somewhat|apparently)\b
    | \b(?:sort|kind)\ of\b | \bmore\ or\ less\b | \bit\ depends\b | \bin\ general\b | \bgenerally\b
    | \b(?:usually|normally|typically)\b | \bit\ (?:seems|appears|would\ seem)\b
    | \bi\ (?:think|believe|guess|suppose|assume)\b | \bas\ far\ as\ i\ know\b | \bnot\ (?:quite\ )?sure\b
    | \bmight\ be\b | \bcould\ be\ that\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_FIRST_PERSON = re.compile(
    r"(?-i:\bI\b|\bI'(?:m|ve|ll|d)\b)|\b(?:me|my|mine|myself|we|our|ours|ourselves)\b"
    r"|(?-i:\b[Uu]s\b)"
    r"|\bwe'(?:re|ve|ll|d)\b",
    re.IGNORECASE,
)
_ITEM = re.compile(r"^\s*(?:[-*\u2022]|\d{1,2}[.)])\s+", re.MULTILINE)
_DECLINE = re.compile(
    r"""
    \b(?:can't|cannot|can\ not|unable|won't|not\ able)\b
    | \b(?:outside|beyond|not\ within|out\ of)\ (?:the\ |my\ |our\ |its\ )?(?:scope|remit|area|subject)
    | \bonly\ (?:answers?|handles?|covers?|helps?|deals?|questions)\b | \bcannot\ be\ answered\b
    | \bdo(?:es)?\ not\ (?:answer|cover|address|deal|say|handle)\b | \bnot\ (?:covered|addressed)\b
    | \bplease\ (?:ask|contact|consult|turn\ to)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_BREACH = 0.6  # what one breach costs: the first one already counts as broken


def _without(pattern: re.Pattern[str], reply: str) -> float:
    return max(0.0, 1.0 - _BREACH * sum(1 for _ in pattern.finditer(plain(reply))))


def concise(reply: str, _prompt: str, options: Length) -> float:
    """Return 1 up to the limits, falling with the square of the excess."""
    n_sentences, n_words = len(sentences(reply)), len(words(reply))
    excess = max(n_sentences / options.max_sentences, n_words / options.max_words, 1.0)
    return 1.0 / excess**2


def short_sentences(reply: str, _prompt: str, options: SentenceLength) -> float | None:
    """Return 1 up to the mean length, falling with the square of the excess."""
    n_sentences = len(sentences(reply))
    if not n_sentences:
        return None
    return 1.0 / max(len(words(reply)) / n_sentences / options.max_words, 1.0) ** 2


def cites_source(reply: str, prompt: str, _options: Options) -> float | None:
    """Return 1 where the reply names a clause of the prompt, 0.25 for a made-up one, 0 for none."""
    known = {match["number"].casefold() for match in _CLAUSE.finditer(prompt)}
    known |= {m.casefold() for m in re.findall(r"^\s*(\d+(?:\.\d+)*)[.)]?\s", prompt, re.MULTILINE)}
    if not known:
        return None
    cited = {match["number"].casefold() for match in _CLAUSE.finditer(reply)}
    if cited & known:
        return 1.0
    return 0.25 if cited else 0.0


def grounded(reply: str, prompt: str, _options: Options | None = None) -> float | None:
    """Return 1 where the prompt has every number and name of the reply; every other costs 0.6."""
    if not words(prompt):
        return None
    n_unknown = len(unknown_numbers(reply, prompt)) + len(missing_names(reply, prompt))
    return max(0.0, 1.0 - _BREACH * n_unknown)


def unknown_numbers(reply: str, prompt: str) -> list[str]:
    """Name the numbers of `reply` that `prompt` lacks, list numbers aside; sorted."""
    return quantities(_ITEM.sub("", reply)).missing_from(quantities(prompt))


def no_filler(reply: str, _prompt: str, _options: Options) -> float:
    """Return 1 without greeting, filler or promise; every one costs 0.6."""
    return _without(_FILLER, reply)


def formal(reply: str, _prompt: str, _options: Options) -> float:
    """Return 1 without contractions, slang, exclamation marks and emoji; every one costs 0.6."""
    return _without(_CASUAL, reply)


def no_hedging(reply: str, _prompt: str, _options: Options) -> float:
    """Return 1 without "maybe", "usually", "it depends" and their like; every one costs 0.6."""
    return _without(_HEDGE, reply)


def no_first_person(reply: str, _prompt: str, _options: Options) -> float:
    """Return 1 without I, we and their forms; every one costs 0.6."""
    return _without(_FIRST_PERSON, reply)


def plain_prose(reply: str, _prompt: str, _options: Options) -> float:
    """Return 1 without list items; every one costs 0.6."""
    return max(0.0, 1.0 - _BREACH * len(_ITEM.findall(reply)))


def no_questions(reply: str, _prompt: str, _options: Options) -> float:
    """Return 1 without a question back; every one costs 0.6."""
    return max(0.0, 1.0 - _BREACH * len(re.findall(r"\?(?!\w)|\uff1f", reply)))


def uses_terms(reply: str, _prompt: str, options: Terms) -> float | None:
    """Return 1 where the house's words are used, less 0.6 for every other word in their place.

    None where the reply has neither.
    """
    said = f" {' '.join(words(reply))} "
    n_house = sum(_count(said, term) for term in options.terms)
    n_other = sum(_count(said, other) for others in options.terms.values() for other in others)
    return max(0.0, 1.0 - _BREACH * n_other) if n_house + n_other else None


def avoids_words(reply: str, _prompt: str, options: Words) -> float:
    """Return 1 without any of the words; every one costs 0.6."""
    said = f" {' '.join(words(reply))} "
    return max(0.0, 1.0 - _BREACH * sum(_count(said, word) for word in options.words))


def _count(said: str, term: str) -> int:
    wanted = " ".join(words(term))
    return said.count(f" {wanted} ") if wanted else 0


def refuses_out_of_scope(reply: str, prompt: str, options: Topics) -> float:
    """Return 1 where a request outside the topics is declined, or one inside is answered; else 0.

    A request is inside when it has a word that begins like one of the topics.
    """
    asked = words(prompt)
    is_inside = any(
        word.startswith(start)
        for topic in options.topics
        for start in words(topic)
        for word in asked
    )
    if is_inside:
        return 0.0 if is_refusal(reply) else 1.0
    return 1.0 if declines(reply) else 0.0


def declines(reply: str) -> bool:
    """Tell whether the reply says that it does not answer, in whatever tone."""
    return is_refusal(reply) or bool(_DECLINE.search(plain(reply)))


def answers_in_language(reply: str, prompt: str, options: Language) -> float | None:
    """Return 1 in the right language, 0 in another; None for too few words to tell."""
    wanted = options.language or language_of(prompt)
    found = language_of(reply)
    return float(found == wanted) if wanted and found else None


MEASURES: Mapping[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure("answers_in_language", "is in the language named, or in the prompt's",
                answers_in_language, Language),
        Measure("avoids_words", "has none of the words", avoids_words, Words),
        Measure("cites_source", "names a clause, section or article of the prompt", cites_source),
        Measure("concise", "has few sentences and words", concise, Length),
        Measure("formal", "has no contractions, slang, exclamation marks or emoji", formal),
        Measure("grounded", "has no number or name that the prompt lacks", grounded),
        Measure("no_filler", "has no greeting, filler or promise", no_filler),
        Measure("no_first_person", "says neither I nor we", no_first_person),
        Measure("no_hedging", "does not hedge (perhaps, usually, it depends)", no_hedging),
        Measure("no_questions", "asks nothing back", no_questions),
        Measure("plain_prose", "has no list", plain_prose),
        Measure("refuses_out_of_scope", "declines what is outside the topics, and only that",
                refuses_out_of_scope, Topics),
        Measure("short_sentences", "has short sentences on average", short_sentences, SentenceLength),
        Measure("uses_terms", "uses the house's words, not others for them", uses_terms, Terms),
    )
}  # fmt: skip
