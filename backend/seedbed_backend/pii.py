"""Finds personal data in a text by patterns, checksums and the words around. Pure, no network.

The patterns and checksums are Presidio's, with some of our own. Presidio's engine would need a
language model; here a match counts by what it is alone (an IBAN has a checksum), or where words
near it say what it is ("passport no. …"). Names of persons are found only after a title.

Importing Presidio takes seconds, so it is imported on the first use.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from seedbed.facts import quantities
from seedbed.text import word_set

PERSON = "PERSON"
TYPES = (
    *("EMAIL_ADDRESS", "PHONE_NUMBER", "IBAN_CODE", "CREDIT_CARD", "ACCOUNT_NUMBER", "CRYPTO"),
    *("IP_ADDRESS", "MAC_ADDRESS", "URL", "DATE_OF_BIRTH", "PASSPORT", "DRIVER_LICENSE"),
    *(
        "NATIONAL_ID",
        "PERSONAL_NUMBER",
        "HEALTH_INSURANCE_ID",
        "MEDICAL_RECORD_NUMBER",
        "MEDICAL_LICENSE",
    ),
    *("US_SSN", "US_ITIN", "US_MBI", "US_NPI", "UK_NHS", "UK_NINO", "UK_DRIVING_LICENCE"),
    *("DE_TAX_ID", "DE_SOCIAL_SECURITY", "DE_HEALTH_INSURANCE", "FR_NIR", "IT_FISCAL_CODE"),
    *("ES_NIF", "ES_NIE", "CA_SIN", "AU_TFN", "AU_MEDICARE", "IN_AADHAAR", "IN_PAN"),
    *("SG_NRIC_FIN", "FI_PERSONAL_IDENTITY_CODE", "SE_PERSONNUMMER", "PL_PESEL", "KR_RRN"),
    *("TR_NATIONAL_ID", "ZA_ID_NUMBER", PERSON),
)
"""Every type that can be found."""

HARMLESS_TYPES = frozenset({"URL"})
"""Types that point at nobody by themselves: kept unless a recipe says otherwise."""

_SAME_LENGTH = str.maketrans(
    dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-")
    | dict.fromkeys("\u00a0\u2007\u2009\u202f", " ")
)
_BEFORE, _AFTER = 60, 30  # characters in which a word says what a number is; about 8 and 4 words


@dataclass(frozen=True, slots=True)
class Pii:
    """One piece of personal data: its type, and where it stands (code points, end exclusive)."""

    type: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Match:
    """A match in its text, as the rules look at it."""

    text: str
    start: int
    end: int

    @property
    def value(self) -> str:
        return self.text[self.start : self.end]

    @property
    def digits(self) -> str:
        return "".join(c for c in self.value if c.isdigit())

    def is_near(self, words: re.Pattern[str]) -> bool:
        """Tell whether one of the words stands shortly before or after."""
        before = self.text[max(0, self.start - _BEFORE) : self.start]
        return bool(words.search(before) or words.search(self.text[self.end : self.end + _AFTER]))

    @property
    def is_other_number(self) -> bool:
        """Tell whether the words before say that this is the number of a thing."""
        return bool(_OTHER_NUMBER.search(self.text[max(0, self.start - 50) : self.start]))

    @property
    def is_whole(self) -> bool:
        """Tell whether neither end lies within a word or a longer number."""
        around = self.text[max(0, self.start - 1) : self.start], self.text[self.end : self.end + 1]
        return not any(c.isalnum() for c in around)


@dataclass(frozen=True, slots=True)
class _Rule:
    """How one type is found: a cheap test, Presidio's recognizer, and what else must hold."""

    type: str
    trigger: re.Pattern[str]
    recognizer: Any
    accept: Callable[[_Match], bool] = field(default=lambda match: not match.is_other_number)


_OTHER_NUMBER = re.compile(
    r"""(?:\b(?:
      orders?|invoices?|tickets?|cases?|claims?|references?|refs?|sections?|sec|clauses?|articles?
      |art|paragraphs?|chapters?|appendix|annex|schedules?|rules?|versions?|ver|releases?|builds?
      |models?|parts?|skus?|serials?|isbn|issn|ean|gtin|upc|tracking|shipments?|parcels?|bookings?
      |reservations?|po|transactions?|receipts?|batch|lots?|items?|products?|dockets?|files?
      |contracts?|agreements?|forms?|doi|tables?|figures?|fig|rooms?|bestell\w*|rechnungs?\w*|auftrags?\w*|kapitel|abschnitt
      )\b|\u00a7|\bv)[\s.:#-]{0,3}
      (?:(?:confirmation|tracking|reference|serial|order|invoice)\b[\s.:#-]{0,3})?
      (?:(?:no|nr|nos|num|numbers?|ids?|codes?|ref|nummer)\b[\s.:#-]{0,3})?
      (?:(?:is|was|are|reads|ist)\b[\s:]{0,2})?[\s(\["']{0,2}\Z""",
    re.IGNORECASE | re.VERBOSE,
)
_FIVE_DIGITS = re.compile(r"\d\D{0,3}\d\D{0,3}\d\D{0,3}\d\D{0,3}\d")


def find(text: str, *, has_names: bool = False) -> tuple[Pii, ...]:
    """Return the personal data in `text`, in order, without overlaps.

    `has_names` adds the names of persons that follow a title (Mr, Dr, Frau …).
    """
    found = _find(text)
    if has_names:
        taken = list(found)
        for match in _TITLED_NAME.finditer(text):
            _add(taken, Pii(PERSON, *match.span("name")))
        found = tuple(sorted(taken, key=lambda pii: pii.start))
    return found


@lru_cache(maxsize=4096)
def _find(text: str) -> tuple[Pii, ...]:
    if not _WORTH_LOOKING.search(text):
        return ()
    flat = text.translate(_SAME_LENGTH)
    found: list[Pii] = []
    for rule in _rules():
        if not rule.trigger.search(flat):
            continue
        for result in rule.recognizer.analyze(flat, [rule.type]):
            match = _Match(flat, result.start, result.end)
            if match.is_whole and rule.accept(match):
                _add(found, Pii(rule.type, result.start, result.end))
    return tuple(sorted(found, key=lambda pii: pii.start))


def _add(found: list[Pii], new: Pii) -> None:
    """Add what overlaps nothing: the rules come with the surest first."""
    if all(new.end <= old.start or old.end <= new.start for old in found):
        found.append(new)


_WORTH_LOOKING = re.compile(r"\d\D{0,9}\d|@|://|www\.|\.[a-z]{2,4}\b")
_TITLED_NAME = re.compile(
    r"\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Herrn?|Frau|Monsieur|Madame|Mme|Mlle|Sra?|Se\u00f1ora?|Sig|"
    r"Signora?)\.?\s(?P<name>(?:Dr\.?\s|Prof\.?\s)*[A-Z\u00c0-\u00de][\w'\u2019-]+"
    r"(?:\s(?:(?:von|van|de|der|den|di|da|la|le)\s){0,2}(?:[A-Z]\.\s)?[A-Z\u00c0-\u00de][\w'\u2019-]+){0,2})"
)


def _words(words: Iterable[str]) -> re.Pattern[str]:
    ordered = sorted(words, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, ordered))})(?!\w)", re.IGNORECASE)


# --- what must hold beside the pattern -----------------------------------------------------------

_PHONE_WORDS = _words(
    word_set("""
    phone telephone tel mobile cell cellphone call calls called calling dial fax sms reach contact
    hotline helpline whatsapp ring rufnummer telefon telefonnummer telefax handy handynummer mobilnummer
    anrufen anruf rufen mobil tél téléphone portable appeler appelez teléfono móvil llame llamar
    telefono cellulare chiamare chiami telefoon bellen
    """)
)
_PHONE_FORM = re.compile(
    r"""(?:\+?1[-. ])?\(?\d{3}\)?[-. ]\ ?\d{3}[-. ]\d{4}   # 212-555-0123
      | 0\d(?:[ .]\d{2}){4}                                # 01 23 45 67 89
      | \(0\d{1,5}\)\ ?\d[\d -]{4,}                        # (030) 901820
      | 0\d{2,4}\ \d{3,4}\ \d{3,4}                         # 020 7946 0958
    """,
    re.VERBOSE,
)
_LARGE_NUMBER = re.compile(r"\d{1,3}(?:[ .]\d{3})*[ .]000")
_IP_WORDS = _words(
    word_set("""
    ip ipv4 ipv6 host hosts server servers subnet router gateway ping network login logged
    dns firewall vpn client localhost
    """)
)
_CARD_ISSUER = re.compile(r"4|5[1-5]|2[2-7]|3[47]|3[068]|6")


def _is_phone(match: _Match) -> bool:
    if not 7 <= len(match.digits) <= 15:
        return False
    if match.value.startswith("+"):
        return True
    if match.is_other_number or _LARGE_NUMBER.fullmatch(match.value):
        return False
    return bool(match.is_near(_PHONE_WORDS) or _PHONE_FORM.fullmatch(match.value))


def _is_ip(match: _Match) -> bool:
    """Tell an address from a number of sections or a version: "4.2.1.3", "10.2.0.1"."""
    if match.is_other_number:
        return False
    if ":" in match.value:
        return sum(c in "0123456789abcdefABCDEF" for c in match.value) >= 4
    octets = [int(part) for part in match.value.split("/")[0].split(".")]
    is_dotted_on = (
        match.text[match.end : match.end + 2].strip(" ")[:1] == "."
        and match.text[match.end + 1 : match.end + 2].isdigit()
    )
    if is_dotted_on or match.text[max(0, match.start - 1) : match.start] == ".":
        return False
    return max(octets) >= 20 or match.is_near(_IP_WORDS)


def _is_card(match: _Match) -> bool:
    is_issued = 13 <= len(match.digits) <= 19 and _CARD_ISSUER.match(match.digits)
    return bool(is_issued) and not match.is_other_number


def _is_mailbox(value: str) -> bool:
    """Tell whether an address names somebody and ends in a name, not in a number.

    Presidio's own check would fetch the list of public suffixes, which lacks the domains of
    internal networks.
    """
    last = value.rpartition(".")[2]
    is_named = any(c.isalnum() for c in value.partition("@")[0])
    return is_named and len(last) >= 2 and (last.isalpha() or last.startswith("xn--"))


def _is_upper(match: _Match) -> bool:
    return match.value == match.value.upper() and not match.is_other_number


@dataclass(frozen=True, slots=True)
class _Near:
    """Accepts a match that has one of the words near it."""

    words: re.Pattern[str]

    def __call__(self, match: _Match) -> bool:
        return match.is_near(self.words)


def _near(*words: str) -> _Near:
    return _Near(_words(words))


def _shape_or_near(has_shape: Callable[[_Match], bool], *words: str) -> Callable[[_Match], bool]:
    is_near = _near(*words)
    return lambda match: has_shape(match) or is_near(match)


# --- labelled numbers: what Presidio has no pattern for ------------------------------------------

_MONTH = (
    r"(?:jan|feb|f\u00e9v|mar|m\u00e4r|apr|avr|abr|may|mai|mag|mayo|jun|juin|giu|jul|juil|lug|aug|ago|ao\u00fb|sep|set|"
    r"oct|okt|ott|nov|dec|dez|d\u00e9c|dic|ene|gen)[a-z\u00e0-\u00ff]{0,7}\.?"
)
_YEAR = r"(?:(?:19|20)\d\d)"
_DATE = (
    rf"(?:\d{{1,2}}[./-]\d{{1,2}}[./-](?:{_YEAR}|\d\d)|{_YEAR}-\d\d?-\d\d?"
    rf"|\d{{1,2}}(?:st|nd|rd|th|\.|er)?\s(?:of\s|de\s)?{_MONTH},?\s(?:de\s)?{_YEAR}"
    rf"|{_MONTH}\s\d{{1,2}}(?:st|nd|rd|th)?,?\s{_YEAR})(?!\d)"
)
_NUMBER_WORD = (
    r"(?:no|nr|num|number|id|identifier|code|nummer|"
    r"num\u00e9ro|n\u00famero|numero)\b|#|n[\u00b0\u00ba]"
)
_JOINT = r"[\s.:#=-]{0,3}(?:(?:is|was|are|ist|lautet|est|es|\u00e8)[\s:]{1,3})?(?:ending\sin\s)?"
_CODE = r"(?=(?:[A-Z-]*\d){4})[A-Z0-9](?:[A-Z0-9]|-(?=[A-Z0-9])){3,19}(?![A-Z0-9])"
_GROUPED = r"\d{1,4}(?:[ ]\d{2,5}){2,7}(?![ ]?\d)"
_ACCOUNT = rf"(?!{_DATE})\d(?:[ -]?\d){{5,16}}(?!\d)"


@dataclass(frozen=True, slots=True)
class _Label:
    """Words right before a value that say what it is; they are no part of the value.

    `needs_number_word` is for words that say little alone ("patient").
    """

    words: str
    value: str = _CODE
    needs_number_word: bool = False

    @property
    def trigger(self) -> re.Pattern[str]:
        return re.compile(rf"(?<!\w)(?:{self.words})(?!\w)", re.IGNORECASE)

    @property
    def pattern(self) -> str:
        optional = "" if self.needs_number_word else "?"
        number_word = rf"[\s.'-]{{0,2}}(?:{_NUMBER_WORD}){optional}"
        return rf"(?<=(?<!\w)(?:{self.words}){number_word}{_JOINT}){self.value}"


_LABELS: Mapping[str, tuple[_Label, ...]] = {
    "DATE_OF_BIRTH": (
        _Label(
            r"born(?:\son)?|dates?\sof\sbirth|d\.?o\.?b|birth\s?date|birthday|geboren(?:\sam)?|geb|"
            r"geburtsdatum|n\u00e9e?\sle|date\sde\snaissance|fecha\sde\snacimiento|nacid[oa]\sel|"
            r"nat[oa]\sil|data\sdi\snascita",
            _DATE,
        ),
    ),
    "MEDICAL_RECORD_NUMBER": (
        _Label(r"mrn|medical\srecord|health\srecord"),
        _Label(r"patient|patienten|hospital|chart|encounter", needs_number_word=True),
    ),
    "PASSPORT": (_Label(r"passport|reisepass|passeport|pasaporte|passaporto|passnummer"),),
    "DRIVER_LICENSE": (
        _Label(
            r"driver'?s?\slicen[cs]e|driving\slicen[cs]e|f\u00fchrerschein|permis\sde\sconduire|"
            r"permiso\sde\sconducir|patente\sdi\sguida"
        ),
    ),
    "NATIONAL_ID": (
        _Label(
            r"ssn|social\ssecurity|national\sinsurance|social\sinsurance|personalausweis|"
            r"ausweisnummer|sozialversicherungsnummer|steuer-?id(?:entifikationsnummer)?|s\u00e9curit\u00e9\ssociale|"
            r"carte\sd'identit\u00e9|dni|nif|nie|codice\sfiscale|carta\sd'identit\u00e0|aadhaar|pesel|"
            r"bsn|tax(?:payer)?\sid(?:entification)?|identity\scard|id\scard|national\sid",
            rf"(?:{_CODE}|{_GROUPED})",
        ),
        _Label(r"national\sidentity|identity|citizen", needs_number_word=True),
    ),
    "PERSONAL_NUMBER": (
        _Label(
            r"customer|client|employee|staff|personnel|student|kunden|personal|mitarbeiter|matrikel",
            needs_number_word=True,
        ),
        _Label(r"kundennummer|personalnummer|matrikelnummer|num\u00e9ro\sclient"),
    ),
    "HEALTH_INSURANCE_ID": (
        _Label(
            r"member|subscriber|health\sinsurance|medicare|medicaid|beneficiary|versicherten|"
            r"krankenversicherten",
            needs_number_word=True,
        ),
    ),
    "ACCOUNT_NUMBER": (
        _Label(r"account|acct|a/c|compte|cuenta|conto|konto|kontonummer|kontonr", _ACCOUNT),
    ),
    # Written as one, though no such number is given out: models make these up.
    "PHONE_NUMBER": (
        _Label(
            r"tele(?:ph|f)one?|phone|tel|mobile|cell|fax|handy|rufnummer|t\u00e9l\u00e9phone|tel\u00e9fono",
            rf"(?!{_DATE})[+(]?\d(?:[ ()./-]{{0,2}}\d){{8,13}}(?!\d)",
        ),
    ),
}


# --- the rules, the surest first -----------------------------------------------------------------

_PHONE_RUN = re.compile(
    r"[+(]{0,2}\d(?:[\s().\-/]{0,3}\d){6,}(?:[\s,]{0,2}(?:ext|x)\.?\s?\d{1,5})?"
)
_PHONE_REGIONS = ("US", "GB", "DE", "FR", "ES", "IT")
_TLDS = "com|org|net|edu|gov|info|io|eu|de|fr|es|nl|ch|co\\.uk|org\\.uk|ac\\.uk"
_URL = (
    (r"(?i)\bhttps?://[^\s<>\"'\]]{3,}[^\s<>\"'\].,;:!?)]", "with a scheme"),
    (
        r"(?i)\bwww\.[a-z0-9-]{2,63}(?:\.[a-z0-9-]{2,63})+(?:/[^\s<>\"'\]]*[^\s<>\"'\].,;:!?)])?",
        "www",
    ),
    (
        rf"(?<![@\w.-])(?-i:[a-z0-9][a-z0-9-]{{2,62}}(?:\.[a-z0-9-]{{2,63}})*\.(?:{_TLDS}))"
        rf"(?![\w.-]*@)(?:/[^\s<>\"'\]]*[^\s<>\"'\].,;:!?)])?",
        "a plain domain",
    ),
)
_LOCAL = r"\w!#$%&'*+/=?^`{|}~\-"
# Presidio's, with a local part of at most 64 characters (RFC 5321): its time grows with the length.
_EMAIL = (
    rf"(?<![{_LOCAL}])[{_LOCAL}](?:[{_LOCAL}.]{{0,62}}[{_LOCAL}])?"
    r"@\w+(?:-+\w+)*(?:\.\w+(?:-+\w+)*)+\b"
)
_D = re.compile  # triggers


@lru_cache(maxsize=1)
def _rules() -> tuple[_Rule, ...]:
    return tuple(_make_rules())


def _make_rules() -> Iterator[_Rule]:
    import presidio_analyzer.predefined_recognizers as presidio
    from presidio_analyzer import Pattern

    class Email(presidio.EmailRecognizer):
        def validate_result(self, pattern_text: str) -> bool:
            return _is_mailbox(pattern_text)

    urls = presidio.UrlRecognizer(patterns=[Pattern(name, url, 0.6) for url, name in _URL])
    yield _Rule(
        "EMAIL_ADDRESS", _D("@"), Email(patterns=[Pattern("mailbox", _EMAIL, 0.5)]), _always
    )
    yield _Rule("URL", _D(r"(?i)://|www\.|\w\.[a-z]{2,5}"), urls, _always)
    yield _Rule("IBAN_CODE", _D(r"[A-Z]{2}\d{2}"), presidio.IbanRecognizer(), _always)
    yield _Rule("CREDIT_CARD", _D(r"\d(?:[ -]?\d){12}"), presidio.CreditCardRecognizer(), _is_card)
    yield _Rule("CRYPTO", _D(r"\b(?:bc1|[13])\w{25}"), presidio.CryptoRecognizer(), _always)
    yield _Rule(
        "MAC_ADDRESS", _D(r"\w\w[:-]\w\w[:-]\w\w[:-]|\w{4}\.\w{4}\."),
        presidio.MacAddressRecognizer(),
    )  # fmt: skip
    yield _Rule(
        "IP_ADDRESS", _D(r"\d\.\d{1,3}\.\d{1,3}\.\d|:[0-9A-Fa-f]{0,4}:"),
        presidio.IpRecognizer(), _is_ip,
    )  # fmt: skip
    yield from _national_rules(presidio)
    yield from _labelled_rules()
    phones = _Phones(presidio.PhoneRecognizer(supported_regions=_PHONE_REGIONS))
    yield _Rule("PHONE_NUMBER", _D(r"[+(\d](?:[\s().\-/]{0,3}\d){6}"), phones, _is_phone)


class _Phones:
    """Presidio's recognizer, for the runs of digits alone that may be accepted: it is slow."""

    def __init__(self, recognizer: Any) -> None:
        self.recognizer = recognizer

    def analyze(self, text: str, entities: list[str]) -> Iterator[_Match]:
        for run in _PHONE_RUN.finditer(text):
            match = _Match(text, run.start(), run.end())
            if not (
                "+" in match.value or _PHONE_FORM.search(match.value) or match.is_near(_PHONE_WORDS)
            ):
                continue
            for found in self.recognizer.analyze(match.value, entities):
                yield _Match(text, run.start() + found.start, run.start() + found.end)


def _national_rules(presidio: Any) -> Iterator[_Rule]:
    """Yield the identifiers of persons by country; those of firms and plates are left out."""
    letters = _D(r"[A-Za-z][ -]?\d|\d[ -]?[A-Za-z]")
    digits = _FIVE_DIGITS
    for type_, recognizer, trigger, accept in (
        ("US_SSN", presidio.UsSsnRecognizer(), digits, _shape_or_near(_is_ssn, "ssn", "social security")),
        ("US_ITIN", presidio.UsItinRecognizer(), digits, _near("itin", "taxpayer", "tin", "tax id")),
        ("US_MBI", presidio.UsMbiRecognizer(), letters,
         _shape_or_near(_has_dash, "medicare", "mbi", "beneficiary")),
        ("US_NPI", presidio.UsNpiRecognizer(), digits, _near("npi", "national provider")),
        ("MEDICAL_LICENSE", presidio.MedicalLicenseRecognizer(), letters,
         _near("dea", "license", "licence", "prescriber", "physician", "medical certificate")),
        ("UK_NHS", presidio.NhsRecognizer(), digits, _near("nhs", "national health service")),
        ("UK_NINO", presidio.UkNinoRecognizer(), letters, _is_upper),
        ("UK_DRIVING_LICENCE", presidio.UkDrivingLicenceRecognizer(), letters, _is_upper),
        ("IT_FISCAL_CODE", presidio.ItFiscalCodeRecognizer(), letters, _is_upper),
        ("ES_NIF", presidio.EsNifRecognizer(), letters, _shape_or_near(_is_nif, "dni", "nif")),
        ("ES_NIE", presidio.EsNieRecognizer(), letters, _is_nie),
        ("DE_TAX_ID", presidio.DeTaxIdRecognizer(), digits,
         _near("steuer-id", "steuerid", "steueridentifikationsnummer", "idnr", "steuer-idnr",
               "steuerliche identifikationsnummer", "steuernummer", "tax id")),
        ("DE_SOCIAL_SECURITY", presidio.DeSocialSecurityRecognizer(), letters, _is_upper),
        ("DE_HEALTH_INSURANCE", presidio.DeHealthInsuranceRecognizer(), letters,
         _near("krankenversicherungsnummer", "krankenversichertennummer", "versichertennummer",
               "kvnr", "krankenkasse", "gesundheitskarte", "egk")),
        ("FR_NIR", _nir(presidio), digits, _not_other),
        ("CA_SIN", presidio.CaSinRecognizer(), digits,
         _near("sin", "social insurance", "assurance sociale")),
        ("AU_TFN", presidio.AuTfnRecognizer(), digits, _near("tfn", "tax file number")),
        ("AU_MEDICARE", presidio.AuMedicareRecognizer(), digits, _near("medicare")),
        ("IN_AADHAAR", presidio.InAadhaarRecognizer(), digits, _near("aadhaar", "aadhar", "uidai")),
        ("IN_PAN", presidio.InPanRecognizer(presidio.InPanRecognizer.PATTERNS[:1]), letters,
         _near("pan", "permanent account number")),
        ("SG_NRIC_FIN", presidio.SgFinRecognizer(), letters, _near("nric", "fin")),
        ("FI_PERSONAL_IDENTITY_CODE", presidio.FiPersonalIdentityCodeRecognizer(), digits, _is_upper),
        ("SE_PERSONNUMMER", presidio.SePersonnummerRecognizer(), digits,
         _near("personnummer", "personal identity number", "samordningsnummer")),
        ("PL_PESEL", presidio.PlPeselRecognizer(), digits, _near("pesel")),
        ("KR_RRN", presidio.KrRrnRecognizer(), digits, _near("rrn", "resident registration number")),
        ("TR_NATIONAL_ID", presidio.TrNationalIdRecognizer(), digits,
         _near("tc kimlik", "kimlik no", "tckn", "tc no")),
        ("ZA_ID_NUMBER", presidio.ZaIdNumberRecognizer(), digits,
         _near("id number", "identity number", "south african id", "rsa id")),
    ):  # fmt: skip
        # Without the words that it needs there is nothing to look for.
        yield _Rule(
            type_, accept.words if isinstance(accept, _Near) else trigger, recognizer, accept
        )


def _labelled_rules() -> Iterator[_Rule]:
    from presidio_analyzer import Pattern, PatternRecognizer

    for type_, labels in _LABELS.items():
        for label in labels:
            recognizer = PatternRecognizer(type_, patterns=[Pattern("label", label.pattern, 0.6)])
            yield _Rule(type_, label.trigger, recognizer, _always)


def _nir(presidio: Any) -> Any:
    """Return a recognizer of French social security numbers: 13 digits and a key modulo 97."""
    from presidio_analyzer import Pattern, PatternRecognizer

    class FrNir(PatternRecognizer):
        def validate_result(self, pattern_text: str) -> bool:
            squashed = re.sub(r"\W", "", pattern_text).upper()
            number = squashed.replace("2A", "19", 1).replace("2B", "18", 1)
            return number.isdigit() and int(number[13:]) == 97 - int(number[:13]) % 97

    gap = "[ .-]?"
    shape = gap.join(
        ("[12]", r"\d{2}", r"(?:0[1-9]|1[0-2]|[2-9]\d)", r"(?:\d{2}|2[AB])", r"\d{3}", r"\d{3}",
         r"\d{2}")
    )  # fmt: skip
    return FrNir("FR_NIR", patterns=[Pattern("nir", rf"\b{shape}\b", 0.5)])


def _always(match: _Match) -> bool:
    return True


def _not_other(match: _Match) -> bool:
    return not match.is_other_number


def _has_dash(match: _Match) -> bool:
    return "-" in match.value


def _is_ssn(match: _Match) -> bool:
    return (
        not match.is_other_number
        and re.fullmatch(r"(?!9)\d{3}-\d{2}-\d{4}", match.value) is not None
    )


def _is_nif(match: _Match) -> bool:
    return re.fullmatch(r"\d{8}-?[A-Z]", match.value) is not None and not match.is_other_number


def _is_nie(match: _Match) -> bool:
    return re.fullmatch(r"[XYZ]-?\d{7}-?[A-Z]", match.value) is not None


_NO_LETTER = re.compile(r"[\W_]+")


def squash(value: str) -> str:
    """Reduce a value to what makes it the same: folded letters and digits alone."""
    return _NO_LETTER.sub("", value.casefold())


def is_said(type_: str, value: str, texts: Iterable[str]) -> bool:
    """Tell whether one of the texts has the value, however it is written.

    Dates are compared by day, month and year, telephone numbers without their country.
    """
    if type_ == "DATE_OF_BIRTH":
        return any(parts_of_date(value) in dates(text) for text in texts)
    wanted = essence(type_, value)
    return bool(wanted) and any(wanted in _squashed(text) for text in texts)


def essence(type_: str, value: str) -> str:
    """Return what of a value must stand in a squashed text that says it."""
    if type_ == "PHONE_NUMBER":
        return squash(value)[-8:]
    if type_ == "URL":
        value = re.sub(r"(?i)\A(?:https?://)?(?:www\.)?", "", value)
    return squash(value)


def dates(text: str) -> frozenset[frozenset[str]]:
    """Return the full dates of a text, each as its day, month and year in one spelling."""
    return frozenset(parts_of_date(match.group()) for match in _ANY_DATE.finditer(text))


@lru_cache(maxsize=4096)
def parts_of_date(date: str) -> frozenset[str]:
    """Return day, month and year of one date as they are compared."""
    return frozenset(quantities(date).values)


_ANY_DATE = re.compile(rf"(?<!\w){_DATE}", re.IGNORECASE)


@lru_cache(maxsize=4096)
def _squashed(text: str) -> str:
    return squash(text)
