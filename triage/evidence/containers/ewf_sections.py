"""The segment files of an E01 and the sections that each is made of.

A segment file begins with a signature and its number. Sections follow, each with a descriptor of 76 bytes: type, where
the next one begins, size, checksum. The last one (``next`` or ``done``) points at itself.

Nothing is believed: an offset must lead forward and stay inside the file, a count must fit the section that it counts
in, and the number of sections is bounded.

Source: Expert Witness Compression Format specification (Joachim Metz), sections "Segment file", "Section".
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass, field

from triage.evidence.containers.segment_file import SegmentFile
from triage.model.problem import Reason

SIGNATURE = b"EVF\x09\x0d\x0a\xff\x00"
FILE_HEADER = 13
DESCRIPTOR = 76
MAX_SECTIONS = 100_000
"""Sections in one segment file; a segment of 4 GiB written by EnCase has about 30."""
MAX_CHUNK = 32 << 20
"""Bytes in a chunk; 32 KiB is usual, 16 MiB the most that a known program writes."""
MAX_MEDIA = 1 << 53
"""Bytes of media, 8 PiB; more is a damaged or hostile header."""
MAX_ENTRIES = 1 << 22
"""Entries in one table; known programs write at most 65,534."""

_KNOWN = frozenset(
    {"header", "header2", "xheader", "volume", "disk", "data", "sectors", "table", "table2", "next", "done"}
    | {"digest", "hash", "xhash", "error2", "session", "incomplete", "ltree", "ltypes"}
)
_DESCRIPTOR = struct.Struct("<16sQQ40xI")
_TABLE = struct.Struct("<I4xQ4xI")
_NAME = re.compile(rb"(?:header2?|volume|disk|data|sectors|table2?|next|done|digest|hash|error2)\x00{5}")
_SCAN = 1 << 20
"""Bytes searched at once for the next section, behind a descriptor that is damaged."""


@dataclass(frozen=True, slots=True)
class Section:
    """One section of a segment file.

    Attributes:
        kind: Type, for instance ``table``; printable.
        start: Byte in the segment file where the data begin, behind the descriptor.
        end: Byte behind the data.
    """

    kind: str
    start: int
    end: int

    @property
    def size(self) -> int:
        """Bytes of data."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something wrong with a segment file, to become a Problem once its place in the media is known."""

    reason: Reason
    message: str


@dataclass(slots=True)
class Segment:
    """One segment file with its sections.

    Attributes:
        file: The file.
        number: As the file states it, from 1.
        sections: In file order.
        troubles: What did not hold.
        last: Type of the section that closed the chain, ``next`` or ``done``; empty where the chain broke.
    """

    file: SegmentFile
    number: int
    sections: list[Section] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    last: str = ""

    def data(self, section: Section, limit: int) -> bytes:
        """At most ``limit`` bytes of a section's data."""
        return self.file.read_at(section.start, min(section.size, limit))


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """The ``volume``, ``disk`` or ``data`` section.

    Attributes:
        chunk_count: Chunks of the media, 0 where not stated.
        chunk_size: Bytes in a chunk.
        sector_size: Bytes in a sector.
        sector_count: Sectors of the media, 0 where not stated.
        set_identifier: 16 bytes that all segments share; empty where the writer had none.
        media_type: The number for it.
        checksum_holds: The section's own checksum is right.
        smart: The short form that ASR SMART writes.
    """

    chunk_count: int
    chunk_size: int
    sector_size: int
    sector_count: int
    set_identifier: bytes
    media_type: int
    checksum_holds: bool
    smart: bool

    @property
    def is_plausible(self) -> bool:
        """False where a size is nothing that can be read."""
        return (
            64 <= self.sector_size <= 1 << 20
            and 0 < self.chunk_size <= MAX_CHUNK
            and self.chunk_size % self.sector_size == 0
            and 0 <= self.sector_count * self.sector_size < MAX_MEDIA
        )


def read_segment(file: SegmentFile) -> Segment | None:
    """The sections of a segment file; None where the file does not begin like one.

    Args:
        file: Read from its beginning.

    Raises:
        ReadFailedError: The file cannot be read.
    """
    head = file.read_at(0, FILE_HEADER + DESCRIPTOR)
    if len(head) < FILE_HEADER:
        return None
    segment = Segment(file, int.from_bytes(head[9:11], "little"))
    if head[:8] != SIGNATURE:
        if not has_first_section(head):
            return None
        segment.troubles.append(Trouble(Reason.CORRUPT, "the signature of the segment file is damaged"))
    _read_chain(segment)
    return segment


def has_first_section(head: bytes) -> bool:
    """True where a section descriptor with a right checksum stands at its usual place, whatever is before it."""
    return _holds(head[FILE_HEADER : FILE_HEADER + DESCRIPTOR])


def _kind(raw: bytes) -> str:
    return raw.split(b"\x00", 1)[0].decode("ascii", "replace")


def _read_chain(segment: Segment) -> None:
    """Follow the descriptors to the last one; around a damaged one to the next that holds."""
    file = segment.file
    offset = FILE_HEADER
    for _ in range(MAX_SECTIONS):
        raw = file.read_at(offset, DESCRIPTOR)
        if len(raw) < DESCRIPTOR:
            segment.troubles.append(Trouble(Reason.TRUNCATED, f"the file ends where a section should begin: {offset}"))
            return
        name, following, size, checksum = _DESCRIPTOR.unpack(raw)
        kind = _kind(name)
        holds = zlib.adler32(raw[:72]) == checksum
        if not holds:
            segment.troubles.append(Trouble(Reason.CORRUPT, f"wrong checksum of the section descriptor at {offset}"))
        if kind in ("next", "done"):
            segment.last = kind
            return
        start = offset + DESCRIPTOR
        kind = kind if kind in _KNOWN else ""
        if holds and following >= file.size:
            segment.sections.append(Section(kind, start, max(start, file.size)))
            message = f"the file ends at {file.size}, inside the section at {offset}"
            segment.troubles.append(Trouble(Reason.TRUNCATED, message))
            return
        if holds and following < start:
            reason = Reason.LOOP if following <= offset else Reason.CORRUPT
            segment.troubles.append(Trouble(reason, f"the section at {offset} points to {following}, not forward"))
        if not holds or following < start:
            following = _find_next(file, offset, (following, offset + size))
        segment.sections.append(Section(kind, start, following or max(start, file.size)))
        if not following:
            return
        offset = following
    segment.troubles.append(Trouble(Reason.LIMIT, f"more than {MAX_SECTIONS} sections"))


def _find_next(file: SegmentFile, offset: int, claims: tuple[int, ...]) -> int:
    """Where the section after a damaged descriptor begins: where a claim is right, else where one is found; or 0."""
    for claim in claims:
        if offset + DESCRIPTOR <= claim < file.size and _holds(file.read_at(claim, DESCRIPTOR)):
            return claim
    position = offset + 16
    while position < file.size:
        window = file.read_at(position, _SCAN + DESCRIPTOR)
        for match in _NAME.finditer(window):
            if _holds(window[match.start() : match.start() + DESCRIPTOR]):
                return position + match.start()
        position += _SCAN
    return 0


def _holds(descriptor: bytes) -> bool:
    """True for a section descriptor of a known type with a right checksum."""
    if len(descriptor) < DESCRIPTOR:
        return False
    name, _, _, checksum = _DESCRIPTOR.unpack(descriptor)
    return _kind(name) in _KNOWN and zlib.adler32(descriptor[:72]) == checksum


def parse_media(data: bytes) -> MediaFacts | None:
    """What a ``volume``, ``disk`` or ``data`` section says of the media; None where it is too short.

    Args:
        data: Data of the section: 1052 bytes, or 94 as SMART writes it.
    """
    if len(data) < 94:
        return None
    smart = len(data) < 1052
    length = 94 if smart else 1052
    chunks, per_chunk, sector_size = struct.unpack_from("<III", data, 4)
    sectors = int.from_bytes(data[16:20] if smart else data[16:24], "little")
    return MediaFacts(
        chunk_count=chunks,
        chunk_size=per_chunk * sector_size,
        sector_size=sector_size,
        sector_count=sectors,
        set_identifier=b"" if smart else data[64:80].strip(b"\x00") and data[64:80],
        media_type=data[0],
        checksum_holds=zlib.adler32(data[: length - 4]) == int.from_bytes(data[length - 4 : length], "little"),
        smart=smart,
    )


@dataclass(slots=True)
class Table:
    """Where the chunks of a run of the media lie in a segment file.

    Attributes:
        segment: The segment file.
        section: The ``table`` section.
        count: Entries.
        base: Added to every entry.
        entries: Byte in the segment file where the entries begin.
        backup: The same from ``table2``, or None.
        first: Chunk of the media that the first entry is for, -1 until placed.
        header_holds: The checksum of the table's header is right.
    """

    segment: Segment
    section: Section
    count: int
    base: int
    entries: int
    header_holds: bool
    backup: Table | None = None
    first: int = -1


def parse_table(segment: Segment, section: Section) -> Table | None:
    """The header of a ``table`` or ``table2`` section; None where it counts more than the section holds."""
    raw = segment.data(section, _TABLE.size)
    if len(raw) < _TABLE.size:
        return None
    count, base, checksum = _TABLE.unpack(raw)
    if count > min((section.size - _TABLE.size) // 4, MAX_ENTRIES) or base > segment.file.size:
        return None
    holds = zlib.adler32(raw[:20]) == checksum
    if count == 0 and not holds:
        return None
    return Table(segment, section, count, base, section.start + _TABLE.size, holds)
