"""Examples → a data set that trainers read. Written whole or not at all, the same bytes every time.

example ──rows──▶ training row ──formats──▶ row with metadata ──files──▶ train.jsonl …
                                                             ├─card────▶ README.md
                                                             └─manifest▶ manifest.json
"""

from __future__ import annotations

from seedbed.export.about import About
from seedbed.export.chunks import rag_chunk
from seedbed.export.dataset import export
from seedbed.export.files import read_examples, write_jsonl
from seedbed.export.formats import FORMATS, rows
from seedbed.export.manifest import verify
from seedbed.export.rows import training_row

__all__ = [
    "FORMATS",
    "About",
    "export",
    "rag_chunk",
    "read_examples",
    "rows",
    "training_row",
    "verify",
    "write_jsonl",
]
