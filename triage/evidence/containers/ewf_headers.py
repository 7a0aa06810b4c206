"""What an E01 says of its acquisition: the ``header``, ``header2`` and ``xheader`` sections.

``header`` is zlib-compressed text in the code page of the acquiring machine, ``header2`` the same in UTF-16. Both hold
lines: a count, ``main``, a line of tab-separated identifiers and a line of values.

Source: Expert Witness Compression Format specification (Joachim Metz), sections "Header" and "Header2".
"""

from __future__ import annotations

import re
import zlib
from datetime import datetime

from triage.model.address import escape_name
from triage.model.times import iso_from_ns

MAX_TEXT = 1 << 20
"""Bytes of decompressed text that are looked at; real ones have a few hundred."""
_MAX_VALUE = 4096

_NAMES = {
    "a": "description",
    "av": "acquisition_software_version",
    "c": "case_number",
    "e": "examiner",
    "ext": "extents",
    "l": "device_label",
    "m": "acquired",
    "md": "device_model",
    "n": "evidence_number",
    "ov": "acquisition_system",
    "pid": "process_identifier",
    "r": "compression",
    "sn": "device_serial_number",
    "t": "notes",
    "u": "system_date",
}
_DATES = frozenset({"acquired", "system_date"})
_COMPRESSION = {"b": "best", "f": "fast", "n": "none"}


def inflate(data: bytes, limit: int) -> bytes:
    """At most ``limit`` bytes of zlib-compressed data; what came before the damage where it is damaged."""
    machine = zlib.decompressobj()
    out = bytearray()
    try:
        for start in range(0, len(data), 4096):
            out += machine.decompress(data[start : start + 4096], limit - len(out))
            if machine.eof or len(out) >= limit:
                break
    except zlib.error:
        pass
    return bytes(out)


def printable(text: str) -> str:
    """Text from evidence made safe to print, backslashes kept, at most 4096 characters."""
    shown = escape_name(text[:_MAX_VALUE].encode("utf-8", "surrogatepass"), syntax=False)
    for escape, instead in (("\\x5c", "\\"), ("\\x0d\\x0a", " / "), ("\\x0a", " / "), ("\\x09", " ")):
        shown = shown.replace(escape, instead)
    return shown.strip()


def _decode(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _date(value: str) -> str:
    """ISO 8601 of a date as the sections write it: seconds since 1970, or ``2007 4 23 13 12 1`` without a zone."""
    if value.isdecimal() and len(value) < 12:
        return iso_from_ns(int(value) * 1_000_000_000) or value
    fields = value.split()
    if len(fields) == 6 and all(field.isdecimal() and len(field) < 5 for field in fields):
        try:
            return datetime(*(int(field) for field in fields)).isoformat()  # type: ignore[arg-type]
        except ValueError:
            return value
    return value


def parse_header(compressed: bytes) -> dict[str, str]:
    """The acquisition details of a ``header`` or ``header2`` section, printable text by name.

    Args:
        compressed: Data of the section.
    """
    lines = _decode(inflate(compressed, MAX_TEXT)).splitlines()
    details: dict[str, str] = {}
    for index, line in enumerate(lines[:-2]):
        if line.strip() != "main":
            continue
        for identifier, value in zip(lines[index + 1].split("\t"), lines[index + 2].split("\t"), strict=False):
            name = _NAMES.get(identifier.strip().lower())
            value = value.strip().strip("\x00")
            if not name or not value:
                continue
            if name in _DATES:
                value = _date(value)
            elif name == "compression":
                value = _COMPRESSION.get(value, value)
            details[name] = printable(value)
        break
    return details


def parse_xheader(compressed: bytes) -> dict[str, str]:
    """The elements of an ``xheader`` section (XML), printable text by element name.

    No XML parser is used: the elements are flat, and a hostile document must cost nothing.
    """
    text = inflate(compressed, MAX_TEXT).decode("utf-8", "replace")
    found = re.findall(r"<([a-z_]{1,40})>([^<>]{1,4096})</\1>", text)
    return {name: printable(value) for name, value in found[:40]}


def parse_xhash(compressed: bytes) -> dict[str, str]:
    """Digests of an ``xhash`` section, lower-case hex by algorithm."""
    found = parse_xheader(compressed)
    lengths = {"md5": 32, "sha1": 40}
    return {
        name: found[name].lower()
        for name, length in lengths.items()
        if re.fullmatch(rf"[0-9a-fA-F]{{{length}}}", found.get(name, ""))
    }
