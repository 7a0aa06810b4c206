"""VHD virtual disks (Virtual PC, Hyper-V): fixed, dynamic, differencing with the parent beside it.

The media have the size that the footer states as the current one; programs round it up to whole cylinders, so it may
be larger than the disk that was imaged, by less than one cylinder. A fixed VHD is a raw image with a footer behind it:
it is taken for one only if the footer's checksum holds and its size is exactly that of the bytes in front. Else the
file stays raw.

Source: Microsoft, Virtual Hard Disk Image Format Specification.
"""

from __future__ import annotations

import uuid
from pathlib import Path

from triage.errors import CorruptStructureError, UnsupportedFormatError
from triage.evidence.containers.beside import Beside, Found, Nowhere
from triage.evidence.containers.entry_table import EntryTable
from triage.evidence.containers.ewf_headers import printable
from triage.evidence.containers.mapped_container import DiskContainer, claims, mapped, open_any, open_by_path
from triage.evidence.containers.mapped_stream import Kind, Piece, PlainMap, damaged, inherited
from triage.evidence.containers.sector_bits import SectorBits
from triage.evidence.containers.vhd_header import (
    DIFFERENCING,
    FIXED,
    SPARSE,
    DynamicHeader,
    Footer,
    last_footer,
    parse_footer,
    read_dynamic_header,
)
from triage.evidence.interface import Container
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream

STAGE = "evidence/vhd"
_FREE = 0xFFFFFFFF
_MAX_SIZE = 1 << 46


class DynamicMap:
    """The blocks of a dynamic or differencing VHD; see :class:`~triage.evidence.containers.mapped_stream.BlockMap`.

    Args:
        stream: The file.
        size: Bytes of the media.
        header: Its dynamic header.
        parent: The media of the parent.
    """

    def __init__(self, stream: Stream, size: int, header: DynamicHeader, parent: Stream | None) -> None:
        self.size = size
        self.parent = parent
        self._stream = stream
        self._header = header
        self._table = EntryTable(stream, ">I")
        self._bits = SectorBits(stream, low_first=False)
        self._bitmap = max(1, header.block // 512 // 8)
        self._before = -(-self._bitmap // 512) * 512

    def piece(self, offset: int) -> Piece:
        """What lies at an offset; a sector that was never written is inherited."""
        block = self._header.block
        entry = self._table.get(self._header.table, offset // block)
        inside = offset % block
        left = block - inside
        if entry < 0:
            return damaged(left, "the block allocation table lies behind the end of the file")
        if entry == _FREE:
            return inherited(left)
        place = entry * 512
        run = self._bits.run(place, self._bitmap, inside // 512)
        if run is None:
            return damaged(left, f"the block should be stored at {place}, behind the end of the file")
        left = min(left, run[1] * 512 - inside % 512)
        if not run[0]:
            return inherited(left)
        return Piece(Kind.STORED, left, self._stream, place + self._before + inside)

    def unpack(self, key: int) -> bytes:
        """Never asked for: nothing is compressed."""
        raise ValueError(f"no compressed block {key}")


def is_image(head: bytes, stream: Stream) -> bool:
    """True for a footer in front, or one at the end that fits the bytes before it or points to a dynamic header."""
    first = parse_footer(head[:512])
    if first is not None:
        return first.kind in (SPARSE, DIFFERENCING) or not first.holds
    last = last_footer(stream)
    if last is None or not last[0].holds:
        return False
    footer, place = last
    if footer.kind == FIXED:
        return footer.size == place
    return footer.kind in (SPARSE, DIFFERENCING) and stream.read_at(footer.header, 8) == b"cxsparse"


def detect(head: bytes, paths: tuple[Path, ...]) -> bool:
    """True for a VHD; see :func:`is_image`."""
    return claims(paths, lambda stream: is_image(head, stream))


def open_container(paths: tuple[Path, ...], evidence_name: str) -> DiskContainer:
    """A VHD with its parents.

    Raises:
        SourceNotFoundError: A file cannot be read.
        UnsupportedFormatError: The parent is not beside the image.
        CorruptStructureError: A structure does not hold, or the parent is another disk than the one asked for.
    """
    return open_by_path(paths, evidence_name, open_stream)


def open_stream(stream: Stream, name: str, beside: Beside | None = None) -> DiskContainer:
    """A VHD in a stream.

    Args:
        stream: The image; stays the caller's to close.
        name: Name of the evidence, for Problems.
        beside: Where the parent is looked for.

    Raises:
        EvidenceError: See :func:`open_container`.
    """
    footer, problems = _find_footer(stream, name)
    details = {
        "creator": printable(footer.creator),
        "kind": {FIXED: "fixed", SPARSE: "dynamic", DIFFERENCING: "differencing"}[footer.kind],
        "identifier": str(footer.identity),
        "size_when_made": str(footer.first_size) if footer.first_size != footer.size else "",
    }
    if footer.kind == FIXED:
        return mapped("vhd", PlainMap(stream, footer.size), name, details, problems)
    header = read_dynamic_header(stream, footer.header)
    if footer.size > _MAX_SIZE or header.entries * header.block < footer.size:
        raise CorruptStructureError(
            f"damaged VHD: a table of {header.entries} blocks of {header.block} bytes for media of {footer.size}"
        )
    parents: tuple[Container, ...] = ()
    if footer.kind == DIFFERENCING:
        parents = (_open_parent(header, name, beside or Nowhere()),)
        details["parent"] = printable(header.parent_names[0])
    block_map = DynamicMap(stream, footer.size, header, parents[0].media if parents else None)
    return mapped("vhd", block_map, name, details, problems, parents)


def _find_footer(stream: Stream, name: str) -> tuple[Footer, tuple[Problem, ...]]:
    """The footer at the end, or its copy in front where that at the end is damaged or missing.

    Raises:
        CorruptStructureError: Neither holds.
    """
    last = last_footer(stream)
    footer = last[0] if last is not None else None
    problems = []
    if footer is None or not footer.holds or footer.kind not in (FIXED, SPARSE, DIFFERENCING):
        footer = parse_footer(stream.read_at(0, 512))
        if footer is None or not footer.holds or footer.kind not in (SPARSE, DIFFERENCING):
            raise CorruptStructureError(
                "damaged VHD: neither its footer nor the copy in front holds",
                hint="compare with another copy of the image",
            )
        message = "the footer at the end is missing or damaged, so the file may be cut short; its copy in front is used"
        hint = "compare with another copy of the image"
        problems.append(Problem(name, STAGE, Reason.TRUNCATED, message, hint, examined_anyway=True))
    if footer.first_size != footer.size:
        message = f"made with {footer.first_size} bytes, now {footer.size}: the later size is used"
        hint = "a disk that was resized; else the footer was changed"
        problems.append(Problem(name, STAGE, Reason.MISMATCH, message, hint, examined_anyway=True))
    return footer, tuple(problems)


def _open_parent(header: DynamicHeader, name: str, beside: Beside) -> Container:
    found = find_parent(header.parent_names, beside)
    last = last_footer(found.stream)
    footer = last[0] if last is not None and last[0].holds else parse_footer(found.stream.read_at(0, 512))
    identity = footer.identity if footer is not None else uuid.UUID(int=0)
    if identity != header.parent:
        raise CorruptStructureError(
            f"{found.name} is not the parent: its identifier is {identity}, the image asks for {header.parent}",
            hint="put the right parent beside the image",
        )
    return open_any(found, name)


def find_parent(names: tuple[str, ...], beside: Beside) -> Found:
    """The first of several names of a parent that is there.

    Raises:
        UnsupportedFormatError: None is, or none is named.
        CorruptStructureError: The chain loops.
    """
    error = UnsupportedFormatError("a differencing disk that does not name its parent")
    for candidate in names[:16]:
        try:
            return beside.find(candidate, "parent")
        except UnsupportedFormatError as failure:
            error = failure
    raise error
