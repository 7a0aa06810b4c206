"""Parallels virtual disks: expanding ``.hds`` images, alone or as the ``DiskDescriptor.xml`` beside them says.

An ``.hds`` does not say whether it is a disk or what changed since a snapshot; the descriptor of its folder does, so it
is read where it lies beside the image, and the images below are read with it. Without it the image is read as a whole
disk, and that is told.

Source: qemu ``docs/interop/parallels.txt``; for the descriptor, Parallels ``DiskDescriptor.xml`` files.
"""

from __future__ import annotations

import struct
from pathlib import Path

from triage.errors import CorruptStructureError, EvidenceError, UnsupportedFormatError
from triage.evidence.containers.beside import Beside, Nowhere, base_name
from triage.evidence.containers.entry_table import EntryTable
from triage.evidence.containers.ewf_headers import printable
from triage.evidence.containers.mapped_container import DiskContainer, mapped, open_any, open_by_path
from triage.evidence.containers.mapped_stream import Kind, Piece, damaged, inherited
from triage.evidence.containers.parallels_descriptor import Snapshots, parse_disk_descriptor
from triage.evidence.interface import Container
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream

STAGE = "evidence/parallels"
OLD = b"WithoutFreeSpace"
EXTENDED = b"WithouFreSpacExt"
DESCRIPTOR = "DiskDescriptor.xml"
_IN_USE = 0x746F6E59
_HEADER = 64


class ParallelsMap:
    """The blocks of an expanding image; see :class:`~triage.evidence.containers.mapped_stream.BlockMap`.

    Args:
        stream: The file.
        parent: The media of the image below.

    Raises:
        UnsupportedFormatError: Another version.
        CorruptStructureError: The header does not hold.
    """

    def __init__(self, stream: Stream, parent: Stream | None) -> None:
        head = stream.read_at(0, _HEADER)
        if len(head) < _HEADER:
            raise CorruptStructureError("damaged Parallels image: the header is cut short")
        version, _, _, block, entries, sectors, in_use = struct.unpack_from("<5IQI", head, 16)
        if version != 2:
            raise UnsupportedFormatError(f"Parallels image version {version}, which is not read")
        old = head[:16] == OLD
        self.size = (sectors & 0xFFFFFFFF if old else sectors) * 512
        self.parent = parent
        self.is_open = in_use == _IN_USE
        self._block = block * 512
        self._unit = 512 if old else self._block
        self._entries = entries
        self._stream = stream
        self._table = EntryTable(stream, "<I")
        if not 512 <= self._block <= 1 << 30 or entries * self._block < self.size:
            raise CorruptStructureError(
                f"damaged Parallels image: {entries} blocks of {self._block} bytes for media of {self.size}",
                hint="compare with another copy of the image",
            )

    def piece(self, offset: int) -> Piece:
        """What lies at an offset."""
        number, inside = divmod(offset, self._block)
        left = self._block - inside
        entry = self._table.get(_HEADER, number)
        if entry < 0:
            return damaged(left, "the block table lies behind the end of the file")
        if not entry:
            return inherited(left)
        return Piece(Kind.STORED, left, self._stream, entry * self._unit + inside)

    def unpack(self, key: int) -> bytes:
        """Never asked for: nothing is compressed."""
        raise ValueError(f"no compressed block {key}")


def is_image(head: bytes, stream: Stream) -> bool:
    """True for the signature of an expanding image."""
    del stream
    return head.startswith((OLD, EXTENDED))


def detect(head: bytes, paths: tuple[Path, ...]) -> bool:
    """True for the signature of an expanding image."""
    return len(paths) == 1 and head.startswith((OLD, EXTENDED))


def open_container(paths: tuple[Path, ...], evidence_name: str) -> DiskContainer:
    """A Parallels image with the images below it.

    Raises:
        SourceNotFoundError: A file cannot be read.
        UnsupportedFormatError: Another version, a disk in several parts, or an image below is not beside this one.
        CorruptStructureError: A structure does not hold, or the chain loops.
    """
    own = base_name(str(paths[0]))

    def opener(stream: Stream, name: str, beside: Beside) -> DiskContainer:
        return open_stream(stream, name, beside, own)

    return open_by_path(paths, evidence_name, opener)


def open_stream(stream: Stream, name: str, beside: Beside | None = None, own_name: str = "") -> DiskContainer:
    """A Parallels image in a stream.

    Args:
        stream: The image; stays the caller's to close.
        name: Name of the evidence, for Problems.
        beside: Where its descriptor and the images below are looked for.
        own_name: Base name of the image, by which the descriptor knows it.

    Raises:
        EvidenceError: See :func:`open_container`.
    """
    beside = beside or Nowhere()
    snapshots = _descriptor(beside)
    problems = []
    below: tuple[str, ...] = ()
    if snapshots is None or not snapshots.knows(own_name):
        message = f"no {DESCRIPTOR} beside it names this image: read as a whole disk, though it may be a snapshot"
        hint = f"put the image and its {DESCRIPTOR} into one folder"
        problems.append(Problem(name, STAGE, Reason.UNSUPPORTED, message, hint, examined_anyway=True))
    else:
        below = snapshots.below(own_name)
    container = _open_chain(below, name, beside)
    parents: tuple[Container, ...] = (container,) if container is not None else ()
    block_map = ParallelsMap(stream, container.media if container is not None else None)
    if block_map.is_open:
        message = "it was not closed properly, so its block table may be stale"
        problems.append(Problem(name, STAGE, Reason.MISMATCH, message, "", examined_anyway=True))
    details = {"below": "; ".join(printable(one) for one in below)}
    return mapped("parallels", block_map, name, details, tuple(problems), parents)


def _descriptor(beside: Beside) -> Snapshots | None:
    """The descriptor of the folder, None where there is none that can be read."""
    try:
        stream = beside.find(DESCRIPTOR, "descriptor").stream
    except EvidenceError:
        return None
    return parse_disk_descriptor(stream)


def _open_chain(below: tuple[str, ...], name: str, beside: Beside) -> Container | None:
    """The images below, from the oldest up; None where there are none."""
    parent: Container | None = None
    for file_name in reversed(below):
        found = beside.find(file_name, "image below")
        if not is_image(found.stream.read_at(0, 16), found.stream):
            if parent is not None:
                raise CorruptStructureError(f"an image in the middle of the chain is none: {found.name}")
            parent = open_any(found, name, raw=True)
            continue
        block_map = ParallelsMap(found.stream, parent.media if parent is not None else None)
        parent = mapped("parallels", block_map, name, {}, (), (parent,) if parent is not None else ())
    return parent
