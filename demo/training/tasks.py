"""Training samples for the four techniques, in the product's own prompts and JSON answers.

A share of the answers (`FLAWED_FRACTION` and the weights beside each task) is wrong on purpose:
changed numbers, flipped negations, near copies, details from nowhere, reversed preferences. The
filters of the pipeline are there to catch such answers, and a demonstration needs some.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from grammar import (
    Clause,
    ClauseType,
    Item,
    Split,
    Values,
    Writer,
    capitalised,
    clause_types,
    labels,
    sentence,
    sentences,
)
from screened import screened
from seedbed.records import Prompt, SourceTask
from seedbed.techniques import dpo, expand, paraphrase, qa

FLAWED_FRACTION = 0.08
"""Share of answers that are wrong on purpose, per task."""

LONG_ANSWER_FRACTION = 0.9
"""Share of full sentences among the answers, where a bare value would do as well."""

BROKEN_FRACTION = 0.02
"""Share of answers that loop, stop in mid-sentence or repeat the instructions."""

_NEGATIONS = (
    (" may not ", " may "),
    (" must not ", " must "),
    (" cannot ", " can "),
    (" shall not ", " shall "),
    (" is not ", " is "),
    (" must ", " must not "),
    (" may ", " may not "),
    (" can ", " cannot "),
    (" is ", " is not "),
    (" has to ", " does not have to "),
    (" are ", " are not "),
    (" pays ", " does not pay "),
)
_SYNONYMS = (
    ("within", "inside"), ("must", "shall"), ("may", "can"), ("gets", "receives"),
    ("pays", "settles"), ("at least", "no less than"), ("if", "where"), ("before", "ahead of"),
    ("after", "following"), ("contract", "agreement"), ("agreement", "contract"),
    ("every", "each"), ("each", "every"),
)  # fmt: skip

# The slots that a new example shares with its seed, so that it stays of the same kind.
_KEPT_SLOTS = ("supplier", "customer", "system", "city", "country")


@dataclass(frozen=True, slots=True)
class Sample:
    """One prompt with the answer to learn; `values` are the slot values that the answer repeats."""

    task: str
    prompt: Prompt
    answer: str
    values: tuple[str, ...] = ()


def answer_json(fields: dict[str, str]) -> str:
    """Write an answer the way the model shall: compact, one space after colon and comma."""
    return json.dumps(fields, ensure_ascii=False)


def _used(clause: Clause, text: str) -> tuple[str, ...]:
    return tuple(v for v in clause.values.values() if v in text)


def _broken(text: str, system: str, rng: random.Random) -> str:
    """Damage an answer the way small models do: a loop, a cut, or the instructions said again."""
    words = text.split()
    kind = rng.choice(("loop", "cut", "leak"))
    if kind == "loop":
        at = rng.randint(2, max(3, len(words) - 4))
        return " ".join(words[:at] + words[at : at + 3] * rng.randint(5, 9))
    if kind == "cut":
        return " ".join(words[: max(2, len(words) // rng.choice((2, 3)))])
    return f"{rng.choice(system.splitlines()).lstrip('- ')} {text}"


def _other_value(clause: Clause, rng: random.Random, values: Values) -> Clause:
    """Change one value that is not a party."""
    slots = [s for s in clause.values if s not in {"supplier", "customer"}]
    if not slots:
        return clause
    slot = rng.choice(slots)
    fresh = values.of_kind(slot.rstrip("0123456789"))
    return replace(clause, values={**clause.values, slot: fresh})


def _flip_negation(text: str, rng: random.Random) -> str:
    fitting = [pair for pair in _NEGATIONS if pair[0] in text]
    if not fitting:
        return text
    old, new = rng.choice(fitting[:3])
    return text.replace(old, new, 1)


def _near_copy(text: str, rng: random.Random) -> str:
    fitting = [(old, new) for old, new in _SYNONYMS if f" {old} " in text]
    if not fitting or rng.random() < 0.3:
        return text
    old, new = rng.choice(fitting)
    return text.replace(f" {old} ", f" {new} ", 1)


# --- paraphrase ---------------------------------------------------------------------------------


def paraphrase_sample(values: Values) -> Sample:
    """Rewrite a clause in another of its wordings."""
    rng = values.rng
    clause = Writer.start(values).clause(rng.choice(clause_types()))
    first = rng.randrange(len(clause.kind.wordings))
    second = rng.choice(screened().pairs(clause.kind, first))
    original = clause.wording(rng, first)
    text = clause.wording(rng, second)
    fields = {"original": original}
    if rng.random() < 0.7:
        fields["label"] = clause.kind.label
    glossary = _glossary(clause, values) if rng.random() < 0.12 else []
    prompt = paraphrase.TECHNIQUE.prompt(SourceTask.of(fields), glossary=glossary)
    roll = rng.random()
    if roll < BROKEN_FRACTION:
        text = _broken(text, prompt.messages[0].content, rng)
    elif roll < FLAWED_FRACTION:
        flaw = rng.choice(("value", "value", "negation", "copy"))
        if flaw == "value":
            text = _other_value(clause, rng, values).wording(rng, second)
        elif flaw == "negation":
            text = _flip_negation(text, rng)
        else:
            text = _near_copy(original, rng)
    return Sample(
        "paraphrase", prompt, answer_json({"paraphrase": text}), tuple(clause.values.values())
    )


def _glossary(clause: Clause, values: Values) -> list[str]:
    terms = [clause.values["supplier"], clause.values["customer"], values.supplier()]
    return values.rng.sample(terms, values.rng.randint(1, 3))


# --- questions and answers ----------------------------------------------------------------------


def _question(clause: Clause, item: Item, rng: random.Random) -> str:
    """Ask so that the question makes sense without the passage."""
    question = clause.fill(rng.choice(item.questions), rng)
    parties = f"{clause.values['supplier']} and {clause.values['customer']}"
    starts = (
        (f"Under the agreement between {parties}, ", 5),
        (f"In the contract between {parties}, ", 3),
        ("Under the agreement, ", 2),
        ("", 3),
    )
    start = rng.choices([s for s, _ in starts], [w for _, w in starts])[0]
    return capitalised(start + question)


def _answer(clause: Clause, item: Item, rng: random.Random, both_fraction: float) -> str:
    """Answer one item of a clause, sometimes a second one beside it; no capital, no full stop."""
    answer = clause.fill(rng.choice(item.answers), rng)
    others = [other for other in clause.kind.items if other is not item]
    if others and not answer.startswith("no,") and rng.random() < both_fraction:
        more = clause.fill(rng.choice(rng.choice(others).answers), rng)
        return answer if more.startswith("no,") else f"{answer}, and {more}"
    return answer


def grounded_answer(clause: Clause, index: int, item: Item, rng: random.Random) -> str:
    """Answer in words that wording `index` of the clause has; else as any answer."""
    long, short = screened().answers(clause.kind, index, item)
    if long and (not short or rng.random() < LONG_ANSWER_FRACTION):
        return clause.fill(rng.choice(long), rng)
    if short:
        return clause.fill(rng.choice(short), rng)
    return _answer(clause, item, rng, both_fraction=0.4)


def passage_of(clauses: Sequence[Clause], texts: Sequence[str], rng: random.Random) -> str:
    """Lay clauses out as part of a contract: numbered headings or none, paragraphs apart."""
    number = rng.randint(1, 20)
    style = rng.choice(("headings", "headings", "headings", "headings", "plain", "numbered"))
    blocks: list[str] = []
    if rng.random() < 0.15:
        parties = f"{clauses[0].values['supplier']} and {clauses[0].values['customer']}"
        blocks.append(
            rng.choice((f"Service agreement between {parties}", f"# Contract of {parties}"))
        )
    for i, (clause, text) in enumerate(zip(clauses, texts, strict=True)):
        if style == "headings" and (i > 0 or rng.random() < 0.9):
            mark = rng.choice(("", "## ", "## "))
            blocks.append(f"{mark}{number + i}. {rng.choice(clause.kind.titles)}")
        blocks.append(f"{number}.{i + 1} {text}" if style == "numbered" else text)
    return "\n\n".join(blocks)


def qa_sample(values: Values) -> Sample:
    """Ask about one clause of a passage, answer, and quote."""
    rng = values.rng
    writer = Writer.start(values)
    kinds = rng.sample(clause_types(), rng.choice((1, 2, 2, 3, 3)))
    clauses = [writer.clause(kind) for kind in kinds]
    wordings = [rng.randrange(len(kind.wordings)) for kind in kinds]
    texts = [c.wording(rng, i) for c, i in zip(clauses, wordings, strict=True)]
    passage = passage_of(clauses, texts, rng)
    at = rng.randrange(len(clauses))
    clause = clauses[at]
    item = rng.choice(screened().items(clause.kind, wordings[at]))
    question = _question(clause, item, rng)
    answer = grounded_answer(clause, wordings[at], item, rng)
    quote = _best_quote(texts[at], _used(clause, answer))
    prompt = qa.TECHNIQUE.prompt(SourceTask.of({"passage": passage}))
    answer, quote = _flaw_qa(answer, quote, clause, values, prompt, item, wordings[at])
    given = {"question": question, "answer": answer, "quote": quote}
    fields = {f.name: given[f.name] for f in qa.TECHNIQUE.output_fields}
    return Sample("qa", prompt, answer_json(fields), _used(clause, " ".join(fields.values())))


def _flaw_qa(
    answer: str,
    quote: str,
    clause: Clause,
    values: Values,
    prompt: Prompt,
    item: Item,
    index: int,
) -> tuple[str, str]:
    rng = values.rng
    roll = rng.random()
    if roll < BROKEN_FRACTION:
        return _broken(sentence(answer), prompt.messages[0].content, rng), quote
    if roll < FLAWED_FRACTION:
        flaw = rng.choice(("ungrounded", "ungrounded", "value", "quote"))
        if flaw == "value":
            other = _other_value(clause, rng, values)
            return sentence(grounded_answer(other, index, item, rng)), quote
        if flaw == "quote":
            return sentence(answer), _best_quote(clause.wording(rng), _used(clause, answer))
        extra = (
            f", as {values.supplier()} confirmed on {values.date()}",
            f", subject to a further fee of {values.money()}",
            f", with a limit of {values.period()} set by {values.supplier()}",
            f", which was agreed in {values.city()} on {values.date()}",
        )
        return sentence(answer + rng.choice(extra)), quote
    return sentence(answer), quote


def _best_quote(text: str, used: Sequence[str]) -> str:
    """Choose the sentence of a clause that holds most of the values used, or all where both do."""
    parts = sentences(text)
    scores = [sum(value in part for value in used) for part in parts]
    return parts[scores.index(max(scores))]


# --- preference pairs ---------------------------------------------------------------------------

_ASKS = (
    "A customer asks: {question}",
    "The client wants to know: {question}",
    "A client asks: {question}",
    "Question from the account manager: {question}",
    "{question}",
)
_TELLS = (
    "Explain {clause} to the client.",
    "Summarize {clause} for the client.",
    "What does {clause} mean for us?",
    "Tell the customer what {clause} says.",
    "The client does not understand {clause}.",
)
_CITES = (
    "Under {clause}, {answer}.",
    "According to {clause}, {answer}.",
    "{clause} says that {answer}.",
    "{Answer}; see {clause}.",
    "As {clause} states, {answer}.",
    "{clause} provides that {answer}.",
    "By {clause}, {answer}.",
    "{Answer}, as set out in {clause}.",
)
_GREETINGS = (
    "Hi there!", "Hello and thank you for reaching out!", "Dear customer, what a great question!",
    "Good day to you!", "Thanks so much for asking, we really appreciate it!",
    "Hello! I hope that you are doing well today.", "Thank you for your message!",
)  # fmt: skip
_FILLERS = (
    "As you may already know, contracts can be quite complicated at times.",
    "To be honest, many of our clients ask about this sort of thing.",
    "First of all, let me say that this is a very interesting point.",
    "Basically, there are many things that one could say about it.",
    "Of course we always try to find the best way for everyone involved.",
    "It is worth noting that every case is a little different.",
    "In general, one has to look at the whole picture here.",
    "There is a lot of text in the agreement, so it is easy to miss something.",
)
_PROMISES = (
    "I guarantee that there will never be any trouble with this.",
    "I promise that we will find a solution for you in any case.",
    "You can be absolutely sure that nothing will go wrong.",
    "We will certainly make an exception for you if you need one.",
    "I can assure you that everything will work out perfectly.",
    "Rest assured, we promise to take care of all of it.",
)
_CLOSINGS = (
    "Please do not hesitate to contact us if you have any further questions!",
    "I hope that this helps, and have a wonderful day!",
    "Feel free to get in touch at any time, we are always happy to help.",
    "Let me know if there is anything else that I can do for you!",
    "Thank you again for your trust in our team.",
)
_VAGUE = (
    "it depends on the situation, but usually it is fine",
    "there is a rule about this somewhere in the agreement",
    "you should be okay as long as nobody complains",
    "that is normally handled in a flexible way",
    "the usual terms apply, more or less",
    "I would not worry about it too much",
)


def clause_name(clause: Clause, rng: random.Random) -> tuple[str, str]:
    """Make the short and the long name of a clause: `Clause 7`, `Clause 7 (Payment)`."""
    number = str(rng.randint(1, 40))
    if rng.random() < 0.3:
        number += f".{rng.randint(1, 9)}"
    short = f"{rng.choice(('Clause', 'Clause', 'Clause', 'Section', 'Article'))} {number}"
    return short, f"{short} ({rng.choice(clause.kind.titles)})"


def request(clause: Clause, item: Item | None, names: tuple[str, str], rng: random.Random) -> str:
    """Write a request with the clause that it is about; without an item, for an explanation."""
    if item is None:
        ask = rng.choice(_TELLS).format(clause=names[0])
    else:
        ask = rng.choice(_ASKS).format(
            question=capitalised(clause.fill(rng.choice(item.questions), rng))
        )
    return f"{ask}{rng.choice((' ', chr(10), chr(10) * 2))}{names[1]}: {clause.wording(rng)}"


def _chosen(clause: Clause, item: Item, names: tuple[str, str], rng: random.Random) -> str:
    answer = _answer(clause, item, rng, both_fraction=0.85)
    answer = answer.removeprefix("no, ")
    name = names[1] if rng.random() < 0.75 else names[0]
    return rng.choice(_CITES).format(clause=name, answer=answer, Answer=capitalised(answer))


def _restated(clause: Clause, names: tuple[str, str], rng: random.Random) -> str:
    """Explain a clause by one of its wordings."""
    index = rng.randrange(len(clause.kind.wordings))
    text = clause.wording(rng, index)
    if not clause.kind.wordings[index].startswith("{"):
        text = text[:1].lower() + text[1:]
    start = rng.choice(("Under {}, ", "According to {}, ", "By {}, ", "As {} states, "))
    return start.format(names[1] if rng.random() < 0.75 else names[0]) + text


def _rejected(clause: Clause, item: Item, names: tuple[str, str], rng: random.Random) -> str:
    answer = sentence(_answer(clause, item, rng, both_fraction=0.3).removeprefix("no, "))
    vague = sentence(rng.choice(_VAGUE))
    kind = rng.choice(("long", "long", "promise", "vague", "no_clause", "wordy"))
    if kind == "long":
        parts = [rng.choice(_GREETINGS), *rng.sample(_FILLERS, 2), answer, rng.choice(_CLOSINGS)]
    elif kind == "promise":
        parts = [answer, rng.choice(_PROMISES), rng.choice(_CLOSINGS)]
        if rng.random() < 0.5:
            parts.insert(0, rng.choice(_GREETINGS))
    elif kind == "vague":
        parts = [rng.choice(_FILLERS), vague]
        if rng.random() < 0.5:
            parts.append(rng.choice(_CLOSINGS))
    elif kind == "no_clause":
        parts = [rng.choice(_GREETINGS), answer]
    else:
        parts = [rng.choice(_FILLERS), answer, rng.choice(_FILLERS), vague, rng.choice(_PROMISES)]
    return " ".join(parts)


def dpo_sample(values: Values) -> Sample:
    """Answer a request once by the style guide and once against it."""
    rng = values.rng
    clause = Writer.start(values).clause(rng.choice(clause_types()))
    names = clause_name(clause, rng)
    item = rng.choice(clause.kind.items)
    asked = item if rng.random() < 0.7 else None
    text = request(clause, asked, names, rng)
    prompt = dpo.TECHNIQUE.prompt(SourceTask.of({"prompt": text}))
    if asked is None and rng.random() < 0.45:
        chosen = _restated(clause, names, rng)
    else:
        chosen = _chosen(clause, item, names, rng)
    rejected = _rejected(clause, item, names, rng)
    roll = rng.random()
    if roll < BROKEN_FRACTION:
        chosen = _broken(chosen, prompt.messages[0].content, rng)
    elif roll < FLAWED_FRACTION:
        flaw = rng.choice(("alike", "alike", "reversed", "empty"))
        if flaw == "alike":
            rejected = _chosen(clause, item, names, rng)
        elif flaw == "reversed":
            chosen, rejected = rejected, chosen
        else:
            rejected = rng.choice(("Yes.", "No.", "I do not know.", "See the contract.", "..."))
    fields = {"chosen": chosen, "rejected": rejected}
    return Sample("dpo", prompt, answer_json(fields), (*_used(clause, chosen), names[0]))


# --- seed expansion -----------------------------------------------------------------------------


def expand_sample(values: Values) -> Sample:
    """Write a new clause of the label that the last seed has."""
    rng = values.rng
    has_label = rng.random() < 0.85
    with_labels = has_label and rng.random() < 0.85
    n_peers = 9 if rng.random() < 0.45 else rng.randint(2, 8)
    kind = rng.choice(clause_types())
    same_label = [k for k in clause_types() if k.label == kind.label]
    peer_kinds = [
        rng.choice(same_label if rng.random() < 0.35 else clause_types()) for _ in range(n_peers)
    ]
    peers = [_seed(Writer.start(values).clause(k), has_label, rng) for k in peer_kinds]
    clause = Writer.start(values).clause(kind)
    index = rng.randrange(len(kind.wordings))
    seed = clause.wording(rng, index)
    prompt = expand.TECHNIQUE.prompt(
        SourceTask.of({"seed": seed, **({"label": kind.label} if has_label else {})}),
        peers=peers,
        labels=labels() if with_labels else (),
    )
    text, kept = _new_example(clause, index, same_label, values)
    label = kind.label
    roll = rng.random()
    if roll < BROKEN_FRACTION:
        text = _broken(text, prompt.messages[0].content, rng)
    elif roll < FLAWED_FRACTION:
        flaw = rng.choice(("copy", "copy", "peer", "label"))
        if flaw == "copy":
            text = _other_value(clause, rng, values).wording(rng, index)
        elif flaw == "peer":
            text = rng.choice(peers).fields["seed"]
        else:
            label = rng.choice(labels())
    fields = {"example": text, **({"label": label} if with_labels else {})}
    return Sample("expand", prompt, answer_json(fields), kept)


def _seed(clause: Clause, has_label: bool, rng: random.Random) -> SourceTask:
    label = clause.kind.label if has_label else ""
    return SourceTask.of({"seed": clause.wording(rng), "label": label})


def _new_example(
    clause: Clause, index: int, same_label: Sequence[ClauseType], values: Values
) -> tuple[str, tuple[str, ...]]:
    """Say something new: mostly the same type in another wording with other facts."""
    rng = values.rng
    kind = clause.kind
    if rng.random() < 0.06:
        kind = rng.choice([k for k in same_label if k is not kind] or same_label)
    keeps = {slot for slot in _KEPT_SLOTS if rng.random() < 0.92}
    if rng.random() < 0.93:
        keeps |= {"supplier", "customer"}
    else:
        keeps -= {"supplier", "customer"}
    fresh = Writer.start(values).clause(kind)
    merged = {k: clause.values.get(k, v) if k in keeps else v for k, v in fresh.values.items()}
    wordings = [i for i in range(len(kind.wordings)) if i != index or kind is not clause.kind]
    text = Clause(kind, merged).wording(rng, rng.choice(wordings))
    return text, tuple(v for k, v in clause.values.items() if k in keeps and v in text)


# --- the mixture --------------------------------------------------------------------------------

TASKS: dict[str, Callable[[Values], Sample]] = {
    "paraphrase": paraphrase_sample,
    "qa": qa_sample,
    "dpo": dpo_sample,
    "expand": expand_sample,
}


def sample(task: str, rng: random.Random, split: Split = "train") -> Sample:
    """Make one sample of a task with values of the split."""
    return TASKS[task](Values(rng, split))


def chat(prompt: Prompt) -> str:
    """Render a prompt in ChatML, up to where the assistant speaks."""
    turns = "".join(f"<|im_start|>{m.role}\n{m.content}<|im_end|>\n" for m in prompt.messages)
    return f"{turns}<|im_start|>assistant\n"
