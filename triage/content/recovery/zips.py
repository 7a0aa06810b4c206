"""ZIP archives, and the office documents and programs that are ZIP archives.

Source: PKWARE's APPNOTE 6.3.10, sections 4.3 and 4.4. Members are stepped over by their sizes (where these follow the
data, by the descriptor's signature); the central directory must begin where its end record says and have as many
entries as it says.
"""

from __future__ import annotations

import re
import struct

from triage.content.recovery.carved import Reader, Shape

MAX_ARCHIVE = 1 << 36
MAX_MEMBERS = 1_000_000
_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_END_64, _LOCATOR_64, _EXTRA, _SIGNED = b"PK\x06\x06", b"PK\x06\x07", b"PK\x06\x08", b"PK\x05\x05"
_NEXT = re.compile(rb"PK(?:\x03\x04|\x01\x02|\x07\x08)")
_METHODS = frozenset({0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 14, 18, 19, 20, 93, 94, 95, 96, 97, 98, 99})
_MIME = {
    b"application/vnd.oasis.opendocument.text": ("OpenDocument text", "odt"),
    b"application/vnd.oasis.opendocument.spreadsheet": ("OpenDocument spreadsheet", "ods"),
    b"application/vnd.oasis.opendocument.presentation": ("OpenDocument presentation", "odp"),
    b"application/vnd.oasis.opendocument.graphics": ("OpenDocument drawing", "odg"),
    b"application/epub+zip": ("EPUB book", "epub"),
}
_NAMES = (
    (b"word/", "Word document", "docx"),
    (b"xl/", "Excel workbook", "xlsx"),
    (b"ppt/", "PowerPoint presentation", "pptx"),
    (b"visio/", "Visio drawing", "vsdx"),
    (b"AndroidManifest.xml", "Android package", "apk"),
    (b"META-INF/MANIFEST.MF", "Java archive", "jar"),
)


class _Walk:
    """One archive on the way through its records."""

    def __init__(self, reader: Reader, start: int) -> None:
        self.reader = reader
        self.start = start
        self.position = start
        self.members = 0
        self.kind = ("ZIP archive", "zip")

    def local(self, head: bytes) -> str:
        """Step over one member; what does not hold, empty where all does."""
        version, flags, method = struct.unpack_from("<HHH", head, 4)
        packed, _, names, extra = struct.unpack_from("<IIHH", head, 18)
        if version & 0xFF > 63 or method not in _METHODS or not names:
            return "the header of a member does not hold"
        more = self.reader.read(self.position + 30, names + extra)
        if len(more) < names + extra:
            return "the data end"
        packed = _wide(more[names:], packed) if packed == 0xFFFF_FFFF else packed
        data = self.position + 30 + names + extra
        self._name(more[:names], data, packed)
        if flags & 8 and not packed:
            return self._described(data)
        after = data + packed + (self._descriptor(data + packed) if flags & 8 else 0)
        if after > self.reader.size:
            return "the data end inside a member"
        if self.reader.read(after, 4) not in (_LOCAL, _CENTRAL, _EXTRA):
            block = int.from_bytes(self.reader.read(after, 8), "little")
            if self.reader.read(after + block - 8, 16) != b"APK Sig Block 42":
                return "what follows a member is no member"
            after += block + 8
        self.position, self.members = after, self.members + 1
        return ""

    def _described(self, data: int) -> str:
        """Step over a member whose sizes follow it: to the record whose sizes fit."""
        position = data
        limit = min(self.reader.size, self.start + MAX_ARCHIVE)
        for _ in range(10_000):
            found = self.reader.search(_NEXT, position, min(limit, data + (1 << 30)), 32)
            if found is None:
                break
            place = found[0]
            if found[1][0] != b"PK\x07\x08":  # a descriptor need not have a signature
                if place - data >= 12 and _sized(self.reader.read(place - 12, 12), place - 12 - data, 4):
                    self.position, self.members = place, self.members + 1
                    return ""
            else:
                length = self._descriptor(place)
                follows = self.reader.read(place + length, 4) in (_LOCAL, _CENTRAL, _EXTRA)
                if follows and _sized(self.reader.read(place + 4, length - 4), place - data, 4):
                    self.position, self.members = place + length, self.members + 1
                    return ""
            position = place + 4
        return "the end of a member is not found"

    def _descriptor(self, place: int) -> int:
        """Bytes of a data descriptor, with or without signature, of 32 or 64 bits: by what follows."""
        data = self.reader.read(place, 28)
        signed = 4 if data[:4] == b"PK\x07\x08" else 0
        for length in (12 + signed, 20 + signed):
            if data[length : length + 2] == b"PK":
                return length
        return 12 + signed

    def _name(self, name: bytes, data: int, packed: int) -> None:
        if not self.members and name == b"mimetype" and packed < 256:
            self.kind = _MIME.get(self.reader.read(data, packed).strip(), self.kind)
        if self.kind[1] in ("zip", "jar"):
            for beginning, kind, extension in _NAMES:
                if name.startswith(beginning):
                    self.kind = (kind, extension)
                    break

    def broken(self, reason: str) -> Shape | None:
        """What holds: the members before the break."""
        if not self.members:
            return None
        return Shape(
            self.position - self.start, *self.kind, f"{self.members} members by their sizes", reason, solid=False
        )


def zip_archive(reader: Reader, start: int) -> Shape | None:
    """An archive: members, central directory, end record."""
    walk = _Walk(reader, start)
    while walk.members <= MAX_MEMBERS:
        head = reader.read(walk.position, 30)
        if len(head) < 30 or head[:4] != _LOCAL:
            break
        reason = walk.local(head)
        if reason:
            return walk.broken(reason)
    if reader.read(walk.position, 4) == _EXTRA:
        walk.position += 8 + int.from_bytes(reader.read(walk.position + 4, 4), "little")
    return _directory(reader, walk)


def _directory(reader: Reader, walk: _Walk) -> Shape | None:
    """The rest: central directory and end records."""
    begin = position = walk.position
    entries = 0
    while entries <= MAX_MEMBERS:
        head = reader.read(position, 46)
        if len(head) < 46 or head[:4] != _CENTRAL:
            break
        position += 46 + sum(struct.unpack_from("<HHH", head, 28))
        entries += 1
    length = position - begin
    if reader.read(position, 4) == _SIGNED:
        position += 6 + int.from_bytes(reader.read(position + 4, 2), "little")
    if reader.read(position, 4) == _END_64:
        position += 12 + int.from_bytes(reader.read(position + 4, 8), "little")
        position += 20 if reader.read(position, 4) == _LOCATOR_64 else 0
    end = reader.read(position, 22)
    if len(end) < 22 or end[:4] != _END:
        return walk.broken("the end record is missing")
    total, size, offset, comment = struct.unpack_from("<HIIH", end, 10)
    if total not in (entries & 0xFFFF, 0xFFFF) or size not in (length, 0xFFFF_FFFF) or not entries:
        return walk.broken("the end record does not fit the central directory")
    if offset not in (begin - walk.start, 0xFFFF_FFFF):
        return walk.broken("the central directory does not begin where the end record says")
    if position + 22 + comment > reader.size:
        return walk.broken("the data end in the comment")
    checked = f"{walk.members} members by their sizes, {entries} entries of the central directory, end record"
    return Shape(position + 22 + comment - walk.start, *walk.kind, checked)


def _wide(extra: bytes, packed: int) -> int:
    """Packed size from the extra field of ZIP64."""
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, position)
        if kind == 1 and length >= 16 and position + 20 <= len(extra):
            return int.from_bytes(extra[position + 12 : position + 20], "little")
        position += 4 + length
    return packed


def _sized(fields: bytes, packed: int, skip: int) -> bool:
    """True where a descriptor (checksum, packed size ...) has this packed size."""
    narrow, wide = fields[skip : skip + 4], fields[skip : skip + 8]
    return int.from_bytes(narrow, "little") == packed or int.from_bytes(wide, "little") == packed
