"""MAPI: the properties of messages as Outlook keeps them in MSG files, PST stores and ``winmail.dat``.

Specifications: [MS-OXPROPS], [MS-OXCMSG], [MS-OXRTFCP] (compressed RTF). Properties are given as a mapping of number to
type and bytes, wherever they were stored.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator, Mapping, Sequence
from struct import unpack_from

from triage.content.formats.codepages import codec_of_number
from triage.content.formats.dates import filetime
from triage.model.times import iso_from_ns

Props = Mapping[int, tuple[int, bytes]]
"""By number of the property: its type, and its bytes (for MSG as in the stream, for numbers little-endian)."""

STRING8, UNICODE, BINARY, OBJECT = 0x1E, 0x1F, 0x102, 0x0D
SUBJECT, BODY, RTF, HTML, CLASS, TRANSPORT = 0x0037, 0x1000, 0x1009, 0x1013, 0x001A, 0x007D
SUBMITTED, DELIVERED, CREATED, MODIFIED = 0x0039, 0x0E06, 0x3007, 0x3008
ATTACHED, ATTACH_METHOD = 0x3701, 0x3705
_ATTACH_NAMES = (0x3707, 0x3704, 0x3001, 0x3703)
_CODE_PAGE, _INTERNET_PAGE = 0x3FFD, 0x3FDE
_SENDERS = (0x0C1A, 0x0042), (0x5D01, 0x5D02, 0x0C1F, 0x0065)
_RECIPIENT_LISTS = ((0x0E04, "To"), (0x0E03, "Cc"), (0x0E02, "Bcc"))
_KINDS = {0: "From", 1: "To", 2: "Cc", 3: "Bcc"}
_NOTE = "IPM.Note"
_MARK = b"\xef\xbb\xbf"
_NOT_TOLD = frozenset((SUBJECT, BODY, RTF, HTML, CLASS, TRANSPORT, 0x0E04, 0x0E03, 0x0E02, 0x0070, 0x0E1D, 0x003D))
_MAX_VALUES = 2000

_RTF_WORDS = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans Serif"
    rb"SymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0" b"\r\n" rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)  # fmt: skip


def decompress_rtf(data: bytes, limit: int) -> bytes:
    """Compressed RTF ([MS-OXRTFCP]); as far as it goes where it is broken, empty where it is none."""
    if len(data) < 16:
        return b""
    stated, kind = unpack_from("<I4s", data, 4)
    size = min(stated, limit, 12 * len(data))
    if kind == b"MELA":
        return data[16 : 16 + size]
    if kind != b"LZFu":
        return b""
    window = bytearray(4096)
    window[: len(_RTF_WORDS)] = _RTF_WORDS
    write, position, out, stop = len(_RTF_WORDS), 16, bytearray(), len(data)
    while position < stop and len(out) < size:
        control = data[position]
        position += 1
        for bit in range(8):
            if control >> bit & 1:
                if position + 2 > stop:
                    return bytes(out[:size])
                token = data[position] << 8 | data[position + 1]
                position += 2
                source = token >> 4
                if source == write:
                    return bytes(out[:size])
                for step in range((token & 15) + 2):
                    byte = window[(source + step) & 4095]
                    window[write] = byte
                    write = write + 1 & 4095
                    out.append(byte)
            else:
                if position >= stop:
                    break
                window[write] = data[position]
                write = write + 1 & 4095
                out.append(data[position])
                position += 1
    return bytes(out[:size])


def number(props: Props, key: int) -> int:
    """A property that is a number of up to 8 bytes, 0 where there is none."""
    kind, raw = props.get(key, (0, b""))
    return int.from_bytes(raw[: 2 if kind == 2 else 4 if kind == 3 else 8], "little") if raw else 0


def codec(props: Props, fallback: str = "cp1252") -> str:
    """The encoding of 8-bit text in a message."""
    return codec_of_number(number(props, _CODE_PAGE)) or codec_of_number(number(props, _INTERNET_PAGE)) or fallback


def text(props: Props, key: int, codec_name: str) -> str:
    """A property that is text, empty where there is none."""
    kind, raw = props.get(key, (0, b""))
    if kind == UNICODE:
        return raw.decode("utf-16-le", "replace").rstrip("\0").replace("\0", "")
    if kind in (STRING8, BINARY):
        try:
            found = raw.decode(codec_name)
        except UnicodeDecodeError:
            # The page of a message often speaks of what went over the net, not of what is stored.
            found = raw.decode("cp1252" if codec_name == "utf-8" else codec_name, "replace")
        return found.rstrip("\0").replace("\0", "")
    return ""


def moment(props: Props, *keys: int) -> int | None:
    """The first of some properties that is a time, in nanoseconds since 1970."""
    for key in keys:
        if props.get(key, (0, b""))[0] == 0x40:
            found = filetime(number(props, key))
            if found is not None:
                return found
    return None


def attachment_name(props: Props, codec_name: str, fallback: str) -> str:
    """The name of an attached file."""
    return next((name for key in _ATTACH_NAMES if (name := text(props, key, codec_name).strip())), fallback)


def header_lines(props: Props, recipients: Sequence[Props], codec_name: str) -> list[str]:
    """From, To, Subject and Date of a message, as lines."""
    names, addresses = (
        next((found for key in keys if (found := text(props, key, codec_name))), "") for keys in _SENDERS
    )
    lines = [f"From: {_person(names, addresses)}"] if names or addresses else []
    told = []
    for recipient in recipients[:_MAX_VALUES]:
        address = text(recipient, 0x39FE, codec_name) or text(recipient, 0x3003, codec_name)
        person = _person(text(recipient, 0x3001, codec_name), address)
        if person:
            told.append(f"{_KINDS.get(number(recipient, 0x0C15) & 15, 'To')}: {person}")
    if not told:
        told = [f"{word}: {found}" for key, word in _RECIPIENT_LISTS if (found := text(props, key, codec_name))]
    lines += told
    subject = text(props, SUBJECT, codec_name)
    if subject:
        # Stores put two control characters before it that say how long its prefix is.
        lines.append(f"Subject: {subject[2:] if subject[0] == chr(1) else subject}")
    when = moment(props, SUBMITTED, DELIVERED)
    if when is not None:
        lines.append(f"Date: {iso_from_ns(when)}")
    return [" ".join(line.split()) for line in lines]


def _person(name: str, address: str) -> str:
    return f"{name} <{address}>" if name and address and name != address else name or address


def bodies(props: Props, codec_name: str, limit: int) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of the texts of a message: ``body.txt`` in UTF-8, ``body.html``, ``body.rtf``."""
    plain = text(props, BODY, codec_name)
    if plain.strip():
        yield "body.txt", plain.encode("utf-8", "replace")
    kind, raw = props.get(HTML, (0, b""))
    if raw:
        page = (
            "utf-16-le"
            if kind == UNICODE
            else codec_of_number(number(props, _INTERNET_PAGE))
            if kind == BINARY
            else codec_name
        )
        try:
            yield "body.html", _MARK + raw.decode(page).encode("utf-8", "replace") if page else raw
        except UnicodeDecodeError:
            yield "body.html", raw
    packed = props.get(RTF, (0, b""))[1]
    if packed:
        rich = decompress_rtf(packed, limit)
        if rich:
            yield "body.rtf", rich


def other_lines(props: Props, codec_name: str) -> list[str]:
    """Text of other properties, for what is no mail: contacts, appointments, notes."""
    if text(props, CLASS, codec_name).startswith(_NOTE):
        return []
    found = []
    for key in sorted(props)[:_MAX_VALUES]:
        if key not in _NOT_TOLD and props[key][0] in (STRING8, UNICODE) and not 0x0C00 <= key < 0x0D00:
            value = " ".join(text(props, key, codec_name)[:10_000].split())
            if value:
                found.append(value)
    return list(dict.fromkeys(found))


def make_mail(
    lines: Sequence[str],
    transport: str,
    texts: Sequence[tuple[str, bytes]],
    files: Sequence[tuple[str, bytes]],
    key: str,
) -> bytes:
    """A message of a store as a mail file: 8-bit headers and texts in UTF-8, other parts in base64.

    Args:
        lines: Header lines; left out where the transport headers say the same.
        transport: Header lines as they came over the net, empty where there are none.
        texts: Names and bytes of the bodies.
        files: Names and bytes of the attachments.
        key: Makes the boundary of this message its own.
    """
    kept = []
    for line in transport.replace("\r\n", "\n").split("\n"):
        is_own = line.lower().startswith(("content-", "mime-version"))
        if line[:1] not in " \t" or not line.strip():
            skipping = is_own
        if line.strip() and not skipping:
            kept.append(line)
    names = {line.partition(":")[0].lower() for line in kept}
    head = [*kept, *(line for line in lines if line.partition(":")[0].lower() not in names)]
    boundary = f"=_part_{key}"
    out = [*head, "MIME-Version: 1.0", f'Content-Type: multipart/mixed; boundary="{boundary}"', ""]
    parts: list[bytes] = ["\r\n".join(out).encode("utf-8", "replace")]
    kinds = {"body.txt": "text/plain; charset=utf-8", "body.html": "text/html; charset=utf-8"}
    for name, raw in texts:
        mark = f"\r\n--{boundary}\r\nContent-Type: {kinds.get(name, 'application/rtf')}\r\n"
        if name in kinds and boundary.encode() not in raw:
            parts.append(f"{mark}Content-Transfer-Encoding: 8bit\r\n\r\n".encode() + raw)
        else:
            parts.append(f"{mark}Content-Transfer-Encoding: base64\r\n\r\n".encode() + binascii.b2a_base64(raw))
    for name, raw in files:
        quoted = name.replace("\\", "\\\\").replace('"', '\\"').replace("\r", " ").replace("\n", " ")
        head_line = (
            f"\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
        )
        place = f'Content-Disposition: attachment; filename="{quoted}"\r\n\r\n'
        parts.append((head_line + place).encode("utf-8", "replace") + binascii.b2a_base64(raw))
    parts.append(f"\r\n--{boundary}--\r\n".encode())
    return b"".join(parts)
