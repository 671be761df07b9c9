"""Everything Seedbed raises on purpose.

    SeedbedError
    ├── UserError            the caller can mend it (exit code 2, HTTP 400)
    │   ├── RecipeError      a recipe that cannot be used
    │   ├── SourceError      a source file, row or task that cannot be used
    │   ├── LabelConfigError a label config that lost something Seedbed needs
    │   ├── ModelError       a model file that cannot be used
    │   └── NotFoundError    a project, run or variant that does not exist (HTTP 404)
    └── ServiceError         something outside is broken or away (exit code 1, HTTP 503)
        ├── LabelStudioError Label Studio refused or did not answer
        └── BackendError     Seedbed's own server refused or did not answer

Bad *model output* is never an error: it is data, counted with its reason.
"""

from __future__ import annotations


class SeedbedError(Exception):
    """Base of all errors: one sentence naming the thing, and a hint saying what to do.

    `retryable` is true where the same call may succeed later without any change.
    """

    exit_code = 1
    http_status = 500

    def __init__(self, message: str, *, hint: str = "", retryable: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.retryable = retryable

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class UserError(SeedbedError):
    """The caller's input cannot be used as it is."""

    exit_code = 2
    http_status = 400


class RecipeError(UserError):
    """A recipe has an unknown key, or a value outside its range."""


class SourceError(UserError):
    """A source file, row or task cannot be used."""


class LabelConfigError(UserError):
    """A label config lacks a control or object that the technique needs."""


class ModelError(UserError):
    """A model file is missing, damaged or of the wrong kind."""


class NotFoundError(UserError):
    """No project, run, technique, filter or engine has this name."""

    http_status = 404


class ServiceError(SeedbedError):
    """A service that Seedbed needs is away or refused."""

    http_status = 503


class LabelStudioError(ServiceError):
    """Label Studio refused the call or could not be reached."""


class BackendError(ServiceError):
    """Seedbed's own server refused the call or could not be reached."""
