from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from seedbed.errors import UserError
from seedbed_backend.store.cli import db


def test_upgrade_then_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SEEDBED_STORE_URL", f"sqlite:///{tmp_path}/store.db")
    run = CliRunner().invoke
    with pytest.raises(UserError, match="seedbed db upgrade"):
        run(db, ["check"], catch_exceptions=False)
    assert "revision 0003 (before: none)" in run(db, ["upgrade"]).output
    assert "revision 0003 (before: 0003)" in run(db, ["upgrade"]).output
    assert "revision 0003, up to date" in run(db, ["check"]).output
