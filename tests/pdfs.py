"""Makes PDF files with reportlab, as tests need them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

from reportlab.lib.pagesizes import A5
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph, SimpleDocTemplate

HEADER = "Confidential - draft of 4 March"


def article(path: Path, markdown: str, *, running: bool = True) -> None:
    """Set a Markdown text of headings and paragraphs in A5, with a running header and page number."""
    styles = getSampleStyleSheet()
    flow = []
    for block in markdown.split("\n\n"):
        level = len(block) - len(block.lstrip("#"))
        style = f"Heading{min(level, 3)}" if level else "BodyText"
        if block.strip():
            flow.append(Paragraph(" ".join(block.lstrip("# ").split()), styles[style]))

    def decorate(canvas: Canvas, template: SimpleDocTemplate) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.drawString(72, A5[1] - 36, HEADER)
        canvas.drawString(200, 30, f"Page {template.page}")

    on_page: Callable[..., None] = decorate if running else (lambda canvas, template: None)
    SimpleDocTemplate(str(path), pagesize=A5, invariant=1).build(
        flow, onFirstPage=on_page, onLaterPages=on_page
    )


def lines(path: Path, *pages: list[tuple[float, float, str]], size: float = 11) -> None:
    """Print each page's (x, y, text) in points from the lower left; no text is an empty page."""
    canvas = Canvas(str(path), invariant=1)
    for page in pages:
        canvas.setFont("Helvetica", size)
        for x, y, text in page:
            canvas.drawString(x, y, text)
        canvas.showPage()
    canvas.save()


def scan(path: Path, n_pages: int, *, text_pages: dict[int, str] | None = None) -> None:
    """Make pages that are pictures, but for those of which text is given."""
    from PIL import Image

    canvas = Canvas(str(path), invariant=1)
    for number in range(1, n_pages + 1):
        if text := (text_pages or {}).get(number):
            canvas.drawString(72, 700, text)
        else:
            picture = io.BytesIO()
            Image.new("L", (60, 80), 200).save(picture, "PNG")
            picture.seek(0)
            canvas.drawImage(ImageReader(picture), 0, 0, 400, 600)
        canvas.showPage()
    canvas.save()


def turned(path: Path, degrees: int, text: list[str]) -> None:
    """Print lines so that they are upright on a page that is turned clockwise."""
    canvas = Canvas(str(path), invariant=1)
    canvas.setPageRotation(degrees)
    canvas.translate(300, 400)
    canvas.rotate(degrees)
    for number, line in enumerate(text):
        canvas.drawString(-200, -14 * number, line)
    canvas.save()


def form(path: Path, fields: dict[str, str]) -> None:
    """Make a form with the fields filled in."""
    canvas = Canvas(str(path), invariant=1)
    for number, (name, value) in enumerate(fields.items()):
        canvas.drawString(72, 700 - 30 * number, name)
        canvas.acroForm.textfield(
            name=name, value=value, x=150, y=690 - 30 * number, width=200, height=20
        )
    canvas.save()


def encrypted(path: Path, password: str) -> None:
    """Make a PDF that asks for a password."""
    canvas = Canvas(str(path), encrypt=password)
    canvas.drawString(72, 700, "A secret contract.")
    canvas.save()
