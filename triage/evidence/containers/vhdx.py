"""VHDX virtual disks (Hyper-V): fixed, dynamic, differencing with the parent beside it; a log is replayed in memory.

Source: MS-VHDX, sections 2.5 "BAT", 2.6 "Metadata Region"; headers and log in their own modules.
"""

from __future__ import annotations

import uuid
from pathlib import Path

from triage.errors import CorruptStructureError
from triage.evidence.containers.beside import Beside, Nowhere
from triage.evidence.containers.entry_table import EntryTable
from triage.evidence.containers.ewf_headers import printable
from triage.evidence.containers.mapped_container import DiskContainer, mapped, open_any, open_by_path
from triage.evidence.containers.mapped_stream import Kind, Piece, damaged, inherited, zeros
from triage.evidence.containers.sector_bits import SectorBits
from triage.evidence.containers.vhd import find_parent
from triage.evidence.containers.vhdx_header import SIGNATURE, VhdxMetadata, read_metadata, read_vhdx_header
from triage.evidence.containers.vhdx_log import replay
from triage.evidence.interface import Container
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream

STAGE = "evidence/vhdx"
_NOT_PRESENT, _FULL, _PARTIAL = 0, 6, 7
_BLANK = (1, 2, 3, 5)
"""Undefined, zero, unmapped, and unmapped as drafts of the format wrote it."""
_BITMAP = 1 << 20
_PIECE = 65536
"""Bytes of a sector bitmap that are looked at together."""


class VhdxMap:
    """The blocks of a VHDX; see :class:`~triage.evidence.containers.mapped_stream.BlockMap`.

    Args:
        stream: The file, its log replayed.
        metadata: What it states of itself.
        parent: The media of the parent.
    """

    def __init__(self, stream: Stream, metadata: VhdxMetadata, parent: Stream | None) -> None:
        self.size = metadata.size
        self.parent = parent
        self._stream = stream
        self._metadata = metadata
        self._ratio = (metadata.sector << 23) // metadata.block
        self._table = EntryTable(stream, "<Q")
        self._bits = SectorBits(stream, low_first=True)

    def piece(self, offset: int) -> Piece:
        """What lies at an offset."""
        block = self._metadata.block
        number, inside = divmod(offset, block)
        left = block - inside
        entry = self._table.get(self._metadata.table, number + number // self._ratio)
        state = entry & 7
        if entry < 0:
            return damaged(left, "the block table lies behind the end of the file")
        if state == _NOT_PRESENT:
            return inherited(left)
        if state in _BLANK:
            return zeros(left)
        place = (entry >> 20 << 20) + inside
        if state == _FULL and entry >> 20:
            return Piece(Kind.STORED, left, self._stream, place)
        if state == _PARTIAL and entry >> 20 and self._metadata.has_parent:
            return self._partial(number, inside, left, place)
        return damaged(left, f"the block table holds an impossible entry: {entry:#x}")

    def _partial(self, number: int, inside: int, left: int, place: int) -> Piece:
        """A run of sectors of a block that is partly the parent's."""
        chunk = number // self._ratio
        entry = self._table.get(self._metadata.table, chunk * (self._ratio + 1) + self._ratio)
        if entry < 0 or entry & 7 != _FULL or not entry >> 20:
            return damaged(left, "a block that is partly the parent's has no sector bitmap")
        sector = self._metadata.sector
        bit = ((number % self._ratio) * self._metadata.block + inside) // sector
        window = bit // (_PIECE * 8)
        run = self._bits.run((entry >> 20 << 20) + window * _PIECE, _PIECE, bit % (_PIECE * 8))
        if run is None:
            return damaged(left, "a sector bitmap lies behind the end of the file")
        left = min(left, run[1] * sector - inside % sector)
        return Piece(Kind.STORED, left, self._stream, place) if run[0] else inherited(left)

    def unpack(self, key: int) -> bytes:
        """Never asked for: nothing is compressed."""
        raise ValueError(f"no compressed block {key}")


def is_image(head: bytes, stream: Stream) -> bool:
    """True for the signature of VHDX."""
    del stream
    return head.startswith(SIGNATURE)


def detect(head: bytes, paths: tuple[Path, ...]) -> bool:
    """True for the signature of VHDX."""
    return len(paths) == 1 and head.startswith(SIGNATURE)


def open_container(paths: tuple[Path, ...], evidence_name: str) -> DiskContainer:
    """A VHDX with its parents.

    Raises:
        SourceNotFoundError: A file cannot be read.
        UnsupportedFormatError: The parent is not beside the image, or something that must be known is not.
        CorruptStructureError: A structure does not hold, or the parent is another disk than the one asked for.
    """
    return open_by_path(paths, evidence_name, open_stream)


def open_stream(stream: Stream, name: str, beside: Beside | None = None) -> DiskContainer:
    """A VHDX in a stream.

    Args:
        stream: The image; stays the caller's to close.
        name: Name of the evidence, for Problems.
        beside: Where the parent is looked for.

    Raises:
        EvidenceError: See :func:`open_container`.
    """
    header = read_vhdx_header(stream)
    problems = []
    if header.log.int:
        stream, count = replay(stream, header.log_place, header.log_length, header.log.bytes_le)
        message = f"it was not closed properly; {count} entries of its log are replayed in memory"
        hint = "other programs may show the disk as it was before"
        problems.append(Problem(name, STAGE, Reason.MISMATCH, message, hint, examined_anyway=True))
    metadata = read_metadata(stream)
    parents: tuple[Container, ...] = ()
    details = {
        "kind": "differencing" if metadata.has_parent else "fixed" if metadata.fixed else "dynamic",
        "block_size": str(metadata.block),
        "identifier": str(metadata.disk or ""),
    }
    if metadata.has_parent:
        parent, asked = _open_parent(metadata, name, beside or Nowhere())
        parents = (parent,)
        details["parent"] = printable(asked)
    block_map = VhdxMap(stream, metadata, parents[0].media if parents else None)
    return mapped("vhdx", block_map, name, details, tuple(problems), parents, metadata.sector)


def _open_parent(metadata: VhdxMetadata, name: str, beside: Beside) -> tuple[Container, str]:
    keys = ("relative_path", "absolute_win32_path", "volume_path")
    names = tuple(metadata.locator[key] for key in keys if metadata.locator.get(key))
    found = find_parent(names, beside)
    wanted = {_identity(metadata.locator.get(key, "")) for key in ("parent_linkage", "parent_linkage2")} - {None}
    if found.stream.read_at(0, 8) == SIGNATURE and wanted:
        identity = read_vhdx_header(found.stream).data_write
        if identity not in wanted:
            raise CorruptStructureError(
                f"{found.name} is not the parent as it was: its identifier is {identity}, the image asks for "
                f"{', '.join(sorted(str(one) for one in wanted))}",
                hint="put the right parent beside the image, as it was when the child was made",
            )
    return open_any(found, name), names[0]


def _identity(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
