"""The facts of a text that must survive: quantities and names. Pure.

Compared by value, not by spelling: "thirty (30) days" is "30 days", "EUR 12,400" is "€12400". The
word lists are English.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from seedbed.contrasts import NEGATIVE
from seedbed.text import (
    STOPWORDS,
    TYPOGRAPHY,
    WORD,
    language,
    plain,
    sentences,
    stem,
    word_set,
    words,
)

_SMALL = {
    word: value
    for value, word in enumerate(
        [
            *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
            *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen"),
            *("seventeen", "eighteen", "nineteen"),
        ]
    )
}
_TENS = {
    word: 10 * value
    for value, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2
    )
}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_NUMBER_WORDS = _SMALL | _TENS | _SCALES
NUMBER_STEMS = frozenset(map(stem, _NUMBER_WORDS))
# Words that can stand for a number but often do not: they may answer a number, never demand one.
_LOOSE_NUMBERS = {
    "a": "1", "an": "1", "one": "1", "single": "1", "once": "1", "first": "1", "sole": "1",
    "per": "1", "each": "1", "every": "1",
    "both": "2", "twice": "2", "couple": "2", "pair": "2", "second": "2", "double": "2",
    "half": "0.5",
    "third": "3", "triple": "3", "fourth": "4", "quarter": "4", "fifth": "5", "sixth": "6",
    "seventh": "7", "eighth": "8", "ninth": "9", "tenth": "10", "dozen": "12",
    "hundred": "100", "thousand": "1000", "million": "1000000", "zero": "0", "no": "0",
}  # fmt: skip
_MONTHS = {
    name[:size]: month
    for month, name in enumerate(
        [
            *("january", "february", "march", "april", "may", "june", "july", "august"),
            *("september", "october", "november", "december"),
        ],
        start=1,
    )
    for size in (3, 4, len(name))
    if size != 4 or name in {"june", "july", "september"}
}
_UNITS = {
    "%": "% percent pct percentage",
    "eur": "€ eur euro euros",
    "usd": "$ usd dollar dollars us$",
    "gbp": "£ gbp pound pounds sterling",
    "jpy": "¥ jpy yen",
    "chf": "chf francs",
    "cent": "cent cents",
    "business day": "",
    "day": "day days",
    "week": "week weeks",
    "month": "month months",
    "year": "year years yr yrs",
    "hour": "h hour hours hr hrs",
    "minute": "minute minutes min mins",
    "second": "second seconds sec secs",
    "kg": "kg kilogram kilograms kilo kilos",
    "mg": "mg milligram milligrams",
    "mcg": "mcg µg μg microgram micrograms",
    "g": "g gram grams",
    "lb": "lb lbs",
    "ml": "ml milliliter milliliters millilitre millilitres",
    "l": "l liter liters litre litres",
    "km": "km kilometer kilometers kilometre kilometres",
    "cm": "cm centimeter centimeters centimetre centimetres",
    "mm": "mm millimeter millimeters millimetre millimetres",
    "m": "meter meters metre metres",
    "mile": "mile miles",
    "foot": "foot feet ft",
    "inch": "inch inches",
    "ounce": "oz ounce ounces",
    "ton": "ton tons tonne tonnes",
    "gallon": "gallon gallons",
    "acre": "acre acres",
    "hectare": "ha hectare hectares",
    "kb": "kb kilobyte kilobytes",
    "mb": "mb megabyte megabytes",
    "gb": "gb gigabyte gigabytes",
    "tb": "tb terabyte terabytes",
    "kw": "kw kilowatt kilowatts",
    "kwh": "kwh",
    "mmhg": "mmhg",
    "iu": "iu",
    "celsius": "celsius centigrade",
    "fahrenheit": "fahrenheit",
}
# Units that can stand for each other: the dimension, and how many of its smallest one each is.
_SIZES = {
    unit: (dimension, size)
    for dimension, sizes in {
        "time": {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800},
        "calendar": {"month": 1, "year": 12},
        "mass": {"mcg": 1, "mg": 1000, "g": 10**6, "kg": 10**9, "ton": 10**12},
        "volume": {"ml": 1, "l": 1000},
        "length": {"mm": 1, "cm": 10, "m": 1000, "km": 10**6},
        "data": {"kb": 1, "mb": 1000, "gb": 10**6, "tb": 10**9},
    }.items()
    for unit, size in sizes.items()
}
_UNIT_OF = {form: unit for unit, forms in _UNITS.items() for form in forms.split()}
_ORDINALS = {
    word: value
    for value, word in enumerate(
        [
            *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"),
            *("tenth", "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth"),
            *("sixteenth", "seventeenth", "eighteenth", "nineteenth"),
        ],
        start=1,
    )
} | {f"{word[:-1]}ieth": value for word, value in _TENS.items()}
_ORDINAL = re.compile(
    rf"\b(?:(?P<tens>{'|'.join(_TENS)})-(?P<one>{'|'.join(list(_ORDINALS)[:9])})"
    rf"|(?P<word>{'|'.join(list(_ORDINALS)[10:])}))\b"
)
_DECADE_WORD = re.compile(rf"\b({'|'.join(word[:-1] for word in _TENS)})ies\b")
_DECADE = re.compile(r"(?:\b\d{2}|'|\b)(\d0)'?s\b")
_HALVES = (
    (re.compile(r"\b(?:an?|one) (hour|day|week|month|year|mile)s? and a half\b"), r"1.5 \1s"),
    (re.compile(r"\bhalf an? hour\b|\bhalf-hour\b"), "30 minutes"),
    (re.compile(r"\bhalf a year\b"), "6 months"),
    (re.compile(r"\bhalf a dozen\b"), "6"),
)
_CURRENCY = r"[€$£¥]|\b(?:us\$|eur|usd|gbp|jpy|chf)"
_SCALE = r"hundred|thousand|million|billion|trillion|bn\b|[km]\b"
_ISO_DATE = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_DATE = re.compile(r"\b(\d{1,2})[./](\d{1,2})[./](\d{4}|\d{2})\b")
_CLOCK = re.compile(r"\b(\d{1,2})(?:[:.](\d{2}))?\s?([ap])\.?m\b\.?|\b([01]?\d|2[0-3]):([0-5]\d)\b")
_MONTH = re.compile(
    r"(?P<day>\d{1,2}(?:st|nd|rd|th)?\s+(?:of\s+)?)?\b(?P<name>[a-z]{3,9})\b\.?(?P<after>,?\s+\d)?"
)
_DIGITS = re.compile(
    rf"(?P<currency>{_CURRENCY})?\s?(?<![^\W\d_])(?P<number>\d+(?:[.,]\d+)*|\.\d+)"
    rf"(?:st|nd|rd|th)?(?:[\s-]?(?P<scale>{_SCALE}))?"
)
_SPELLED = re.compile(
    rf"\b(?:{'|'.join(_NUMBER_WORDS)})(?:(?:[\s-]|\sand\s)(?:{'|'.join(_NUMBER_WORDS)}))*\b"
)
_UNIT_AFTER = re.compile(
    r"[\s()-]{0,3}(?:\d+\)\s?)?(?:(?P<business>business|working)|calendar|consecutive|full)?"
    r"[\s-]?(?P<unit>%|[€$£¥]|cent\b|[a-zµμ]+)"
)


@dataclass(frozen=True, slots=True)
class Quantities:
    """The numbers of a text in one spelling: "12,400", "12400" and "twelve thousand four hundred".

    `values` maps each number ("month-3" for March, "17:30" for a time) to the units seen
    with it; `loose` holds the numbers that words such as "one", "both" or "third" may stand for.
    """

    values: dict[str, set[str]] = field(default_factory=dict)
    loose: set[str] = field(default_factory=set)

    def missing_from(self, other: Quantities) -> list[str]:
        """Name the numbers here that `other` lacks, or has with another unit; sorted.

        "90 minutes" are "1.5 hours", "9 am" is answered by a plain "9".
        """
        absent = []
        for value, units in self.values.items():
            others = other.values.get(value)
            if others is None:
                if value not in other.loose and not other.has_equal(value, units):
                    absent.append(value)
            elif others and (lost := units - others) and not other.has_equal(value, lost):
                absent.append(f"{value} {min(lost)}")
        return sorted(absent)

    def has_equal(self, value: str, units: set[str]) -> bool:
        """Tell whether another value here is the same amount in another unit, or the same hour."""
        if value.endswith(":00"):
            hour = int(value[:-3])
            return bool({str(hour), str(hour % 12 or 12)} & self.values.keys())
        if not units and value.isdigit() and len(value) <= 2 and int(value) <= 24:
            return bool({f"{value}:00", f"{int(value) + 12}:00"} & self.values.keys())
        wanted = _amounts(value, units)
        return bool(wanted) and any(wanted & _amounts(*item) for item in self.values.items())


def _amounts(value: str, units: set[str]) -> set[tuple[str, float]]:
    """Return the amount in the smallest unit of each dimension that it is given in."""
    try:
        number = float(value)
    except ValueError:
        return set()
    return {
        (_SIZES[unit][0], round(number * _SIZES[unit][1], 6)) for unit in units if unit in _SIZES
    }


_Reader = Callable[[re.Match[str], Quantities], Iterator[tuple[int, int]]]


@lru_cache(maxsize=1024)
def quantities(text: str) -> Quantities:
    """Find numbers, amounts, percentages, dates and times, however they are written."""
    found = Quantities()
    rest = _spelled_out(plain(text).casefold().replace("per cent", "percent"))
    for pattern, read in (
        (_ISO_DATE, _read_iso_date),
        (_DATE, _read_date),
        (_CLOCK, _read_clock),
        (_DECADE, _read_decade),
        (_MONTH, _read_month),
        (_DIGITS, _read_digits),
        (_SPELLED, _read_spelled),
    ):
        rest = _take(pattern, read, rest, found)
    found.loose.update(_LOOSE_NUMBERS[w] for w in WORD.findall(rest) if w in _LOOSE_NUMBERS)
    return found


def _spelled_out(text: str) -> str:
    """Put ordinals and decades in digits ("nineteenth" → "19th"), halves of an hour in minutes."""
    text = _ORDINAL.sub(
        lambda m: f"{_TENS.get(m['tens'], 0) + _ORDINALS[m['one'] or m['word']]}th", text
    )
    text = _DECADE_WORD.sub(lambda m: f"{_TENS[m[1] + 'y']}s", text)
    for pattern, written in _HALVES:
        text = pattern.sub(written, text)
    return text


def _take(pattern: re.Pattern[str], read: _Reader, text: str, found: Quantities) -> str:
    """Read every match into `found` and blank what was read, so that it is not read twice."""
    for match in list(pattern.finditer(text)):
        for start, end in read(match, found):
            text = text[:start] + "\x00" * (end - start) + text[end:]
    return text


def _read_iso_date(match: re.Match[str], found: Quantities) -> Iterator[tuple[int, int]]:
    year, month, day = match.groups()
    for value in (_canonical(year), f"month-{int(month)}", _canonical(day)):
        found.values.setdefault(value, set())
    yield match.span()


def _read_date(match: re.Match[str], found: Quantities) -> Iterator[tuple[int, int]]:
    first, second, year = match.groups()
    found.values.setdefault(_canonical(year), set())
    if int(first) > 12 >= int(second):
        months, days = [second], [first]
    elif int(second) > 12 >= int(first):
        months, days = [first], [second]
    else:  # 03/04/2025: either reading may answer
        found.loose.update(f"month-{int(part)}" for part in (first, second))
        months, days = [], [first, second]
    for value in (*map(_canonical, days), *(f"month-{int(month)}" for month in months)):
        found.values.setdefault(value, set())
    yield match.span()


def _read_clock(match: re.Match[str], found: Quantities) -> Iterator[tuple[int, int]]:
    hour12, minute12, half, hour24, minute24 = match.groups()
    if half:
        hour = int(hour12) % 12 + (12 if half == "p" else 0)
        value = f"{hour}:{minute12 or '00'}"
    else:
        value = f"{int(hour24)}:{minute24}"
    found.values.setdefault(value, set())
    yield match.span()


def _read_decade(match: re.Match[str], found: Quantities) -> Iterator[tuple[int, int]]:
    found.values.setdefault(f"decade-{match[1]}", set())
    yield match.span()


def _read_month(match: re.Match[str], found: Quantities) -> Iterator[tuple[int, int]]:
    name = match["name"]
    is_dated = bool(match["day"] or match["after"])
    if name in _MONTHS and (is_dated or (len(name) > 4 and name != "march")):
        found.values.setdefault(f"month-{_MONTHS[name]}", set())
        yield match.span("name")
    elif name in _MONTHS and len(name) > 2:
        found.loose.add(f"month-{_MONTHS[name]}")


def _read_digits(match: re.Match[str], found: Quantities) -> Iterator[tuple[int, int]]:
    value = _canonical(match["number"])
    scale = match["scale"] or ""
    if scale in {"k", "m"} and not (scale == "k" or match["currency"]):
        scale = ""  # 5 m is five metres
    if scale:
        value = _scaled(value, scale)
    unit = _UNIT_OF.get((match["currency"] or "").strip()) or _unit_after(match)
    found.values.setdefault(value, set()).update({unit} if unit else ())
    yield match.span()


def _read_spelled(match: re.Match[str], found: Quantities) -> Iterator[tuple[int, int]]:
    unit = _unit_after(match)
    spelled = [word for word in WORD.findall(match.group()) if word != "and"]
    if len(spelled) == 1 and spelled[0] in _LOOSE_NUMBERS and not unit:
        return  # "one of them", "hundreds of": left for the loose numbers
    for value in _spelled_values(spelled):
        found.values.setdefault(str(value), set()).update({unit} if unit else ())
    yield match.span()


def _spelled_values(spelled: Sequence[str]) -> list[int]:
    """Read number words: ["two", "hundred", "fifty"] → [250]; ["two", "three"] → [2, 3]."""
    values: list[int] = []
    total, current = 0, None
    for word in spelled:
        number = _NUMBER_WORDS[word]
        if word in _SCALES:
            current = min((1 if current is None else current) * number, 10**15)
            if number >= 1000:
                total, current = total + current, None
        elif current is None:
            current = number
        elif current and (current % 100 == 0 or (current % 10 == 0 and number < 10)):
            current += number
        else:
            values.append(total + current)
            total, current = 0, number
    return [*values, total + (current or 0)]


def _canonical(number: str) -> str:
    """Write digits one way: no thousands separators, no idle zeros, a decimal point."""
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", number):
        number = number.replace(",", "")
    elif re.fullmatch(r"\d{1,3}(?:\.\d{3}){2,}(?:,\d+)?", number):
        number = number.replace(".", "").replace(",", ".")
    elif re.fullmatch(r"\d+,\d{1,2}", number):
        number = number.replace(",", ".")
    if number.count(".") == 1 and "," not in number:
        number = number.rstrip("0").rstrip(".")
    return "0" + number if number.startswith(".") else number.lstrip("0") or "0"


def _scaled(value: str, scale: str) -> str:
    size = {"k": 1000, "m": 10**6, "bn": 10**9}.get(scale) or _SCALES[scale]
    whole, _, part = value.partition(".")
    zeros = len(str(size)) - 1
    if not whole.isdigit() or len(part) > zeros:
        return value
    return (whole + part.ljust(zeros, "0")).lstrip("0") or "0"


def _unit_after(match: re.Match[str]) -> str:
    after = _UNIT_AFTER.match(match.string, match.end())
    unit = _UNIT_OF.get(after["unit"], "") if after else ""
    return "business day" if after and unit == "day" and after["business"] else unit


# --- names ---------------------------------------------------------------------------------------

_NAME_WORD = re.compile(r"[^\W\d_](?:[\w'&-]|\.(?=\w))*")
_OPENERS = frozenset(":\u2022*")  # what follows starts a sentence of its own
_TITLES = word_set("mr mrs ms dr prof sir madam miss")


@lru_cache(maxsize=1024)
def names(text: str) -> tuple[str, ...]:
    """Return capitalised sequences that are no sentence start, and acronyms; in order, once each.

    A text mostly in capitals (a heading) has none; a German one, where nouns have capitals, has
    those with a capital inside.
    """
    found: dict[str, None] = {}
    flat = text.translate(TYPOGRAPHY)
    has_capital_nouns = language(text) == "de"
    tokens = [word for word in _NAME_WORD.findall(flat) if len(word) > 2]
    if len(tokens) > 3 and sum(word[0].isupper() for word in tokens) > 0.8 * len(tokens):
        return ()
    for start, end in sentences(flat):
        run: list[str] = []
        last_end = start
        for match in _NAME_WORD.finditer(flat, start, end):
            before = flat[start : match.start()].rstrip()
            is_first = match.start() <= start + 2 or before[-1:] in _OPENERS
            is_name = _is_name_word(match.group(), is_first=is_first or has_capital_nouns)
            if run and (not is_name or flat[last_end : match.start()].strip()):
                found[" ".join(run)] = None
                run = []
            if is_name:
                run.append(match.group())
            last_end = match.end()
        if run:
            found[" ".join(run)] = None
    return tuple(found)


def _is_name_word(word: str, *, is_first: bool) -> bool:
    folded = word.casefold().removesuffix("'s")
    if not word[0].isupper() or len(folded) < 2 or "'" in folded:
        return False
    if (
        folded in STOPWORDS
        or folded in _TITLES
        or folded in _MONTHS
        or folded in NEGATIVE | _UNIT_OF.keys()
    ):
        return False
    return not is_first or any(letter.isupper() for letter in word[1:])


def missing_names(text: str, other: str) -> list[str]:
    """Name the names in `text` of which some word does not occur in `other`, in any case."""
    known = {_name_key(word) for word in _NAME_WORD.findall(other.translate(TYPOGRAPHY))}
    known |= {part for word in known for part in re.split(r"[-&]", word)} - {""}
    squeezed = "".join(words(other))
    initials = "".join(word[0] for word in words(other) if word not in STOPWORDS)
    return [
        name
        for name in names(text)
        if _initials(name) not in known
        and not all(_is_known(part, known, squeezed, initials) for part in name.split())
    ]


def _is_known(word: str, known: set[str], squeezed: str, initials: str) -> bool:
    key = _name_key(word)
    if key in known or (len(key) > 3 and "".join(words(word)) in squeezed):
        return True
    if word.isupper() and len(key) > 1 and key in initials:
        return True
    return "-" in key and all(part in known for part in key.split("-") if part)


def _initials(name: str) -> str:
    parts = name.split()
    return "".join(part[0] for part in parts).casefold() if len(parts) > 1 else ""


def _name_key(word: str) -> str:
    folded = word.casefold().removesuffix("'s").replace(".", "").strip("'-&")
    return folded[:-1] if len(folded) > 3 and folded.endswith("s") else folded
