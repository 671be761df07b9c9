"""Whether a question is one, stands alone, and keeps its answer to itself."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import Field

from seedbed.facts import names, quantities
from seedbed.records import Candidate, Decision
from seedbed.text import STOPWORDS, plain, stem, word_set, words
from seedbed_backend.filters.base import Filter, ScreenContext
from seedbed_backend.filters.passages import is_number, said
from seedbed_backend.filters.question_kinds import classify
from seedbed_backend.filters.wording import is_light


class QuestionForm(Filter):
    """Drops a question that is none, that needs the document beside it, or that tells its answer.

    Looks at the words alone. Yes-or-no questions and questions that offer a choice may contain
    their answer. A pronoun needs something before it in the question that it can stand for. The
    evidence has the words in question, and the question's `type` and `difficulty` (see
    `question_kinds.classify`). Not scored.
    """

    name = "question_form"
    help = "Drops what is no question, does not stand alone, or gives its answer away."
    reasons = ("no_question", "refers_to_document", "unclear_reference", "answer_given_away")

    question_field: str
    answer_field: str = ""
    source_field: str = ""
    min_words: int = Field(default=3, ge=1)

    def screen(self, candidates: Sequence[Candidate], context: ScreenContext) -> list[Decision]:
        """See Filter."""
        return [self._decide(candidate) for candidate in candidates]

    def _decide(self, candidate: Candidate) -> Decision:
        question = candidate.fields.get(self.question_field, "")
        answer = candidate.fields.get(self.answer_field, "")
        kind = classify(question, answer, candidate.source.fields.get(self.source_field, ""))
        evidence: dict[str, object] = {"type": kind.type, "difficulty": kind.difficulty}
        if len(words(question)) < self.min_words or not is_question(question):
            return self.drop(candidate, "no_question", None, **evidence)
        for reason, find in (
            ("refers_to_document", document_reference),
            ("unclear_reference", unclear_reference),
        ):
            if found := find(question):
                return self.drop(candidate, reason, None, words=found, **evidence)
        if given := answer_given_away(question, answer):
            return self.drop(candidate, "answer_given_away", None, words=given, **evidence)
        return self.keep(candidate, None, **evidence)


_ASKS = word_set("who what when where which why how whom whose")
_AUXILIARY = word_set(
    """
    is are was were am do does did can could may might must shall should will would has have had
    isn't aren't wasn't weren't don't doesn't didn't can't couldn't won't wouldn't hasn't haven't
    """
)
_IMPERATIVE = word_set(
    """
    name list give state explain describe summarise summarize outline compare identify define discuss
    tell show find calculate determine mention specify provide contrast analyse analyze illustrate
    """
)


def is_question(text: str) -> bool:
    """Tell whether a text asks: a question mark at its end, or words that ask or demand."""
    own = words(text)
    if not own:
        return False
    is_marked = text.rstrip(" \"'\u201d\u2019)*").endswith(("?", "\uff1f"))
    if is_marked or own[0] in _ASKS | _AUXILIARY | _IMPERATIVE:
        return True
    return own[0] == "please" and bool(set(own[1:3]) & _IMPERATIVE)


def is_yes_no(question: str) -> bool:
    """Tell whether yes or no answers the question, or a choice that it offers."""
    own = words(question)
    clause = re.split(r"[,;:]\s*", plain(question).casefold())[-1].split()
    starts = {own[0] if own else "", clause[0] if clause else ""}
    return bool(starts & _AUXILIARY) or "or" in own or "whether" in own


_TEXT = r"(?:passage|text|excerpt|extract|snippet|paragraph|document|article|context|transcript|chapter)"
# What may follow "in the text" where it means the source; in "the text message" it does not.
_END = (
    r"(?=\W*$|\s*[,;:?.!)]|\s+(?:above|below|provided|given|shown|and|or|that|to|as|is|are|was|were"
    r"|has|have|do|does|did|say|says|state|states|mention|mentions|describe|describes|discuss"
    r"|discusses|provide|provides|what|which|who|when|where|why|how|about|for|regarding|suggest"
    r"|suggests|imply|implies|specify|specifies|refer|refers|cover|covers|with)\b)"
)
_REFERENCES = re.compile(
    rf"\b(?:according to|based on|as per|per|in|from|by|of|within|throughout|does|do|did|is)\s+"
    rf"(?:the|this|that|these|your)\s+(?:(?:above|given|provided|following|preceding|previous|same"
    rf"|entire|whole)\s+)?{_TEXT}{_END}"
    rf"|\b(?:the|this|that)\s+(?:above|given|provided|following|preceding|aforementioned)"
    rf"\s+(?:-?mentioned\s+)?(?:{_TEXT}|clause|section|sentence|statement|information|example|list)\b"
    rf"|\bthis\s+(?:{_TEXT}|section|clause|sentence|page|report|notice|form|table|figure)\b"
    rf"|\b(?:mentioned|described|listed|stated|given|shown|quoted|discussed|provided|set out)\s+"
    rf"(?:above|below|here|earlier|previously)\b|\bthe (?:aforementioned|above|foregoing)\b"
    rf"|\b(?:the|this) (?:author|writer|narrator)(?:'s)?\b(?!\s+of\b)|\babove-mentioned\b"
    rf"|^\s*(?:the|this) {_TEXT}{_END}",
    re.IGNORECASE,
)


def document_reference(question: str) -> str:
    """Return the words with which a question points at its source text, or ''."""
    found = _REFERENCES.search(plain(question))
    return found.group() if found else ""


_PERSONAL = word_set("he him his himself she her hers herself")
_PLAIN = word_set("it its itself they them their theirs themselves")
_POINTING = word_set("this these those")
_PERSON = re.compile(
    r"\b(?:\w{2,}(?:er|or|ee|ant|ent|ist|ian|man|woman)s?|person|child|father|mother|wife|husband"
    r"|son|daughter|sister|brother|boy|girl|king|queen|chief|someone|anyone|everyone|somebody|nobody"
    r"|who|whose)\b"
)
_EMPTY_IT = re.compile(
    r"\bit\b(?=\s+(?:take|takes|took|mean|means|seem|seems|matter|follow|happen|cost|costs|comes?"
    r"|works?)\b)"
    r"|\b(?:is|was|will|would|can|could|may|might|does|do|did|be|when|if|where|that|make|makes"
    r"|considered|deemed)\s+it\b(?=.*\b(?:to|that|for|when|if|who|which|whether) \w)"
    r"|\bit (?:is|was|be|will be|would be)\b(?=.*\b(?:to|that|for|when|if|who|which|whether) \w)",
    re.IGNORECASE,
)
# "this Agreement", "these Terms": documents that name themselves.
_DEFINED = word_set(
    """
    agreement contract policy regulation rule part act law licence license terms conditions addendum
    agreements policies rules regulations lease will year month week day case
    """
)


def unclear_reference(question: str) -> str:
    """Return the pronoun that has nothing in the question to stand for, or ''."""
    flat = _EMPTY_IT.sub(_without_it, plain(question))
    tokens: list[str] = re.findall(r"[^\W_]+(?:'[^\W_]+)*|[^\s\w]", flat)
    seen: list[str] = []
    known_names = {word for name in names(question) for word in words(name)}
    for place, token in enumerate(tokens):
        word = token.casefold().removesuffix("'s")
        following = tokens[place + 1] if place + 1 < len(tokens) else ""
        if (word in _PERSONAL and not _has_person(seen, known_names)) or (
            word in _PLAIN and not _has_thing(seen)
        ):
            return token
        if word in _POINTING and _points_away(following, seen):
            return f"{token} {following}".strip(" ?.!,")
        seen.append(word)
    return ""


def _without_it(match: re.Match[str]) -> str:
    return re.sub(r"\bit\b", "", match.group(), count=1, flags=re.IGNORECASE)


def _has_person(seen: Sequence[str], known_names: set[str]) -> bool:
    return bool(_PERSON.search(" ".join(_nouns(seen)))) or any(w in known_names for w in seen)


def _has_thing(seen: Sequence[str]) -> bool:
    return bool(_nouns(seen))


def _nouns(seen: Sequence[str]) -> list[str]:
    """Return the words that a pronoun may stand for: content, but not what is asked for."""
    found = []
    asked = False
    for word in seen:
        if word in {"what", "which", "many", "much"}:
            asked = True
        elif word in _ASKS:
            found += [word] if word in {"who", "whose"} else []
        elif word in _AUXILIARY or word in STOPWORDS or not word[0].isalnum():
            asked = False
        elif not asked and not word[0].isdigit():
            found.append(word)
    return found


def _points_away(following: str, seen: Sequence[str]) -> bool:
    word = following.casefold()
    if word in {"who", "that", "which", "of", "with", "in", "under", "without", "not"}:
        return False
    if word.endswith(("ed", "ing")):  # those affected, those paying late
        return False
    is_named = following[:1].isupper() or word in _DEFINED
    return not is_named and stem(word) not in {stem(each) for each in seen}


def answer_given_away(question: str, answer: str) -> str:
    """Return the answer's words where the question has them all, or ''.

    Light words (provide, various) do not count as news, numbers are compared by value.
    """
    told = [s for s in said(answer) if not is_number(s)]
    telling = [s for s in told if not is_light(s)] or told
    numbers = quantities(answer)
    if is_yes_no(question) or not (telling or numbers.values):
        return ""
    if set(telling) - set(said(question)) or numbers.missing_from(quantities(question)):
        return ""
    return answer.strip()[:200]


FILTER = QuestionForm
