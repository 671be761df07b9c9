"""Projects, the recipes they had, and the sources they grow from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, func, or_, select, update

from seedbed.errors import NotFoundError, UserError
from seedbed.records import SourceTask
from seedbed_backend.store.database import N_IDS_PER_QUERY, Database, insert_new, not_found
from seedbed_backend.store.records import Project, ProjectSide, utc_now
from seedbed_backend.store.schema import projects_table, recipes_table, sources_table


class ProjectStore(Database):
    """The part of the store that holds projects, recipes and sources."""

    def save_project(self, project: Project) -> None:
        """Add a project, or change it: all but technique, time of making and review fraction.

        An earlier recipe stays readable by its hash. Raises UserError for another technique.
        """
        values = {
            "name": project.name,
            "recipe_hash": project.recipe_hash,
            "label_studio_url": project.label_studio_url,
            "source_project": project.source_project,
            "review_project": project.review_project,
        }
        recipe = {
            "hash": project.recipe_hash,
            "document": dict(project.recipe),
            "created_at": utc_now(),
        }
        own = {
            "id": project.id,
            "technique": project.technique,
            "created_at": project.created_at,
        }
        with self._write() as connection:
            insert_new(connection, recipes_table, [recipe], recipes_table.c.hash)
            if insert_new(connection, projects_table, [own | values], projects_table.c.id):
                return
            is_it = projects_table.c.id == project.id
            technique = connection.scalar(select(projects_table.c.technique).where(is_it))
            if technique != project.technique:
                raise UserError(
                    f"Project {project.id} grows {technique}, not {project.technique}.",
                    hint="Make a project for each technique.",
                )
            connection.execute(update(projects_table).where(is_it).values(values))

    def set_review_fraction(self, project_id: str, review_fraction: float | None) -> None:
        """Say what share of a project's survivors people judge; None is what the recipe says."""
        is_it = projects_table.c.id == project_id
        with self._write() as connection:
            connection.execute(
                update(projects_table).where(is_it).values(review_fraction=review_fraction)
            )

    def project(self, project_id: str) -> Project:
        """Return one project. Raises NotFoundError naming the known ones."""
        with self._read() as connection:
            query = _PROJECTS.where(projects_table.c.id == project_id)
            row = connection.execute(query).mappings().one_or_none()
            if row is None:
                raise not_found("project", project_id, _project_ids(connection))
            return _project_from(row)

    def projects(self) -> list[Project]:
        """Return all projects, oldest first."""
        query = _PROJECTS.order_by(projects_table.c.created_at, projects_table.c.id)
        with self._read() as connection:
            return [_project_from(row) for row in connection.execute(query).mappings()]

    def project_by_label_studio(
        self, label_studio_project_id: int
    ) -> tuple[Project, ProjectSide] | None:
        """Find the project that a Label Studio project belongs to, and as which of its two.

        The newest counts: a reinstalled Label Studio gives out the same ids again.
        """
        query = (
            _PROJECTS.where(
                or_(
                    projects_table.c.source_project == label_studio_project_id,
                    projects_table.c.review_project == label_studio_project_id,
                )
            )
            .order_by(projects_table.c.created_at.desc(), projects_table.c.id)
            .limit(1)
        )
        with self._read() as connection:
            row = connection.execute(query).mappings().one_or_none()
        if row is None:
            return None
        is_source = row[projects_table.c.source_project] == label_studio_project_id
        return _project_from(row), "source" if is_source else "review"

    def recipe(self, recipe_hash: str) -> dict[str, Any]:
        """Return a recipe that some project has or had. Raises NotFoundError."""
        query = select(recipes_table.c.document).where(recipes_table.c.hash == recipe_hash)
        with self._read() as connection:
            document: dict[str, Any] | None = connection.scalar(query)
        if document is None:
            raise NotFoundError(f"No recipe has the hash {recipe_hash!r}.")
        return document

    def save_recipe(self, recipe_hash: str, document: Mapping[str, Any]) -> None:
        """Keep a recipe that no project has, for a trial."""
        row = {"hash": recipe_hash, "document": dict(document), "created_at": utc_now()}
        with self._write() as connection:
            insert_new(connection, recipes_table, [row], recipes_table.c.hash)

    def add_sources(self, project_id: str, sources: Sequence[SourceTask]) -> int:
        """Add the sources that are not there yet and count them.

        One that is there learns its Label Studio task if it had none. Raises NotFoundError for an
        unknown project.
        """
        rows = [
            {
                "project_id": project_id,
                "id": source.id,
                "fields": dict(source.fields),
                "group_name": source.group,
                "label_studio_task": source.label_studio_task,
                "provenance": dict(source.provenance),
            }
            for source in sources
        ]
        with self._write() as connection:
            _lock_project(connection, project_id)
            new = set(insert_new(connection, sources_table, rows, sources_table.c.id))
            linked = [
                {"of_project": project_id, "of_id": source.id, "task": source.label_studio_task}
                for source in sources
                if source.id not in new and source.label_studio_task is not None
            ]
            if linked:
                connection.execute(_LINK_SOURCE, linked)
        return len(new)

    def sources(self, project_id: str, ids: Collection[str] | None = None) -> list[SourceTask]:
        """Return the sources of a project, or those of the given ids, as they were added."""
        query = (
            select(sources_table)
            .where(sources_table.c.project_id == project_id)
            .order_by(sources_table.c.seq)
        )
        with self._read() as connection:
            if ids is None:
                return [source_from(row) for row in connection.execute(query).mappings()]
            wanted = sorted(set(ids))
            found = [
                row
                for start in range(0, len(wanted), N_IDS_PER_QUERY)
                for row in connection.execute(
                    query.where(sources_table.c.id.in_(wanted[start : start + N_IDS_PER_QUERY]))
                ).mappings()
            ]
        return [source_from(row) for row in sorted(found, key=lambda row: row[_SEQ])]

    def source_groups(self, project_id: str) -> dict[str, str]:
        """Return the group of every source of a project by its id, as they were added."""
        query = (
            select(sources_table.c.id, sources_table.c.group_name)
            .where(sources_table.c.project_id == project_id)
            .order_by(sources_table.c.seq)
        )
        with self._read() as connection:
            return {row.id: row.group_name for row in connection.execute(query)}

    def count_sources(self, project_id: str) -> int:
        """Count the sources of a project."""
        query = select(func.count()).where(sources_table.c.project_id == project_id)
        with self._read() as connection:
            return connection.scalar(query) or 0

    def source(self, project_id: str, source_id: str) -> SourceTask | None:
        """Return one source by its content id."""
        query = select(sources_table).where(
            sources_table.c.project_id == project_id, sources_table.c.id == source_id
        )
        with self._read() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else source_from(row)

    def source_by_task(self, project_id: str, label_studio_task: int) -> SourceTask | None:
        """Return the source that came from a Label Studio task."""
        query = (
            select(sources_table)
            .where(
                sources_table.c.project_id == project_id,
                sources_table.c.label_studio_task == label_studio_task,
            )
            .order_by(sources_table.c.seq)
            .limit(1)
        )
        with self._read() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else source_from(row)


_SEQ = sources_table.c.seq

_PROJECTS = select(projects_table, recipes_table.c.document).join(recipes_table)

_LINK_SOURCE = (
    update(sources_table)
    .where(
        sources_table.c.project_id == bindparam("of_project"),
        sources_table.c.id == bindparam("of_id"),
        sources_table.c.label_studio_task.is_(None),
    )
    .values(label_studio_task=bindparam("task"))
)


def source_from(row: RowMapping) -> SourceTask:
    """Build the record from a row that holds the columns of `sources`."""
    return SourceTask(
        id=row[sources_table.c.id],
        fields=row[sources_table.c.fields],
        group=row[sources_table.c.group_name],
        label_studio_task=row[sources_table.c.label_studio_task],
        provenance=row[sources_table.c.provenance],
    )


def _project_from(row: RowMapping) -> Project:
    return Project(
        id=row[projects_table.c.id],
        name=row[projects_table.c.name],
        technique=row[projects_table.c.technique],
        recipe=row[recipes_table.c.document],
        recipe_hash=row[projects_table.c.recipe_hash],
        label_studio_url=row[projects_table.c.label_studio_url],
        source_project=row[projects_table.c.source_project],
        review_project=row[projects_table.c.review_project],
        created_at=row[projects_table.c.created_at],
        review_fraction=row[projects_table.c.review_fraction],
    )


def _project_ids(connection: Connection) -> list[str]:
    return list(connection.scalars(select(projects_table.c.id).order_by(projects_table.c.id)))


def _lock_project(connection: Connection, project_id: str) -> None:
    """Let one writer at a time add sources to a project, so that two cannot deadlock."""
    query = select(projects_table.c.id).where(projects_table.c.id == project_id)
    if connection.scalar(query.with_for_update(key_share=True)) is None:
        raise not_found("project", project_id, _project_ids(connection))
