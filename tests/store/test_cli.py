from __future__ import annotations

from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from click.testing import CliRunner

from seedbed.errors import UserError
from seedbed_backend.store.cli import db
from seedbed_backend.store.store import MIGRATIONS

HEAD = ScriptDirectory(str(MIGRATIONS)).get_current_head()


def test_upgrade_then_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SEEDBED_STORE_URL", f"sqlite:///{tmp_path}/store.db")
    run = CliRunner().invoke
    with pytest.raises(UserError, match="seedbed db upgrade"):
        run(db, ["check"], catch_exceptions=False)
    assert f"revision {HEAD} (before: none)" in run(db, ["upgrade"]).output
    assert f"revision {HEAD} (before: {HEAD})" in run(db, ["upgrade"]).output
    assert f"revision {HEAD}, up to date" in run(db, ["check"]).output
