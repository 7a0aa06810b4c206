"""VMDK virtual disks: monolithic, split, flat, stream-optimised, ESX and space-efficient, and snapshots on a parent.

A disk is one file with a descriptor inside, or a descriptor that names extents. Extents and parents are opened only
where they lie beside the image. An extent that is handed in alone is refused: it is a part of a disk, or what changed.

Source: VMware, Virtual Disk Format 5.0.
"""

from __future__ import annotations

from bisect import bisect_right
from pathlib import Path
from typing import Protocol

from triage.errors import CorruptStructureError, EvidenceError, UnsupportedFormatError
from triage.evidence.containers.beside import Beside, Nowhere
from triage.evidence.containers.ewf_headers import printable
from triage.evidence.containers.mapped_container import MAX_MEDIA, DiskContainer, mapped, open_any, open_by_path
from triage.evidence.containers.mapped_stream import Kind, Piece, zeros
from triage.evidence.containers.vmdk_descriptor import MARK, MAX_TEXT, NO_PARENT, Descriptor, Extent, parse_descriptor
from triage.evidence.containers.vmdk_extent import (
    ESX,
    HOSTED,
    SESPARSE,
    SeSparseExtent,
    SparseExtent,
    read_sparse_header,
)
from triage.evidence.interface import Container
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream

STAGE = "evidence/vmdk"
_FLAT = frozenset({"FLAT", "VMFS"})
_SPARSE = frozenset({"SPARSE", "VMFSSPARSE"})


class _Part(Protocol):
    """One extent, seen from its own beginning."""

    def piece(self, offset: int) -> Piece: ...

    def unpack(self, place: int) -> bytes: ...


class FlatExtent:
    """An extent whose bytes lie as they are.

    Args:
        stream: The file.
        start: Where it begins in the file, bytes.
        length: Bytes of it.
    """

    def __init__(self, stream: Stream, start: int, length: int) -> None:
        self._stream = stream
        self._start = start
        self._length = length

    def piece(self, offset: int) -> Piece:
        """What lies at an offset of the extent."""
        return Piece(Kind.STORED, self._length - offset, self._stream, self._start + offset)

    def unpack(self, place: int) -> bytes:
        """Never asked for: nothing is compressed."""
        raise ValueError(f"no compressed grain at {place}")


class ZeroExtent:
    """An extent of zeros.

    Args:
        length: Bytes of it.
    """

    def __init__(self, length: int) -> None:
        self._length = length

    def piece(self, offset: int) -> Piece:
        """Zeros to the end."""
        return zeros(self._length - offset)

    def unpack(self, place: int) -> bytes:
        """Never asked for: nothing is compressed."""
        raise ValueError(f"no compressed grain at {place}")


class VmdkMap:
    """Extents one behind the other; see :class:`~triage.evidence.containers.mapped_stream.BlockMap`.

    Args:
        parts: Extents with the bytes of the media that each covers, in order.
        parent: The media of the parent.
    """

    def __init__(self, parts: list[tuple[_Part, int]], parent: Stream | None) -> None:
        self.parent = parent
        self._parts = [part for part, _ in parts]
        self._starts: list[int] = []
        self.size = 0
        for _, length in parts:
            self._starts.append(self.size)
            self.size += length
        self._count = len(parts)

    def piece(self, offset: int) -> Piece:
        """What lies at an offset."""
        index = bisect_right(self._starts, offset) - 1
        end = self._starts[index + 1] if index + 1 < self._count else self.size
        piece = self._parts[index].piece(offset - self._starts[index])
        place = piece.place * self._count + index if piece.kind is Kind.PACKED else piece.place
        return piece._replace(length=min(piece.length, end - offset), place=place)

    def unpack(self, key: int) -> bytes:
        """A decompressed grain."""
        return self._parts[key % self._count].unpack(key // self._count)


def is_image(head: bytes, stream: Stream) -> bool:
    """True for a descriptor or a sparse extent."""
    del stream
    return head.startswith((HOSTED, ESX, SESPARSE)) or MARK.match(head) is not None


def detect(head: bytes, paths: tuple[Path, ...]) -> bool:
    """True for a descriptor or a sparse extent."""
    return len(paths) == 1 and (head.startswith((HOSTED, ESX, SESPARSE)) or MARK.match(head) is not None)


def open_container(paths: tuple[Path, ...], evidence_name: str) -> DiskContainer:
    """A VMDK with its extents and parents.

    Raises:
        SourceNotFoundError: A file cannot be read.
        UnsupportedFormatError: An extent or parent is not beside the image, an extent is handed in alone, or a form
            that is not read.
        CorruptStructureError: A structure does not hold.
    """
    return open_by_path(paths, evidence_name, open_stream)


def open_stream(stream: Stream, name: str, beside: Beside | None = None) -> DiskContainer:
    """A VMDK in a stream.

    Args:
        stream: The descriptor or the monolithic image; stays the caller's to close.
        name: Name of the evidence, for Problems.
        beside: Where extents and parents are looked for.

    Raises:
        EvidenceError: See :func:`open_container`.
    """
    beside = beside or Nowhere()
    descriptor = _read_descriptor(stream)
    if descriptor is None:
        raise _alone(beside)
    embedded = stream.read_at(0, 4) == HOSTED
    problems: list[Problem] = []
    parents = _open_parent(descriptor, name, beside, problems)
    parts = [_own_extent(stream)] if embedded else _open_extents(descriptor, beside)
    if not parts:
        raise CorruptStructureError("VMDK descriptor without an extent")
    block_map = VmdkMap(parts, parents[0].media if parents else None)
    details = {
        "create_type": printable(descriptor.create_type),
        "content_id": f"{descriptor.cid:08x}",
        "parent": printable(descriptor.parent_name),
        "extents": str(len(parts)),
    }
    return mapped("vmdk", block_map, name, details, tuple(problems), parents)


def _read_descriptor(stream: Stream) -> Descriptor | None:
    """The descriptor of a disk; None for an extent without one."""
    head = stream.read_at(0, 4)
    if head == HOSTED:
        header = read_sparse_header(stream)
        if not header.descriptor or not header.descriptor_length:
            return None
        text = stream.read_at(header.descriptor, min(header.descriptor_length, MAX_TEXT))
        return parse_descriptor(text) if text.strip(b"\x00") else None
    if head == ESX or stream.read_at(0, 8) == SESPARSE:
        return None
    if stream.size > MAX_TEXT:
        raise CorruptStructureError(f"damaged VMDK descriptor: {stream.size} bytes")
    return parse_descriptor(stream.read_at(0, MAX_TEXT))


def _alone(beside: Beside) -> UnsupportedFormatError:
    """Why an extent alone is refused, with the descriptors that lie beside it."""
    near = []
    for other in (other for other in beside.names() if other.lower().endswith(".vmdk")):
        try:
            text = beside.find(other, "descriptor").stream.read_at(0, 64)
        except EvidenceError:
            continue
        if MARK.match(text):
            near.append(printable(other))
        if len(near) == 5:
            break
    hint = f"hand in the descriptor: {', '.join(near)}" if near else "hand in the descriptor that names this extent"
    return UnsupportedFormatError(
        "an extent of a VMDK without its descriptor, which is only a part of a disk", hint=hint
    )


def _own_extent(stream: Stream) -> tuple[_Part, int]:
    header = read_sparse_header(stream)
    return SparseExtent(stream, header), header.size


def _open_extents(descriptor: Descriptor, beside: Beside) -> list[tuple[_Part, int]]:
    total = 0
    parts = []
    for extent in descriptor.extents:
        total += extent.sectors * 512
        if total >= MAX_MEDIA:
            raise CorruptStructureError(f"impossible size of the media: more than {total} bytes")
        if extent.sectors:
            parts.append((_open_extent(extent, beside), extent.sectors * 512))
    return parts


def _open_extent(extent: Extent, beside: Beside) -> _Part:
    length = extent.sectors * 512
    if extent.kind == "ZERO" or (extent.access == "NOACCESS" and not extent.name):
        return ZeroExtent(length)
    if extent.kind not in _FLAT | _SPARSE | {"SESPARSE"}:
        raise UnsupportedFormatError(
            f"VMDK extent of the kind {printable(extent.kind)}: {printable(extent.name)}",
            hint="a raw device is not in the image; image the device itself",
        )
    stream = beside.find(extent.name, "extent").stream
    if extent.kind in _FLAT:
        return FlatExtent(stream, extent.start * 512, length)
    if stream.read_at(0, 8) == SESPARSE:
        space_efficient = SeSparseExtent(stream)
        part: _Part = space_efficient
        size = space_efficient.size
    elif stream.read_at(0, 4) in (HOSTED, ESX):
        header = read_sparse_header(stream)
        part, size = SparseExtent(stream, header), header.size
    else:
        raise CorruptStructureError(f"the extent does not begin like one: {printable(extent.name)}")
    if size < length:
        raise CorruptStructureError(
            f"the extent has {size} bytes, its descriptor asks for {length}: {printable(extent.name)}"
        )
    return part


def _open_parent(descriptor: Descriptor, name: str, beside: Beside, problems: list[Problem]) -> tuple[Container, ...]:
    if descriptor.parent_cid == NO_PARENT:
        return ()
    if not descriptor.parent_name:
        raise UnsupportedFormatError(
            f"a VMDK snapshot that does not name its parent (content id {descriptor.parent_cid:08x})",
            hint="hand in the disk that was made of the whole chain",
        )
    found = beside.find(descriptor.parent_name, "parent")
    parent = open_any(found, name)
    head = found.stream.read_at(0, 4096)
    below = _read_descriptor(found.stream) if is_image(head, found.stream) else None
    if below is not None and below.cid != descriptor.parent_cid:
        message = (
            f"the parent {found.name} was written after the snapshot was made: "
            f"its content id is {below.cid:08x}, the snapshot asks for {descriptor.parent_cid:08x}"
        )
        hint = "what the snapshot does not hold itself may be newer; look for the parent as it was"
        problems.append(Problem(name, STAGE, Reason.MISMATCH, message, hint))
    return (parent,)
