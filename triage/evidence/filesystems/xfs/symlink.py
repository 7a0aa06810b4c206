"""Targets of symbolic links: in the inode, or in blocks of their own.

Source: "XFS Algorithms & Data Structures", chapter "Symbolic Links" (local, extent, with the header of version 5).
"""

from __future__ import annotations

from triage.errors import CorruptStructureError
from triage.evidence.filesystems.xfs import inode
from triage.evidence.filesystems.xfs.blocks import Blocks
from triage.evidence.filesystems.xfs.extents import ExtentReader, fork_stream
from triage.evidence.filesystems.xfs.inode import Inode
from triage.model.byte_run import ByteRun
from triage.model.stream import MemoryStream, Stream

MAX_TARGET = 64 << 10
"""Bytes of a target; the kernel makes none over 1024."""
_MAGIC = b"XSLM"
_HEADER = 56


def link_target(blocks: Blocks, extents: ExtentReader, found: Inode) -> Stream | tuple[ByteRun, ...]:
    """The target of a symbolic link.

    Raises:
        CorruptStructureError: It does not hold.
        ReadFailedError: It cannot be read.
    """
    if found.format == inode.LOCAL:
        return MemoryStream(found.fork[: found.size])
    if found.size > MAX_TARGET:
        raise CorruptStructureError(f"the target of a symbolic link is too long: {found.size} bytes")
    where = extents.fork(found.format, found.fork, found.extents, found.number)
    if not blocks.geometry.has_checksums:
        return fork_stream(blocks, where, found.size)
    parts: list[bytes] = []
    left = found.size
    for run in where.runs:  # one header for each extent, not for each block
        length = min(run.length, left + _HEADER)
        data = blocks.read_at(run.fs_offset, length, f"the target of a symbolic link, inode {found.number}")
        if data[:4] != _MAGIC and not parts:  # mkfs of some years wrote long targets without a header
            return fork_stream(blocks, where, found.size)
        stored = int.from_bytes(data[8:12], "big")
        if data[:4] != _MAGIC or stored > length - _HEADER:
            raise CorruptStructureError(f"the target of a symbolic link does not hold: inode {found.number}")
        parts.append(data[_HEADER : _HEADER + stored])
        left -= stored
        if left <= 0:
            break
    return MemoryStream(b"".join(parts)[: found.size])
