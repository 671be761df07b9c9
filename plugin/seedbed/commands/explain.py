"""`seedbed explain`: everything that is known about one candidate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from seedbed.commands.common import backend as connect
from seedbed.display import in_words

_SAID_BY_PLACE = ("file", "page", "page_end", "page_spans", "char_start", "char_end")


@click.command(short_help="see everything about one candidate")
@click.argument("candidate")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def explain(candidate: str, as_json: bool) -> None:
    """Print everything about CANDIDATE: source, generation, every decision, review, verdicts.

    CANDIDATE is its id (the first few characters will do), as `seedbed report` and a review task's
    `cid` name it. Personal data is shown as it was generated.
    """
    found = connect().candidate(candidate)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        print_candidate(found)


def print_candidate(found: Mapping[str, Any]) -> None:
    """Print a candidate from its source to its verdict."""
    click.secho(f"Candidate {found['id']}", bold=True)
    _line("project", f"{found['project']['name']} ({found['project']['technique']})")
    _line("run", f"{found['run']['id'][:8]}, {found['run']['kind'].replace('_', '-')}")
    _line("ended", _place(found["place"]))
    _print_source(found["source"])
    _print_generation(found["generation"], found["fields"])
    click.secho("\nDecisions", bold=True)
    for decision in found["decisions"]:
        _print_decision(decision)
    if not found["decisions"]:
        click.echo("  none: it could not be read")
    if found["not_asked"]:
        click.echo(f"  never reached: {', '.join(found['not_asked'])}")
    if found["former_decisions"]:
        click.secho("\nBefore it was screened again", bold=True)
        for decision in found["former_decisions"]:
            click.echo(f"  until {decision['replaced_at'][:19]}, by recipe {decision['recipe']}:")
            _print_decision(decision)
    _print_review(found["review"])
    click.secho("\nVerdicts", bold=True)
    for verdict in found["verdicts"]:
        _print_verdict(verdict, found["fields"])
    if not found["verdicts"]:
        click.echo("  none yet")
    if found["events"]:
        click.secho("\nAudit trail", bold=True)
        for event in found["events"]:
            said = ", ".join(f"{key} {value}" for key, value in event["data"].items())
            click.echo(f"  {event['time'][:19]}  {in_words(event['event'])}  {said}")


def _place(place: Mapping[str, Any]) -> str:
    if place["state"] == "dropped":
        return f"dropped by {place['stage']}: {in_words(place['reason'])}"
    score = f", score {place['score']:.2f}" if place["score"] is not None else ""
    if over := place["overruled"]:
        return (
            f"survivor, because a person judged it, although {over['stage']} would now drop it: "
            f"{in_words(over['reason'])}"
        )
    return f"{place['state']}{score}"


def _print_source(source: Mapping[str, Any]) -> None:
    click.secho("\nSource", bold=True)
    _line("id", source["id"] + (f", group {source['group']}" if source["group"] else ""))
    if source["url"]:
        _line("task", source["url"])
    if source["place"]:
        _line("place", source["place"])
    for name, value in source["provenance"].items():
        if not (source["place"] and name in _SAID_BY_PLACE):
            _line(name, str(value))
    for name, text in source["fields"].items():
        _line(name, text)


def _print_generation(made: Mapping[str, Any], fields: Mapping[str, str]) -> None:
    click.secho("\nGeneration", bold=True)
    sha256 = f" (sha256 {made['model_sha256'][:12]}…)" if made["model_sha256"] else ""
    _line("model", f"{made['model']}{sha256}")
    _line("recipe", made["recipe"])
    if made["screened_by"] != made["recipe"]:
        _line("screened by", f"recipe {made['screened_by']}")
    _line("prompt", made["prompt"])
    for name, said in (("few_shot", "follows"), ("avoid", "avoids")):
        if ids := made["shown"][name]:
            _line(said, ", ".join(id_[:8] for id_ in ids))
    sampling = ", ".join(f"{name} {value}" for name, value in made["sampling"].items())
    _line("sampling", f"{sampling}; seed {made['rng_seed']}")
    _line(
        "took",
        f"{made['n_prompt_tokens']} + {made['n_tokens']} tokens, {made['seconds']:.1f} s, "
        f"ended by {made['finish_reason']}",
    )
    _line("completion", made["text"])
    for name, text in fields.items():
        _line(name, text)


def _print_decision(decision: Mapping[str, Any]) -> None:
    is_kept = decision["keep"]
    mark = click.style("keep", fg="green") if is_kept else click.style("drop", fg="red")
    score = f"  score {decision['score']:.2f}" if decision["score"] is not None else ""
    reason = "" if is_kept else f"  {in_words(decision['reason'])}"
    click.echo(f"  {mark}  {decision['filter']}{reason}{score}")
    for line in decision["lines"]:
        click.echo(f"          {line}")


def _print_review(review: Mapping[str, Any]) -> None:
    click.secho("\nReview", bold=True)
    if review["draw"] is None:
        click.echo("  not put before people")
        return
    sample = "in" if review["is_in_sample"] else "outside"
    _line(
        "draw",
        f"{review['draw']:.4f} in {review['stratum']}, {sample} the sample "
        f"(below {review['review_fraction']:.2f})",
    )
    if review["url"]:
        _line("task", review["url"] + (" (withdrawn)" if review["is_withdrawn"] else ""))


def _print_verdict(verdict: Mapping[str, Any], fields: Mapping[str, str]) -> None:
    stands = "" if verdict["stands"] else "  (does not stand any more)"
    who = f"reviewer {verdict['reviewer']}" if verdict["reviewer"] is not None else "somebody"
    click.echo(f"  {verdict['decided_at'][:19]}  {verdict['status']} by {who}{stands}")
    for name in ("reasons", "note", "rating"):
        value = verdict[name]
        if value:
            _line(f"  {name}", ", ".join(value) if isinstance(value, list) else str(value))
    if verdict["status"] == "FIXED":
        for name, text in verdict["fields"].items():
            if text != fields.get(name):
                _line(f"  {name}", text)


def _line(name: str, text: str) -> None:
    shown = "\n".join(f"{'':17}{line}" for line in str(text).splitlines()).strip()
    click.echo(f"  {name:<13}  {shown}")


COMMANDS = (explain,)
