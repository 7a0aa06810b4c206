"""The search: where a file may begin, who judges it, and what is told of it.

Files begin at the beginning of data units, so only multiples of 512 bytes are tried, and the place directly behind a
file that was found whole. A column of the bytes at those places is searched first, so that noise and zeros cost little.
Inside a file whose every byte is accounted for nothing else is looked for: thumbnails, members and attachments come
out when it is opened.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from triage.content.recovery import boxes, databases, ole, pdf, pictures, texts, zips
from triage.content.recovery.carved import Carved, Reader, Shape
from triage.errors import EvidenceError, LimitExceededError
from triage.model.stream import Stream

SECTOR = 512
WINDOW = 1 << 22
"""Bytes read at once."""
MAX_FILES = 1_000_000
READ_FACTOR, READ_SPARE = 3, 1 << 28
"""The validator of a kind may read that many times the size of the stream and so many bytes more."""
_Validator = Callable[[Reader, int], Shape | None]

_SIGNATURES: tuple[tuple[str, bytes, _Validator], ...] = (
    ("jpeg", rb"\xff\xd8\xff[\xc0-\xfe]", pictures.jpeg),
    ("png", rb"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR", pictures.png),
    ("gif", rb"GIF8[79]a", pictures.gif),
    ("boxes", rb"[\x00\x01](?s:...)(?:ftyp[A-Za-z0-9][A-Za-z0-9 _]{3}|moov....(?:mvhd|cmov)|mdat|wide)", boxes.boxes),
    ("pdf", rb"%PDF-[12]\.\d", pdf.pdf),
    ("zip", rb"PK\x03\x04[\x00-\x3f]", zips.zip_archive),
    ("ole", rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ole.ole),
    ("sqlite", rb"SQLite format 3\x00", databases.sqlite),
    ("wal", rb"\x37\x7f\x06[\x82\x83]\x00\x2d\xe2\x18", databases.wal),
    ("rtf", rb"\{\\rtf1?", texts.rtf),
    ("gzip", rb"\x1f\x8b\x08[\x00-\x1f](?s:....)[\x00\x02\x04][\x00-\x0d\xff]", texts.gzip),
    (
        "mail",
        rb"(?i:From \S|Return-Path:|Received:|Delivered-To:|Date:|From:|To:|Subject:|Message-I[Dd]:|MIME-Version:"
        rb"|Content-Type:|X-[A-Za-z][-A-Za-z0-9]{1,60}:|DKIM-Signature:|Reply-To:|Sender:|Cc:|ARC-Seal:|User-Agent:)",
        texts.mail,
    ),
)
_BEGINNING = re.compile(b"|".join(b"(?P<%b>%b)" % (name.encode(), pattern) for name, pattern, _ in _SIGNATURES), re.S)
_VALIDATORS = {name: validator for name, _, validator in _SIGNATURES}
_FIRST = re.compile(rb"[\xff\x89G%P\xd0S\x37{\x1fFRDTMCXAUfrdstmcxau]")
_FOURTH = re.compile(rb"[fmw]")
"""Bytes 0 and 4 of a sector where something may begin; boxes begin with their length."""


def carve(stream: Stream, *, start: int = 0, end: int | None = None) -> Iterator[Carved]:
    """Files that begin in a part of a stream, by their place; they may go on behind it.

    Args:
        stream: Usually all free bytes of a volume; stays the caller's to close.
        start: First byte at which a file may begin; a multiple of 512.
        end: First byte at which none may, None for the end of the stream.

    Raises:
        LimitExceededError: After what was found: more files, or more to read, than the limits allow.
    """
    search = _Search(stream, start)
    end = stream.size if end is None else min(end, stream.size)
    for window in range(start, end, WINDOW):
        length = min(WINDOW, end - window)
        if window + length <= search.solid_to:
            continue
        data = _read(stream, window, length + SECTOR)
        for place in _places(data, length):
            if window + place >= search.solid_to:
                yield from search.files_at(window + place, end, _BEGINNING.match(data, place))
    if search.given_up:
        raise LimitExceededError(f"carving read more than its limit allows: {', '.join(sorted(search.given_up))}")


class _Search:
    """State of one search.

    Args:
        stream: What is searched.
        start: Where the search begins.

    Attributes:
        solid_to: End of the last file in which nothing else is looked for.
        given_up: Kinds that were read for more than the limit allows, and are not looked for any more.
    """

    def __init__(self, stream: Stream, start: int) -> None:
        budget = READ_FACTOR * stream.size + READ_SPARE
        self._stream = stream
        self._readers = {name: Reader(stream, budget) for name in _VALIDATORS}
        self._found = 0
        self.solid_to = start
        self.given_up: set[str] = set()

    def files_at(self, place: int, end: int, match: re.Match[bytes] | None) -> Iterator[Carved]:
        """A file at a place, and what follows it directly.

        Raises:
            LimitExceededError: More files were found than is allowed.
        """
        while match is not None:
            name = match.lastgroup or ""
            shape = self._judge(name, place)
            if shape is None:
                return
            self._found += 1
            if self._found > MAX_FILES:
                raise LimitExceededError(f"more than {MAX_FILES} files were carved")
            yield _carved(place, shape)
            if not shape.solid:
                return
            place += shape.length
            self.solid_to = place
            if place >= end or not place % SECTOR:
                return
            match = _BEGINNING.match(_read(self._stream, place, min(SECTOR, self._stream.size - place)))

    def _judge(self, name: str, place: int) -> Shape | None:
        if name in self.given_up:
            return None
        try:
            shape = _VALIDATORS[name](self._readers[name], place)
        except LimitExceededError:
            self.given_up.add(name)
            return None
        rest = self._stream.size - place
        if shape is not None and shape.length > rest:
            return replace(shape, length=rest, reason=shape.reason or "the data end", solid=False)
        return shape


def _places(data: bytes, length: int) -> Iterator[int]:
    """Offsets of sectors in which something may begin, ascending."""
    if not data:
        return
    first = {found.start() for found in _FIRST.finditer(data[:length:SECTOR])}
    fourth = {found.start() for found in _FOURTH.finditer(data[4 : length + 4 : SECTOR])}
    for number in sorted(first | fourth):
        yield number * SECTOR


def _read(stream: Stream, offset: int, length: int) -> bytes:
    """Bytes of a window; what cannot be read is zeros."""
    try:
        return stream.read_at(offset, length)
    except EvidenceError:
        pass
    parts = []
    for position in range(offset, offset + length, 1 << 16):
        wanted = min(1 << 16, offset + length - position)
        try:
            parts.append(stream.read_at(position, wanted).ljust(wanted, b"\0"))
        except EvidenceError as error:
            parts.append(getattr(error, "partial", b"")[:wanted].ljust(wanted, b"\0"))
    return b"".join(parts)


def _carved(offset: int, shape: Shape) -> Carved:
    return Carved(
        offset,
        shape.length,
        shape.kind,
        shape.extension,
        f"carved-{offset}.{shape.extension}",
        shape.validated,
        not shape.reason,
        shape.reason,
    )
