"""PowerPoint binary presentations (97 to 2003): the texts of slides, notes, comments and masters.

Specification: [MS-PPT]. The stream holds every slide that was ever saved, since changed ones are appended: older
versions are given too, where they differ. Not handled: encrypted presentations, PowerPoint 95.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from struct import unpack_from

STREAM = "PowerPoint Document"
USER_STREAM = "Current User"
_CONTAINERS = {0x03E8: "outline", 0x03EE: "slide", 0x03F0: "notes", 0x03F8: "master", 0x0FC9: "handout"}
_CHARACTERS, _BYTES, _STRING, _BINARY_TAG, _OBJECT = 0x0FA0, 0x0FA8, 0x0FBA, 0x138B, 0x1011
_ENCRYPTED_MARK = b"\xdf\xc4\xd1\xf3"
_CRYPT_SESSION = 0x2F14
_LEAST_STRING = 2


def is_encrypted(user: bytes, document: bytes) -> bool:
    """Whether the presentation is encrypted, by its stream ``Current User`` or by a record of its own."""
    if user[12:16] == _ENCRYPTED_MARK:
        return True
    return any(kind == _CRYPT_SESSION for kind, _, _, level in _records(document) if level == 0)


def _records(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Type, offset, end and level (0 or 1) of each record; containers are stepped into, in one pass."""
    position, top_end = 0, 0
    while position + 8 <= len(data):
        version, kind, length = unpack_from("<HHI", data, position)
        start = position + 8
        end = min(start + length, len(data))
        level = 0 if position >= top_end else 1
        if level == 0:
            top_end = end
        yield kind, start, end, level
        position = start if version & 15 == 15 or kind == _BINARY_TAG else end
        if kind == _BINARY_TAG and end - start < 8:
            position = end


def texts(data: bytes, limit: int) -> Iterator[tuple[str, str]]:
    """Names and texts of the parts of a presentation.

    Args:
        data: The stream ``PowerPoint Document``.
        limit: Characters in all.
    """
    counts: dict[str, int] = {}
    seen: set[str] = set()
    name = ""
    lines: list[str] = []

    def finished() -> Iterator[tuple[str, str]]:
        nonlocal limit
        words = "\n".join(lines)
        if words.strip() and words not in seen and limit > 0:
            seen.add(words)
            counts[name] = counts.get(name, 0) + 1
            limit -= len(words)
            yield f"{name} {counts[name]}", words

    for kind, start, end, level in _records(data):
        if level == 0:
            yield from finished()
            name, lines = _CONTAINERS.get(kind, "other text"), []
        text = ""
        if kind in (_CHARACTERS, _STRING):
            text = data[start:end].decode("utf-16-le", "replace")
        elif kind == _BYTES:
            text = data[start:end].decode("latin-1")
        if len(text) >= _LEAST_STRING and not text.startswith("___PPT"):
            lines.append(text.replace("\r", "\n").replace("\x0b", "\n").replace("\0", "").replace("\xad", ""))
    yield from finished()


def objects(data: bytes, limit: int) -> Iterator[bytes]:
    """Embedded objects: compound files, packed or not; of at most ``limit`` bytes."""
    for kind, start, end, _ in _records(data):
        if kind != _OBJECT or end - start < 12:
            continue
        body = data[start:end]
        if body.startswith(b"\xd0\xcf\x11\xe0"):
            yield body[:limit]
            continue
        try:
            yield zlib.decompressobj().decompress(body[4:], limit)
        except zlib.error:
            continue
