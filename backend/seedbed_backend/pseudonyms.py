"""What stands in for personal data: a mask, or a made-up value of the same form. Pure.

A pseudonym depends on the value and a key alone, so the same value always gets the same one. Without
the key nobody can test guesses; numbers that are given out in a row (telephones) need that.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import count

from seedbed_backend.pii import squash

_SHORT = {"EMAIL_ADDRESS": "EMAIL", "PHONE_NUMBER": "PHONE", "IBAN_CODE": "IBAN"}
_CONSONANTS, _VOWELS = "bdfgklmnprstv", "aeiou"
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)


def mask(type_: str) -> str:
    """Return the word that stands for any value of a type: `<EMAIL>`."""
    return f"<{_SHORT.get(type_, type_)}>"


def pseudonym(type_: str, value: str, key: str) -> str:
    """Return a made-up value for `value`, in its form, always the same for one key.

    E-mails end in example.org, IBANs have a valid checksum, cards pass Luhn, addresses lie in ranges
    for documentation and tests, North American numbers in the block kept for fiction; every other
    number keeps its spacing and its letters their case. A made-up number may happen to be given out.
    """
    draws = _Draws(key, f"{type_}\x00{squash(value)}\x00")
    return _MAKERS.get(type_, _same_form)(value, draws)


class _Draws:
    """An endless row of numbers that depends on a text alone (HMAC-SHA-256 in counter mode)."""

    def __init__(self, key: str, seed: str) -> None:
        self._numbers = self._stream(_bytes(key), _bytes(seed))

    @staticmethod
    def _stream(key: bytes, seed: bytes) -> Iterator[int]:
        for block in count():
            digest = hmac.digest(key, seed + block.to_bytes(8, "big"), "sha256")
            for start in range(0, len(digest), 4):
                yield int.from_bytes(digest[start : start + 4], "big")

    def below(self, limit: int) -> int:
        """Draw a number from 0 to `limit` - 1."""
        return next(self._numbers) % limit

    def of(self, choices: str) -> str:
        """Draw one of the characters."""
        return choices[self.below(len(choices))]

    def word(self, n_syllables: int) -> str:
        """Draw a word that can be spoken."""
        return "".join(self.of(_CONSONANTS) + self.of(_VOWELS) for _ in range(n_syllables))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _same_form(value: str, draws: _Draws) -> str:
    return "".join(_same_kind(character, draws) for character in value)


def _same_kind(character: str, draws: _Draws) -> str:
    if character.isdigit():
        return str(draws.below(10))
    if character.isalpha():
        drawn = draws.of("ABCDEFGHJKLMNPRSTUVWXYZ")
        return drawn if character.isupper() else drawn.lower()
    return character


def _refill(value: str, characters: Iterator[str]) -> str:
    """Put new letters and digits where the old ones stand; what lies between stays."""
    return "".join(next(characters, "0") if c.isalnum() else c for c in value)


def _email(value: str, draws: _Draws) -> str:
    return f"{draws.word(2)}.{draws.word(3)}{draws.below(1000)}@example.org"


def _url(value: str, draws: _Draws) -> str:
    scheme = re.match(r"(?i)https?://", value)
    return f"{scheme.group() if scheme else 'www.'}example.org/{draws.word(4)}"


def _person(value: str, draws: _Draws) -> str:
    return " ".join(draws.word(3).capitalize() for _ in value.split()[-2:])


def _phone(value: str, draws: _Draws) -> str:
    digits = [c for c in value if c.isdigit()]
    is_international = value.lstrip().startswith("+")
    country = digits[:1] if is_international and digits[0] == "1" else []
    is_american = bool(country) or (not is_international and digits[0] in "23456789")
    if is_american and len(digits) - len(country) == 10:
        area = [draws.of("23456789"), draws.of("012345678"), str(draws.below(10))]
        new = [*country, *area, *"55501", str(draws.below(10)), str(draws.below(10))]
    else:
        # The country, or the zero that begins a number within one, stays.
        n_kept = 2 if is_international else int(digits[0] == "0")
        new = digits[:n_kept] + [str(draws.below(10)) for _ in digits[n_kept:]]
    return _refill(value, iter(new))


def _iban(value: str, draws: _Draws) -> str:
    country = squash(value)[:2].upper()
    account = "".join(_same_kind(c, draws) for c in squash(value)[4:].upper())
    number = "".join(str(int(c, 36)) for c in f"{account}{country}00")
    return _refill(value, iter(f"{country}{98 - int(number) % 97:02}{account}"))


def _card(value: str, draws: _Draws) -> str:
    digits = [int(c) for c in value if c.isdigit()]
    new = [*digits[:2], *(draws.below(10) for _ in digits[3:])]
    # From the right every second digit counts double, the check digit itself single.
    doubled = sum(sum(divmod(2 * d, 10)) for d in new[::-2])
    check = -(doubled + sum(new[-2::-2])) % 10
    return _refill(value, iter([*map(str, new), str(check)]))


def _ip(value: str, draws: _Draws) -> str:
    if ":" in value:
        return f"2001:db8::{draws.below(0xFFFF) + 1:x}:{draws.below(0xFFFF) + 1:x}"
    return f"198.{18 + draws.below(2)}.{draws.below(256)}.{1 + draws.below(254)}"


def _mac(value: str, draws: _Draws) -> str:
    new = "02" + "".join(draws.of("0123456789ABCDEF") for _ in range(10))
    return _refill(value, iter(new))


def _date(value: str, draws: _Draws) -> str:
    """Draw another day and month; the year, and how the date is written, stay."""
    day, month = 1 + draws.below(28), 1 + draws.below(12)
    if name := re.search(r"[^\W\d_]{3,}\.?", value):
        value = value[: name.start()] + _MONTHS[month - 1] + value[name.end() :]
        return re.sub(r"(?<!\d)\d{1,2}(?!\d)(?:st|nd|rd|th)?", str(day), value, count=1)
    parts = re.split(r"(\D)", value)
    # Where day and month cannot be told apart, 1 to 12 is right for both.
    numbers = iter((f"{1 + draws.below(12):02}", f"{month:02}"))
    is_year_last = len(parts[0]) < 4
    places = (0, 2) if is_year_last else (2, 4)
    return "".join(next(numbers) if n in places else part for n, part in enumerate(parts))


_MAKERS: Mapping[str, Callable[[str, _Draws], str]] = {
    "EMAIL_ADDRESS": _email,
    "URL": _url,
    "PERSON": _person,
    "PHONE_NUMBER": _phone,
    "IBAN_CODE": _iban,
    "CREDIT_CARD": _card,
    "IP_ADDRESS": _ip,
    "MAC_ADDRESS": _mac,
    "DATE_OF_BIRTH": _date,
}
