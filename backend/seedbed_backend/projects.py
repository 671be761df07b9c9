"""Sets a project up in Label Studio and keeps it working; reads its sources."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seedbed import labeling
from seedbed.columns import ValueProblem
from seedbed.errors import LabelConfigError, NotFoundError, SourceError, UserError
from seedbed.recipe import Recipe, parse
from seedbed.records import SourceTask
from seedbed.tabs import SECOND_TAB, review_tabs
from seedbed.technique import Technique
from seedbed_backend import double_review, gate, sample
from seedbed_backend.audit import record
from seedbed_backend.filters import configure
from seedbed_backend.services import Services
from seedbed_backend.store import Project, utc_now

TITLE_LENGTH = 38
"""Label Studio takes 50 characters; the rest says which of the two projects it is."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of imported rows; `problems` has one sentence per row that could not be used."""

    n_new: int
    n_duplicates: int
    problems: list[str] = field(default_factory=list)


def project_id(name: str) -> str:
    """Return the id that goes with a name: lower case, words joined by hyphens."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if not slug:
        raise UserError(f"{name!r} is no project name.", hint="Use letters and digits.")
    return slug


def save(services: Services, name: str, recipe: Recipe, *, force: bool = False) -> Project:
    """Create the project, or bring an existing one of that name up to the recipe.

    Makes what is missing in Label Studio: both projects with their label configs, the ML backend,
    the webhooks, the tabs. Saving again repairs what somebody deleted. A recipe that changes the
    review fraction changes the sample.

    Raises RecipeError for a filter option out of range, UserError when the name is taken by another
    technique or for a review fraction that takes `force` (see `sample`), LabelStudioError when Label
    Studio is away or refuses.
    """
    configure(recipe)
    known = _known(services, project_id(name))
    if known and known.technique != recipe.technique:
        raise UserError(
            f"The project {name!r} exists with technique {known.technique}.",
            hint="Choose another name for this recipe.",
        )
    fraction = _sampled_fraction(known, recipe, force=force)
    source = _ensure_project(services, recipe, name, known, is_review=False)
    review = _ensure_project(services, recipe, name, known, is_review=True)
    project = Project(
        id=project_id(name),
        name=name,
        technique=recipe.technique,
        recipe=recipe.model_dump(mode="json"),
        recipe_hash=recipe.hash,
        label_studio_url=services.settings.label_studio_url,
        source_project=source,
        review_project=review,
        created_at=known.created_at if known else utc_now(),
    )
    if known and fraction != known.sampled_fraction:
        sample.note_change(services, known, fraction)
    services.store.save_project(project)
    _connect(services, project)
    _set_tabs(services, project, recipe, fraction)
    record(
        services.store, "project_saved", project.id, recipe=recipe.hash, review_fraction=fraction
    )
    double_review.ask(services, services.store.project(project.id))
    gate.announce(services, project)
    return services.store.project(project.id)


def import_rows(
    services: Services, project: Project, rows: Sequence[Mapping[str, Any]]
) -> ImportReport:
    """Import source rows ({"fields": …, "provenance": …}) into the source project, each content once.

    A row that lacks a required field is reported and left out; the others go in.
    """
    recipe = parse(project.recipe)
    sources: dict[str, SourceTask] = {}
    problems: list[str] = []
    n_duplicates = 0
    for number, row in enumerate(rows, start=1):
        try:
            source = make_source(
                recipe.spec, row.get("fields", {}), row.get("provenance", {}), f"row {number}"
            )
            check_label(recipe, source, f"row {number}")
        except SourceError as exc:
            problems.append(str(exc))
            continue
        n_duplicates += source.id in sources
        sources[source.id] = source
    server = services.label_studio
    with services.queues.project_lock(project.id):
        present = server.tasks_by_cid(project.source_project, list(sources))
        missing = [s for s in sources.values() if s.id not in present]
        data = [
            {"data": {**s.fields, "cid": s.id}, "meta": {"provenance": dict(s.provenance)}}
            for s in missing
        ]
        ids = server.import_tasks(project.source_project, data) if data else []
        placed = present | {s.id: id_ for s, id_ in zip(missing, ids, strict=True)}
        services.store.add_sources(
            project.id, [_with_task(s, placed[s.id]) for s in sources.values()]
        )
    return ImportReport(len(missing), n_duplicates + len(present), problems)


def collect_sources(services: Services, project: Project) -> ImportReport:
    """Read the source project's tasks into the store, so that those imported by hand count too."""
    recipe = parse(project.recipe)
    sources, problems = [], []
    for task in services.label_studio.tasks(project.source_project):
        try:
            source = read_source(recipe.spec, task)
            check_label(recipe, source, f"task {task.get('id')}")
            sources.append(source)
        except SourceError as exc:
            problems.append(str(exc))
    n_new = services.store.add_sources(project.id, sources)
    return ImportReport(n_new, len(sources) - n_new, problems)


def read_source(technique: Technique, task: Mapping[str, Any]) -> SourceTask:
    """Read a Label Studio task as a source. Raises SourceError when a required field is missing."""
    meta = task.get("meta") or {}
    return make_source(
        technique,
        task.get("data", {}),
        meta.get("provenance", {}) if isinstance(meta, Mapping) else {},
        f"task {task.get('id')}",
        label_studio_task=task.get("id"),
    )


def make_source(
    technique: Technique,
    values: Mapping[str, Any],
    provenance: Mapping[str, Any],
    name: str,
    label_studio_task: int | None = None,
) -> SourceTask:
    """Make a source of a row's values, keeping the technique's fields alone.

    Raises SourceError naming `name` and the missing or empty field.
    """
    fields = {}
    for spec in technique.source_fields:
        try:
            text = spec.read(values.get(spec.name))
        except ValueProblem as problem:
            raise SourceError(f"{name}: {problem}.", hint="Correct it in the source.") from problem
        if text:
            fields[spec.name] = text
        elif spec.is_required:
            raise SourceError(
                f"{name}: the field {spec.name!r} ({spec.help}) is missing or empty.",
                hint=f"Found: {', '.join(sorted(map(str, values))) or 'nothing'}.",
            )
    return SourceTask.of(
        fields,
        group=fields.get(technique.group_field, ""),
        label_studio_task=label_studio_task,
        provenance=provenance,
    )


def check_label(recipe: Recipe, source: SourceTask, name: str) -> None:
    """Raise SourceError when the source carries a label that the recipe does not list."""
    label = source.fields.get(recipe.spec.label_field, "")
    if label and recipe.labels and label not in recipe.labels:
        raise SourceError(
            f"{name}: the label {label!r} is not one of the recipe's.",
            hint=f"Labels: {', '.join(recipe.labels)}.",
        )


def _ensure_project(
    services: Services, recipe: Recipe, name: str, known: Project | None, *, is_review: bool
) -> int:
    """Return the Label Studio project; make it, or mend its label config, where that is needed.

    A config in which every control is where it belongs is left as people arranged it.
    """
    server, technique = services.label_studio, recipe.spec
    make_config = labeling.review_config if is_review else labeling.source_config
    xml = make_config(technique, recipe.labels)
    existing = (known.review_project if is_review else known.source_project) if known else 0
    if not existing or not server.project_exists(existing):
        title = f"{(recipe.title or name)[:TITLE_LENGTH]} · {'review' if is_review else 'sources'}"
        return server.create_project(title, xml, "Made by Seedbed.")
    try:
        labeling.check_config(
            server.label_config(existing), technique, recipe.labels, is_review=is_review
        )
    except LabelConfigError:
        server.update_config(existing, xml)
    return existing


def _connect(services: Services, project: Project) -> None:
    """Let Label Studio ask us for predictions, and tell us of verdicts."""
    server, settings = services.label_studio, services.settings
    server.connect_backend(
        project.source_project, settings.url, settings.basic_auth_user, settings.basic_auth_pass
    )
    hook = f"{settings.url}/webhook"
    # Made by connecting: it sends all events, without any secret.
    server.remove_webhooks(project.source_project, hook)
    server.set_webhook(project.review_project, hook, settings.webhook_secret)


def _set_tabs(services: Services, project: Project, recipe: Recipe, fraction: float) -> None:
    server, share = services.label_studio, recipe.double_review_fraction
    server.set_tabs(project.review_project, review_tabs(recipe.spec, fraction, share))
    if not share:
        server.remove_tab(project.review_project, SECOND_TAB)


def _sampled_fraction(known: Project | None, recipe: Recipe, *, force: bool) -> float:
    """Return the share that people judge from now on: the recipe's, or what was chosen since.

    Raises UserError for a new share that takes `force`.
    """
    fraction = recipe.review_fraction
    if known is None:
        sample.check_fraction(fraction, force=force)
        return fraction
    if fraction == known.recipe["review_fraction"]:
        return known.sampled_fraction
    sample.check_change(known, fraction, force=force)
    return fraction


def _known(services: Services, id_: str) -> Project | None:
    try:
        return services.store.project(id_)
    except NotFoundError:
        return None


def _with_task(source: SourceTask, task: int) -> SourceTask:
    return SourceTask(source.id, source.fields, source.group, task, source.provenance)
