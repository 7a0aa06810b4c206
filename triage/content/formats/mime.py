"""Mail: header lines, encoded words, parameters, bodies, and the parts of a message.

Specifications: RFC 5322, RFC 2045 to 2047, RFC 2231, and what mail programs write instead. Own parser, because the
bytes are hostile: it does not recurse, every header and part is bounded, and what is wrong is read as far as it goes.
Not handled: ``message/partial`` (each piece is read for itself) and yEnc.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from triage.content.formats.codepages import codec_of_name

MAX_HEADERS = 2000
MAX_VALUE = 65536
MAX_PARTS = 5000
MAX_DEPTH = 20

_LINE = re.compile(rb"([!-9;-~]{1,200}):[ \t]*([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)(?:\r?\n|\Z)")
_WORD = re.compile(rb"=\?([A-Za-z0-9_.:+-]{1,40})(?:\*[A-Za-z0-9-]*)?\?([bBqQ])\?([^?\r\n]{0,4000})\?=")
_FOLD = re.compile(rb"\r?\n[ \t]*")
_BETWEEN = re.compile(rb"[ \t\r\n]*\Z")
_PARAMETER = re.compile(
    rb";\s{0,50}([A-Za-z0-9_-]{1,60})(\*\d{1,3})?(\*)?\s{0,9}=\s{0,9}(?:\"((?:[^\"\\]|\\.){0,4000})\"|([^;\s]{0,4000}))"
)
_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="))
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_UU_BEGIN = re.compile(rb"(?:^|\n)begin(?:-base64)? [0-7]{3,4} ([^\r\n]{1,255})\r?\n")


@dataclass(frozen=True, slots=True)
class Headers:
    """Header lines of a mail or a part.

    Attributes:
        lines: Names in lower case and values as stored, unfolded, in their order.
        body: Offset behind the blank line that ends them.
    """

    lines: tuple[tuple[bytes, bytes], ...]
    body: int

    def get(self, name: bytes) -> bytes:
        """The first value of a header, empty where there is none."""
        return next((value for known, value in self.lines if known == name), b"")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a message that holds no others.

    Attributes:
        path: Numbers from the outermost multipart on: ``1.2``.
        headers: Of the part.
        mime: Media type, lower case.
        start: Offset of its body; ``stop`` behind it.
        complaint: What is wrong with it, empty where nothing is.
    """

    path: str
    headers: Headers
    mime: str
    start: int
    stop: int
    complaint: str = ""


def read_headers(data: bytes, start: int, stop: int) -> Headers:
    """Header lines from an offset on, up to the first line that is none."""
    lines: list[tuple[bytes, bytes]] = []
    position = start
    while len(lines) < MAX_HEADERS and (match := _LINE.match(data, position, stop)):
        lines.append((match[1].lower(), _FOLD.sub(b" ", match[2][:MAX_VALUE])))
        position = match.end()
    if data[position : position + 2] == b"\r\n":
        position += 2
    elif data[position : position + 1] == b"\n":
        position += 1
    return Headers(tuple(lines), min(position, stop))


def decode_words(value: bytes) -> str:
    """Text of a header value: encoded words (RFC 2047) decoded, other bytes as UTF-8, else as Windows-1252."""
    out: list[str] = []
    position = 0
    pending, pending_codec = b"", ""
    for match in _WORD.finditer(value):
        between = value[position : match.start()]
        codec = codec_of_name(match[1]) or "utf-8"
        if between.strip() or not (pending or position):
            out.append(_decode(pending, pending_codec))
            pending = b""
            out.append(plain_text(between))
        raw = from_base64(match[3])[0] if match[2] in b"bB" else _from_q(match[3])
        # A character may be cut in two by the border of two words of one encoding.
        if codec != pending_codec and pending:
            out.append(_decode(pending, pending_codec))
            pending = b""
        pending, pending_codec = pending + raw, codec
        position = match.end()
    out.append(_decode(pending, pending_codec))
    out.append(plain_text(value[position:]))
    return "".join(out).replace("\r", " ").replace("\n", " ").replace("\0", "")


def _decode(raw: bytes, codec: str) -> str:
    return raw.decode(codec or "utf-8", "replace") if raw else ""


def _from_q(raw: bytes) -> bytes:
    return binascii.a2b_qp(raw, header=True)


def plain_text(raw: bytes) -> str:
    """Bytes without a statement of their encoding: UTF-8 where they are valid in it, else Windows-1252."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def parameters(value: bytes) -> dict[str, str]:
    """Parameters of ``Content-Type`` or ``Content-Disposition``, with RFC 2231 pieces joined and decoded."""
    found: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[bytes, bool]]] = {}
    for match in _PARAMETER.finditer(value):
        name = match[1].lower().decode("ascii")
        raw = re.sub(rb"\\([\\\"])", rb"\1", match[4]) if match[4] is not None else match[5]
        if match[2] or match[3]:
            pieces.setdefault(name, {})[int(match[2][1:]) if match[2] else 0] = (raw, bool(match[3]))
        else:
            found.setdefault(name, decode_words(raw))
    for name, numbered in pieces.items():
        codec, joined = "utf-8", b""
        for number in sorted(numbered):
            raw, is_encoded = numbered[number]
            if is_encoded:
                if not joined and raw.count(b"'") >= 2:
                    label, _, raw = raw.split(b"'", 2)
                    codec = codec_of_name(label) or codec
                raw = _PERCENT.sub(lambda match: bytes((int(match[1], 16),)), raw)
            joined += raw
        found[name] = joined.decode(codec, "replace")
    return found


def media_type(headers: Headers) -> str:
    """Media type of a part, ``text/plain`` where none is stated."""
    value = headers.get(b"content-type").split(b";", 1)[0].strip().lower()
    return value.decode("ascii", "replace") if b"/" in value else "text/plain"


def leaves(data: bytes, headers: Headers, stop: int) -> Iterator[Part]:
    """The parts of a message that hold no others, in their order; a bounded number, to a bounded depth."""
    stack = [("", headers, headers.body, stop, 0)]
    given = 0
    while stack and given < MAX_PARTS:
        path, own, start, end, depth = stack.pop()
        mime = media_type(own)
        if not mime.startswith("multipart/") or depth >= MAX_DEPTH:
            given += 1
            too_deep = f"parts nested deeper than {MAX_DEPTH}" if mime.startswith("multipart/") else ""
            yield Part(path or "1", own, mime, start, end, too_deep)
            continue
        boundary = parameters(b";" + own.get(b"content-type").partition(b";")[2]).get("boundary", "")
        places = list(_split(data, start, end, boundary.encode("utf-8", "replace").rstrip()))
        if not places:
            given += 1
            yield Part(path or "1", own, "text/plain", start, end, "its boundary is missing")
            continue
        inner = []
        for number, (low, high) in enumerate(places, 1):
            inner_headers = read_headers(data, low, high)
            inner.append((f"{path}.{number}".lstrip("."), inner_headers, inner_headers.body, high, depth + 1))
        stack.extend(reversed(inner))
    if stack:
        path, own, start, end, _ = stack[-1]
        yield Part(path, own, "text/plain", start, stop, f"more than {MAX_PARTS} parts")


def _split(data: bytes, start: int, stop: int, boundary: bytes) -> Iterator[tuple[int, int]]:
    """Ranges between the lines of a boundary; the last may lack its end."""
    if not boundary:
        return
    # A plain text in front lets the search run fast; whether a line begins there is asked afterwards.
    line = re.compile(rb"--" + re.escape(boundary) + rb"(--)?[ \t]*(?:\r?\n|\Z)")
    low, count = -1, 0
    for match in line.finditer(data, start, stop):
        if match.start() > start and data[match.start() - 1] != 0x0A:
            continue
        if low >= 0:
            high = match.start()
            # The line break in front of a boundary belongs to it.
            high -= 2 if data[high - 2 : high] == b"\r\n" else 1 if data[high - 1 : high] == b"\n" else 0
            yield low, max(high, low)
        low = -1 if match[1] else match.end()
        count += 1
        if count > MAX_PARTS:
            break
    if 0 <= low < stop:
        yield low, stop


def from_base64(raw: bytes) -> tuple[bytes, bool]:
    """Bytes of base64, whatever stands between its letters; and whether it was whole."""
    letters = raw.translate(None, _NOT_BASE64)
    whole = True
    out = []
    for piece in re.split(rb"=+", letters) if b"=" in letters[:-2] else (letters.rstrip(b"="),):
        usable = len(piece) if len(piece) % 4 != 1 else len(piece) - 1
        whole = whole and usable == len(piece)
        out.append(binascii.a2b_base64(piece[:usable] + b"=" * (-usable % 4)))
    return b"".join(out), whole


def body_bytes(data: bytes, part: Part) -> tuple[bytes, bool, str]:
    """Bytes of a part without their transfer encoding.

    Returns:
        The bytes; whether they differ from those stored; and what is wrong, empty where nothing is.
    """
    raw = data[part.start : part.stop]
    encoding = part.headers.get(b"content-transfer-encoding").split(b";", 1)[0].strip().strip(b'"').lower()
    if encoding == b"base64":
        decoded, whole = from_base64(raw)
        return decoded, True, "" if whole else "its base64 is broken"
    if encoding == b"quoted-printable":
        return binascii.a2b_qp(raw), True, ""
    if encoding in (b"x-uuencode", b"uuencode", b"x-uue"):
        found = next(uuencoded(raw), None)
        return (found[1], True, "") if found else (raw, False, "its uuencoding is broken")
    return raw, False, ""


def uuencoded(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and bytes of files that stand in a text in uuencoding."""
    for match in _UU_BEGIN.finditer(raw):
        out: list[bytes] = []
        position = match.end()
        while position < len(raw):
            end = raw.find(b"\n", position)
            line = raw[position : end if end >= 0 else len(raw)].rstrip(b"\r")
            position = end + 1 if end >= 0 else len(raw)
            if not line or line[:3] == b"end" or not 32 < line[0] < 96:
                break
            try:
                out.append(binascii.a2b_uu(line[:100]))
            except binascii.Error:
                # Some writers pad a line to its full groups: its first letter says how many bytes it holds.
                count = ((line[0] - 32) * 4 + 5) // 3
                try:
                    out.append(binascii.a2b_uu(line[:count]))
                except binascii.Error:
                    break
        if out:
            yield match[1].strip(), b"".join(out)
