"""What turns a statement round: negation, modality, words that gave way to their opposite. Pure.

The lists are English, with the basic forms of German, French and Spanish for negation and modality.
A text in another language has none of these words, and nothing is said about it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from seedbed.text import (
    STOPWORDS,
    WORD,
    content_words,
    is_close,
    language,
    plain,
    stem,
    word_set,
    words,
)

# --- negation -----------------------------------------------------------------------------------

NEGATIVE = word_set("no not never none nor neither without cannot nobody nothing nowhere")
_NEGATIVE_IN = {
    "en": NEGATIVE,
    "de": word_set(
        """
        nicht nichts nie niemals niemand niemanden nirgends ohne weder
        kein keine keinen keinem keiner keines keinerlei
        """
    ),
    "fr": word_set("ne pas jamais rien aucun aucune sans ni nul nulle"),
    "es": word_set("no nunca jamás nadie nada ningún ninguno ninguna sin ni tampoco"),
}
_VERBAL = word_set("not never cannot nicht nie niemals")
# French and Spanish negate twice ("ne … pas", "no … nada"): there only whether, not how often.
_NEGATE_TWICE = ("fr", "es")
# These bound an amount, stress, or are turns of phrase; they do not negate.
_NOT_NEGATING = re.compile(
    r"\b(?:no|not) (?:later|more|less|fewer|earlier|longer|greater|sooner|other)"
    r" (?:\w+ )?than\b"
    r"|\b(?:not only|not just|not limited|no doubt|no wonder|no matter|whether or not|or not)\b"
    r"|\bno\.? ?\d|\bneither\b(?=.*\bnor\b)|\bwhy (?:not|don't|doesn't|didn't)\b"
    r"|, (?:is|are|was|were|do|does|did|have|has|had|can|could|would|should|wo)n't \w+ ?\?"
    r"|(?:^|(?<=[.?!:;,] ))(?:no|nope|nein|non)[,.](?= )|, (?:no|nope)(?=[.?!]|$)"
)
_NO = re.compile(r"(?:^|[.?!:;,\"] ?)(?:no|nope|nein|non)(?:[,.]|$)")
_YES = re.compile(r"(?:^|[.?!:;,\"] ?)(?:yes|yeah|yep|ja|oui|sí)(?:[,.]|$)")
# "Cannot stop", "did not fail": two negations in one.
_DOUBLE = re.compile(
    r"(?:\bnot|\bcannot|\bnever|n't)\s(?:\w+\s)?"
    r"(stop|fail|forget|den[yi]|refus|lack|hesitat|miss|without|prevent|exclud|unlike|uncommon|unusual)"
)
_SOFT = re.compile(
    r"\b(?:lack(?:s|ed|ing)?|unable|fail(?:s|ed|ing|ure)?|den(?:y|ies|ied|ying)|refus\w+|absen\w+"
    r"|free (?:of|from)|except|unless|declin\w+|prohibit\w*|forbid\w*|forbidden|banned|avoid\w*"
    r"|stop\w*|ceas\w+|prevent\w*|exclud\w*|prohibition|ineligible|hardly|barely|rarely|seldom|nil"
    r"|zero|missing|ignor\w+|impossible|incapable|rather than|instead of|far from|used to|former\w*"
    r"|anything but|less|fewer)\b|-free\b|\bnon-"
)
_BOUND = re.compile(
    r"\b(?:at most|at the most|up to|max(?:imum)?|within|(?:no|not) (?:more|later|longer|less) than"
    r"|limit\w*|capped?|ceiling|less than|or less|or fewer|or lower|at least|minimum)\b"
)
_EXCEEDS = re.compile(
    r"(?:\b(?:not|no|never|neither|cannot|nothing)\b|n't\b)[^.;]{0,60}?"
    r"\b(?:exceed\w*|more than|over|above|later|after|below|under|less than)\b"
)
_WITHOUT = re.compile(r"(?:\b(?:not|no|never|neither|cannot)\b|n't\b)[^.;]{0,60}?\bwithout\b")
_SHORT = re.compile(r"\b(?:below|under|short of|less than|lost|forfeit\w*|waiv\w+)\b")
_NOT_REACHED = re.compile(
    r"(?:\bnot|n't) (?:\w+ )?(?:reach|meet|attain|achiev|return|refund|repaid|paid|recover)\w*"
)
_FREE_WORDS = 6
"""Content words of a text that may be a free rewording."""
_UNTIL = re.compile(r"\b(?:until|till|before|unless|without|except)\b")
_ONLY = re.compile(r"\b(?:only|once|after|first|if|provided|must|requires?|before|as long as)\b")
_PREFIXED = re.compile(r"(?:un|in|im|ir|il|non|dis)-?(?=\w{4})")


@lru_cache(maxsize=2048)
def negations(text: str) -> int:
    """Count the words that negate: not, no, never, without, -n't and their like."""
    return len(_negated(text))


@lru_cache(maxsize=2048)
def _negated(text: str) -> tuple[str, ...]:
    """Return, for every negation, the stem of what it negates: "" unless a verb or adjective."""
    folded = _NOT_NEGATING.sub(" ", plain(text).casefold())
    spoken = language(text)
    negative = _NEGATIVE_IN.get(spoken, frozenset())
    found = WORD.findall(folded)
    heads = []
    for place, word in enumerate(found):
        if word in negative or (spoken == "en" and word.endswith("n't")):
            after = (w for w in found[place + 1 : place + 5] if w not in STOPWORDS)
            is_verbal = word in _VERBAL or word.endswith("n't")
            heads.append(stem(next(after, "")) if is_verbal else "")
    return tuple(heads[:1] if spoken in _NEGATE_TWICE else heads)


def is_negation_changed(source: str, other: str) -> bool:
    """Tell whether one text negates where the other does not.

    Counts are compared; a surplus is forgiven where the other side says it with a word such as
    "lacks", "unable", "denies", "at most" or "invalid" for "not valid", and one in a text that
    shares less than 60 % of its words. Equal counts are a change where the negation went over to
    another word.
    """
    surplus = negations(source) - negations(other)
    if _answer(source) * _answer(other) < 0:
        return True
    if surplus == 0:
        return _has_moved(source, other)
    poorer, richer = (other, source) if surplus > 0 else (source, other)
    if negations(poorer) and surplus % 2 == 0:
        return False
    return abs(surplus) > _forgiven(poorer, richer)


def _answer(text: str) -> int:
    """Return 1 where a text says yes, -1 where it says no, 0 for neither or both."""
    folded = plain(text).casefold()
    return bool(_YES.search(folded)) - bool(_NO.search(folded))


def _has_moved(source: str, other: str) -> bool:
    """Tell whether the negated words stand unnegated in the other text, both ways."""
    before, after = {*_negated(source)} - {""}, {*_negated(other)} - {""}
    if not before or not after or before & after:
        return False
    return before <= {*map(stem, words(other))} and after <= {*map(stem, words(source))}


def _forgiven(poorer: str, richer: str) -> int:
    """Count the surplus negations that the poorer text words in another way."""
    folded, other = plain(poorer).casefold(), plain(richer).casefold()
    own, others = set(words(poorer)), set(words(richer))
    soft = set(_SOFT.findall(folded)) - set(_SOFT.findall(other))
    prefixed = _prefixed(own - others, others) + _prefixed(others - own, own)
    doubles = sum(word not in folded for word in _DOUBLE.findall(other) if word != "without")
    is_bound = bool(_EXCEEDS.search(other) and _BOUND.search(folded))
    is_until = bool(_UNTIL.search(other) and _ONLY.search(folded))
    is_only = (negations(richer) >= 2 or "non-" in other) and "only" in own - others
    is_short = bool(_NOT_REACHED.search(other) and _SHORT.search(folded))
    # "No entry without a ticket" is "a ticket is needed".
    is_even = (negations(richer) - negations(poorer)) % 2 == 0
    is_needed = is_even and bool(_WITHOUT.search(other)) and "without" not in own
    turned = len(_opposite_pairs(richer, poorer)[1])
    is_long = len(content_words(poorer)) >= _FREE_WORDS and language(poorer) == "en"
    is_free = is_long and not is_close(richer, poorer)
    n_single = len(soft) + prefixed + doubles + turned
    return n_single + is_bound + is_until + is_short + is_free + 2 * (is_only or is_needed)


def _prefixed(own: set[str], others: set[str]) -> int:
    return sum(bool((m := _PREFIXED.match(w)) and w[m.end() :] in others) for w in own)


# --- modality -----------------------------------------------------------------------------------

# In this order; what one kind has read, the next does not see.
_MODALITY: Mapping[str, tuple[tuple[str, re.Pattern[str]], ...]] = {
    spoken: tuple((kind, re.compile(pattern)) for kind, pattern in kinds.items())
    for spoken, kinds in {
        "en": {
            "not required": r"\bneed(?: not\b|n't\b)|\b(?:not|n't|never)(?: be)? (?:required|obliged"
            r"|obligated|necessary|mandatory|have to|need to)\b|n't (?:have|need) to\b"
            r"|\bno (?:need|obligation|duty|requirement)\b",
            "prohibited": r"\b(?:must|shall|may|can|should) ?not\b|\b(?:mustn't|can't|cannot|shan't)"
            r"|\b(?:not|n't|never)(?: be)? (?:allowed|permitted|authori[sz]ed|entitled)\b"
            r"|\b(?:prohibit|forbid)\w*|\bbanned\b|\bno (?:\w+ ){1,5}(?:may|shall|must|can)\b"
            r"|n't (?:allowed|permitted)\b",
            "required": r"\b(?:must|shall|mandatory|obligatory|compulsory)\b"
            r"|\b(?:has|have|had|needs?|needed|required|obliged|obligated|bound) to\b",
            "advised": r"\b(?:should(?! be able)|ought to|advis(?:ed|able)|recommended)\b",
            "allowed": r"\b(?:may|can|optional(?:ly)?|voluntar(?:y|ily))\b"
            r"|\b(?:allowed|permitted|authori[sz]ed|entitled|free|right|option) to\b"
            r"|\bat (?:its|his|her|their|your|our) (?:sole )?(?:option|discretion)\b",
        },
        "de": {
            "not required": r"\b(?:muss|müssen|brauch\w*) (?:\w+ ){0,4}nicht\b|\bnicht (?:zwingend"
            r"|verpflichtet|erforderlich)\b",
            "prohibited": r"\b(?:darf|dürfen) (?:\w+ ){0,4}(?:nicht|kein\w*)\b|\bverboten\b|\bunter"
            r"sagt\b|\bnicht (?:erlaubt|gestattet|zulässig)\b|\bkein\w* \w+ (?:darf|dürfen)\b",
            "required": r"\b(?:muss|müssen|musst|verpflichtet|zwingend|ist zu|sind zu)\b",
            "allowed": r"\b(?:darf|dürfen|darfst|kann|können|erlaubt|gestattet|berechtigt)\b",
        },
        "fr": {
            "prohibited": r"\b(?:interdit\w*|ne (?:doit|doivent|devez|peut|peuvent|pouvez) pas)\b",
            "required": r"\b(?:doit|doivent|devez|faut|obligatoire\w*|tenus? de)\b",
            "allowed": r"\b(?:peut|peuvent|pouvez|autorisée?s?|facultati\w+)\b",
        },
        "es": {
            "prohibited": r"\b(?:prohibid\w+|no (?:debe|deben|puede|pueden))\b",
            "required": r"\b(?:debe|deben|debes|obligatori\w+|(?:tiene|tienen|hay) que)\b",
            "allowed": r"\b(?:puede|pueden|puedes|permitid\w+|facultativ\w+)\b",
        },
    }.items()
}
_CONFLICTS = frozenset(
    frozenset(pair)
    for pair in (
        ("required", "allowed"),
        ("required", "not required"),
        ("prohibited", "not required"),
        ("prohibited", "advised"),
        ("advised", "allowed"),
    )
)


@lru_cache(maxsize=2048)
def modality(text: str) -> frozenset[str]:
    """Name what a text lays down: required, not required, advised, allowed, prohibited."""
    rest = plain(text).casefold()
    found = set()
    for kind, pattern in _MODALITY.get(language(text), ()):
        rest, n_read = pattern.subn(" ", rest)
        if n_read:
            found.add(kind)
    return frozenset(found)


def modality_changes(source: str, other: str) -> list[str]:
    """Find what `source` lays down and `other` does not, for another: "required → allowed"."""
    if not is_close(source, other):
        return []
    before, after = modality(source), modality(other)
    return sorted(
        f"{old} → {new}"
        for old in before - after
        for new in after - before
        if frozenset((old, new)) in _CONFLICTS
    )


# --- opposites ----------------------------------------------------------------------------------

# Words of one line exclude each other; "|" parts the sides. Compared by stem.
_COMPARATIVES = """
before earlier|after later subsequent
more greater|less fewer
higher|lower
above over exceeding|below under beneath
up upward|down downward
mr|ms mrs miss
increase rise rose risen grow grew grown climb gain surge raise boost expand|\
decrease reduce decline drop fall fell fallen shrink shrank cut plunge lower
atleast minimum|atmost maximum
atleast minimum|less fewer
atmost maximum|more
half|twice double
best|worst
"""
_LINES = f"""{_COMPARATIVES.strip()}
ago|away hence ahead
left|right
top|bottom
front|rear back
near|far distant
north northern|south southern|east eastern|west western
northeast|northwest|southeast|southwest
include|exclude
accept approve agree|reject decline refuse deny
allow permit|prohibit forbid forbidden ban|require oblige
beat exceed|miss
always|never|sometimes occasionally
all every each both|none neither|some
internal|external
domestic|foreign
first|last
start begin began begun|end stop finish terminate cease
open|close shut
buy bought purchase|sell sold
borrow|lend lent
import|export
deposit|withdraw withdrew withdrawn withdrawal
arrive arrival|depart departure
enter|exit leave
send sent|receive
win won|lose lost
succeed success successful|fail failure unsuccessful
pass|fail
love like|hate dislike
agree|disagree
support|oppose
attack|defend
confirm|deny
remember|forget forgot
find found|lose lost
push|pull
add|remove subtract
connect|disconnect
enable|disable
activate|deactivate
he him his himself|she her herself
man men|woman women
boy|girl
father dad daddy|mother mom mum mommy
brother|sister
son|daughter
husband|wife
uncle|aunt
nephew|niece
grandfather grandpa|grandmother grandma
parent|child children
mild slight minor|severe serious major
acute|chronic
benign|malignant
positive|negative
normal|abnormal
improve better|worsen worse
present|absent
public|private confidential
written|oral verbal
joint jointly|several severally individual
debit|credit
asset|liability
profit gain|loss
revenue income|expense cost
lender creditor|borrower debtor
landlord lessor|tenant lessee
buyer purchaser|seller vendor
customer client consumer|provider supplier institution bank
licensor|licensee
employer|employee
plaintiff|defendant
doctor physician|patient
teacher|student pupil
upper|lower
inside indoor|outside outdoor
daily|weekly|monthly|quarterly|yearly annual annually
day|week|month|year|hour|minute|decade|century
morning|afternoon|evening|night|noon|midnight
monday|tuesday|wednesday|thursday|friday|saturday|sunday
spring|summer|autumn|winter
today|tomorrow|yesterday
red|blue|green|yellow|black|white|orange|purple|pink|brown|grey gray
hot warm|cold cool
wet|dry
heavy|light
hard difficult|easy simple
fast quick rapid|slow
early|late
old|new young
long|short brief
big large huge|small little tiny
wide broad|narrow
deep|shallow
thick|thin
strong|weak
rich|poor
full|empty
safe|dangerous unsafe
cheap inexpensive|expensive
guilty|innocent
legal lawful|illegal unlawful
true|false
good great excellent|bad poor terrible awful
happy glad|sad unhappy
alive living|dead deceased
awake|asleep
single|married|divorced|widowed
permanent|temporary
voluntary optional|mandatory compulsory obligatory
direct|indirect
active|inactive passive
friend|enemy
ally|rival
majority|minority
male|female
adult|child children infant
urban|rural
ancient|modern
democrat democratic|republican
liberal|conservative
oral|intravenous topical
arm|leg
hand|foot feet
eye|ear
knee|elbow|hip|shoulder|ankle|wrist
heart|lung|liver|kidney
"""


# What says more, and what says less: where both texts have as much of it, nothing was turned.
_UP = word_set("more greater higher above over exceeding older longer larger bigger faster later")
_DOWN = word_set("less fewer lower below under younger shorter smaller slower earlier")
_TWO_SIDES = 2


def comparisons(pairs: Sequence[str]) -> list[str]:
    """Pick from opposites those that compare: before → after, more → less, rise → fall."""
    return [
        pair
        for pair in pairs
        if all(_key(w.replace(" ", "")) in _COMPARING for w in pair.split(" → "))
    ]


# Bounds in one word each, so that they can be compared.
_BOUNDS = (
    (re.compile(r"\bat least\b|\b(?:no|not) (?:less|fewer|lower) than\b"), "atleast"),
    (re.compile(r"\bat (?:the )?most\b|\b(?:no|not) (?:more|higher) than\b|\bup to\b"), "atmost"),
)
_NEGATED_BOUNDS = (
    (re.compile(r"(\b(?:not|no|never)\b[^.;]{0,60}?)\b(?:more|longer) than\b"), r"\1atmost"),
    (re.compile(r"(\b(?:not|no|never)\b[^.;]{0,60}?)\b(?:less|fewer) than\b"), r"\1atleast"),
)
_SHOWN = {"atleast": "at least", "atmost": "at most"}


def _key(word: str) -> str:
    """Return the stem, without a doubled end ("dropped" → "drop")."""
    cut = stem(word)
    return cut[:-1] if len(cut) > 3 and cut[-1] == cut[-2] else cut


def _degrees(word: str) -> tuple[str, ...]:
    """Return a word with its comparative and superlative, were it an adjective."""
    base = word.removesuffix("e")
    base = f"{base[:-1]}i" if base.endswith("y") else base
    return (word, f"{base}er", f"{base}est", f"{base}{base[-1]}er", f"{base}{base[-1]}est")


def _sides() -> dict[str, list[tuple[int, frozenset[str], bool]]]:
    """Map each word's key to its lines: number, the words of its side, whether it has two sides."""
    found: dict[str, list[tuple[int, frozenset[str], bool]]] = {}
    for number, line in enumerate(_LINES.strip().splitlines()):
        sides = [
            frozenset(_key(form) for word in side.split() for form in _degrees(word))
            for side in line.split("|")
        ]
        for side in sides:
            for each in side:
                found.setdefault(each, []).append((number, side, len(sides) == _TWO_SIDES))
    return found


_SIDES = _sides()
_COMPARING = frozenset(map(_key, _COMPARATIVES.replace("|", " ").split()))
_UP_KEYS, _DOWN_KEYS = frozenset(map(_key, _UP)), frozenset(map(_key, _DOWN))
_TIME_UNITS = frozenset(map(_key, word_set("day week month year hour minute decade century")))
_COUNTED = word_set(
    """
    one two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty
    sixty ninety hundred business calendar working
    """
)
_COMPARED = re.compile(r"\bthan\s(.+)")
_CONVERSE = frozenset(
    map(_key, word_set("more less higher lower before after buy sell bought sold lend borrow"))
)
# "in" and "im" begin many words that have no opposite without it (form, inform).
_UNDONE = re.compile(
    r"(?:un|non|il|ir)-?(?=\w{4})|dis(?=(?:agree|allow|approv|connect|continu|satisf|similar))"
    r"|(?:in|im)(?=\w{3,}(?:able|ible|ent|ant|ate|ive|plete|rect|lid|mal|gible|fect|ture|cient)$)"
)


def opposites(source: str, other: str) -> list[str]:
    """Find words of `source` that gave way to their opposite: "before → after", sorted.

    "Higher in summer than in winter" for "lower in winter than in summer" is none, nor is "not
    awake" for "asleep".
    """
    pairs, two_sided = _opposite_pairs(source, other)
    n_forgiven = abs(negations(source) - negations(other)) % 2 if two_sided else 0
    return sorted(pairs - set(sorted(two_sided)[:n_forgiven]))


@lru_cache(maxsize=2048)
def _opposite_pairs(source: str, other: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return all pairs "old → new", and those of them where not-old means new."""
    before, after = _keys(source), _keys(other)
    gone, come = before.keys() - after.keys(), after.keys() - before.keys()
    if not gone or not come or not is_close(source, other):
        return frozenset(), frozenset()
    free: frozenset[str] = frozenset()
    if _is_comparison_turned(source, other):
        free |= _CONVERSE
    if _is_balanced(gone, come):
        free |= _UP_KEYS | _DOWN_KEYS
    pairs = {
        (old, new, has_two)
        for old in gone - free
        for new in come - free
        for has_two in _facing(old, new, before, after)
    } | {(old, new, True) for old, new in _undone(gone, come)}
    named = {(f"{before[old]} → {after[new]}", has_two) for old, new, has_two in pairs}
    return (
        frozenset(pair for pair, _ in named),
        frozenset(pair for pair, has_two in named if has_two),
    )


def _facing(
    old: str, new: str, before: Mapping[str, str], after: Mapping[str, str]
) -> Iterator[bool]:
    """Yield, for every line with the two on different sides, whether it has just those sides.

    A side that is still there, or was there before, in another form was not swapped.
    """
    for number, side, has_two in _SIDES.get(old, ()):
        for other_number, other_side, _ in _SIDES.get(new, ()):
            if number != other_number or side is other_side:
                continue
            if not (after.keys() & side or before.keys() & other_side):
                yield has_two


@lru_cache(maxsize=2048)
def _keys(text: str) -> dict[str, str]:
    """Return the keys with the words they come from; counted spans of time are left out.

    "Two weeks" is a quantity, and may be said as "14 days".
    """
    found: dict[str, str] = {}
    last = ""
    flat = plain(text).casefold()
    for pattern, name in _BOUNDS + _NEGATED_BOUNDS:
        flat = pattern.sub(name, flat)
    for word in words(flat):
        key = _key(word)
        if not (key in _TIME_UNITS and (last[:1].isdigit() or last in _COUNTED)):
            found.setdefault(key, _SHOWN.get(word, word))
        last = word
    return found


def _is_balanced(gone: set[str], come: set[str]) -> bool:
    """Tell whether as much that says more (and less) came as went."""
    ups = len(gone & _UP_KEYS) - len(come & _UP_KEYS)
    downs = len(gone & _DOWN_KEYS) - len(come & _DOWN_KEYS)
    return ups == downs == 0


def _is_comparison_turned(source: str, other: str) -> bool:
    """Tell whether something else is compared with: what comes after "than" changed."""
    ends = []
    for text in (source, other):
        match = _COMPARED.search(plain(text))
        if not match:
            return False
        ends.append(next((stem(w) for w in words(match[1]) if w not in STOPWORDS), ""))
    return ends[0] != ends[1]


def _undone(gone: set[str], come: set[str]) -> list[tuple[str, str]]:
    """Pair words with their negation by a prefix: covered → uncovered."""
    pairs = []
    for ones, twos, is_forth in ((come, gone, True), (gone, come, False)):
        for word in ones:
            match = _UNDONE.match(word)
            if match and word[match.end() :] in twos:
                base = word[match.end() :]
                pairs.append((base, word) if is_forth else (word, base))
    return pairs
