"""Which encoding a text file is in, and its text; what was assumed is said, never kept quiet.

A byte order mark decides; else UTF-8 where that fits; else what charset-normalizer takes it for. A
file that is UTF-8 but for a few bytes is a damaged UTF-8 file: those bytes are named.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from seedbed.errors import SourceError

MAX_LINE_BYTES = 1 << 20
"""Longest line and longest CSV row: 1 MiB, a thick book's worth of text for one example."""

_BLOCK_BYTES = 1 << 20
_SAMPLE_BYTES = 1 << 16
"""As much as charset-normalizer needs, from the first byte on that is not ASCII."""

_FEW = 32
"""With fewer bytes beyond ASCII than this, statistics say nothing: then it is Windows-1252, the
encoding in which office programs of western languages save."""

_MARKS = (  # the longer mark first: UTF-32's begins as UTF-16's does
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MULTIBYTE = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")  # ESC belongs to an old Japanese encoding
_HIGH = re.compile(rb"[\x80-\xff]")


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a file is decoded: `codec` is Python's name, `mark` the length of its byte order mark.

    `is_assumed` is set where neither the file nor its bytes say so beyond doubt.
    """

    codec: str = "utf-8"
    mark: int = 0
    is_assumed: bool = False

    @property
    def name(self) -> str:
        """Return the name that people know it by."""
        return _shown(self.codec)

    @property
    def is_wide(self) -> bool:
        """Tell whether a line's end is more than one byte."""
        return self.codec.startswith(("utf-16", "utf-32"))

    @property
    def note(self) -> str:
        """Say what was assumed, and what to do if that is wrong; '' where nothing was."""
        if self.is_assumed:
            return f"read as {self.name}; save it as UTF-8 if letters look wrong"
        return "" if self.codec == "utf-8" else f"read as {self.name}"


def detect(path: Path) -> Encoding:
    """Find out a file's encoding. Raises SourceError where its bytes are no text, OSError."""
    with path.open("rb") as file:
        head = file.read(_SAMPLE_BYTES)
        for mark, codec in _MARKS:
            if head.startswith(mark):
                return Encoding(codec, len(mark))
        if b"\0" in head and (found := _without_mark(head)):
            return found
        if len(_CONTROL.findall(head)) > 2 + len(head) / 100:
            raise SourceError("The file is not text.", hint="Is it named as what it is?")
        file.seek(0)
        sample = _from_first_high_byte(file)
    return Encoding() if sample is None else _guess(sample)


def read_text(path: Path, encoding: Encoding) -> str:
    """Return a whole file's text, its byte order mark left out. Raises SourceError naming the byte."""
    raw = path.read_bytes()[encoding.mark :]
    try:
        return raw.decode(encoding.codec)
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise SourceError(
            f"Line {line}: {broken_byte(exc, encoding, encoding.mark)}", hint=""
        ) from exc


def broken_byte(exc: UnicodeDecodeError, encoding: Encoding, offset: int) -> str:
    """Name the byte that broke off decoding, counted from the file's start, and say what to do."""
    return (
        f"Byte {offset + exc.start} (0x{exc.object[exc.start]:02x}) is not {encoding.name}. "
        "Save the file as UTF-8."
    )


class Lines:
    """The lines of a file, decoded one at a time, line ends kept.

    A line that cannot be used, or has more than `limit` bytes, comes out blank, and its number and
    problem are in `problems`.
    """

    def __init__(self, path: Path, *, limit: int = MAX_LINE_BYTES) -> None:
        self._path = path
        self.limit = limit
        self.encoding = detect(path)
        self.number = 0
        self.problems: list[tuple[int, str]] = []

    def __iter__(self) -> Iterator[str]:
        return self._wide_lines() if self.encoding.is_wide else self._byte_lines()

    def _byte_lines(self) -> Iterator[str]:
        with self._path.open("rb") as file:
            file.seek(self.encoding.mark)
            while True:
                offset = file.tell()
                raw = file.readline(self.limit + 1)
                if not raw:
                    return
                self.number += 1
                yield self._decoded(raw, offset)
                while len(raw) > self.limit and not raw.endswith(b"\n"):
                    raw = file.readline(self.limit + 1)

    def _wide_lines(self) -> Iterator[str]:
        """Read what Windows programs call Unicode; a damaged pair of bytes is replaced and named."""
        with self._path.open(encoding=self.encoding.codec, errors="replace", newline="\n") as file:
            while line := file.readline(self.limit + 1):
                self.number += 1
                yield self._checked(line.removeprefix("\ufeff") if self.number == 1 else line)
                while len(line) > self.limit and not line.endswith("\n"):
                    line = file.readline(self.limit + 1)

    def _decoded(self, raw: bytes, offset: int) -> str:
        if len(raw) > self.limit:
            return self._blank(f"The line is longer than {self.limit >> 20} MiB. Split it.")
        try:
            return raw.decode(self.encoding.codec)
        except UnicodeDecodeError as exc:
            return self._blank(broken_byte(exc, self.encoding, offset))

    def _checked(self, line: str) -> str:
        if len(line) > self.limit:
            return self._blank(f"The line is longer than {self.limit >> 20} MiB. Split it.")
        if "\ufffd" in line:
            return self._blank(f"The line is not {self.encoding.name}. Save the file as UTF-8.")
        return line

    def _blank(self, problem: str) -> str:
        self.problems.append((self.number, problem))
        return "\n"


def _without_mark(head: bytes) -> Encoding | None:
    """Tell UTF-16 without a mark, where every other byte of western text is 0."""
    n_even, n_odd = head[::2].count(0), head[1::2].count(0)
    if n_odd > len(head) / 8 and n_even < n_odd / 8:
        return Encoding("utf-16-le", is_assumed=True)
    if n_even > len(head) / 8 and n_odd < n_even / 8:
        return Encoding("utf-16-be", is_assumed=True)
    return None  # a stray NUL is a problem of its line


def _from_first_high_byte(file: BinaryIO) -> bytes | None:
    """Return a sample of a file that is not UTF-8; None where it is."""
    decoder, sample = codecs.getincrementaldecoder("utf-8")(), b""
    is_utf8 = True
    while block := file.read(_BLOCK_BYTES):
        if is_utf8:
            try:
                decoder.decode(block)
            except UnicodeDecodeError:
                is_utf8 = False
        if len(sample) < _SAMPLE_BYTES and (found := _HIGH.search(block)):
            start = 0 if sample else max(0, found.start() - 200)
            sample += block[start : start + _SAMPLE_BYTES]
        if not is_utf8 and len(sample) >= _SAMPLE_BYTES:
            return sample
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        is_utf8 = False
    return None if is_utf8 else sample


def _guess(sample: bytes) -> Encoding:
    n_multibyte = len(_MULTIBYTE.findall(sample))
    n_other = len(_HIGH.findall(_MULTIBYTE.sub(b"", sample)))
    if n_multibyte > n_other:
        return Encoding()  # damaged UTF-8
    if n_other + n_multibyte < _FEW and _decodes(sample, "cp1252"):
        return Encoding("cp1252", is_assumed=True)
    from charset_normalizer import from_bytes

    best = from_bytes(sample).best()
    if best is None:
        raise SourceError("The file's encoding is not recognised.", hint="Save it as UTF-8.")
    # all of Latin-1's printable characters are Windows-1252's, which has more
    codec = "cp1252" if best.encoding in {"latin_1", "iso8859_1", "iso8859_15"} else best.encoding
    return Encoding(codec if _decodes(sample, codec) else best.encoding, is_assumed=True)


def _decodes(sample: bytes, codec: str) -> bool:
    try:
        sample.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _shown(codec: str) -> str:
    name = codec.replace("_", "-").upper()
    if match := re.fullmatch(r"CP(125\d)", name):
        return f"Windows-{match[1]}"
    return re.sub(r"^(UTF-(?:16|32))-[BL]E$", r"\1", name)
