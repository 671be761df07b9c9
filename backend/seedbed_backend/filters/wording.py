"""Which words say the same, and which say little: for texts that retell others. Pure, English."""

from __future__ import annotations

from functools import lru_cache

from seedbed.text import stem, word_set, words

# Words that report, connect or frame what is said; a retelling may add them without adding a fact.
LIGHT = word_set(
    """
    able accord according achieve across act actual actually add additional address agree aim allow
    along already also although always among amount another answer anyone anything apart appear
    approach approximately area around article aspect assist associated author available aware base
    based become believe best better bring call case cause certain clear clearly come common
    concern concerned condition confirm consider considered consist contact contain content contrast
    contribute convey cover create current currently deal decide demonstrate depend describe
    describes despite detail details determine different discuss discusses document effect effort
    enable encounter ensure especially establish etc every example exist expect experience explain
    explains express fact feature featured features find focus follow form found future gain general
    generally get give given go good great group happen help helps highlight hold idea identify
    immediately important include included includes including indeed indicate individual information
    initially instead intend interest interested introduce involve issue item just keep key kind
    know known large later lead learn likely list look main mainly make makes making manage many mean
    means mention mentions method move much multiple name named near nearly need new next note noted
    notes number obtain occur offer often one others overall particular particularly passage
    people perform person perhaps place play point possible possibly potential potentially present
    previous primarily problem process produce propose proposes provide provided provides put quite
    range reach rather reason receive recommend refer refers regard regarding relate related remain
    report reports represent request resolve respect respectively respond response result reveal
    role say says section see seek seem sent serve set share show shows significant significantly
    similar simply since situation sort source specific specifically speak speaker state stated states
    still subject suggest suggests suit suitable summarise summarize summary support take
    talk tell term text thing think thus time together topic total turn type understand unit use
    used uses using usual usually variety various want way ways well whatever whole wish without work yet
    """
)

_ANSWERS = word_set("yes no not true false never none n't cannot without nor neither")
"""Words that affirm or deny: compared as negation, never as vocabulary."""

_SYNONYMS = """
    customer client consumer
    agreement contract
    company firm corporation business enterprise
    buy purchase acquire
    help assist aid support
    reduce decrease lower cut lessen diminish
    increase raise grow rise boost
    cost price expense fee charge
    money cash fund funds
    start begin commence launch
    end finish terminate conclude stop cease
    show reveal display demonstrate indicate
    use utilise utilize employ
    need require necessitate
    must shall required obliged
    get obtain receive gain acquire
    give provide supply grant offer furnish deliver
    send dispatch mail forward transmit
    ask inquire enquire query question request
    answer reply respond
    tell inform notify advise
    say state mention note declare
    big large huge great considerable substantial
    small little minor tiny
    fast quick rapid swift
    many numerous several multiple various
    different various diverse
    free complimentary gratis
    full complete comprehensive entire whole total
    part portion section piece
    kind type sort
    error mistake
    fix repair correct
    choose select pick opt
    job work employment occupation
    worker employee staff
    boss manager supervisor
    car vehicle automobile auto
    house home residence
    doctor physician
    ill sick unwell
    illness disease sickness
    medicine medication drug
    child kid
    children kids
    woman female
    man male
    movie film
    picture image photo photograph
    show program programme series
    author writer
    write pen compose
    writer composer
    make create produce build construct manufacture
    develop devise design
    plan scheme package
    promotion offer deal
    discount reduction
    near close nearby
    around about approximately roughly
    also too additionally
    per each every
    kill murder slay
    die pass perish
    dead deceased
    death demise
    fight battle combat
    war conflict
    leader head chief
    lead head guide direct
    country nation
    town city
    usa us america american
    uk britain british
    england english
    law legislation statute
    rule regulation
    right entitlement
    allow permit let enable
    forbid prohibit ban
    keep retain maintain preserve
    change alter modify amend
    happen occur
    meet encounter
    talk speak discuss converse
    talks speaks discusses
    agree consent
    refuse decline reject
    issue problem concern
    result outcome
    reason cause
    goal aim objective purpose
    idea concept notion
    important significant crucial vital key
    usual common typical
    popular famous well-known renowned
    famous known
    pretty beautiful
    hard difficult tough
    easy simple
    happy glad pleased
    sad unhappy
    rich wealthy
    old elderly aged
    young youthful
    begin beginning
    live reside dwell
    stay remain
    leave depart exit
    arrive come reach
    return back
    join enter
    win triumph victory
    lose loss
    found establish
    own possess
    owner holder
    test exam examination
    teach instruct
    student pupil
    school academy
    sign register enrol enroll
    look appear seem
    fit suit match
    ideal perfect
    secure safe
    protect safeguard
    danger risk hazard
    check verify inspect
    ensure guarantee
    describe depict portray
    explain clarify
    propose suggest recommend
    want desire wish
    like enjoy
    love adore
    hate detest
    representative agent
    seller vendor
    supplier provider
    buyer purchaser
    insurance coverage
    policy plan
    debt liability
    pay payment
    salary wage
    profit gain
    tax levy
    store shop
    meal food
    road street
    sea ocean
    ship boat vessel
    plane aircraft airplane
    stone rock
    forest wood
    animal beast
    belly abdomen stomach
    cardiac heart
    renal kidney
    pulmonary lung
    hypertension pressure
    physician clinician
    surgery operation
    hurt pain ache
    tired fatigue
    skinny thin
    weight mass
    combine merge unite
    separate split divide
    gather collect
    whole entirety
    besides moreover
    modern contemporary
    newcomer beginner
    novice beginner
    expensive costly
    cheap inexpensive
    approve authorise authorize
    delay postpone
    cancel annul
    contain hold
    include comprise encompass
    rank level grade
    participate take
    organisation organization
    behaviour behavior
    centre center
    colour color
    answer reply replies replied respond response
    ahead advance beforehand
    letter writing written
    refund repay reimburse
    suspend pause interrupt
    deem consider regard
    arrive receive
    surcharge supplement
    submit hand
    delay late
    due deadline
    day daily
    month monthly
    year yearly annual annually
    mg milligram milligrams
    kg kilogram kilograms
    ml millilitre millilitres milliliter milliliters
    percent percentage
    """


def _groups() -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = {}
    for group, line in enumerate(_SYNONYMS.strip().splitlines()):
        for word in words(line):
            found.setdefault(stem(word), set()).add(group)
    return {word: frozenset(groups) for word, groups in found.items()}


_GROUP_OF = _groups()
_LIGHT_STEMS = frozenset(map(stem, LIGHT))


def is_light(stemmed: str) -> bool:
    """Tell whether a stem reports or frames, so that adding it adds no fact."""
    return stemmed in _LIGHT_STEMS


def is_answer_word(word: str) -> bool:
    """Tell whether a word only affirms or denies."""
    return word in _ANSWERS or word.endswith("n't")


_SUFFIXES = (
    *("ization", "isation", "ation", "ition", "ment", "ness", "ship", "ativ", "itiv", "less"),
    *("anc", "enc", "abl", "ibl", "alit", "ilit", "ion", "ful", "ous", "ant", "ent"),
    *("iv", "it", "al", "ic", "or", "er", "iz", "is"),
)
"""What derives one word from another, as it stands after `stem`; longer ones first."""


@lru_cache(maxsize=8192)
def root(stemmed: str) -> str:
    """Cut derivations, so that "insured" meets "insurance"; four letters stay."""
    for _ in range(3):
        for suffix in _SUFFIXES:
            if stemmed.endswith(suffix) and len(stemmed) - len(suffix) >= 4:
                stemmed = stemmed[: -len(suffix)]
                break
    # "running" meets "runs".
    return stemmed[:-1] if len(stemmed) > 3 and stemmed[-1] == stemmed[-2] else stemmed


_IRREGULAR = {
    form: base
    for base, forms in {
        "keep": "kept", "pay": "paid", "send": "sent", "bear": "bore borne", "buy": "bought",
        "sell": "sold", "bring": "brought", "build": "built", "lend": "lent", "spend": "spent",
        "write": "wrote written", "choose": "chose chosen", "break": "broke broken",
        "begin": "began begun", "forbid": "forbade forbidden", "withdraw": "withdrew withdrawn",
        "teach": "taught", "catch": "caught", "drive": "drove driven", "wear": "wore worn",
    }.items()
    for form in forms.split()
}  # fmt: skip
_IRREGULAR_STEMS = {stem(form): stem(base) for form, base in _IRREGULAR.items()}


@lru_cache(maxsize=8192)
def keys(stemmed: str) -> tuple[str, ...]:
    """Return what a stem can be matched by: its base form, its groups of synonyms, its root."""
    base = _IRREGULAR_STEMS.get(stemmed, stemmed)
    groups = [
        f"#{group}" for group in sorted({*_GROUP_OF.get(stemmed, ()), *_GROUP_OF.get(base, ())})
    ]
    return (base, *groups, f"{root(base)}~")
