r"""Rich text, mail and gzip.

Source: Microsoft's Rich Text Format 1.9.1 (groups, escapes, ``\bin``); RFC 5322 (header fields), 2046 (boundaries),
4155 (mbox); RFC 1952 (gzip), whose checksum and length are verified by inflating.
"""

from __future__ import annotations

import re
import zlib

from triage.content.recovery.carved import STEP, Reader, Shape

MAX_TEXT = 64 << 20
MAX_HEADER = 1 << 16
MAX_GZIP, MAX_INFLATED = 1 << 30, 1 << 28
MAX_TOKENS = 4_000_000
_RTF_TOKEN = re.compile(rb"\\[\\{}]|\\bin\d{1,9} ?|[{}]|[\x00-\x08\x0e-\x1f]")
_RTF_WORD = re.compile(rb"\\(?:ansi|mac|pca?|deff\d|fonttbl|colortbl|info|pard|par)\b")
_NOT_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_FIELD = re.compile(rb"[!-9;-~]{1,76}:")
_BOUNDARY = re.compile(rb"boundary[ \t]*=[ \t]*(?:\"([^\"\r\n]{1,70})\"|([^\s;\"]{1,70}))", re.I)
_FROM_LINE = re.compile(
    rb"From \S{1,200} +(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d "
)
_ORIGIN = frozenset({b"from", b"received", b"return-path", b"sender", b"delivered-to"})
_OTHERS = frozenset({b"date", b"message-id", b"to", b"subject", b"mime-version", b"content-type", b"cc"})


def rtf(reader: Reader, start: int) -> Shape | None:
    """Rich text: groups to the end of the first; where they break, only with a word that rich text begins with."""
    shape = _groups(reader, start)
    if shape is not None and shape.reason and not _RTF_WORD.search(reader.read(start, 512)):
        return None
    return shape


def _groups(reader: Reader, start: int) -> Shape | None:
    depth, position, end = 0, start, min(reader.size, start + MAX_TEXT)
    for _ in range(MAX_TOKENS):
        block_start = done = position
        data = reader.read(position, min(STEP, end - position))
        last = position + len(data) >= end
        for found in _RTF_TOKEN.finditer(data):
            place = block_start + found.start()
            if not last and found.start() >= len(data) - 16:
                position = place
                break
            token = found[0]
            done = place + len(token)
            if token == b"{":
                if place > start and not (place - start) % 512 and data.startswith(b"{\\rtf1", found.start()):
                    return _broken_rtf(place - start, depth, "another begins before the end of the first group")
                depth += 1
            elif token == b"}":
                depth -= 1
                if depth <= 0:
                    rest = reader.read(place + 1, 4)
                    length = place + 1 - start + len(rest) - len(rest.lstrip(b"\r\n"))
                    return Shape(length, "rich text", "rtf", "groups to the end of the first")
            elif token[:1] != b"\\":
                return _broken_rtf(place - start, depth, "a byte that no rich text has")
            elif token[1:2] == b"b":
                position = place + len(token) + int(token[4:])
                break
        else:
            position = max(done, block_start + len(data) - (0 if last else 16))
        if position >= end or not data:
            return _broken_rtf(end - start, depth, "the data end inside a group")
    return _broken_rtf(position - start, depth, "more groups than are followed")


def _broken_rtf(length: int, depth: int, reason: str) -> Shape | None:
    checked = f"groups up to the break, {depth} open"
    return Shape(length, "rich text", "rtf", checked, reason, solid=False) if length > 32 and depth else None


def gzip(reader: Reader, start: int) -> Shape | None:
    """Gzip: every member inflated, its checksum and length with it."""
    position, members, inflated = start, 0, 0
    while reader.read(position, 3) == b"\x1f\x8b\x08" or not members:
        inflater = zlib.decompressobj(31)
        begin, limit = position, min(reader.size, position + MAX_GZIP)
        while not inflater.eof:
            data = inflater.unconsumed_tail or reader.read(position, min(STEP, limit - position))
            position += 0 if inflater.unconsumed_tail else len(data)
            try:
                out = len(inflater.decompress(data, 1 << 20))
            except zlib.error:
                return _broken_gzip(begin - start, members, inflated, position - start, "the packed data do not hold")
            inflated += out
            if (not data and not out and not inflater.eof) or inflated > MAX_INFLATED:
                words = "the data end" if inflated <= MAX_INFLATED else "it inflates to more than is followed"
                return _broken_gzip(begin - start, members, inflated, position - start, words)
        position -= len(inflater.unused_data)
        members += 1
    checked = f"{members} members inflated, checksum and length right"
    return Shape(position - start, "gzip archive", "gz", checked)


def _broken_gzip(whole: int, members: int, inflated: int, reached: int, reason: str) -> Shape | None:
    """The whole members before a break; else what there is of the first, if enough inflates to be one."""
    if members:
        return Shape(whole, "gzip archive", "gz", f"{members} members inflated", f"then {reason}", solid=False)
    if inflated < 512:
        return None
    return Shape(reached, "gzip archive", "gz", f"{inflated} bytes inflated", reason, solid=False)


def mail(reader: Reader, start: int) -> Shape | None:
    """A message or a mailbox: header fields, then text to the closing boundary or to where text ends."""
    head = reader.read(start, MAX_HEADER)
    is_box = _FROM_LINE.match(head) is not None
    body = _header_end(head, is_box)
    if body <= 0:
        return None
    found = reader.search(_NOT_TEXT, start + body, start + MAX_TEXT, 1)
    end = found[0] if found is not None else min(reader.size, start + MAX_TEXT)
    padded = found is None or not found[1][0][0]
    if not is_box:
        boundary = _BOUNDARY.search(head[:body])
        if boundary is not None:
            closing = re.compile(re.escape(b"--" + (boundary[1] or boundary[2]) + b"--") + rb"(?:[ \t]{0,8}\r?\n){0,4}")
            close = reader.search(closing, start + body, end, 256)
            if close is not None:
                length = close[0] + len(close[1][0]) - start
                return Shape(length, "mail message", "eml", "header fields, text to the closing boundary")
            return Shape(end - start, "mail message", "eml", "header fields", "the closing boundary is missing")
    kind, extension = ("mailbox", "mbox") if is_box else ("mail message", "eml")
    reason = "" if padded and end < start + MAX_TEXT else "the text breaks off"
    return Shape(end - start, kind, extension, "header fields, text to its end", reason)


def _header_end(head: bytes, is_box: bool) -> int:
    """Bytes of the header with its empty line, 0 where it is no header of a mail."""
    names: set[bytes] = set()
    position = head.find(b"\n") + 1 if is_box else 0
    while True:
        line_end = head.find(b"\n", position)
        if line_end < 0 or line_end - position > 16384:
            return 0
        line = head[position:line_end].rstrip(b"\r")
        position = line_end + 1
        if not line:
            break
        if line[:1] in (b" ", b"\t") and names:
            continue
        field = _FIELD.match(line)
        if field is None:
            return 0
        names.add(field[0][:-1].lower())
    is_mail = bool(names) if is_box else bool(names & _ORIGIN) and len(names & _OTHERS) >= 2
    return position if is_mail else 0
