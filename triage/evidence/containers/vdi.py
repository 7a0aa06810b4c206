"""VDI virtual disks (VirtualBox): dynamic, fixed, and differencing ones with the parent beside them.

A differencing VDI names its parent by identifier only, so the parent is looked for among the ``.vdi`` files of the same
folder.

Source: the header as VirtualBox's ``VDICore.h`` declares it (``VDIPREHEADER``, ``VDIHEADER1PLUS``), from its
documentation of the format; version 1.1, the only one since 2006.
"""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass
from pathlib import Path

from triage.errors import CorruptStructureError, UnsupportedFormatError
from triage.evidence.containers.beside import Beside, Found, Nowhere
from triage.evidence.containers.entry_table import EntryTable
from triage.evidence.containers.ewf_headers import printable
from triage.evidence.containers.mapped_container import DiskContainer, mapped, open_any, open_by_path
from triage.evidence.containers.mapped_stream import Kind, Piece, damaged, inherited, zeros
from triage.evidence.interface import Container
from triage.model.stream import Stream

SIGNATURE = b"\x7f\x10\xda\xbe"
DYNAMIC, FIXED, UNDO, DIFFERENCING = 1, 2, 3, 4
_FREE, _ZERO = 0xFFFFFFFF, 0xFFFFFFFE
_MAX_BLOCK = 256 << 20
_MAX_CANDIDATES = 256


@dataclass(frozen=True, slots=True)
class VdiHeader:
    """What a VDI header states.

    Attributes:
        kind: 1 dynamic, 2 fixed, 4 differencing.
        comment: Free text.
        table: Where the block map begins.
        data: Where the blocks begin.
        size: Bytes of the media.
        block: Bytes in a block.
        extra: Bytes in front of each block.
        blocks: Entries of the block map.
        disk: Identifier of this image.
        parent: Identifier of the parent.
    """

    kind: int
    comment: str
    table: int
    data: int
    size: int
    block: int
    extra: int
    blocks: int
    disk: uuid.UUID
    parent: uuid.UUID


def read_vdi_header(stream: Stream) -> VdiHeader:
    """The header of a VDI.

    Raises:
        UnsupportedFormatError: Another version or kind.
        CorruptStructureError: The numbers do not hold.
    """
    head = stream.read_at(0, 512)
    if len(head) < 0x1C8 or head[0x40:0x44] != SIGNATURE:
        raise CorruptStructureError("damaged VDI: the header is cut short")
    version, _, kind = struct.unpack_from("<III", head, 0x44)
    if version >> 16 != 1 or kind not in (DYNAMIC, FIXED, UNDO, DIFFERENCING):
        raise UnsupportedFormatError(f"VDI version {version >> 16}.{version & 0xFFFF}, kind {kind}, which is not read")
    table, data = struct.unpack_from("<II", head, 0x154)
    size, block, extra, blocks = struct.unpack_from("<QIII", head, 0x170)
    if not 512 <= block <= _MAX_BLOCK or block % 512 or extra > block or blocks * block < size:
        raise CorruptStructureError(
            f"damaged VDI: {blocks} blocks of {block} bytes for media of {size}",
            hint="compare with another copy of the image",
        )
    comment = head[0x54:0x154].partition(b"\x00")[0].decode("utf-8", "replace")
    disk, parent = (uuid.UUID(bytes_le=head[at : at + 16]) for at in (0x188, 0x1A8))
    return VdiHeader(kind, comment, table, data, size, block, extra, blocks, disk, parent)


class VdiMap:
    """The blocks of a VDI; see :class:`~triage.evidence.containers.mapped_stream.BlockMap`.

    Args:
        stream: The file.
        header: Its header.
        parent: The media of the parent.
    """

    def __init__(self, stream: Stream, header: VdiHeader, parent: Stream | None) -> None:
        self.size = header.size
        self.parent = parent
        self._stream = stream
        self._header = header
        self._table = EntryTable(stream, "<I")

    def piece(self, offset: int) -> Piece:
        """What lies at an offset."""
        header = self._header
        number, inside = divmod(offset, header.block)
        left = header.block - inside
        entry = self._table.get(header.table, number)
        if entry < 0:
            return damaged(left, "the block map lies behind the end of the file")
        if entry == _FREE:
            return inherited(left)
        if entry == _ZERO:
            return zeros(left)
        if entry >= header.blocks:
            return damaged(left, f"the block map holds an impossible entry: {entry}")
        place = header.data + entry * (header.block + header.extra) + header.extra
        return Piece(Kind.STORED, left, self._stream, place + inside)

    def unpack(self, key: int) -> bytes:
        """Never asked for: nothing is compressed."""
        raise ValueError(f"no compressed block {key}")


def is_image(head: bytes, stream: Stream) -> bool:
    """True for the signature of VDI."""
    del stream
    return head[0x40:0x44] == SIGNATURE


def detect(head: bytes, paths: tuple[Path, ...]) -> bool:
    """True for the signature of VDI."""
    return len(paths) == 1 and head[0x40:0x44] == SIGNATURE


def open_container(paths: tuple[Path, ...], evidence_name: str) -> DiskContainer:
    """A VDI with its parents.

    Raises:
        SourceNotFoundError: A file cannot be read.
        UnsupportedFormatError: Another version, or the parent is not beside the image.
        CorruptStructureError: The header does not hold, or the chain loops.
    """
    return open_by_path(paths, evidence_name, open_stream)


def open_stream(stream: Stream, name: str, beside: Beside | None = None) -> DiskContainer:
    """A VDI in a stream.

    Args:
        stream: The image; stays the caller's to close.
        name: Name of the evidence, for Problems.
        beside: Where the parent is looked for.

    Raises:
        EvidenceError: See :func:`open_container`.
    """
    header = read_vdi_header(stream)
    parents: tuple[Container, ...] = ()
    if header.kind in (UNDO, DIFFERENCING):
        parents = (open_any(_find_parent(header, beside or Nowhere()), name),)
    details = {
        "kind": {DYNAMIC: "dynamic", FIXED: "fixed", UNDO: "undo", DIFFERENCING: "differencing"}[header.kind],
        "identifier": str(header.disk),
        "parent": str(header.parent) if parents else "",
        "comment": printable(header.comment),
    }
    block_map = VdiMap(stream, header, parents[0].media if parents else None)
    return mapped("vdi", block_map, name, details, (), parents)


def _find_parent(header: VdiHeader, beside: Beside) -> Found:
    """The VDI beside the image that has the identifier of the parent.

    Raises:
        UnsupportedFormatError: There is none.
        CorruptStructureError: It is one that the chain went through before.
    """
    loop: CorruptStructureError | None = None
    candidates = [name for name in beside.names() if name.lower().endswith(".vdi")]
    for name in candidates[:_MAX_CANDIDATES]:
        try:
            found = beside.find(name, "parent")
            if read_vdi_header(found.stream).disk == header.parent:
                return found
        except CorruptStructureError as error:
            loop = error if header.disk == header.parent else loop
        except UnsupportedFormatError:
            continue
    if loop is not None:
        raise loop
    raise UnsupportedFormatError(
        f"the parent that the image asks for is not beside it: a VDI with the identifier {header.parent}",
        hint="put a copy of the parent (VirtualBox keeps it one folder above `Snapshots`) beside the image",
    )
