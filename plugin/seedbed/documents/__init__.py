"""Documents: files of prose as one text each, with places in it, and cut into chunks.

    reading.py   picks the reader: plain.py (text, Markdown), pdf.py, word.py, html.py
    document.py  what all of them give: a text with its blocks and pages
    chunks.py    cuts it, at the borders of sentences (sentences.py) where it can
    places.py    finds a passage of it again

The same file gives the same text again, so that a position that was stored still means the same.
"""

from seedbed.documents.document import Block, Document, Page, Piece, assemble
from seedbed.documents.places import Place, locate
from seedbed.documents.reading import SUFFIXES, read_document

__all__ = [
    "SUFFIXES",
    "Block",
    "Document",
    "Page",
    "Piece",
    "Place",
    "assemble",
    "locate",
    "read_document",
]
