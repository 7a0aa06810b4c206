"""What LVM2 writes on a physical volume: label, header, metadata areas.

Layout (all little-endian): one of the first four sectors of 512 bytes is the label (``LABELONE``, its number, a
checksum, offset of the header, type ``LVM2 001``). The header has the identifier, the size, the data areas and the
metadata areas, each a list of offset and size that ends with zeros. A metadata area begins with a header of 512 bytes
(checksum, magic, version, start, size, up to four places of text); the text stands in the ring buffer behind it.
The checksum is CRC-32 that starts at 0xf597a6cf and is not inverted at the end.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from triage.errors import CorruptStructureError, EvidenceError
from triage.evidence.volumes.lvm_text import Section, parse_metadata, sections, text_of
from triage.model.stream import Stream

SECTOR = 512
LABEL = b"LABELONE"
TYPE = b"LVM2 001"
MAGIC = b" LVM2 x[5A%r0N*>"
MAX_AREAS = 16
MAX_AREA = 1 << 26
"""Bytes of a metadata area that are read."""
MAX_OLDER = 400
"""Older texts of a metadata area that are looked at."""

_INITIAL = 0xF597A6CF
_GROUP = re.compile(rb'(?<![\w.+-])([\w.+-]{1,128}) \{\n\s*id = "')


@dataclass(frozen=True, slots=True)
class Metadata:
    """One text, parsed.

    Attributes:
        group: Name of the volume group.
        content: Its section.
        seqno: Counts the changes.
        current: The metadata area points at it, and its checksum holds.
        written: Seconds since 1970 when it was written, as stated; 0 where it is not.
    """

    group: str
    content: Section
    seqno: int
    current: bool
    written: int = 0


@dataclass(frozen=True, slots=True)
class PhysicalVolume:
    """One physical volume.

    Attributes:
        uuid: 32 characters.
        stream: Its bytes.
        size: As its header states, bytes.
        texts: Metadata found on it, current ones first.
        warnings: What did not hold, in words.
    """

    uuid: str
    stream: Stream
    size: int
    texts: tuple[Metadata, ...]
    warnings: tuple[str, ...]


def checksum(data: bytes) -> int:
    """The checksum of labels, headers and texts."""
    return zlib.crc32(data, _INITIAL ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


def find_label(head: bytes) -> int:
    """Offset of the label in the first bytes of a volume, -1 where there is none."""
    for offset in range(0, min(len(head), 4 * SECTOR), SECTOR):
        if head[offset : offset + 8] == LABEL and head[offset + 24 : offset + 32] == TYPE:
            return offset
    return -1


def read_physical_volume(stream: Stream) -> PhysicalVolume:
    """The physical volume in a stream.

    Raises:
        CorruptStructureError: There is no label, or its header does not hold.
        ReadFailedError: The first bytes cannot be read.
    """
    head = stream.read_at(0, 8 * SECTOR)
    label = find_label(head)
    if label < 0:
        raise CorruptStructureError("no LVM2 label in the first four sectors")
    warnings: list[str] = []
    stored, inside = struct.unpack_from("<II", head, label + 16)
    if stored != checksum(head[label + 20 : label + SECTOR]):
        warnings.append("the checksum of the LVM label does not fit")
    place = label + inside
    if not SECTOR > inside >= 32 or place + 40 > len(head):
        raise CorruptStructureError(f"LVM label: the header of the physical volume lies at {inside}")
    uuid = head[place : place + 32].decode("latin-1")
    size = struct.unpack_from("<Q", head, place + 32)[0]
    _, position = _areas(head, place + 40)
    areas, _ = _areas(head, position)
    texts: list[Metadata] = []
    for offset, length in areas:
        try:
            texts += _read_area(stream, offset, length, warnings)
        except EvidenceError as error:
            warnings.append(error.message)
    texts.sort(key=lambda text: (not text.current, -text.seqno))
    return PhysicalVolume(uuid, stream, size, tuple(texts), tuple(warnings))


def _areas(head: bytes, position: int) -> tuple[list[tuple[int, int]], int]:
    """A list of areas, and where the next list begins."""
    found: list[tuple[int, int]] = []
    while position + 16 <= len(head) and len(found) < MAX_AREAS:
        offset, length = struct.unpack_from("<QQ", head, position)
        position += 16
        if not offset:
            break
        found.append((offset, length))
    return found, position


def _read_area(stream: Stream, offset: int, length: int, warnings: list[str]) -> Iterator[Metadata]:
    """Texts of one metadata area: the one it points at, then older ones."""
    header = stream.read_at(offset, SECTOR)
    if len(header) < SECTOR or header[4:20] != MAGIC:
        raise CorruptStructureError(f"no LVM metadata area at {offset}")
    if struct.unpack_from("<I", header)[0] != checksum(header[4:]):
        warnings.append(f"the checksum of the LVM metadata area at {offset} does not fit")
    start, size = struct.unpack_from("<QQ", header, 24)
    if start != offset or not SECTOR < size <= stream.size:
        warnings.append(f"the LVM metadata area at {offset} states a place or size that cannot be")
        size = length or MAX_AREA
    size = min(size, MAX_AREA)
    ring = stream.read_at(offset, size)
    seen: set[bytes] = set()
    for index in range(4):
        place, count, stored, flags = struct.unpack_from("<QQII", header, 40 + 24 * index)
        if not place:
            break
        if flags & 1 or not count:
            continue
        text = _in_ring(ring, place, count)
        if text is None or checksum(text) != stored:
            warnings.append(f"the LVM metadata that the area at {offset} points at is damaged")
            continue
        seen.add(text.rstrip(b"\0"))
        yield from _parsed(text, current=True)
    yield from _older(ring, seen)


def _in_ring(ring: bytes, place: int, count: int) -> bytes | None:
    """Text in the ring buffer, which goes on behind the header where it reaches the end; None where it cannot be."""
    if not SECTOR <= place < len(ring) or count > len(ring) - SECTOR:
        return None
    text = ring[place : place + count]
    return text + ring[SECTOR : SECTOR + count - len(text)]


def _older(ring: bytes, seen: set[bytes]) -> Iterator[Metadata]:
    """Texts that were written earlier and still stand in the ring buffer."""
    for number, match in enumerate(_GROUP.finditer(ring)):
        if number >= MAX_OLDER:
            return
        end = ring.find(b"\0", match.start())
        text = ring[match.start() : end if end >= 0 else len(ring)]
        if end < 0:
            text += ring[SECTOR : max(SECTOR, ring.find(b"\0", SECTOR))]
        if text in seen:
            continue
        seen.add(text)
        yield from _parsed(text, current=False)


def _parsed(text: bytes, *, current: bool) -> Iterator[Metadata]:
    """The volume group of a text; nothing where it does not parse."""
    try:
        content = parse_metadata(text.rstrip(b"\0").decode("utf-8", "surrogateescape"))
    except CorruptStructureError:
        return
    written = content.get("creation_time")
    for name, inner in sections(content):
        seqno = inner.get("seqno")
        if text_of(inner, "id") and isinstance(seqno, int):
            yield Metadata(name, inner, seqno, current, written if isinstance(written, int) else 0)
