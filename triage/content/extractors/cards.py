"""vCard and iCalendar: lines put together that are folded, quoted-printable and backslash escapes undone.

Specifications: RFC 6350 and vCard 2.1, RFC 5545. A field that the raw bytes show as it is says nothing new, so only
fields that hide something are given, one a line, each character with the place of what spells it. Pictures and other
base64 are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from triage.content.extractors.encodings import find_encoding
from triage.content.extractors.interface import MAX_BYTES, Data
from triage.content.extractors.text_builder import TextBuilder
from triage.content.formats.codepages import codec_of_name
from triage.model.content import ContentType, TextSegment

_FOLDS = re.compile(rb"\r?\n[ \t]")
_HIDDEN = re.compile(rb"\r?\n[ \t]|QUOTED-PRINTABLE|\\[nN,;]", re.IGNORECASE)
_FIELD = re.compile(rb"([A-Za-z0-9.-]{1,200})((?:;[^:;\r\n\"]{0,1000}(?:\"[^\"\r\n]{0,1000}\")?){0,50}):")
_CHARSET = re.compile(rb"CHARSET=([A-Za-z0-9._-]{1,40})", re.IGNORECASE)
_BASE64 = re.compile(rb"ENCODING=(?:B\b|BASE64)|;BASE64", re.IGNORECASE)
_QUOTED = re.compile(rb"QUOTED-PRINTABLE", re.IGNORECASE)
_END = re.compile(rb"\r?\n|\r")
_ESCAPED = {b"n": "\n", b"N": "\n", b",": ",", b";": ";", b"\\": "\\"}


def extract(content_type: ContentType, data: Data) -> tuple[TextSegment, ...]:
    """One segment with the fields that hide something."""
    raw = bytes(data[:MAX_BYTES])
    if _HIDDEN.search(raw) is None:
        return ()
    encoding, _ = find_encoding(_FOLDS.sub(b"", raw))
    if encoding.startswith(("utf-16", "utf-32")):
        return ()
    builder = TextBuilder(encoding)
    for pieces in _lines(raw):
        if builder.is_full:
            break
        _field(builder, raw, pieces)
    return builder.segments("fields", len(data))


def _lines(raw: bytes) -> Iterator[list[tuple[int, int]]]:
    """Ranges of each line without its folds; in quoted-printable a line goes on behind ``=``."""
    position, length = 0, len(raw)
    pieces: list[tuple[int, int]] = []
    is_quoted = False
    while position < length:
        match = _END.search(raw, position)
        stop, behind = match.span() if match is not None else (length, length)
        if not pieces:
            head = raw[position : min(stop, position + 1000)].split(b":", 1)[0]
            is_quoted = _QUOTED.search(head) is not None
        goes_on = is_quoted and raw[stop - 1 : stop] == b"=" and stop > position
        pieces.append((position, stop - 1 if goes_on else stop))
        folded = not is_quoted and raw[behind : behind + 1] in (b" ", b"\t")
        position = behind + 1 if folded else behind
        if not goes_on and not folded:
            yield pieces
            pieces = []
    if pieces:
        yield pieces


def _field(builder: TextBuilder, raw: bytes, pieces: list[tuple[int, int]]) -> None:
    """Add one field if it hides something."""
    start, stop = pieces[0]
    match = _FIELD.match(raw, start, stop)
    options = match[2] if match is not None else b""
    if _BASE64.search(options):
        return
    is_quoted = _QUOTED.search(options) is not None
    escaped = any(raw.find(b"\\", low, high) >= 0 for low, high in pieces)
    if len(pieces) == 1 and not is_quoted and not escaped:
        return
    builder.add_break("\n")
    value = match.end() if match is not None and is_quoted else start
    if value > start:
        builder.add_bytes(raw[start:value], start)
    if is_quoted:
        stated = _CHARSET.search(options)
        codec = codec_of_name(stated[1]) if stated else ""
        _add_quoted(builder, raw, [(max(low, value), high) for low, high in pieces], codec or "utf-8")
        return
    for number, (low, high) in enumerate(pieces):
        missing = _cut_letter(raw, low, high) if builder.encoding == "utf-8" and number + 1 < len(pieces) else 0
        if not missing:
            _add_plain(builder, raw, low, high)
            continue
        # Writers that count bytes fold in the middle of a letter.
        after, end = pieces[number + 1]
        begin = high - 1
        while raw[begin] & 0xC0 == 0x80:
            begin -= 1
        _add_plain(builder, raw, low, begin)
        taken = min(after + missing, end)
        builder.add_spelled((raw[begin:high] + raw[after:taken]).decode("utf-8", "replace")[:1], begin, taken)
        pieces[number + 1] = (taken, end)


def _cut_letter(raw: bytes, low: int, high: int) -> int:
    """Bytes that the last letter of a range lacks in UTF-8, 0 where it is whole."""
    for back in range(1, min(4, high - low + 1)):
        byte = raw[high - back]
        if byte & 0xC0 != 0x80:
            width = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
            return max(width - back, 0)
    return 0


def _add_plain(builder: TextBuilder, raw: bytes, low: int, high: int) -> None:
    """Add one range without its backslash escapes."""
    position = low
    while position < high:
        at = raw.find(b"\\", position, high - 1)
        if at < 0:
            break
        builder.add_bytes(raw[position:at], position)
        meant = _ESCAPED.get(raw[at + 1 : at + 2])
        if meant is None:
            builder.add_bytes(raw[at : at + 2], at)
        else:
            builder.add_spelled(meant, at, at + 2)
        position = at + 2
    builder.add_bytes(raw[position:high], position)


def _add_quoted(builder: TextBuilder, raw: bytes, pieces: list[tuple[int, int]], codec: str) -> None:
    """Add quoted-printable ranges, each character with the range that spells it."""
    values = bytearray()
    places: list[int] = []
    for low, high in pieces:
        position = low
        while position < high:
            step, byte = 1, raw[position]
            if byte == 0x3D and position + 3 <= high:
                try:
                    byte, step = int(raw[position + 1 : position + 3], 16), 3
                except ValueError:
                    pass
            values.append(byte)
            places.append(position)
            position += step
    end = pieces[-1][1] if pieces else 0
    index = 0
    for character in bytes(values).decode(codec, "replace"):
        width = max(len(character.encode(codec, "replace")), 1) if character != "\ufffd" else 1
        stop = places[index + width] if index + width < len(places) else end
        if index >= len(places):
            break
        shown = {"\r": " ", "\0": " "}.get(character, character)
        builder.add_spelled(shown, places[index], max(stop, places[index]))
        index += width
