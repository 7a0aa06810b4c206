"""Mail messages (RFC 5322, MIME) and Apple's ``.emlx``: what the raw bytes do not show, and what is attached.

Text behind base64, quoted-printable or an encoding that hides letters, and all HTML, becomes a part of the document in
UTF-8 (``2.1 body.html``), addressed by name; an offset in it counts bytes of that text. Headers with encoded words
become the part ``headers``. Plain text that the raw bytes show is not given twice. Attached files and mails are members
of their own. Encrypted parts (S/MIME, OpenPGP) are told. Nothing that a message points to is fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from triage.content.decoders.interface import Budget, Data, Member, Yield, problem, shown, text_part
from triage.content.formats import mime
from triage.content.formats.codepages import codec_of_name, hides_letters
from triage.content.formats.dates import mail_date
from triage.content.formats.mime import Headers, Part
from triage.model.address import Address
from triage.model.content import ContentType
from triage.model.problem import Reason
from triage.model.times import Times

_STAGE = "eml"
_EMLX = re.compile(rb"\s{0,8}(\d{1,10})\s{0,8}\r?\n")
_MARK = b"\xef\xbb\xbf"
_SHOWN = (b"from", b"to", b"cc", b"bcc", b"reply-to", b"subject", b"date")
_BODIES = {"text/html": ".html", "text/rtf": ".rtf", "application/rtf": ".rtf", "text/richtext": ".rtf"}
_ENDINGS = {
    **_BODIES, "text/plain": ".txt", "text/calendar": ".ics", "text/vcard": ".vcf", "text/x-vcard": ".vcf",
    "text/csv": ".csv", "text/xml": ".xml", "message/rfc822": ".eml", "image/jpeg": ".jpg", "image/png": ".png",
    "image/gif": ".gif", "application/pdf": ".pdf", "application/zip": ".zip", "application/ms-tnef": ".dat",
    "application/pkcs7-mime": ".p7m", "application/x-pkcs7-mime": ".p7m", "message/global": ".eml",
}  # fmt: skip
_PGP = b"-----BEGIN PGP MESSAGE-----"
_MAX_UU = 1000


@dataclass(slots=True)
class _Message:
    """One message while it is read."""

    data: bytes
    address: Address
    budget: Budget
    names: set[bytes] = field(default_factory=set)

    def name(self, wanted: str, path: str) -> bytes:
        """The name of a member, with the number of its part in front where it is not the first of that name."""
        raw = wanted.replace("\0", "").encode("utf-8", "replace")
        if not raw or raw in self.names:
            raw = f"{path} ".encode() + raw
        number = 2
        made = raw
        while made in self.names:
            made, number = raw + b" (%d)" % number, number + 1
        self.names.add(made)
        return made


def decode(content_type: ContentType, data: Data, address: Address, budget: Budget) -> Yield:
    """Headers, bodies and attachments in the order of the message."""
    raw = bytes(data)
    start, stop = _bounds(raw)
    headers = mime.read_headers(raw, start, stop)
    message = _Message(raw, address, budget)
    yield from _headers(message, headers)
    for part in mime.leaves(raw, headers, stop):
        if budget.is_spent:
            yield problem(address, _STAGE, Reason.LIMIT, budget.spent_words, lost=stop - part.start)
            return
        if part.complaint:
            where = f"part {part.path}: {part.complaint}; its raw bytes were searched"
            yield problem(address, _STAGE, Reason.CORRUPT if "missing" in part.complaint else Reason.LIMIT, where)
        yield from _part(message, part)


def _bounds(raw: bytes) -> tuple[int, int]:
    """Where the message lies: Apple puts its length in front and a property list behind."""
    match = _EMLX.match(raw)
    if match is not None:
        return match.end(), min(match.end() + int(match[1]), len(raw))
    if raw.startswith(_MARK):
        return 3, len(raw)
    if raw.startswith((b"From ", b">From ")):
        return raw.find(b"\n") + 1, len(raw)
    return 0, len(raw)


def _headers(message: _Message, headers: Headers) -> Yield:
    """The headers that people read, where encoded words or 8-bit letters hide some of them."""
    lines, differs = [], False
    for name, value in headers.lines:
        text = mime.decode_words(value)
        is_hidden = b"=?" in value and text != value.decode("latin-1")
        differs = differs or is_hidden
        if is_hidden or name in _SHOWN:
            lines.append(f"{name.decode('ascii', 'replace').title()}: {text}")
    if differs:
        part = text_part("headers", "\n".join(lines))
        message.names.add(part.name)
        message.budget.spend(len(part.data))
        yield part


def _part(message: _Message, part: Part) -> Yield:
    """One part that holds no others."""
    disposition = part.headers.get(b"content-disposition")
    options = mime.parameters(disposition)
    stated = mime.parameters(part.headers.get(b"content-type"))
    file_name = options.get("filename") or stated.get("name") or ""
    is_attached = bool(file_name) or disposition.strip().lower().startswith(b"attachment")
    raw, is_decoded, complaint = mime.body_bytes(message.data, part)
    allowed = message.budget.allowance(len(message.data))
    if complaint or len(raw) > allowed:
        where = message.address.child((file_name or f"part {part.path}").encode("utf-8", "replace"))
        reason = Reason.CORRUPT if complaint else Reason.LIMIT
        yield problem(
            where, _STAGE, reason, complaint or "the part is longer than the limit", lost=part.stop - part.start
        )
        raw = raw[:allowed]
    if not raw.strip():
        return
    if not is_attached and (part.mime.startswith("text/") or part.mime in _BODIES):
        yield from _body(
            message, part, raw, codec_of_name(stated.get("charset", "").encode("utf-8", "replace")), is_decoded
        )
        return
    ending = _ENDINGS.get(part.mime, ".bin")
    if part.mime in ("message/rfc822", "message/global") and not file_name:
        inner = mime.read_headers(raw, 0, len(raw))
        file_name = mime.decode_words(inner.get(b"subject"))[:100].replace("/", "_") + ".eml"
    name = message.name(file_name or f"part {part.path}{ending}", part.path)
    modified = options.get("modification-date") or options.get("creation-date") or ""
    times = Times(mtime=mail_date(modified) if modified else None)
    if message.budget.refuses is not None and message.budget.refuses(message.address.child(name), len(raw), times):
        message.budget.spend(0)
        return
    message.budget.spend(len(raw))
    yield Member(name, raw, times)
    yield from _encrypted(message, part, stated, raw, name)


def _body(message: _Message, part: Part, raw: bytes, codec: str, is_decoded: bool) -> Yield:
    """A text of the message, where the raw bytes do not show it."""
    if _PGP in raw:
        text = f"part {part.path} is encrypted with OpenPGP"
        yield problem(message.address, _STAGE, Reason.ENCRYPTED, text, lost=len(raw))
    ending = _ENDINGS.get(part.mime, ".txt")
    is_plain = part.mime not in _BODIES
    if is_decoded or not is_plain or hides_letters(codec):
        content = _as_utf8(raw, codec, ending)
        name = message.name(f"{part.path} body{ending}", part.path)
        message.budget.spend(len(content))
        yield Member(name, content, part_of_document=True)
    if is_plain and b"begin" in raw:
        yield from _uuencoded(message, part, raw)


def _as_utf8(raw: bytes, codec: str, ending: str) -> bytes:
    """Text in UTF-8; what states no encoding stays as it is, since raw bytes are searched in all of them."""
    if ending == ".rtf" or not codec:
        return raw
    try:
        content = raw.decode(codec).encode("utf-8", "replace")
    except UnicodeDecodeError:
        if codec == "utf-8":
            return raw
        content = raw.decode(codec, "replace").encode("utf-8", "replace")
    # A page may state another encoding inside; the mark goes before it.
    return _MARK + content if ending == ".html" and not content.startswith(_MARK) else content


def _uuencoded(message: _Message, part: Part, raw: bytes) -> Iterator[Member]:
    """Files that stand in the text."""
    for number, (stored, content) in enumerate(mime.uuencoded(raw)):
        if number >= _MAX_UU or message.budget.is_spent or len(content) > message.budget.allowance(len(raw)):
            return
        message.budget.spend(len(content))
        yield Member(message.name(mime.plain_text(stored), part.path), content)


def _encrypted(message: _Message, part: Part, stated: dict[str, str], raw: bytes, name: bytes) -> Yield:
    """Say which parts nobody can read without a key; give what a signature only wraps."""
    where = message.address.child(name)
    if part.mime.endswith("pkcs7-mime"):
        kind = stated.get("smime-type", "").lower()
        at = raw.find(b"Content-Type:")
        if "signed" in kind or (at >= 0 and kind != "enveloped-data"):
            if at >= 0:
                inner = raw[at:]
                message.budget.spend(len(inner))
                yield Member(message.name(f"{part.path} signed.eml", part.path), b"MIME-Version: 1.0\r\n" + inner)
            return
        text = f"encrypted with S/MIME, it was not read: {shown(name)}"
        yield problem(where, _STAGE, Reason.ENCRYPTED, text, lost=len(raw))
    elif _PGP in raw[:4096]:
        text = f"encrypted with OpenPGP, it was not read: {shown(name)}"
        yield problem(where, _STAGE, Reason.ENCRYPTED, text, lost=len(raw))
