"""One example as its technique trains it."""

from __future__ import annotations

from seedbed import recipe
from seedbed.errors import UserError
from seedbed.records import Example
from seedbed.technique import TrainingRow


def training_row(example: Example) -> TrainingRow:
    """Return the example as its technique trains it. Raises UserError when it lacks a field."""
    try:
        technique = recipe.technique_of(example.technique, example.record)
        return technique.row(example.source, example.output)
    except KeyError as exc:
        raise UserError(
            f"The example {example.id} of technique {example.technique} lacks the field {exc}.",
            hint="Pull it again, or leave it out.",
        ) from exc
