"""Which kind of text a content is, for content that no signature claims.

Guesses read the first 4 KiB, never raise, and run in time proportional to that. UTF-8 and UTF-16 are recognised by
their rules; bytes of a legacy code page only by the absence of what text does not hold, which is a weak statement
(``text8``) and never turned into a disagreement with a name.
"""

from __future__ import annotations

import re

from triage.content.kinds import KINDS, Kind

SAMPLE = 4096

_NOT_TEXT = bytes(set(range(32)) - {7, 8, 9, 10, 12, 13, 27}) + b"\x7f"
_TEXT8 = bytes(set(range(256)) - set(_NOT_TEXT))
_ASCII = bytes(range(32, 127)) + b"\t\n\r\f"
_MAIL_LINE = re.compile(
    rb"(?:Received|Return-Path|Delivered-To|From|To|Cc|Subject|Date|Message-ID|MIME-Version|Content-Type|Reply-To"
    rb"|Sender|X-[A-Za-z0-9-]{1,60}|DKIM-Signature|Authentication-Results|References|In-Reply-To|Content-Transfer-Encoding"
    rb"|User-Agent|List-[A-Za-z]{1,30}|Thread-[A-Za-z]{1,20}|Newsgroups|Path|Envelope-To|ARC-Seal):[ \t\r\n]",
    re.IGNORECASE,
)
_MAIL_SURE = re.compile(rb"^(?:From|Received|Message-ID|Return-Path|Date|Subject|To):", re.IGNORECASE | re.MULTILINE)
_ANY_HEADER = re.compile(rb"[!-9;-~]{1,77}:[ \t\r\n]|[A-Za-z][A-Za-z0-9-]{0,76}:(?!//)|[ \t]")
_APPLE_LENGTH = re.compile(rb"\d{1,10}[ \t]{0,8}\r?\n")
_MBOX = re.compile(rb"From (?:\S{1,200}|\"[^\"\n]{1,200}\"\S{0,200}|- ?|MAILER-DAEMON)[ \t].{0,40}\d\d:\d\d")
_HTML = re.compile(
    rb"<(?:!doctype\s+html|html|head|body|title|table|div|script|style|meta|link|center|frameset|h[1-6]|p|br|font|a"
    rb"|span|iframe|form|ul|ol|!--)(?=[\s>/-])",
    re.IGNORECASE,
)
_ROOT = re.compile(rb"<([A-Za-z_][^\s<>/\"']{0,80})")
_MISC = re.compile(
    rb"<\?[^>]{0,1000}>|<!--(?:[^-]|-(?!->)){0,2000}-->|<!DOCTYPE[^>\[]{0,500}(?:\[[^\]]{0,1500}\])?\s*>|\s+", re.I
)
_ROOTS = {b"svg": "svg", b"html": "html", b"plist": "xmlplist", b"kml": "kml", b"gpx": "gpx"}
_JSON = re.compile(rb"\s*(?:\{\s*(?:\"|\}|$)|\[\s*(?:[\[{\"\]]|-?\d|true\b|false\b|null\b|$))")
_QUOTED = re.compile(rb'"[^"]*"')
_TABLE_LINES = 12
_MIXED = re.compile(rb"[\x80-\xff](?=[A-Za-z0-9])")
_SHEBANG = re.compile(rb"#! ?/")


def with_bom(head: bytes, size: int) -> Kind | None:
    """The kind of text behind a byte order mark; None where what follows is no text."""
    if head[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff") and (size % 4 == 0 or head[4:8] != b""):
        return KINDS["utf32"]
    if head[:3] == b"\xef\xbb\xbf":
        return guess(head[3 : 3 + SAMPLE], size) or KINDS["text8"]
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _utf16(head[2:SAMPLE], "utf-16-le" if head[0] == 0xFF else "utf-16-be", size)
    return None


def guess(head: bytes, size: int) -> Kind | None:
    """The kind of text, or None where the content is not text.

    Args:
        head: First bytes of the content.
        size: Bytes of the content.
    """
    sample = head[:SAMPLE]
    if not sample:
        return None
    if b"\0" in sample:
        return _utf16_by_shape(sample, size)
    if sample.translate(None, _TEXT8) and not _is_log_like(sample):
        return None
    kind = _structure(sample)
    if kind is not None:
        return kind
    if sample.isascii() or _is_utf8(sample):
        return KINDS["csv"] if _is_table(sample, size > len(sample)) else KINDS["text"]
    return KINDS["text8"] if _looks_legacy(sample) else None


def _structure(sample: bytes) -> Kind | None:
    """The kind that the first words of a text give away."""
    words = sample.lstrip()
    first = words[:1]
    if first == b"<":
        return _markup(words)
    if first in (b"{", b"["):
        if words.startswith(b"{\\rt"):
            return KINDS["rtf"]
        return KINDS["json"] if _JSON.match(words) else None
    if words.startswith(b"#!") and _SHEBANG.match(words):
        return KINDS["script"]
    if words.startswith(b"BEGIN:V"):
        return KINDS["vcard"] if words.startswith(b"BEGIN:VCARD") else KINDS["ical"]
    if words.startswith(b"From ") and _MBOX.match(words):
        return KINDS["mbox"]
    # Apple's .emlx has the length of the mail in front.
    length = _APPLE_LENGTH.match(words)
    if _is_mail(words if length is None else words[length.end() :]):
        return KINDS["eml"]
    return None


def _markup(words: bytes) -> Kind | None:
    """HTML, XML and what its root element says; None where the bracket opens neither."""
    is_xml = words[:5].lower() == b"<?xml"
    if not is_xml and _HTML.match(words) and not words.startswith(b"<!--"):
        return KINDS["html"]
    position = 0
    while (skipped := _MISC.match(words, position)) is not None:
        is_xml = is_xml or skipped[0][:9].upper() == b"<!DOCTYPE"
        if b"html" in skipped[0][:60].lower() and skipped[0][:9].upper() == b"<!DOCTYPE":
            return KINDS["html"]
        position = skipped.end()
    root = _ROOT.match(words, position)
    if root is None:
        return KINDS["xml"] if is_xml else None
    name = root[1].rpartition(b":")[2].lower()
    if name in _ROOTS:
        return KINDS[_ROOTS[name]]
    if is_xml or b"xmlns" in words[root.start() : root.start() + 600]:
        return KINDS["xml"]
    if _HTML.match(words, position):
        return KINDS["html"]
    closed = b"</" + root[1] in words or b"/>" in words
    return KINDS["xml"] if closed or re.match(rb"[^<>]{0,2000}>\s*<[A-Za-z]", words[root.end() :]) else None


def _is_mail(words: bytes) -> bool:
    """Whether the text opens with header lines of a mail: two known ones, and one of the indispensable."""
    known = 0
    for line in words.splitlines(keepends=True)[:12]:
        if _MAIL_LINE.match(line):
            known += 1
        elif not _ANY_HEADER.match(line):
            break
    return known >= 2 and _MAIL_SURE.search(words) is not None


def _is_table(sample: bytes, cut: bool) -> bool:
    """Whether the first lines hold the same number of separators: three lines or more, or two with many."""
    lines = sample.split(b"\n", _TABLE_LINES)
    if cut or len(lines) > _TABLE_LINES:
        lines = lines[:-1]
    lines = [line for line in lines if line.strip()]
    if len(lines) < 2:
        return False
    for separator, least in ((b";", 1), (b",", 2), (b"\t", 1), (b"|", 2)):
        wanted = _outside_quotes(lines[0], separator)
        if wanted < (least if len(lines) > 2 else 3):
            continue
        if all(_outside_quotes(line, separator) == wanted for line in lines):
            return True
    return False


def _outside_quotes(line: bytes, separator: bytes) -> int:
    """Separators in a line that no quotes enclose."""
    return (_QUOTED.sub(b"", line) if b'"' in line else line).count(separator)


def _is_utf8(sample: bytes) -> bool:
    """Whether the sample is valid UTF-8, a character cut at its end allowed."""
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(sample) - 3 and error.reason == "unexpected end of data"
    return True


def _looks_legacy(sample: bytes) -> bool:
    """Whether bytes without control characters are likely text of a legacy code page."""
    plain = len(sample) - len(sample.translate(None, _ASCII))
    length = len(sample)
    if length < 8:
        return False
    if plain * 10 >= length * 3 or (length >= 64 and plain * 20 >= length):
        return True
    # Words of another script: next to their letters stand such letters, blanks and marks, seldom ASCII letters.
    return length >= 16 and plain * 10 >= length and len(_MIXED.findall(sample)) * 10 <= length


def _is_log_like(sample: bytes) -> bool:
    """Whether the text is plain but for a rare stray control character."""
    stray = len(sample.translate(None, _TEXT8))
    return stray * 200 < len(sample) and (sample.isascii() or _is_utf8(sample))


def _utf16_by_shape(sample: bytes, size: int) -> Kind | None:
    """UTF-16 without a mark: many zero bytes, nearly all of them at odd or at even places."""
    if size % 2 or len(sample) < 8:
        return None
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    pairs = len(sample) // 2
    if odd * 10 >= pairs * 4 and even * 50 < odd:
        return _utf16(sample, "utf-16-le", size)
    if even * 10 >= pairs * 4 and odd * 50 < even:
        return _utf16(sample, "utf-16-be", size)
    return None


def _utf16(sample: bytes, encoding: str, size: int) -> Kind | None:
    """The kind of UTF-16 text; None where decoding shows that it is none."""
    text = sample[: len(sample) & ~1].decode(encoding, "replace")
    if not text:
        return KINDS["utf16"]
    odd_ones = sum(
        1 for character in text if character == "\ufffd" or (character < " " and character not in "\t\n\r\f\0")
    )
    if odd_ones * 20 > len(text) or text.count("\0") * 10 > len(text):
        return None
    return _structure(text.encode("utf-8", "replace")) or KINDS["utf16"]
