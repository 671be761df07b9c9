"""Runs the program that docs/review.md gives to whoever wants to draw the sample again."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).parents[2] / "docs" / "review.md"


def program() -> str:
    """Return the one program of the document; it must do without Seedbed."""
    (found,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert "seedbed" not in found
    return str(found)


def redraw(
    audit: Path, tasks: Iterable[Mapping[str, Any]], *, is_right: bool = True
) -> dict[str, Any]:
    """Draw again from an audit trail, compare with review tasks; return what the program reports."""
    folder = audit.parent
    (folder / "redraw.py").write_text(program(), encoding="utf-8")
    (folder / "tasks.json").write_text(json.dumps(list(tasks)), encoding="utf-8")
    command = [sys.executable, "-I", "-S", "redraw.py", audit.name, "tasks.json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == (not is_right), done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report
