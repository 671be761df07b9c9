"""Double review: the first part of the sample is judged by two people, so that they can be compared."""

from __future__ import annotations

from seedbed.recipe import parse
from seedbed.tabs import second_review_limit
from seedbed_backend.services import Services
from seedbed_backend.store import Project


def ask(services: Services, project: Project) -> int:
    """Ask Label Studio for a second review of the part that is due; return how many tasks are new.

    Its tab is made with the others when the project is saved. Calling again repairs what is missing.
    """
    fraction = parse(project.recipe).double_review_fraction
    if not fraction:
        return 0
    limit = second_review_limit(project.sampled_fraction, fraction)
    return services.label_studio.set_second_review(project.review_project, limit)
