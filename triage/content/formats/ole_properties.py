"""Property sets of compound files: title, author, who saved last, times, and what users add.

Specification: [MS-OLEPS].
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import unpack_from

from triage.content.formats.codepages import codec_of_number
from triage.content.formats.dates import filetime
from triage.model.times import iso_from_ns

STREAMS = ("\x05SummaryInformation", "\x05DocumentSummaryInformation")
_SUMMARY = {
    2: "Title", 3: "Subject", 4: "Author", 5: "Keywords", 6: "Comments", 7: "Template", 8: "Last saved by",
    9: "Revision", 11: "Last printed", 12: "Created", 13: "Saved", 18: "Program",
}  # fmt: skip
_DOCUMENT = {2: "Category", 14: "Manager", 15: "Company", 28: "Version", 29: "Language"}
_MAX_PROPERTIES = 1000
_MAX_TEXT = 1 << 16


def lines(data: bytes) -> Iterator[str]:
    """Names and values of the properties of one stream, one a line; ends where they do not hold."""
    if len(data) < 48:
        return
    for number in range(min(unpack_from("<I", data, 24)[0], 8)):
        at = 28 + 20 * number
        if at + 20 > len(data):
            return
        identity, start = data[at : at + 16], unpack_from("<I", data, at + 16)[0]
        if identity[:4] == bytes.fromhex("e0859ff2"):
            names = _SUMMARY
        elif identity[:4] == bytes.fromhex("02d5cdd5"):
            names = _DOCUMENT
        else:
            names = {}
        yield from _section(data, start, dict(names))


def _section(data: bytes, start: int, names: dict[int, str]) -> Iterator[str]:
    """Properties of one section."""
    if start + 8 > len(data):
        return
    places: dict[int, int] = {}
    for number in range(min(unpack_from("<I", data, start + 4)[0], _MAX_PROPERTIES)):
        at = start + 8 + 8 * number
        if at + 8 > len(data):
            break
        key, offset = unpack_from("<II", data, at)
        places[key] = start + offset
    codec = "cp1252"
    if 1 in places and places[1] + 6 <= len(data):
        codec = codec_of_number(unpack_from("<H", data, places[1] + 4)[0]) or codec
    if 0 in places:
        names.update(_dictionary(data, places[0], codec))
    for key in sorted(places):
        value = _value(data, places[key], codec) if key in names else ""
        if value:
            yield f"{names[key]}: {value}"


def _dictionary(data: bytes, at: int, codec: str) -> dict[int, str]:
    """Names of properties that users add."""
    names: dict[int, str] = {}
    if at + 4 > len(data):
        return names
    count = min(unpack_from("<I", data, at)[0], _MAX_PROPERTIES)
    at += 4
    for _ in range(count):
        if at + 8 > len(data):
            break
        key, length = unpack_from("<II", data, at)
        size = 2 * length if codec == "utf-16-le" else length
        names[key] = data[at + 8 : at + 8 + min(size, _MAX_TEXT)].decode(codec, "replace").rstrip("\0")
        at += 8 + size + (-size % 4 if codec == "utf-16-le" else 0)
    return names


def _value(data: bytes, at: int, codec: str) -> str:
    """A value as text, empty for what is not told."""
    if at + 8 > len(data):
        return ""
    kind, length = unpack_from("<HxxI", data, at)
    if kind == 0x1E:
        text = data[at + 8 : at + 8 + min(length * (2 if codec == "utf-16-le" else 1), _MAX_TEXT)].decode(
            codec, "replace"
        )
    elif kind == 0x1F:
        text = data[at + 8 : at + 8 + min(2 * length, _MAX_TEXT)].decode("utf-16-le", "replace")
    elif kind == 0x40 and at + 12 <= len(data):
        moment = filetime(unpack_from("<Q", data, at + 4)[0])
        text = (iso_from_ns(moment) or "") if moment is not None else ""
    elif kind in (2, 3):
        text = str(length)
    else:
        return ""
    return " ".join(text.replace("\0", " ").split())
