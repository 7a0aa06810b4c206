r"""JSON in which letters hide behind ``\uXXXX`` escapes.

Many programs write all but ASCII that way, so a search of the raw bytes finds no word of another script. Chat exports
of one large service go further and escape each byte of the UTF-8 form (``\u00d0\u00bf`` for one Cyrillic letter): those
are put together. Strings without such escapes say no more than their bytes.
"""

from __future__ import annotations

import re

from triage.content.extractors.interface import MAX_BYTES, Data
from triage.content.extractors.text_builder import TextBuilder
from triage.model.content import ContentType, TextSegment

_HIDDEN = re.compile(rb"\\u(?:00[89a-fA-F]|0[1-9a-fA-F]|[1-9a-fA-F])")
# A string, to its end or that of the line: what matches is never read again, whatever quotes it holds.
_STRING = re.compile(rb"\"((?:[^\"\\\r\n]++|\\.)*+)\"?")
_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})(?:\\u([dD][c-fC-F][0-9a-fA-F]{2}))?|(.))", re.DOTALL)
_BYTES = re.compile(rb"(?:\\u00[89a-fA-F][0-9a-fA-F]){2,4}")
_SIMPLE = {b"n": "\n", b"t": "\t", b"r": " ", b"b": " ", b"f": " "}


def extract(content_type: ContentType, data: Data) -> tuple[TextSegment, ...]:
    """One segment with the strings that hold escaped letters, one a line."""
    raw = bytes(data[:MAX_BYTES])
    if _HIDDEN.search(raw) is None:
        return ()
    builder = TextBuilder("utf-8")
    for match in _STRING.finditer(raw):
        if builder.is_full:
            break
        start, stop = match.span(1)
        if _HIDDEN.search(raw, start, stop) is not None:
            builder.add_break("\n")
            _add_string(builder, raw, start, stop)
    return builder.segments("strings", len(data))


def _add_string(builder: TextBuilder, raw: bytes, start: int, stop: int) -> None:
    """Add one string without its escapes."""
    position = start
    while position < stop:
        match = _ESCAPE.search(raw, position, stop)
        if match is None:
            break
        builder.add_bytes(raw[position : match.start()], position)
        position = _add_escape(builder, raw, match, stop)
    builder.add_bytes(raw[position:stop], position)


def _add_escape(builder: TextBuilder, raw: bytes, match: re.Match[bytes], stop: int) -> int:
    """Add what one escape means, or a run of escaped bytes; the offset behind it."""
    at, behind = match.span()
    if match[1] is None:
        builder.add_spelled(_SIMPLE.get(match[3]) or match[3].decode("latin-1"), at, behind)
        return behind
    code = int(match[1], 16)
    if 0xC2 <= code <= 0xF4:
        character, behind_bytes = _escaped_bytes(raw, at, stop, code)
        if character:
            builder.add_spelled(character, at, behind_bytes)
            return behind_bytes
    if 0xD800 <= code <= 0xDBFF and match[2] is not None:
        low = int(match[2], 16)
        builder.add_spelled(chr(0x10000 + ((code - 0xD800) << 10) + low - 0xDC00), at, behind)
        return behind
    if match[2] is not None:
        behind = at + 6
    builder.add_spelled("\ufffd" if 0xD800 <= code <= 0xDFFF else chr(code) if code >= 32 else " ", at, behind)
    return behind


def _escaped_bytes(raw: bytes, at: int, stop: int, lead: int) -> tuple[str, int]:
    """The character whose UTF-8 bytes are escaped one by one, and the offset behind it; empty where there is none."""
    length = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
    behind = at + 6 * length
    match = _BYTES.match(raw, at, min(stop, behind))
    if match is None or match.end() != behind:
        return "", at
    try:
        return bytes(int(raw[place + 4 : place + 6], 16) for place in range(at, behind, 6)).decode("utf-8"), behind
    except UnicodeDecodeError:
        return "", at
