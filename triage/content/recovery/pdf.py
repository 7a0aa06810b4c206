"""PDF documents, revision by revision.

Source: ISO 32000-1, 7.5 (header, body, cross-reference table, trailer), annex F (linearised files). A revision ends
with ``startxref``, a number and ``%%EOF``; the number must lead to a cross-reference table or stream.
"""

from __future__ import annotations

import re

from triage.content.recovery.carved import Reader, Shape

MAX_DOCUMENT = 1 << 30
MAX_SILENCE = 64 << 20
"""Bytes without a sign of a PDF behind which none is looked for."""
MAX_SIGNS = 1_000_000
_KIND = ("PDF document", "pdf")
_CHECKED = "header, objects, startxref of the last revision"
_OBJECT = re.compile(rb"\b\d{1,10}[ \r\n\t]+\d{1,5}[ \r\n\t]+obj\b")
_SIGN = re.compile(rb"%%EOF|endobj|endstream|%PDF-[12]\.\d")
_START = re.compile(rb"startxref[ \r\n\t]*(\d{1,12})[ \r\n\t]*\Z")
_TABLE = re.compile(rb"[ \r\n\t\x00]*(?:xref\b|\d{1,10}[ \r\n\t]+\d{1,5}[ \r\n\t]+obj\b)")
_LENGTH = re.compile(rb"/Linearized\b[^>]{0,300}/L[ \r\n\t]+(\d{1,12})|/L[ \r\n\t]+(\d{1,12})[^>]{0,300}/Linearized\b")


def pdf(reader: Reader, start: int) -> Shape | None:
    """A PDF up to the end of its last revision."""
    head = reader.read(start, 4096)
    if not _OBJECT.search(head):
        return None
    stated = _LENGTH.search(head[:1024])
    whole = int(stated[1] or stated[2]) if stated is not None else 0
    limit = min(reader.size, start + MAX_DOCUMENT)
    position, end, weak = start + 8, 0, 0
    for _ in range(MAX_SIGNS):
        found = reader.search(_SIGN, position, min(limit, position + MAX_SILENCE))
        if found is None or (found[1][0].startswith(b"%PDF") and (found[0] - start) % 512 == 0):
            break
        position = found[0] + len(found[1][0])
        if found[1][0] != b"%%EOF":
            weak = position
            continue
        if _revision_holds(reader, start, found[0]):
            end = position + _line_end(reader, position)
            if position - start >= whole and not _goes_on(reader, end):
                break
    if end and start + whole <= end + 2:
        return Shape(end - start, *_KIND, _CHECKED)
    if end:
        return Shape(
            end - start, *_KIND, _CHECKED, f"linearised with {whole} bytes, of which the end is missing", solid=False
        )
    if not weak:
        return None
    return Shape(
        weak - start, *_KIND, "header and objects", "no end that leads to a cross-reference table", solid=False
    )


def _revision_holds(reader: Reader, start: int, place: int) -> bool:
    """True where the number before an end mark leads to a cross-reference table (0 in linearised files)."""
    before = reader.read(max(start, place - 128), min(128, place - start))
    found = _START.search(before)
    if found is None:
        return False
    target = int(found[1])
    if not target or start + target >= place:
        return not target
    # Programs that miscount are common: a table a few bytes off counts, an object does not.
    near = reader.read(max(start, start + target - 32), 96)
    return _TABLE.match(reader.read(start + target, 64)) is not None or b"\nxref" in near.replace(b"\r", b"\n")


def _line_end(reader: Reader, position: int) -> int:
    after = reader.read(position, 2)
    return 2 if after == b"\r\n" else 1 if after[:1] in (b"\r", b"\n") else 0


def _goes_on(reader: Reader, position: int) -> bool:
    """True where another revision follows."""
    data = reader.read(position, 256)
    return _TABLE.match(data) is not None or _OBJECT.match(data.lstrip(b" \r\n\t")) is not None
